# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's words for sparsity, for modules of torch."""

from sparsec.compat.paddleslim.pruners import (
    GMPUnstructuredPruner,
    UnstructuredPruner,
    UnstructurePruner,
)

__all__ = ["GMPUnstructuredPruner", "UnstructurePruner", "UnstructuredPruner"]
