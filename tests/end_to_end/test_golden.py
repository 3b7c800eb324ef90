# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN's own golden data through the compiler: the emitted C gives every byte of it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import SSAValue

from sparsec.interpreters.run import interpret
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization.params import AddParams, Requant, SoftmaxParams
from sparsec.quantization.window import Pool, Window
from tests.end_to_end.building import Builder
from tests.end_to_end.road import compile_module, run, run_kernels
from tests.quantization.cmsis_golden import (
    KINDS,
    GoldenCase,
    GoldenNetwork,
    golden_cases,
    golden_networks,
)

Array: TypeAlias = np.ndarray[Any, Any]

COUNTS = {
    "convolve": 23,
    "depthwise_convolve": 13,
    "fully_connected": 5,
    "avg_pool": 6,
    "max_pool": 8,
    "add": 1,
    "softmax": 1,
}
"""Cases of each operator in the revision of CMSIS-NN that `sparsec.run.cmsis_nn` fetches."""

SPARSE = [("convolve", "delta8"), ("fully_connected", "delta8")]

EVERYWHERE = [
    "host",
    *(
        pytest.param(cpu, marks=pytest.mark.qemu)
        for cpu in ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55")
    ),
]


def requant(case: GoldenCase) -> Requant:
    zero_points = case.params.get("input_zp", 0), case.params.get("output_zp", 0)
    return Requant(*zero_points, case.params["clamp"])


def scales(net: Builder, case: GoldenCase, channels: int) -> tuple[SSAValue, SSAValue, SSAValue]:
    """Bias, multiplier and shift."""
    bias = case.weights.get("bias", np.zeros(channels, np.int32))
    source = case.weights if "multiplier" in case.weights else case.params
    multiplier, shift = (np.atleast_1d(np.int32(source[key])) for key in ("multiplier", "shift"))
    return net.constant(bias), net.constant(multiplier), net.constant(shift)


def window(case: GoldenCase) -> Window:
    return Window(case.params["strides"], case.params["padding"], case.params["dilations"])


def convolution(net: Builder, case: GoldenCase, x: SSAValue, type: TensorType[Any]) -> SSAValue:
    op = qnn.Conv2dOp if case.kind == "convolve" else qnn.DepthwiseConv2dOp
    constants = net.constant(case.weights["w"]), *scales(net, case, shape_of(type)[-1])
    return net.layer(op(x, *constants, requant(case), window(case), type))


def fully_connected(net: Builder, case: GoldenCase, x: SSAValue, type: TensorType[Any]) -> SSAValue:
    constants = net.constant(case.weights["w"]), *scales(net, case, shape_of(type)[-1])
    return net.layer(qnn.LinearOp(x, *constants, requant(case), type))


def pool(net: Builder, case: GoldenCase, x: SSAValue, type: TensorType[Any]) -> SSAValue:
    op = qnn.MaxPool2dOp if case.kind == "max_pool" else qnn.AvgPool2dOp
    geometry = Pool(case.params["strides"], case.params["padding"], kernel=case.params["kernel"])
    return net.layer(op(x, geometry, requant(case), type))


def softmax(net: Builder, case: GoldenCase, x: SSAValue, type: TensorType[Any]) -> SSAValue:
    return net.layer(qnn.SoftmaxOp(x, SoftmaxParams(**case.params)))


def add(net: Builder, case: GoldenCase, x: SSAValue, type: TensorType[Any]) -> SSAValue:
    return net.layer(qnn.AddOp(x, net.input(shape_of(x.type)), AddParams(**case.params)))


BUILDERS: dict[str, Callable[[Builder, GoldenCase, SSAValue, TensorType[Any]], SSAValue]] = {
    "convolve": convolution,
    "depthwise_convolve": convolution,
    "fully_connected": fully_connected,
    "avg_pool": pool,
    "max_pool": pool,
    "softmax": softmax,
    "add": add,
}


def samples(array: Array, rows_are_samples: bool) -> Array:
    """[N, 1, ..]: images are inferred one by one, rows so or all at once."""
    one_by_one = array.ndim == 4 or rows_are_samples
    return array[:, np.newaxis] if one_by_one else array[np.newaxis, np.newaxis]


