# SPDX-License-Identifier: Apache-2.0
"""The int8 transposed convolution, as an ordinary one over an image with zeros between its pixels.

Follows the same rules as `int8`; the bytes are those of TensorFlow Lite's reference kernel.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sparsec.quantization import int8
from sparsec.quantization.arrays import Int8Array, Int32Array

_Scalar = TypeVar("_Scalar", bound=np.generic)


def transpose_convolve(
    x: Int8Array,
    w: Int8Array,
    bias: Int32Array | None = None,
    *,
    size: tuple[int, int],
    input_zp: int,
    output_zp: int,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    strides: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """x [N, H, W, I], w [O, kh, kw, I], bias, multiplier and shift [O]; gives [N, *size, O].

    Pixel (y, x) adds to (y * stride - padding + row, x * stride - padding + column) of the result, where
    `padding` is (top, left). Raises ValueError if the channels differ.
    """
    return int8.convolve(
        spread(x, w.shape[1:3], size, strides, padding, input_zp),
        w[:, ::-1, ::-1],
        bias,
        input_zp=input_zp,
        output_zp=output_zp,
        multiplier=multiplier,
        shift=shift,
        clamp=clamp,
    )


def spread(
    x: npt.NDArray[_Scalar],
    kernel: tuple[int, int],
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int],
    fill: float,
) -> npt.NDArray[_Scalar]:
    """The image [N, .., I] over which the kernel, turned round, slides by one to give `size`: x with `fill` between
    its pixels and around them."""
    # What an element (row, column) of the kernel adds to a result comes from that many pixels before it.
    room = [n + p + k - 1 for n, p, k in zip(size, padding, kernel, strict=True)]
    reached = [
        min(n, -(-(r - k + 1) // s))
        for n, r, k, s in zip(x.shape[1:3], room, kernel, strides, strict=True)
    ]
    image = np.full((x.shape[0], *room, x.shape[3]), fill, x.dtype)
    rows, columns = (
        slice(k - 1, k - 1 + s * n, s) for k, s, n in zip(kernel, strides, reached, strict=True)
    )
    image[:, rows, columns] = x[:, : reached[0], : reached[1]]
    return image[:, padding[0] :, padding[1] :]
