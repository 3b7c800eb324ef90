# SPDX-License-Identifier: Apache-2.0
"""Every format times every shape of layer, by the kernel that the backend takes for it on each core: the bytes of CMSIS-NN's
dense kernels."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import Operation, SSAValue

from sparsec.formats import COMMON_FORMATS, Block, BlockRle, Delta8, Nm, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.kernel import KernelOp
from sparsec.ir.sparse import EncodingAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.targets.cpu import VectorUnit, cpu_named
from tests.end_to_end.building import Builder
from tests.end_to_end.road import (
    Array,
    Compiled,
    compile_side_by_side,
    differing_bytes,
    expect_exact,
    extreme_and_random,
    run,
)
from tests.formats.support import fitting

WIDE_ENTRIES = Block(4, 1, 16)
"""Made for fully connected layers of one row alone."""
FORMATS = (
    *(f for f in COMMON_FORMATS if f != WIDE_ENTRIES),
    Nm(3, 8),
    BlockRle(3),
    Block(2, 1),
    Block(3, 5),
)


PLAIN = Window()


@dataclass(frozen=True)
class Shape:
    """A layer; `multiplier` is that of a depthwise convolution, 0 for one that is none."""

    image: tuple[int, int, int]
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    window: Window = PLAIN
    multiplier: int = 0
    density: float = 0.4

    @property
    def weights(self) -> tuple[int, int, int, int]:
        if self.multiplier:
            return 1, *self.kernel, self.outputs
        return self.outputs, *self.kernel, self.image[2]

    @property
    def output(self) -> tuple[int, int, int, int]:
        return 1, *self.window.output_size(self.image[:2], self.kernel), self.outputs


CONVOLUTIONS = (
    Shape((1, 1, 20), 6),
    Shape((1, 17, 19), 5),
    Shape((5, 5, 8), 9, window=Window((2, 2))),
    Shape((6, 7, 5), 6, (3, 3), Window(padding=(1, 1, 1, 1))),
    Shape((8, 7, 4), 5, (3, 3), Window((2, 2), (0, 0, 1, 1))),
    Shape((7, 8, 3), 4, (3, 2), Window((2, 1), (2, 1, 2, 2), (2, 3))),
    Shape((1, 12, 6), 5, (1, 5), Window(padding=(0, 2, 0, 2))),
    Shape((11, 6, 1), 7, (10, 4), Window((2, 2), (4, 1, 5, 1))),
    Shape((2, 3, 300), 3, (2, 2), density=0.01),
)
LINEAR = (Shape((1, 1, 64), 8), Shape((1, 1, 601), 9, density=0.01), Shape((1, 5, 40), 7))
DEPTHWISE = (
    Shape((9, 11, 6), 6, (3, 3), Window(padding=(1, 1, 1, 1)), 1),
    Shape((9, 11, 6), 6, (3, 3), Window((2, 2), (0, 0, 1, 1)), 1),
    Shape((6, 5, 4), 8, (2, 3), Window((1, 2), (1, 2, 0, 2), (1, 2)), 2),
    Shape((7, 7, 3), 3, (5, 5), Window(padding=(2, 2, 2, 2)), 1, density=0.2),
)
LAYERS = [
    *((encoding, shape) for encoding in FORMATS for shape in (*CONVOLUTIONS, *LINEAR)),
    *((WIDE_ENTRIES, shape) for shape in LINEAR[:2]),
    *((Delta8(), shape) for shape in DEPTHWISE),
]


PARTS = 4
"""The layers in networks of some fifty: placing buffers of which all live at the end takes time with their number
squared."""


def weights_of(encoding: SparseFormat, shape: Shape) -> Array:
    """Those of no two layers are equal; the last row, or channel, is empty."""
    rng = np.random.default_rng(LAYERS.index((encoding, shape)))
    weights = rng.integers(-128, 128, shape.weights).astype(np.int8)
    weights[rng.random(shape.weights) >= shape.density] = 0
    if shape.multiplier:
        weights[..., -1] = 0
        return weights
    weights[-1] = 0
    return fitting(encoding, weights.reshape(shape.outputs, -1)).reshape(shape.weights)


def layer(
    net: Builder, x: SSAValue, encoding: SparseFormat, shape: Shape, *, sparse: bool
) -> Operation:
    """The layer with weights that are stored as `encoding`; if not `sparse` dense ones, and then linear layers are
    convolutions, as CMSIS-NN has no linear layer with a scale for each output."""
    rng = np.random.default_rng(shape.outputs)
    weights, attribute = weights_of(encoding, shape), EncodingAttr(encoding) if sparse else None
    is_linear = sparse and shape in LINEAR
    if is_linear:
        weights = weights.reshape(shape.outputs, -1)
    constant = qnn.ConstantOp(dense_attribute(weights, attribute), f"layer{net.layers}.weight")
    net.block.add_op(constant)
    operands = (
        constant.result,
        net.constant(rng.integers(-500, 500, shape.outputs).astype(np.int32)),
        net.constant(rng.integers(2**30, 2**31 - 1, shape.outputs).astype(np.int32)),
        net.constant(rng.integers(-9, -6, shape.outputs).astype(np.int32)),
    )
    requant = Requant(input_zp=7, output_zp=-5, clamp=(-100, 127))
    if is_linear:
        rows = shape.image[1:2] if shape.image[1] > 1 else ()
        result = TensorType(i8, (1, *rows, shape.outputs))
        return qnn.LinearOp(x, *operands, requant, result)
    make = qnn.DepthwiseConv2dOp if shape.multiplier else qnn.Conv2dOp
    return make(x, *operands, requant, shape.window, TensorType(i8, shape.output))


def input_shape(shape: Shape, *, sparse: bool) -> tuple[int, ...]:
    """Linear layers take rows, of which there may be one."""
    if sparse and shape in LINEAR:
        return (1, *(size for size in shape.image if size > 1))
    return (1, *shape.image)


def network(layers: Iterable[tuple[SparseFormat, Shape]], *, sparse: bool) -> ModuleOp:
    """The layers side by side; those of the same shape read the same input."""
    net = Builder()
    inputs: dict[Shape, SSAValue] = {}
    results: list[SSAValue] = []
    for encoding, shape in layers:
        if shape not in inputs:
            inputs[shape] = net.input(input_shape(shape, sparse=sparse))
        results.append(net.layer(layer(net, inputs[shape], encoding, shape, sparse=sparse)))
    return net.module(results)


def compiled(module: ModuleOp, target: str, *options: str) -> Compiled:
    return compile_side_by_side(module, target, "--max-slowdown=0", *options)


@cache
def sparse_network(part: int, unit: VectorUnit) -> Compiled:
    """Cores with the same instructions get the same calls, as no format is left to choose."""
    targets: dict[VectorUnit, str] = {"scalar": "host", "dsp": "cortex-m4", "mve": "cortex-m55"}
    return compiled(network(LAYERS[part::PARTS], sparse=True), targets[unit])


@cache
def cmsis_nn_outputs(part: int) -> list[Array]:
    """What CMSIS-NN's own functions make of the layers, on this machine."""
    dense = compiled(network(LAYERS[part::PARTS], sparse=False), "host", "--recipe=*: dense")
    names = {op.name for op in dense.compilation.module.walk() if isinstance(op, KernelOp)}
    assert names == {"cmsis.convolve_wrapper_s8", "cmsis.depthwise_conv_wrapper_s8"}
    return run(dense, "host", extreme_and_random(dense.input_shapes, random=1, seed=1))


@pytest.mark.builds
@pytest.mark.parametrize(
    "cpu",
    [
        "host",
        *(
            pytest.param(cpu, marks=pytest.mark.qemu)
            for cpu in ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
        ),
    ],
)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_format_and_shape(part: int, cpu: str) -> None:
    sparse = sparse_network(part, cpu_named(cpu).vector_unit)
    inputs = extreme_and_random(sparse.input_shapes, random=1, seed=1)
    outputs = expect_exact(sparse, cpu, inputs, canaries=True)
    assert differing_bytes(cmsis_nn_outputs(part), outputs) == 0
    assert all(len(np.unique(output)) > 2 for output in outputs)
