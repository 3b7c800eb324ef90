"""The storage formats of sparse weights: `FORMATS` is the one list of them.

Numpy only: no format knows the IR, a pass or a target.
"""

from sparsec.formats.base import SparseFormat
from sparsec.formats.delta8 import Delta8

FORMATS: dict[str, type[SparseFormat]] = {
    format_class.name: format_class for format_class in (Delta8,)
}

__all__ = ["FORMATS", "Delta8", "SparseFormat"]
