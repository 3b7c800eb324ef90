# SPDX-License-Identifier: Apache-2.0
"""Layers side by side in one network at `qnn`, with random constants: what benchmarks of single layers compile."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType, i8
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import PassPipeline

from sparsec.calibration.image import Measured, measure_module
from sparsec.ir import qnn
from sparsec.ir.attributes import NAME, QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.params import Requant
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Window
from sparsec.tools.registry import available_passes, context

SEED = 11


@dataclass(frozen=True)
class Layer:
    """A square-kernel layer with SAME padding; one of a `depthwise` has as many inputs as outputs."""

    image: tuple[int, int, int]
    outputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    left: int = 0
    """One of so many outputs is shifted to the left, none if 0."""

    @property
    def is_linear(self) -> bool:
        """Whether it is a fully connected layer of one row."""
        return self.image[:2] == (1, 1) and self.kernel == 1 and not self.depthwise

    @property
    def input_shape(self) -> list[int]:
        """Of the tensor that it reads."""
        return [1, self.image[2]] if self.is_linear else [1, *self.image]


class Network:
    """Layers side by side, those of one shape with one input."""

    def __init__(self) -> None:
        self.block = Block()
        self.results: list[SSAValue] = []
        self.rng = np.random.default_rng(SEED)

    def constant(
        self, values: np.ndarray[tuple[int, ...], np.dtype[np.int8 | np.int32]]
    ) -> SSAValue:
        """A constant of the next layer."""
        op = qnn.ConstantOp(values)
        self.block.add_op(op)
        return op.result

    def input(self, layer: Layer) -> SSAValue:
        """One more input, which layers of the shape of `layer` can read."""
        type = TensorType(i8, layer.input_shape)
        return self.block.insert_arg(type, len(self.block.args))

    def add(
        self,
        name: str,
        layer: Layer,
        sparsity: int,
        input: SSAValue,
        run: int = 1,
        per_tensor: bool = False,
    ) -> qnn.WeightedOp:
        """One more layer, of whose weights `sparsity` percent are zero, in runs of `run` of a row; `per_tensor`: with one
        multiplier for all outputs."""
        channels = layer.image[2]
        shape = (layer.outputs, layer.kernel, layer.kernel, channels)
        if layer.depthwise:
            shape = (1, layer.kernel, layer.kernel, channels)
        weights = self.rng.integers(12, 128, shape) * self.rng.choice([-1, 1], shape)
        columns = weights.size // shape[0]
        drawn = self.rng.random((shape[0], -(-columns // run))).repeat(run, axis=1)[:, :columns]
        weights[drawn.reshape(shape) * 100 < sparsity] = 0
        taps = layer.kernel**2 * (1 if layer.depthwise else channels)
        # About the range of the results, so that few of them saturate.
        shift = -int(np.ceil(np.log2(np.sqrt(taps))) + 7)
        each = 1 if per_tensor else layer.outputs
        numbers = (
            self.constant(self.rng.integers(-500, 500, layer.outputs).astype(np.int32)),
            self.constant(self.rng.integers(2**30, 2**31, each).astype(np.int32)),
            self.constant(np.where(_left(layer), 1, shift)[:each].astype(np.int32)),
        )
        requant = Requant(input_zp=-3, output_zp=-2)
        kernel = self.constant(
            weights.astype(np.int8).reshape((layer.outputs, channels) if layer.is_linear else shape)
        )
        if layer.is_linear:
            op = qnn.LinearOp(input, kernel, *numbers, requant, TensorType(i8, [1, layer.outputs]))
        else:
            window = _same(layer)
            size = window.output_size(layer.image[:2], (layer.kernel, layer.kernel))
            make = qnn.DepthwiseConv2dOp if layer.depthwise else qnn.Conv2dOp
            type = TensorType(i8, [1, *size, layer.outputs])
            op = make(input, kernel, *numbers, requant, window, type)
        set_layer(op, name)
        self.block.add_op(op)
        self.results.append(op.results[0])
        return op

    def module(self) -> ModuleOp:
        """The finished network."""
        self.block.add_op(ReturnOp(*self.results))
        attribute = DictionaryAttr({QUANTIZATION: QuantizationAttr(Quantization((0.05,), 3))})
        inputs = [argument.type for argument in self.block.args]
        main = FuncOp(
            "main",
            (inputs, [result.type for result in self.results]),
            Region([self.block]),
            arg_attrs=ArrayAttr([attribute] * len(inputs)),
            res_attrs=ArrayAttr([attribute] * len(self.results)),
        )
        module = ModuleOp([main])
        module.attributes[NAME] = StringAttr("layers")
        return module


def _left(layer: Layer) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which outputs are shifted to the left."""
    return np.arange(layer.outputs) % max(1, layer.left) == (0 if layer.left else 1)


def _same(layer: Layer) -> Window:
    """SAME padding, one more at the bottom and right where it is odd."""
    height, width, _ = layer.image
    totals = [
        max(0, (-(-n // layer.stride) - 1) * layer.stride + layer.kernel - n)
        for n in (height, width)
    ]
    before = [total // 2 for total in totals]
    after = [total - half for total, half in zip(totals, before, strict=True)]
    return Window((layer.stride, layer.stride), (before[0], before[1], after[0], after[1]))


def measure(
    module: ModuleOp, core: str, passes: Sequence[str]
) -> tuple[dict[str, Measured], list[np.ndarray[tuple[int, ...], np.dtype[np.int8]]]]:
    """What each layer of a network takes on random inputs, by its name, and the outputs.

    `passes` make kernel calls of it. Raises RunError as `measure_module` does.
    """
    rng = np.random.default_rng(SEED)
    main = next(op for op in module.ops if isinstance(op, FuncOp))
    inputs = [
        rng.integers(-128, 128, shape_of(type)).astype(np.int8)
        for type in main.function_type.inputs
    ]
    pipeline = PassPipeline.parse_spec(available_passes(), ",".join(passes))
    pipeline.apply(context(), module)
    return measure_module(module, core, inputs)