def repeated(array: Array, n: int) -> Array:
    """`array` with its last sample repeated until there are `n`."""
    return np.concatenate([array, *[array[-1:]] * (n - len(array))])


@pytest.mark.parametrize("kind", KINDS)
def test_count(kind: str):
    assert sum(case.kind == kind for case in golden_cases()) == COUNTS[kind]


def test_network_count():
    assert [(network.name, len(network.layers)) for network in golden_networks()] == [
        ("ds_cnn_l", 14),
        ("ds_cnn_s", 12),
    ]


def expect_golden(
    net: Builder,
    results: list[SSAValue],
    cpu: str,
    weights: str,
    inputs: list[Array],
    golden: dict[str, Array],
):
    """The network gives `golden`, one array for each result, as `qnn`, as kernels and as C."""
    n = max(map(len, inputs))
    inputs = [repeated(array, n)[:, 0] for array in inputs]
    options = (f"--weights={weights}", "--plan-seconds=0")  # where bytes lie is for other tests
    compiled = compile_module(net.module(results), cpu, *options)
    assert differing_cases(golden, interpret(compiled.quantized, inputs)) == {}
    assert differing_cases(golden, run_kernels(compiled, inputs)) == {}
    assert differing_cases(golden, run(compiled, cpu, inputs)) == {}


def differing_cases(golden: dict[str, Array], outputs: list[Array]) -> dict[str, int]:
    """Differing bytes by the name of the case; without those that have none."""
    found = {
        name: int(np.count_nonzero(actual.reshape(-1)[: expected.size] != expected.reshape(-1)))
        for (name, expected), actual in zip(golden.items(), outputs, strict=True)
    }
    return {name: differing for name, differing in found.items() if differing}


@pytest.mark.parametrize("cpu", EVERYWHERE)
@pytest.mark.parametrize(("kind", "weights"), [*((kind, "dense") for kind in KINDS), *SPARSE])
def test_operator(kind: str, weights: str, cpu: str):
    """All cases of one operator stand side by side in one network."""
    cases = [case for case in golden_cases() if case.kind == kind]
    rows_are_samples = (kind, weights) == ("fully_connected", "delta8")
    net = Builder()
    results: list[SSAValue] = []
    inputs: list[Array] = []
    golden: dict[str, Array] = {}
    for case in cases:
        arrays = [samples(array, rows_are_samples) for array in case.inputs]
        golden[case.name] = samples(case.output, rows_are_samples)
        x = net.input(arrays[0].shape[1:])
        type = TensorType(i8, golden[case.name].shape[1:])
        results.append(BUILDERS[kind](net, case, x, type))
        inputs += arrays
    expect_golden(net, results, cpu, weights, inputs, golden)


@pytest.mark.parametrize("cpu", EVERYWHERE)
@pytest.mark.parametrize("weights", ["dense", "delta8"])
@pytest.mark.parametrize("network", golden_networks(), ids=lambda network: network.name)
def test_network(network: GoldenNetwork, weights: str, cpu: str):
    net = Builder()
    x = net.input(network.input.shape)
    for case in network.layers:
        x = BUILDERS[case.kind](net, case, *chained(net, case, x))
    expect_golden(
        net, [x], cpu, weights, [network.input[np.newaxis]], {network.name: network.output}
    )


def chained(net: Builder, case: GoldenCase, x: SSAValue) -> tuple[SSAValue, TensorType[Any]]:
    """The input of the next layer of a chain and the type of its result."""
    if case.kind == "softmax":
        return x, TensorType(i8, shape_of(x.type))
    if case.kind == "fully_connected":
        outputs, depth = case.weights["w"].shape
        return net.layer(qnn.ReshapeOp(x, [1, depth])), TensorType(i8, [1, outputs])
    _, height, width, channels = shape_of(x.type)
    if "w" in case.weights:
        outputs, *kernel, last = case.weights["w"].shape
        channels = last if case.kind == "depthwise_convolve" else outputs
        size = window(case).output_size((height, width), (kernel[0], kernel[1]))
    else:
        kernel = case.params["kernel"]
        size = Window(case.params["strides"], case.params["padding"]).output_size(
            (height, width), kernel
        )
    return x, TensorType(i8, [1, *size, channels])
