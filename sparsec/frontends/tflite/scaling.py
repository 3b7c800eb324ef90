# SPDX-License-Identifier: Apache-2.0
"""Multipliers and clamps, computed as TensorFlow Lite's `kernel_util.cc` computes them.

The rule: a product or quotient is taken in float32 where TensorFlow Lite takes it in `float`, and in
float64 where it takes it in `double`; one bit more or less of a multiplier is another byte.
"""

import math

import numpy as np

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.model import Array, Tensor
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Quantization

_ACTIVATIONS: dict[int, tuple[str, float | None, float | None]] = {
    0: ("NONE", None, None),
    1: ("RELU", 0.0, None),
    2: ("RELU_N1_TO_1", -1.0, 1.0),
    3: ("RELU6", 0.0, 6.0),
}
"""Name, lowest and highest real value of the schema's `ActivationFunctionType`."""


def float32_quotient(a: float, b: float) -> float:
    """`a / b` of two float32 numbers, rounded to float32; infinity where that overflows."""
    with np.errstate(all="ignore"):
        return float(np.float32(a) / np.float32(b))


def float32_product(a: float, b: float) -> float:
    """`a * b` of two float32 numbers, rounded to float32; infinity where that overflows."""
    with np.errstate(all="ignore"):
        return float(np.float32(a) * np.float32(b))


def round_half_away(value: float) -> int:
    """C's `round`. Raises UnsupportedError for what no int32 holds."""
    if not abs(value) < 2**31:
        raise UnsupportedError(f"the quantized value {value} of a bound does not fit int32")
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def activation_range(activation: int, output: Quantization) -> tuple[int, int]:
    """The clamp of a fused activation (`CalculateActivationRangeQuantized`).

    Raises UnsupportedError for an activation that is not a clamp.
    """
    if activation not in _ACTIVATIONS:
        raise UnsupportedError(
            f"its fused activation number {activation} is not supported: "
            "use RELU, RELU6, RELU_N1_TO_1 or none"
        )
    _, low, high = _ACTIVATIONS[activation]

    def quantized(real: float) -> int:
        return output.zero_point + round_half_away(float32_quotient(real, output.scale))

    return (
        -128 if low is None else max(-128, quantized(low)),
        127 if high is None else min(127, quantized(high)),
    )


def channel_multipliers(
    input: Quantization, filter_scales: Array, output: Quantization
) -> tuple[Array, Array]:
    """int32 multipliers and shifts, one for each scale (`PopulateConvolutionQuantizationParams`).

    Also for the single scale of a fully connected layer: `GetQuantizedConvolutionMultipler` of
    TensorFlow Lite Micro multiplies the two scales in `double`, where it once did in `float`.
    """
    pairs = [
        quantize_multiplier(input.scale * float(scale) / output.scale) for scale in filter_scales
    ]
    multipliers, shifts = zip(*pairs, strict=True)
    return np.array(multipliers, np.int32), np.array(shifts, np.int32)


def weight_scales(weights: Tensor, channels: int, axis: int) -> Array:
    """float32 [channels]: the scale of each output channel, which lies along `axis` of the weights."""
    if np.any(weights.zero_points):
        raise UnsupportedError(f"weights {weights.title} are not symmetric: a zero point is not 0")
    if weights.scales.size == 1:
        return np.repeat(weights.scales, channels)
    if weights.scales.size != channels or weights.quantized_dimension != axis:
        raise UnsupportedError(
            f"weights {weights.title} have {weights.scales.size} scales along axis "
            f"{weights.quantized_dimension}, expected 1 or {channels} along axis {axis}"
        )
    return weights.scales
