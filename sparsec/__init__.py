# SPDX-License-Identifier: Apache-2.0
"""sparsec: a compiler from sparse PyTorch models to C for Arm Cortex-M.

This file imports nothing: each tool pays only for what it uses.
"""

__version__ = "0.1.0"
