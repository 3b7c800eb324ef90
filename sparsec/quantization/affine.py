# SPDX-License-Identifier: Apache-2.0
"""Real numbers and int8 as TensorFlow Lite Micro's QUANTIZE and DEQUANTIZE convert them.

The rule: all arithmetic is in float32, and halves go away from zero (`AffineQuantize`, `Dequantize`
of its reference kernels). `ranges.quantize` is the other rule, that of PyTorch: halves go to even.
"""

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Int8Array

BYTES: Int8Array = np.arange(-128, 128).astype(np.int8)
"""All int8 values in their order, the arguments of a table."""


def affine_quantize(
    x: npt.ArrayLike, scale: float, zero_point: int, lo: int = -128, hi: int = 127
) -> Int8Array:
    """int8 of any shape: `round(x / scale) + zero_point`, clamped to [lo, hi].

    Saturates where the quotient is beyond int32 or infinite, which C leaves undefined. Raises
    ValueError for NaN.
    """
    values = np.asarray(x, np.float32)
    if np.isnan(values).any():
        raise ValueError("NaN has no int8 value")
    with np.errstate(over="ignore"):
        quotient = (values / np.float32(scale)).astype(np.float64)
    # Exact in float64, where the sum below would round in float32.
    rounded = np.copysign(np.floor(np.abs(quotient) + 0.5), quotient)
    return np.clip(rounded + zero_point, lo, hi).astype(np.int8)


def affine_dequantize(
    x: Int8Array, scale: float, zero_point: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """float32 of the same shape: `scale * (x - zero_point)`."""
    with np.errstate(over="ignore"):
        return (np.asarray(x, np.float32) - np.float32(zero_point)) * np.float32(scale)
