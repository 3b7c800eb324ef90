# SPDX-License-Identifier: Apache-2.0
"""An elementwise function of int8 as a table of its 256 values.

The rule: the table is made once, by the compiler; whoever runs it only looks up.
"""

from collections.abc import Callable

import numpy as np

from sparsec.quantization.arrays import Float64Array, Int8Array
from sparsec.quantization.ranges import dequantize, quantize


def lookup_table(
    f: Callable[[Float64Array], Float64Array],
    in_scale: float,
    in_zp: int,
    out_scale: float,
    out_zp: int,
) -> Int8Array:
    """int8[256]: entry `q + 128` is the quantized `f` of the real that q stands for, half to even.

    Where `f` has no value (NaN), as a logarithm below 0, that of the nearest number with one, below it if two are as
    near. Raises ValueError if there is none.
    """
    values = f(dequantize(np.arange(-128, 128), in_scale, in_zp))
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        raise ValueError("its function has no value for any input in its range")
    distance = np.abs(np.arange(256)[:, np.newaxis] - known)
    return quantize(values[known[distance.argmin(axis=1)]], out_scale, out_zp)


def lookup(x: Int8Array, table: Int8Array) -> Int8Array:
    """`table[x + 128]` elementwise; x of any shape, table int8[256]."""
    return table[x.astype(np.int64) + 128]
