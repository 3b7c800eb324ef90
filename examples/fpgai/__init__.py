# SPDX-License-Identifier: Apache-2.0
"""The networks of FPGAI, trained with int8 simulated, and the same numbers in torch, the interpreter and C."""
