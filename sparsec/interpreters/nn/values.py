# SPDX-License-Identifier: Apache-2.0
"""Arrays of the interpreters of `nn`: computed in float64, then rounded to float32."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sparsec.ir.quantization import BoundsAttr
from sparsec.quantization.window import Window

Array: TypeAlias = np.ndarray[Any, Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = tuple[Any, ...]


def float64(array: Array) -> Floats:
    return array.astype(np.float64)


def finish(array: Array, bounds: BoundsAttr | None = None) -> Values:
    """The one result of an operation, clamped to `bounds` and rounded to float32."""
    if bounds is not None:
        array = np.clip(array, bounds.data.min, bounds.data.max)
    return (array.astype(np.float32),)


def sliding(x: Floats, window: Window, kernel: tuple[int, int], fill: float) -> Floats:
    """A view [N, OH, OW, kh, kw, C] of what `window` sees of x [N, H, W, C]; padding is `fill`."""
    top, left, bottom, right = window.padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (kh, kw), (dh, dw), (sh, sw) = kernel, window.dilations, window.strides
    spans = ((kh - 1) * dh + 1, (kw - 1) * dw + 1)
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
    return view[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)
