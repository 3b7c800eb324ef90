# SPDX-License-Identifier: Apache-2.0
"""What int8 arithmetic means: scales, multipliers, rounding and the int8 operators, in numpy only.

This floor is the oracle of the project: its bytes are those of CMSIS-NN with its default (double) rounding.
"""
