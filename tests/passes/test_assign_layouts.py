# SPDX-License-Identifier: Apache-2.0
"""Small random networks: what is chosen is the best of all that could be, and every choice means the same."""

from collections.abc import Iterator
from itertools import islice, product
from math import prod

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue

from sparsec.analysis.choice.layout_choice import LayoutProblem, choose_layouts
from sparsec.backends.cortex_m.convert_qnn_to_kernels import ConvertQnnToKernelsPass
from sparsec.formats import Delta8
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.layouts import layout_of
from sparsec.ir.rt.planes import ConversionOp, FromChannelMajorOp
from sparsec.ir.shapes import shape_of
from sparsec.kernels.planes import conversion_cost
from sparsec.passes.assign_layouts import assign
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.select_sparse_formats import encode
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams
from sparsec.quantization.window import Pool, Window
from tests.end_to_end.sparse_nets import SAME, SparseNet

CPU = "cortex-m55"
MOST_CHOICES = 400


def random_network(seed: int) -> ModuleOp:
    """A few layers, each of a value that is there: sparse convolutions, sums, tables and pools, which are NHWC."""
    rng = np.random.default_rng(seed)
    net = SparseNet(seed)
    values: list[tuple[SSAValue, int]] = [(net.input((1, 4, 3, 4)), 3)]
    for _ in range(int(rng.integers(2, 5))):
        x, zp = values[int(rng.integers(max(0, len(values) - 2), len(values)))]
        out = int(rng.integers(-20, 20))
        kind = rng.choice(["point", "window", "add", "lookup", "pool"], p=[0.3, 0.3, 0.2, 0.1, 0.1])
        if kind == "add":
            other, other_zp = values[int(rng.integers(len(values)))]
            numbers = add_params(0.05, 0.07, 0.08)
            zps = AddParams(**numbers, input1_zp=zp, input2_zp=other_zp, output_zp=out)
            value = net.layer(qnn.AddOp(x, other, zps))
        elif kind == "lookup":
            table = rng.permutation(256).astype(np.uint8).view(np.int8)
            value, out = net.layer(qnn.LookupOp(x, net.constant(table))), int(table[zp + 128])
        elif kind == "pool":
            pool = Pool(padding=(1, 1, 1, 1), kernel=(3, 3))
            value, out = net.max_pool(x, pool), zp
        else:
            window = Window() if kind == "point" else SAME
            value = net.conv(x, (zp, out), 4, 1 if kind == "point" else 3, window)
        values.append((value, out))
    return net.module([values[-1][0]])


def lowered(module: ModuleOp) -> ModuleOp:
    """The calls, each layer with its own conversions."""
    result = module.clone()
    for op in list(result.walk()):
        if isinstance(op, qnn.Conv2dOp) and isinstance(op.weights.owner, qnn.ConstantOp):
            encode(op.weights.owner, Delta8())
    ConvertQnnToKernelsPass(target=CPU).apply(Context(), result)
    BufferizePass().apply(Context(), result)
    result.verify()
    return result


def main_of(module: ModuleOp) -> FuncOp:
    return main_function(module)


def every_choice(module: ModuleOp) -> Iterator[tuple[ModuleOp, float]]:
    """Each combination of layouts as a module, and what the calls take by themselves."""
    sizes = LayoutProblem(main_of(module), CPU).sizes
    assert prod(sizes) <= MOST_CHOICES
    for numbers in product(*map(range, sizes)):
        copy = module.clone()
        problem = LayoutProblem(main_of(copy), CPU)
        own = sum(problem.own_cost(call, n) for call, n in zip(problem.calls, numbers, strict=True))
        assign(copy, main_of(copy), problem.choice(numbers))
        copy.verify()
        yield copy, own


def conversions(module: ModuleOp) -> float:
    """Cycles of the conversions that are there."""
    cycles = 0
    for op in module.walk():
        if isinstance(op, ConversionOp):
            back = isinstance(op, FromChannelMajorOp)
            layout = layout_of((op.input if back else op.output).type)
            assert layout is not None
            _, height, width, channels = shape_of(op.input.type)
            cycles += conversion_cost(CPU, (height, width, channels), layout, back).cycles
    return cycles


@pytest.mark.parametrize("seed", range(8))
def test_the_best_of_all_is_chosen(seed: int) -> None:
    module = lowered(random_network(seed))
    if prod(LayoutProblem(main_of(module), CPU).sizes) > MOST_CHOICES:
        pytest.skip("too many to try")
    costs = [conversions(each) + own for each, own in every_choice(module)]
    chosen = choose_layouts(main_of(module), CPU)
    assert chosen.cycles == min(costs)
    # An image that is read in several layouts is converted once for each.
    assign(module, main_of(module), chosen)
    assert conversions(module) <= chosen.cycles


@pytest.mark.parametrize("seed", range(8))
def test_every_choice_means_the_same(seed: int) -> None:
    network = random_network(seed)
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (1, 4, 3, 4)).astype(np.int8)
    (expected,) = interpret(network, [x])
    for module, _ in islice(every_choice(lowered(network)), 0, None, 5):
        (actual,) = interpret(module, [x])
        np.testing.assert_array_equal(actual.reshape(-1), expected.reshape(-1))
