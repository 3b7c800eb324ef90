# SPDX-License-Identifier: Apache-2.0
"""Scratch memory is what CMSIS-NN's and the runtime's functions say they want, for every call of whole networks.

`expect_exact` compares it for every network of the other tests, on every core; here are networks that are not run on all
of them, and that a wrong size is seen.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Pool, Window
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import Release
from sparsec.targets.cpu import VectorUnit
from tests.end_to_end.building import Builder
from tests.end_to_end.road import compile_module, compile_to, expect_scratch
from tests.end_to_end.scratch_getters import scratch_of
from tests.frontends.tflite.support import NETWORKS, network


@pytest.mark.parametrize("name", NETWORKS)
def test_mlperf_tiny(name: str, tmp_path: Path) -> None:
    """Host and Cortex-M4 are compared where they run, with canaries."""
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(network(name))
    expect_scratch(compile_to(path, "cortex-m55"), "cortex-m55")


def layers() -> ModuleOp:
    """A convolution, a depthwise one of 5x5 and an average pool: all ask for scratch memory on some core."""
    net = Builder()
    image, window = TensorType(i8, (1, 6, 6, 4)), Window(padding=(2, 2, 2, 2))

    def constants(*shape: int) -> tuple[SSAValue, SSAValue, SSAValue, SSAValue]:
        return (
            net.constant(np.ones(shape, np.int8)),
            net.constant(np.zeros(4, np.int32)),
            net.constant(np.full(4, 2**30, np.int32)),
            net.constant(np.full(4, -5, np.int32)),
        )

    x = net.input((1, 6, 6, 4))
    x = net.layer(qnn.Conv2dOp(x, *constants(4, 5, 5, 4), Requant(0, 0), window, image))
    x = net.layer(qnn.DepthwiseConv2dOp(x, *constants(1, 5, 5, 4), Requant(0, 0), window, image))
    pool = Pool((2, 2), (0, 0, 0, 0), kernel=(2, 2))
    return net.module(
        [net.layer(qnn.AvgPool2dOp(x, pool, Requant(0, 0), TensorType(i8, (1, 3, 3, 4))))]
    )


@pytest.mark.parametrize(
    ("cpu", "bytes"),
    [
        ("host", [2 * 100 * 2, 0, 0]),
        ("cortex-m4", [2 * 100 * 2, 4 * 25 * 2, 4 * 4]),
        ("cortex-m55", [6 * 10 * 4, 5 * 16 * 10, 0]),
    ],
)
def test_every_call_is_compared(cpu: str, bytes: list[int]) -> None:
    compiled = compile_module(layers(), cpu, "--weights=dense")
    assert [each.wanted for each in scratch_of(compiled.compilation.module, cpu)] == bytes
    expect_scratch(compiled, cpu)


@pytest.mark.parametrize("more", [-8, 8])
def test_another_size_is_seen(more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = scratch.convolve

    def wrong(
        unit: VectorUnit,
        window: Window,
        input: Sequence[int],
        weights: Sequence[int],
        release: Release,
    ) -> int:
        return right(unit, window, input, weights, release) + more

    monkeypatch.setattr(scratch, "convolve", wrong)
    compiled = compile_module(layers(), "cortex-m4", "--weights=dense")
    with pytest.raises(AssertionError, match=f"conv2d1.*given={400 + more}.*wanted=400"):
        expect_scratch(compiled, "cortex-m4")
