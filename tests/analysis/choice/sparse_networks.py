# SPDX-License-Identifier: Apache-2.0
"""Small `qnn` networks: a row of independent layers with weights, each between an input and a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, i8
from xdsl.ir import Operation

from sparsec.backends.cortex_m.convert_qnn_to_kernels import ConvertQnnToKernelsPass
from sparsec.ir import qnn
from sparsec.ir.layer import set_layer
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.plan_memory import PlanMemoryPass
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


@dataclass(frozen=True)
class Spec:
    """A layer: `kernel` x `kernel` weights over `size` x `size` pixels; a linear layer has `size` rows.

    `keep` is the share of weights that are not zero. A convolution of one `row` has one row of weights over one of pixels.
    """

    kind: Literal["conv2d", "linear", "depthwise"]
    inputs: int
    outputs: int
    size: int = 4
    kernel: int = 1
    keep: float = 0.3
    per_channel: bool = True
    seed: int = 0
    row: bool = False

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of what is read and written."""
        return (1 if self.row else self.size), self.size

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the weights."""
        return (1 if self.row else self.kernel), self.kernel


def weights_of(spec: Spec) -> NDArray[np.int8]:
    """Random weights in the shape of the layer, some of them not zero, other ones for each seed up to 10,000."""
    random = np.random.default_rng(spec.seed)
    shapes = {
        "conv2d": (spec.outputs, *spec.window, spec.inputs),
        "linear": (spec.outputs, spec.inputs),
        "depthwise": (1, *spec.window, spec.inputs),
    }
    values = random.integers(-100, 100, shapes[spec.kind])
    weights = (values * (random.random(values.shape) < spec.keep)).astype(np.int8)
    if spec.keep > 0:
        weights.reshape(-1)[:2] = spec.seed % 100 + 1, spec.seed // 100 + 1
    return weights


def network(specs: Sequence[Spec], recipe: str | None = None) -> ModuleOp:
    """The module of layers called layer0, layer1 and so on, which share nothing that is of more than two numbers if
    their seeds differ."""
    main = func.FuncOp("main", ([input_type(spec) for spec in specs], []))
    block = main.body.block
    results: list[Operation] = []
    for number, spec in enumerate(specs):
        outputs = spec.inputs if spec.kind == "depthwise" else spec.outputs
        random = np.random.default_rng(spec.seed + 1)
        count = outputs if spec.per_channel or spec.kind != "linear" else 1
        arrays = [
            weights_of(spec),
            random.integers(-1000, 1000, outputs).astype(np.int32),
            random.integers(2**30, 2**31 - 1, count).astype(np.int32),
            np.array([-9 - spec.seed // 12**i % 12 for i in range(count)], np.int32),
        ]
        constants = [qnn.ConstantOp(array) for array in arrays]
        weights, bias, multiplier, shift = (constant.result for constant in constants)
        operands = block.args[number], weights, bias, multiplier, shift
        requant = Requant(input_zp=-3, output_zp=4)
        if spec.kind == "linear":
            shape = (spec.size, outputs) if spec.size > 1 else (1, outputs)
            op = qnn.LinearOp(*operands, requant, TensorType(i8, shape))
        else:
            top, left = (size // 2 for size in spec.window)
            bottom, right = (size - 1 - size // 2 for size in spec.window)
            window = Window(padding=(top, left, bottom, right))
            kind = qnn.Conv2dOp if spec.kind == "conv2d" else qnn.DepthwiseConv2dOp
            result = TensorType(i8, (1, *spec.image, outputs))
            op = kind(*operands, requant, window, result)
        set_layer(op, f"layer{number}")
        block.add_ops([*constants, op])
        results.append(op)
    block.add_op(func.ReturnOp(*(op.results[0] for op in results)))
    main.update_function_type()
    module = ModuleOp([main])
    if recipe is not None:
        module.attributes["sparsec.recipe"] = StringAttr(recipe)
    module.verify()
    return module


def input_type(spec: Spec) -> TensorType:
    """What a layer reads."""
    if spec.kind == "linear":
        return TensorType(i8, (spec.size, spec.inputs))
    return TensorType(i8, (1, *spec.image, spec.inputs))


def compiled(module: ModuleOp, target: str) -> ModuleOp:
    """`module`, whose formats are chosen, as planned kernels."""
    lowered = module.clone()
    for each in (
        ConvertQnnToKernelsPass(target),
        BufferizePass(),
        PlanMemoryPass(),
    ):
        each.apply(Context(), lowered)
    lowered.verify()
    return lowered
