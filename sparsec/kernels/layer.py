# SPDX-License-Identifier: Apache-2.0
"""A layer as its kernels see it: an operation of `qnn`, its shape, and its constants as plain arrays.

The rule: a linear layer is a convolution of 1x1 over its rows, said here once. Images are (height, width, channels)
without the batch, weights int8 [outputs, kernel height, kernel width, inputs], with one input for a depthwise layer.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from math import prod
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation

from sparsec.formats import SparseFormat
from sparsec.formats.base import Components
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import format_of
from sparsec.kernels.workload import LayerKind, Workload
from sparsec.layouts.linear_rows import RowNumbers
from sparsec.quantization.int8 import accumulator_bound, fold_input_zero_point
from sparsec.quantization.params import Requant
from sparsec.quantization.requantize import MIN_SHIFT
from sparsec.quantization.window import Window

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
"""What a kernel reads from flash, by name, in the order of its C arguments."""

Size: TypeAlias = tuple[int, int, int]
Operand: TypeAlias = Literal["weights", "bias", "multiplier", "shift"]
OPERANDS: tuple[Operand, ...] = get_args(Operand)
"""The operands of a layer with weights that are constants."""

INT32_LIMIT = 2**31


@dataclass(frozen=True, eq=False)
class LayerArrays:
    """The constants of a layer: bias, multiplier and shift are int32 [outputs], whatever the operation keeps."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Layer:
    """An operation of `qnn`. What asks for weights is for operations that have some."""

    op: Operation
    tried: dict[SparseFormat | None, Any] = field(
        default_factory=dict[SparseFormat | None, Any], repr=False
    )
    """What was found of the ways to read a format."""

    @property
    def kind(self) -> str:
        """The operation without the name of its dialect, like `conv2d`."""
        return self.op.name.removeprefix("qnn.")

    @property
    def has_weights(self) -> bool:
        """Whether the operation has weights."""
        return isinstance(self.op, qnn.WeightedOp)

    @property
    def weighted(self) -> qnn.WeightedOp:
        """The operation, which has weights."""
        assert isinstance(self.op, qnn.WeightedOp)
        return self.op

    @property
    def format(self) -> SparseFormat | None:
        """How the weights are stored, None for dense ones and where there are none."""
        return format_of(self.op.weights.type) if isinstance(self.op, qnn.WeightedOp) else None

    @property
    def requant(self) -> Requant:
        """How accumulators become int8."""
        return self.weighted.requant.data

    @cached_property
    def window(self) -> Window:
        """How the weights slide."""
        return self.op.window.data if isinstance(self.op, qnn.ConvolutionOp) else Window()

    @cached_property
    def kernel_size(self) -> tuple[int, int]:
        """(height, width) of the weights."""
        if isinstance(self.op, qnn.LinearOp):
            return 1, 1
        _, height, width, _ = shape_of(self.weighted.weights.type)
        return height, width

    @cached_property
    def input_size(self) -> Size:
        """The image that is read."""
        return self._image(shape_of(self.op.operands[0].type))

    @cached_property
    def output_size(self) -> Size:
        """The image that is written."""
        return self._image(shape_of(self.op.results[0].type))

    def _image(self, shape: tuple[int, ...]) -> Size:
        if isinstance(self.op, qnn.LinearOp):
            return prod(shape[:-1]), 1, shape[-1]
        _, height, width, channels = shape
        return height, width, channels

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`input_size` as NHWC."""
        return (1, *self.input_size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """`output_size` as NHWC."""
        return (1, *self.output_size)

    @property
    def weights_shape(self) -> tuple[int, ...]:
        """OHWI; 1HWO of a depthwise layer."""
        shape = shape_of(self.weighted.weights.type)
        return (shape[0], 1, 1, shape[1]) if len(shape) == 2 else shape

    @property
    def pixels(self) -> int:
        """Pixels of the output; rows of a linear layer."""
        return prod(self.output_size[:2])

    @property
    def is_row(self) -> bool:
        """Whether it is a linear layer of one row."""
        return self.kind == "linear" and self.pixels == 1

    @property
    def is_full(self) -> bool:
        """Whether it is a convolution, or one of 1x1 over rows, in which each output reads all inputs."""
        return self.kind in ("conv2d", "linear")

    @cached_property
    def workload(self) -> Workload:
        """The shape as costs see it."""
        if not self.has_weights:
            size = prod(shape_of(self.op.results[0].type))
            return Workload("elementwise", (size, 1, 1), (1, 1), (1, 1), (size, 1, 1))
        kinds: dict[str, LayerKind] = {"depthwise_conv2d": "depthwise"}
        kind = "fully-connected" if self.is_row else kinds.get(self.kind, "convolution")
        return Workload(
            kind, self.input_size, self.kernel_size, self.window.strides, self.output_size
        )

    @cached_property
    def arrays(self) -> LayerArrays | None:
        """The constants; None if one of them is computed."""
        found = [constant_array(value) for value in self.weighted.operands[1:]]
        if any(array is None for array in found):
            return None
        weights, bias, multiplier, shift = (np.asarray(array) for array in found)
        if self.kind == "depthwise_conv2d":
            weights = weights.transpose(3, 1, 2, 0)
        weights = weights.reshape(len(weights), *self.kernel_size, -1)
        numbers = (np.broadcast_to(array, bias.shape) for array in (multiplier, shift))
        return LayerArrays(weights, bias, *numbers)

    @property
    def constants(self) -> LayerArrays:
        """`arrays`. ValueError if one of them is computed."""
        if self.arrays is None:
            values = zip(OPERANDS, self.weighted.operands[1:], strict=True)
            what = next(name for name, value in values if constant_array(value) is None)
            raise ValueError(f"{what} must be constant")
        return self.arrays

    def shifted_by(self, least: int) -> int:
        """Outputs whose sums are shifted to the left by `least` bits and more. ValueError if a shift is computed."""
        return int(np.count_nonzero(self.constants.shift >= least))

    @cached_property
    def flaw(self) -> str | None:
        """Why no kernel can compute it: a constant that is computed, or an input for which an accumulator leaves int32,
        the left shift of its requantization included."""
        if not isinstance(self.op, qnn.WeightedOp):
            return None
        try:
            found = self.constants
        except ValueError as error:
            return str(error)
        if found.shift.min() < MIN_SHIFT:
            return f"a shift of {found.shift.min()} is below {MIN_SHIFT}, which C does not define"
        bound = accumulator_bound(found.weights, found.bias, self.requant.input_zp)
        if (bound << np.maximum(found.shift, 0).astype(np.int64)).max() >= INT32_LIMIT:
            return (
                "an accumulator can leave 32 bits: calibrate with larger ranges or reduce the "
                "weights"
            )
        return None

    @property
    def operands(self) -> dict[str, Array]:
        """The constants as the operation has them, with one multiplier and shift for each output. ValueError if one is
        computed."""
        found = self.constants
        weights = constant_array(self.weighted.weights)
        assert weights is not None
        numbers = {"bias": found.bias, "multiplier": found.multiplier, "shift": found.shift}
        return {"weights": weights, **numbers}

    @property
    def folded(self) -> dict[str, Array]:
        """`numbers` by the names of the operands whose place they take. ValueError likewise."""
        return dict(vars(self.numbers))

    @cached_property
    def matrix(self) -> NDArray[np.int8]:
        """int8 [rows, columns]: the weights as formats see them. ValueError if they are computed."""
        weights = self.constants.weights
        return np.ascontiguousarray(weights.reshape(len(weights), -1))

    @cached_property
    def numbers(self) -> RowNumbers:
        """Bias, with the input zero point folded in for kernels that multiply raw inputs, multiplier and shift.

        ValueError if int32 is too small for it.
        """
        found = self.constants
        bias = fold_input_zero_point(self.matrix, found.bias, self.requant.input_zp)
        return RowNumbers(bias, found.multiplier, found.shift)

    def components(self, encoding: SparseFormat) -> Components:
        """The weights as `encoding` stores them, unpacked and compared. ValueError where it cannot hold them."""
        return dict(self.laid_out(encoding, lambda: _proven(encoding, self.matrix)))

    def laid_out(self, what: object, lay_out: Callable[[], Arrays]) -> Arrays:
        """What `lay_out` gives for the constants of this layer, laid out once for all that have the same constants.

        `what` tells it from other layouts: its `repr`. A ValueError is raised again for each who asks.
        """
        key = self._digest, repr(what)
        if key not in _laid_out:
            try:
                found: Arrays | ValueError = lay_out()
            except ValueError as error:
                found = error
            _laid_out[key] = found
            while len(_laid_out) > MOST_LAID_OUT:
                _laid_out.popitem(last=False)
        _laid_out.move_to_end(key)
        found = _laid_out[key]
        if isinstance(found, ValueError):
            raise found
        for array in found.values():
            array.setflags(write=False)
        return found

    @cached_property
    def _digest(self) -> bytes:
        """What the layouts of the constants depend on."""
        found = sha256(f"{self.kind} {self.requant} {self.window} {self.output_size} ".encode())
        for array in vars(self.constants).values():
            found.update(f"{array.shape} ".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.digest()


MOST_LAID_OUT = 4096
"""Layouts that are kept; those asked for last."""

_laid_out: OrderedDict[tuple[bytes, str], Arrays | ValueError] = OrderedDict()


def _proven(encoding: SparseFormat, matrix: NDArray[np.int8]) -> Components:
    components = encoding.pack(matrix)
    if not np.array_equal(encoding.unpack(components, matrix.shape), matrix):
        raise AssertionError(f"{encoding.label} does not hold the value it was given")
    return components
