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
from tests.quantization.cmsis_golden import KINDS, GoldenCase, golden_cases

Array: TypeAlias = np.ndarray[Any, Any]

COUNTS = {
    "convolve": 0,
    "depthwise_convolve": 0,
    "fully_connected": 0,
    "avg_pool": 0,
    "max_pool": 0,
    "add": 0,
    "softmax": 0,
}
"""Cases of each operator in the revision of CMSIS-NN that `sparsec.run.cmsis_nn` fetches."""

EVERYWHERE = [
    "host",
    *(
        pytest.param(cpu, marks=pytest.mark.qemu)
        for cpu in ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
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


def samples(case: GoldenCase, array: Array) -> Array:
    """[N, 1, ..]: images are inferred one by one, rows are one sample."""
    return array[:, np.newaxis] if array.ndim == 4 else array[np.newaxis, np.newaxis]


def repeated(array: Array, n: int) -> Array:
    """`array` with its last sample repeated until there are `n`."""
    return np.concatenate([array, *[array[-1:]] * (n - len(array))])


@pytest.mark.parametrize("kind", KINDS)
def test_count(kind: str):
    assert sum(case.kind == kind for case in golden_cases()) == COUNTS[kind]


@pytest.mark.parametrize("cpu", EVERYWHERE)
@pytest.mark.parametrize("weights", ["dense", "delta8"])
@pytest.mark.parametrize("kind", KINDS)
def test_golden(kind: str, weights: str, cpu: str):
    if weights == "delta8" and kind not in ("convolve", "fully_connected"):
        pytest.skip("no kernel with sparse weights")
    cases = [case for case in golden_cases() if case.kind == kind]
    net = Builder()
    results: list[SSAValue] = []
    inputs: list[Array] = []
    for case in cases:
        arrays = [samples(case, array) for array in case.inputs]
        output = samples(case, case.output)
        x = net.input(arrays[0].shape[1:])
        results.append(BUILDERS[kind](net, case, x, TensorType(i8, output.shape[1:])))
        inputs += arrays
    n = max(map(len, inputs))
    inputs = [repeated(array, n)[:, 0] for array in inputs]
    compiled = compile_module(net.module(results), cpu, f"--weights={weights}")
    for outputs in (
        interpret(compiled.quantized, inputs),
        run_kernels(compiled, inputs),
        run(compiled, cpu, inputs),
    ):
        wrong: dict[str, int] = {}
        for case, actual in zip(cases, outputs, strict=True):
            expected = samples(case, case.output).reshape(-1)
            differing = np.count_nonzero(actual.reshape(-1)[: expected.size] != expected)
            if differing:
                wrong[case.name] = int(differing)
        assert not wrong
