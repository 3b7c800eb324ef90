# SPDX-License-Identifier: Apache-2.0
"""A separable block whose wide image never exists: the same bytes, and an arena without it."""

from dataclasses import replace

import numpy as np
import pytest
from xdsl.dialects.func import FuncOp
from xdsl.passes import PassPipeline

from sparsec import pipelines
from sparsec.analysis.choice.choice_record import record_of
from sparsec.analysis.memory.fused_versions import fused_versions
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.backends.cortex_m.project import emit_project
from sparsec.ir import rt
from sparsec.passes.fuse_rows import fuse_rows
from sparsec.run import cmsis_nn
from sparsec.targets.cpu import cpu_named
from sparsec.tools.compilation import available_passes, context
from tests.backends.lowering import parse
from tests.end_to_end.road import Compiled, compile_module, expect_exact, extreme_and_random

BLOCK = """
builtin.module attributes {sparsec.name = "block"} {
  func.func @main(%x : tensor<1x12x10x4xi8> {qnn.quantization = #nn.quantization<scales = [0.05]>})
      -> (tensor<1x6x5x8xi8> {qnn.quantization = #nn.quantization<scales = [0.05]>}) {
    %w = qnn.constant dense<POINT> : tensor<8x1x1x4xi8>
    %dw = qnn.constant dense<DEPTHWISE> : tensor<1x3x3x8xi8>
    %b = qnn.constant dense<[0, 90, -80, 70, 60, -50, 40, 30]> : tensor<8xi32>
    %m = qnn.constant dense<1573741824> : tensor<8xi32>
    %s = qnn.constant dense<-6> : tensor<8xi32>
    %p = qnn.conv2d %x, %w, %b requant(%m, %s) <input_zp = 3, output_zp = -7> window <> {layer = "pw"} : tensor<1x12x10x4xi8>, tensor<8x1x1x4xi8>, tensor<8xi32>, tensor<8xi32> -> tensor<1x12x10x8xi8>
    %y = qnn.depthwise_conv2d %p, %dw, %b requant(%m, %s) <input_zp = -7> window <strides = [2, 2], padding = [1, 0, 0, 1]> {layer = "dw", sparsec.kernel = "arm_depthwise_conv_wrapper_s8"} : tensor<1x12x10x8xi8>, tensor<1x3x3x8xi8>, tensor<8xi32>, tensor<8xi32> -> tensor<1x6x5x8xi8>
    func.return %y : tensor<1x6x5x8xi8>
  }
}
"""


def text() -> str:
    rng = np.random.default_rng(5)
    point, depthwise = (rng.integers(-128, 128, shape) for shape in ((8, 1, 1, 4), (1, 3, 3, 8)))
    return BLOCK.replace("POINT", str(point.tolist())).replace("DEPTHWISE", str(depthwise.tolist()))


def lowered(compiled: Compiled, cpu: str, fused: bool) -> Compiled:
    """The network with both layers at once, or one by one and as a whole."""
    directory = cmsis_nn.locate()
    assert directory is not None
    module = compiled.quantized.clone()
    options = pipelines.PipelineOptions(target=cpu, weights="dense")
    passes = [*pipelines.lossless(), *pipelines.kernels(options)]
    choosing = next(i for i, name in enumerate(passes) if name.startswith("overlap-buffers"))
    passes[choosing : choosing + 1] = [f'fuse-rows{{target={cpu} layers="dw"}}'] if fused else []
    PassPipeline.parse_spec(available_passes(), ",".join(passes)).apply(context(), module)
    files = emit_project(module, directory / "Include", "block")
    return replace(compiled, compilation=replace(compiled.compilation, module=module), files=files)


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_the_image_between_never_exists(cpu: str) -> None:
    compiled = compile_module(parse(text()), cpu, "--weights=dense")
    apart, together = (lowered(compiled, cpu, fused) for fused in (False, True))
    inputs = extreme_and_random(apart.input_shapes, random=3, seed=4)
    (outputs,) = expect_exact(together, cpu, inputs)
    assert len(np.unique(outputs[0])) > 1 and len(np.unique(outputs, axis=0)) >= 3
    assert '"name": "pw+dw"' in together.files["report.json"]

    plans = [planned_function(each.compilation.module) for each in (apart, together)]
    assert plans[0] is not None and plans[1] is not None
    # 480 bytes of input, 960 between; then the input, in which the output lies, and three rows of 80 bytes.
    assert (plans[0].arena_bytes, plans[1].arena_bytes) == (1440, 480 + 240)
    assert [type(op) for op in plans[1].kernels] == [rt.PointDepthwiseOp]


def test_the_versions_of_a_network() -> None:
    cpu = cpu_named("cortex-m4")
    module = parse(text())
    options = pipelines.PipelineOptions(weights="dense")
    passes = pipelines.kernels(options)
    passes = passes[: passes.index("alias-buffers") + 1]
    PassPipeline.parse_spec(available_passes(), ",".join(passes)).apply(context(), module)
    (function,) = (op for op in module.ops if isinstance(op, FuncOp))
    before = str(module)
    (version,) = fused_versions(function, cpu)
    assert str(module) == before
    assert version.scratch == 3 * 10 * 8
    # Padding above: after two rows the first row of the output, after two more each next one.
    assert (version.overlap.below, version.overlap.above) == (0, 480)
    # Calls for six rows each; the sums of both layers are the same.
    assert version.plain.cycles < version.cost.cycles < 1.3 * version.plain.cycles
    apart = record_of(module)
    fuse_rows(function, cpu)
    together = record_of(module)
    assert apart is not None and together is not None
    (both,) = (each for each in together.layers if each.layer == "pw+dw")
    assert (both.format, both.kernel) == ("dense", "sparsec_point_depthwise_s8")
    noted = sum(each.cycles or 0 for each in apart.layers) + version.cost.cycles
    assert both.cycles == noted - version.plain.cycles
    assert fused_versions(function, cpu) == []
