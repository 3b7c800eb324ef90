# SPDX-License-Identifier: Apache-2.0
"""The storage formats of sparse weights: `FORMATS` is the one list of them.

Numpy only: no format knows the IR, a pass or a target.
"""

from sparsec.formats.base import SparseFormat
from sparsec.formats.bitmap import Bitmap
from sparsec.formats.block import Block
from sparsec.formats.block_rle import BlockRle
from sparsec.formats.csr import Csr
from sparsec.formats.dcsr import Dcsr
from sparsec.formats.delta4 import Delta4
from sparsec.formats.delta8 import Delta8
from sparsec.formats.nm import Nm

FORMATS: dict[str, type[SparseFormat]] = {
    format_class.name: format_class
    for format_class in (Delta8, Delta4, Bitmap, Csr, Nm, Block, Dcsr, BlockRle)
}

COMMON_FORMATS: tuple[SparseFormat, ...] = (
    *(Delta8(), Delta4(), Bitmap(), Csr(), Dcsr()),
    *(BlockRle(1), BlockRle(2), BlockRle(4)),
    *(Nm(2, 4), Nm(1, 4), Nm(1, 8), Nm(1, 16)),
    *(Block(1, 4), Block(4, 1), Block(4, 1, 16), Block(1, 16), Block(16, 1), Block(64, 32)),
)
"""Every format with the parameters in use, for those who compare bytes."""

__all__ = [
    "COMMON_FORMATS",
    "FORMATS",
    "Bitmap",
    "Block",
    "BlockRle",
    "Csr",
    "Dcsr",
    "Delta4",
    "Delta8",
    "Nm",
    "SparseFormat",
]
