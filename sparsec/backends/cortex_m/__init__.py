# SPDX-License-Identifier: Apache-2.0
"""Cortex-M: CMSIS-NN and the sparsec runtime, as C. Choosing kernels comes first, printing decides nothing."""
