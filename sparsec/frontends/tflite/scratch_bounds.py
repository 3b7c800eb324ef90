# SPDX-License-Identifier: Apache-2.0
"""How much scratch memory TensorFlow Lite Micro's kernels ask for at most, the reference ones and those on CMSIS-NN.

The one rule: a bound holds for every processor and every release of CMSIS-NN that we know, because a file does not say
what it will run on; where no bound is known there is none. Source: tflite-micro, `RequestScratchBufferInArena` in
tensorflow/lite/micro/kernels and kernels/cmsis_nn, August 2026.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import get_args

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.arguments import padding
from sparsec.frontends.tflite.model import ABSENT, Model, Operator, Tensor
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import Release
from sparsec.targets.cpu import VectorUnit

ALIGNMENT = 16
"""To which TensorFlow Lite Micro rounds every size up, in bytes."""

WITHOUT = frozenset(
    """ABS ADD ARG_MAX ARG_MIN BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CAST CEIL CONCATENATION COS CUMSUM
    DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GREATER
    GREATER_EQUAL HARD_SWISH L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT
    LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MINIMUM MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE RELU
    RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB TANH
    TRANSPOSE UNPACK ZEROS_LIKE""".split()
)
"""Operators whose kernels ask for none."""

_NUMBER = 4
_POINTER = 8


def scratch_bound(model: Model, operator: Operator) -> int | None:
    """The most bytes of scratch memory that the kernel of an operator asks for; None where that is not known."""
    if operator.name in WITHOUT:
        return 0
    tensors = [model.tensors[i] for i in operator.inputs if i != ABSENT]
    outputs = [model.tensors[i] for i in operator.outputs]
    bound = _BOUNDS.get(operator.name)
    if bound is None or not tensors or not outputs:
        return None
    try:
        return bound(operator, tensors, outputs[0])
    except (IndexError, UnsupportedError, ValueError):  # an operator that no kernel takes
        return None


def _rounded(*sizes: int) -> int:
    return sum(-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)


def _of_kind(tensors: list[Tensor], dtype: str) -> bool:
    """Whether data and weights, the first two inputs, are of a type."""
    return all(tensor.dtype == dtype for tensor in tensors[:2])


def _window(op: Operator, data: Tensor, kernel: tuple[int, int]) -> Window:
    strides = op.number("StrideH"), op.number("StrideW")
    dilations = op.number("DilationHFactor"), op.number("DilationWFactor")
    _, height, width, _ = data.shape
    return Window(strides, padding(op, (height, width), kernel, strides, dilations), dilations)


def _convolution(op: Operator, inputs: list[Tensor], output: Tensor) -> int | None:
    return _on_cmsis_nn(scratch.convolve, op, inputs)


def _depthwise(op: Operator, inputs: list[Tensor], output: Tensor) -> int | None:
    return _on_cmsis_nn(scratch.depthwise_convolve, op, inputs)


def _on_cmsis_nn(size: Callable[..., int], op: Operator, inputs: list[Tensor]) -> int | None:
    """The most over all processors and releases; the reference kernels ask for none."""
    if _of_kind(inputs, "FLOAT32"):
        return 0
    if not _of_kind(inputs, "INT8"):
        return None
    data, weights = inputs[0].shape, inputs[1].shape
    _, height, width, _ = weights
    window = _window(op, inputs[0], (height, width))
    targets = product(get_args(VectorUnit), get_args(Release))
    return _rounded(max(size(unit, window, data, weights, of) for unit, of in targets))


def _fully_connected(op: Operator, inputs: list[Tensor], output: Tensor) -> int | None:
    """A sum for each output on Helium, or, over several axes, a multiplier and a shift for each, as of a convolution."""
    if _of_kind(inputs, "FLOAT32"):
        return 0
    if not _of_kind(inputs, "INT8"):
        return None
    *axes, channels = output.shape
    return _rounded((2 if len(axes) > 1 else 1) * _NUMBER * channels)


def _average_pool(op: Operator, inputs: list[Tensor], output: Tensor) -> int | None:
    if inputs[0].dtype == "FLOAT32":
        return 0
    if inputs[0].dtype != "INT8":
        return None
    return _rounded(max(scratch.avg_pool(unit, inputs[0].shape) for unit in get_args(VectorUnit)))


def _reduction(op: Operator, inputs: list[Tensor], output: Tensor) -> int:
    """Sums, where it stands along each axis, and which axes are gone."""
    data, axes = inputs
    return _rounded(*(_NUMBER * n for n in (output.elements, len(data.shape), axes.elements)))


def _mirror_pad(op: Operator, inputs: list[Tensor], output: Tensor) -> int:
    return 2 * _rounded(_NUMBER * len(inputs[0].shape))


def _add_n(op: Operator, inputs: list[Tensor], output: Tensor) -> int:
    return _rounded(_POINTER * len(inputs))


_BOUNDS: Mapping[str, Callable[[Operator, list[Tensor], Tensor], int | None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _average_pool,
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), _reduction),
    "MIRROR_PAD": _mirror_pad,
    "ADD_N": _add_n,
}
