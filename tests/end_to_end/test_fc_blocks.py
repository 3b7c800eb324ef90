# SPDX-License-Identifier: Apache-2.0
"""Linear layers in blocks, whose kernels have layouts of their own: chosen where they are faster, and exact everywhere."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import Attribute, SSAValue

from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal, Objective
from sparsec.formats import Block, Dcsr, Delta8
from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.sparse import EncodingAttr
from sparsec.quantization.params import Requant
from sparsec.targets.cpu import cpu_named
from sparsec.tools.explain_command import describe_layer, pessimistic
from tests.end_to_end.building import Builder
from tests.end_to_end.road import compile_module, expect_exact, extreme_and_random

FORMATS = (Block(1, 4), Block(4, 1), Block(4, 1, 16))
KERNELS = [f"sparsec_fully_connected_{name}_s8" for name in ("1x4", "4x1", "4x1_w16")]
LAYOUTS = ("row blocks", "column blocks", "column blocks")


def weights(outputs: int, inputs: int, rows: int, density: float) -> NDArray[np.int8]:
    """Random weights, -128 among them, in columns of `rows` of which a share of `density` is kept."""
    rng = np.random.default_rng(outputs + inputs)
    kept = rng.random((-(-outputs // rows), inputs)) < density
    values = rng.integers(-128, 128, (outputs, inputs)).astype(np.int8)
    return values * kept.repeat(rows, axis=0)[:outputs]


def network(layers: Sequence[tuple[NDArray[np.int8], Attribute | None]]) -> ModuleOp:
    """Layers side by side, each with weights and their encoding, and an input and a result of its own."""
    net = Builder()
    results: list[SSAValue] = []
    for array, encoding in layers:
        outputs, inputs = (int(size) for size in array.shape)
        constant = qnn.ConstantOp(dense_attribute(array, encoding), f"layer{net.layers}.weight")
        x = net.input((1, inputs))
        net.block.add_op(constant)
        rng = np.random.default_rng(inputs)
        numbers = (
            net.constant(rng.integers(-500, 500, outputs).astype(np.int32)),
            net.constant(rng.integers(2**30, 2**31 - 1, outputs).astype(np.int32)),
            net.constant(rng.integers(-10, -7, outputs).astype(np.int32)),
        )
        requant = Requant(input_zp=7, output_zp=-5)
        result = TensorType(i8, (1, outputs))
        results.append(net.layer(qnn.LinearOp(x, constant.result, *numbers, requant, result)))
    return net.module(results)


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_exact(cpu: str) -> None:
    """Places of one and of two bytes, rows that are no multiple of four, a layer of zeros."""
    shapes = ((14, 40, 0.3), (5, 301, 0.05), (4, 8, 0.0))
    layers = [
        (weights(outputs, inputs, encoding.rows, density), EncodingAttr(encoding))
        for encoding in FORMATS
        for outputs, inputs, density in shapes
    ]
    compiled = compile_module(network(layers), cpu)
    report = json.loads(compiled.files["report.json"])["layers"]
    assert [layer["kernel"] for layer in report] == [k for k in KERNELS for _ in shapes]
    assert [layer["format"] for layer in report] == [f.label for f in FORMATS for _ in shapes]
    assert [layer["layout"] for layer in report] == [each for each in LAYOUTS for _ in shapes]
    outputs = expect_exact(
        compiled, cpu, extreme_and_random(compiled.input_shapes, random=2, seed=1)
    )
    assert len(np.unique(np.concatenate([output.reshape(-1) for output in outputs]))) > 10


@pytest.mark.qemu
def test_exact_on_helium() -> None:
    """Tails of every kind, places of two bytes, a layer of zeros."""
    shapes = ((14, 40, 0.3), (5, 301, 0.05), (3, 1041, 0.1), (4, 17, 0.0))
    formats = (Delta8(), Block(1, 4), Block(1, 16))
    layers = [
        (weights(outputs, inputs, 1, density), EncodingAttr(encoding))
        for encoding in formats
        for outputs, inputs, density in shapes
    ]
    compiled = compile_module(network(layers), "cortex-m55")
    report = json.loads(compiled.files["report.json"])["layers"]
    kernels = [f"sparsec_fully_connected_{name}_s8" for name in ("gather", "gather_1x4", "1x16")]
    layouts = ("gathered bytes", "gathered words", "vectors")
    assert [layer["kernel"] for layer in report] == [k for k in kernels for _ in shapes]
    assert [layer["format"] for layer in report] == [f.label for f in formats for _ in shapes]
    assert [layer["layout"] for layer in report] == [each for each in layouts for _ in shapes]
    outputs = expect_exact(
        compiled, "cortex-m55", extreme_and_random(compiled.input_shapes, random=2, seed=1)
    )
    assert len(np.unique(np.concatenate([output.reshape(-1) for output in outputs]))) > 10


@pytest.mark.qemu
def test_exact_as_published_on_helium() -> None:
    """dCSR: groups of every length, an odd number of them, deltas of four to eight bits, explicit zeros, empty rows."""
    shapes = (
        (14, 40, 0.3),
        (5, 301, 0.05),
        (3, 1041, 0.1),
        (4, 17, 0.0),
        (9, 64, 1.0),
        (7, 2048, 0.03),
    )
    layers = [
        (weights(outputs, inputs, 1, density), EncodingAttr(Dcsr()))
        for outputs, inputs, density in shapes
    ]
    clustered = np.zeros((2, 2048), np.int8)
    clustered[0, :1096] = 1
    clustered[0, 1500:1508] = 2
    layers.append((clustered, EncodingAttr(Dcsr())))
    compiled = compile_module(network(layers), "cortex-m55")
    report = json.loads(compiled.files["report.json"])["layers"]
    assert {layer["kernel"] for layer in report} == {"sparsec_fully_connected_dcsr_s8"}
    outputs = expect_exact(
        compiled, "cortex-m55", extreme_and_random(compiled.input_shapes, random=2, seed=1)
    )
    assert len(np.unique(np.concatenate([output.reshape(-1) for output in outputs]))) > 10


@pytest.mark.parametrize(
    ("rows", "columns", "label"), [(1, 1, "delta8"), (1, 4, "block(1x4)"), (1, 16, "block(1x16)")]
)
def test_what_is_chosen_for_helium(rows: int, columns: int, label: str) -> None:
    """What the zeros are like is what the weights are stored as."""
    dense = weights(64, 256, 1, 1.0)
    kept = np.random.default_rng(1).random((64 // rows, 256 // columns)) < 0.1
    dense = dense * np.kron(kept, np.ones((rows, columns), np.int8))
    problem = Problem(
        network([(dense, None)]), cpu_named("cortex-m55"), Goal("latency"), explained=False
    )
    (layer,) = problem.decide().layers
    assert layer.winner.label == label


@pytest.mark.parametrize(
    ("objective", "label"), [("latency", "block(4x1)"), ("balanced", "block(4x1)")]
)
def test_what_is_chosen(objective: Objective, label: str) -> None:
    """int16 is faster, and not worth twice the bytes."""
    module = network([(weights(64, 256, 4, 0.2), None)])
    problem = Problem(module, cpu_named("cortex-m4"), Goal(objective))
    (layer,) = problem.decide().layers
    assert layer.winner.label == label
    assert problem.front()[-1].formats == (("linear1", "block(4x1,int16)"),)


def test_what_hangs_on_the_price_of_gathers() -> None:
    """Single weights are gathered, unless a gather takes a cycle for each element; vectors of 16 win in any case."""
    kept = np.random.default_rng(1).random((128, 256)) < 0.1
    blocks = np.kron(kept[:64, :16], np.ones((1, 16), bool))
    layers = [(weights(len(mask), 256, 1, 1.0) * mask, None) for mask in (kept, blocks)]
    problem = Problem(network(layers), cpu_named("cortex-m55"), Goal("latency"))
    decision = problem.decide()
    other = pessimistic(problem, decision)
    found = [describe_layer(*each) for each in zip(decision.layers, other.layers, strict=True)]
    assert [layer.winner.label for layer in decision.layers] == ["delta8", "block(1x16)"]
    assert [layer["if_gathers_are_slow"] for layer in found] == [
        {"format": "dense", "kernel": "sparsec_fully_connected_per_channel_s8"},
        None,
    ]
    (winner,) = [each for each in found[0]["candidates"] if each["won"]]
    assert winner["pessimistic_cycles"] > winner["estimated_cycles"]
