# SPDX-License-Identifier: Apache-2.0
"""A network with branches in a bad order: ordered, it takes a smaller arena and gives the same bytes."""

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec import pipelines
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.tools.compilation import run_passes
from sparsec.tools.registry import context
from tests.end_to_end.building import Builder
from tests.end_to_end.road import compile_module, expect_exact, extreme_and_random


def branches(count: int = 3) -> ModuleOp:
    """Branches that widen an image and then shrink it, written down breadth first as `torch.export` may do."""
    net = Builder()
    rng = np.random.default_rng(0)

    def convolution(x: SSAValue, inputs: int, outputs: int, size: int, stride: int) -> SSAValue:
        return net.layer(
            qnn.Conv2dOp(
                x,
                net.constant(rng.integers(-128, 128, (outputs, 3, 3, inputs), np.int8)),
                net.constant(rng.integers(-500, 500, outputs, np.int32)),
                net.constant(rng.integers(2**30, 2**31, outputs, np.int32)),
                net.constant(rng.integers(-10, -8, outputs, np.int32)),
                Requant(input_zp=3, output_zp=-5),
                Window((stride, stride), (1, 1, 1, 1)),
                TensorType(i8, (1, size, size, outputs)),
            )
        )

    x = net.input((1, 12, 12, 2))
    wide = [convolution(x, 2, 16, 12, 1) for _ in range(count)]
    narrow = [convolution(y, 16, 4, 6, 2) for y in wide]
    joined = qnn.ConcatOp(narrow, 3, TensorType(i8, (1, 6, 6, 4 * count)))
    return net.module([net.layer(joined)])


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_branches_run_one_after_the_other(cpu: str) -> None:
    compiled = compile_module(branches(), cpu, "--weights=dense")
    expect_exact(compiled, cpu, extreme_and_random(compiled.input_shapes, random=3, seed=4))

    as_given = compiled.quantized.clone()
    options = pipelines.PipelineOptions(target=cpu, weights="dense")
    passes = [p for p in pipelines.kernels(options) if not p.startswith("order-layers")]
    run_passes(context(), as_given, passes, ())
    given = planned_function(as_given)
    ordered = planned_function(compiled.compilation.module)
    assert given is not None and ordered is not None
    wide, narrow, image = 12 * 12 * 16, 6 * 6 * 4, 12 * 12 * 2
    scratch = 2 * 2 * 9 * 16
    assert given.arena_bytes >= 3 * wide
    assert ordered.arena_bytes <= image + wide + 3 * narrow + scratch < 0.6 * given.arena_bytes
