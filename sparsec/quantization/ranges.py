# SPDX-License-Identifier: Apache-2.0
"""Real ranges and int8: observing them, turning them into scales and zero points, and quantizing with those.

The rule: `real = scale * (quantized - zero_point)`; activations are asymmetric on [-128, 127], weights symmetric on
[-127, 127]. Every scale is a float32 value (held in a wider type), so that C code and model files can state it exactly.
"""

import math

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Float64Array, Int8Array, Int32Array

_EPSILON = 2.0**-23
"""The smallest activation scale, as in torch's observers."""

_TINY = 2.0**-126
"""The smallest normal float32: weights whose scale is below it count as zero."""


def activation_qparams(lo: float, hi: float) -> tuple[float, int]:
    """The (scale, zero_point) that lays [lo, hi], widened to contain 0, onto [-128, 127]; 0 is always exact.

    An empty range at 0 gives (1.0, 0). Raises ValueError if lo > hi or a bound is not finite.
    """
    if not (math.isfinite(lo) and math.isfinite(hi)) or lo > hi:
        raise ValueError(f"not a range: [{lo}, {hi}]")
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if lo == hi:
        return 1.0, 0
    scale = float(np.float32(max((hi - lo) / 255, _EPSILON)))
    return scale, max(-128, min(127, round(-128 - lo / scale)))


def weight_scales(
    w: npt.ArrayLike, axis: int | None, *, minimum: npt.ArrayLike = 0.0
) -> Float64Array:
    """Symmetric scales: `max|w| / 127` per index of `axis` (shape [n]), or of the whole tensor (shape [1]) if None.

    No scale is below `minimum` (a scalar or one per channel, see `minimum_weight_scale`). An all-zero channel takes
    the largest scale of the others: any scale is right for its weights, and this one suits its bias.
    Raises ValueError if a weight is not finite.
    """
    magnitude = np.abs(np.asarray(w, np.float64))
    if not np.all(np.isfinite(magnitude)):
        raise ValueError("a weight is not finite")
    rows = magnitude[np.newaxis] if axis is None else np.moveaxis(magnitude, axis, 0)
    largest = rows.max(axis=tuple(range(1, rows.ndim)), initial=0.0)
    scales = _float32(np.maximum(largest / 127, minimum))
    zero = _float32(largest / 127) < _TINY
    largest_scale = scales[~zero].max(initial=0.0)
    if largest_scale >= _TINY:
        # Though its bias alone would do with less: rows whose shifts differ are slower.
        return np.where(zero, np.maximum(scales, largest_scale), scales)
    return np.where(scales >= _TINY, scales, 2.0**-7)


def minimum_weight_scale(bias: npt.ArrayLike, input_scale: float) -> Float64Array:
    """Per channel, the smallest weight scale with which `bias` stays below 2**30 as an int32.

    A folded batch norm can leave a channel with weights near 0 and a large bias: `max|w| / 127` alone would overflow it.
    """
    return np.abs(np.asarray(bias, np.float64)) / (input_scale * 2**30) * (1 + 2.0**-20)


def quantize(
    x: npt.ArrayLike,
    scale: npt.ArrayLike,
    zero_point: npt.ArrayLike,
    axis: int | None = None,
    lo: int = -128,
    hi: int = 127,
) -> Int8Array:
    """`clip(round(x / scale) + zero_point, lo, hi)` in float64, half rounded to even as torch does.

    With `axis`, `scale` and `zero_point` hold one entry per index of that axis. Raises ValueError if x has a NaN.
    """
    real = np.asarray(x, np.float64)
    if np.any(np.isnan(real)):
        raise ValueError("cannot quantize NaN")
    rounded = np.rint(real / _along(scale, axis, real.ndim)) + _along(zero_point, axis, real.ndim)
    return np.clip(rounded, lo, hi).astype(np.int8)


def dequantize(
    q: npt.ArrayLike, scale: npt.ArrayLike, zero_point: npt.ArrayLike, axis: int | None = None
) -> Float64Array:
    """`scale * (q - zero_point)` in float64; `axis` as in `quantize`."""
    values = np.asarray(q, np.float64)
    return (values - _along(zero_point, axis, values.ndim)) * _along(scale, axis, values.ndim)


def quantize_bias(b: npt.ArrayLike, scale: npt.ArrayLike) -> Int32Array:
    """`round(b / scale)` as int32, half to even; `scale` is input scale times weight scale, a scalar or one per channel.

    Raises ValueError, naming the first channel, when a bias does not fit int32.
    """
    rounded = np.rint(np.asarray(b, np.float64) / np.asarray(scale, np.float64))
    too_large = np.flatnonzero(~(np.abs(rounded) <= 2**31 - 1))
    if too_large.size:
        raise ValueError(
            f"the bias of channel {too_large[0]} does not fit int32: {rounded.flat[too_large[0]]:.0f}"
        )
    return rounded.astype(np.int32)


def _float32(values: Float64Array) -> Float64Array:
    return values.astype(np.float32).astype(np.float64)


def _along(values: npt.ArrayLike, axis: int | None, ndim: int) -> Float64Array:
    """`values` shaped to broadcast along `axis` of an array of `ndim` axes."""
    array = np.asarray(values, np.float64)
    if axis is None or array.ndim == 0:
        return array
    shape = [1] * ndim
    shape[axis] = -1
    return array.reshape(shape)
