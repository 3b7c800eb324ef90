# SPDX-License-Identifier: Apache-2.0
"""Packed rows that the assembly does not end, because their outputs are shifted to the left: exact, fewer instructions than
dense ones, and taken by default where they are fewer cycles too."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, TensorType, i8

from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.run import cmsis_nn
from sparsec.run.execute import run_project
from sparsec.tools.emission import write_files
from tests.end_to_end.building import Builder
from tests.end_to_end.road import Compiled, compile_module, expect_exact, extreme_and_random

IMAGE = (1, 5, 9, 32)


def network() -> ModuleOp:
    """A 1x1 convolution, three quarters of whose weights are zero. With half of them dense ones take 1 % fewer cycles."""
    rng = np.random.default_rng(0)
    net = Builder()
    weights = rng.integers(-128, 128, (32, 1, 1, 32)).astype(np.int8)
    weights[rng.random(weights.shape) < 0.75] = 0
    x = net.input(IMAGE)
    operands = (
        net.constant(weights),
        net.constant(np.zeros(32, np.int32)),
        net.constant(np.full(32, 2**30 + 5, np.int32)),
        net.constant(np.ones(32, np.int32)),
    )
    layer = qnn.Conv2dOp(x, *operands, Requant(3, -5), Window(), TensorType(i8, IMAGE))
    return net.module([net.layer(layer)])


def instructions(compiled: Compiled) -> int:
    """Of one inference on a Cortex-M4."""
    (image,) = extreme_and_random(compiled.input_shapes, random=0, seed=1)
    images, directory = [image.reshape(len(image), -1)[:1]], cmsis_nn.locate()
    assert directory is not None
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "net")
        write_files(compiled.files, project)
        counted = run_project(project, "cortex-m4", images, cmsis_nn=directory).instructions
    assert counted is not None
    return int(counted[0])


@pytest.mark.qemu
def test_sums_of_rows_that_c_ends() -> None:
    dense, packed = (
        compile_module(network(), "cortex-m4", "--max-slowdown=0", *options)
        for options in (("--weights=dense",), ())
    )
    assert "sparsec_convolve_packed_s8" in packed.files["report.json"]
    expect_exact(packed, "cortex-m4", extreme_and_random(packed.input_shapes, random=2, seed=1))
    assert instructions(packed) < 0.9 * instructions(dense)
