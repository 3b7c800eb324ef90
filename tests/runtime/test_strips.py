# SPDX-License-Identifier: Apache-2.0
"""Layers done strip by strip give CMSIS-NN's bytes at exactly the overlap that their operations claim, and no byte more.

That the claim holds for any kernel is shown with kernels that write all of a strip before they read any of it.
"""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from sparsec.ir.rt.strips import STRIPS, rowwise
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    RUNTIME,
    WARNINGS,
    Guarded,
    Int8,
    KernelLibrary,
    build,
)
from tests.runtime.kernel_project import KernelProject
from tests.runtime.strip_layers import DEVICE_MEMORY, StripLayer, add_call, call

WORST = Path(__file__).parent / "worst_order.c"
KERNELS = (
    "arm_convolve_s8",
    "arm_convolve_wrapper_s8",
    "arm_depthwise_conv_wrapper_s8",
    "sparsec_convolve_packed_s8",
    "sparsec_convolve_delta8_s8",
)

CONVOLUTIONS = (
    StripLayer("convolve", (9, 7, 6), (3, 3), strip=1, outputs=5, padding=(1, 1, 1, 1)),
    StripLayer("convolve", (9, 7, 6), (3, 3), strip=4, outputs=8, padding=(1, 1, 1, 1)),
    StripLayer("convolve", (8, 6, 16), (3, 3), 3, 16, padding=(1, 1, 1, 1)),
    StripLayer("convolve", (9, 9, 8), (3, 3), 2, 12, (2, 2), (1, 1, 1, 1)),
    StripLayer("convolve", (8, 8, 3), (3, 3), 1, 8, (2, 2), (0, 0, 1, 1)),
    StripLayer("convolve", (10, 5, 4), (5, 1), 3, 7, (1, 1), (4, 0, 0, 0)),
    StripLayer("convolve", (7, 8, 4), (1, 3), 2, 6, padding=(0, 1, 0, 1)),
    StripLayer("convolve", (11, 9, 3), (3, 2), 2, 5, (1, 1), (2, 1, 3, 2), (2, 3)),
    StripLayer("convolve", (10, 12, 1), (10, 4), 2, 9, (2, 2), (4, 1, 5, 1)),
    StripLayer("convolve", (4, 3, 4), (3, 3), 2, 3, padding=(4, 1, 5, 1)),
    # Pixels.
    StripLayer("convolve", (5, 5, 16), (1, 1), 1, 16),
    StripLayer("convolve", (5, 5, 16), (1, 1), 4, 24),
    StripLayer("convolve", (7, 3, 20), (1, 1), 8, 6),
    StripLayer("convolve", (1, 19, 7), (1, 1), 6, 9),
    # Rows of pixels: every second one, among padding, with a dilation that nobody sees.
    StripLayer("convolve", (7, 5, 12), (1, 1), 2, 8, (2, 2)),
    StripLayer("convolve", (6, 4, 8), (1, 1), 2, 8, (1, 1), (1, 1, 1, 1)),
    StripLayer("convolve", (6, 4, 8), (1, 1), 5, 8, dilation=(2, 2)),
)
DEPTHWISE = (
    StripLayer("depthwise", (9, 7, 8), (3, 3), 1, 8, padding=(1, 1, 1, 1)),
    StripLayer("depthwise", (9, 7, 5), (3, 3), 4, 5, padding=(1, 1, 1, 1)),
    StripLayer("depthwise", (9, 9, 8), (3, 3), 2, 8, (2, 2), (1, 1, 1, 1)),
    StripLayer("depthwise", (8, 8, 6), (5, 5), 3, 6, padding=(2, 2, 2, 2)),
    StripLayer("depthwise", (8, 6, 4), (4, 3), 3, 4, (2, 1), (1, 1, 1, 1)),
    StripLayer("depthwise", (8, 6, 3), (3, 3), 2, 12, padding=(1, 1, 1, 1)),
    StripLayer("depthwise", (8, 6, 3), (3, 3), 2, 6, padding=(1, 1, 1, 1)),
    StripLayer("depthwise", (9, 9, 3), (3, 3), 2, 3, (1, 1), (2, 2, 2, 2), (2, 2)),
    StripLayer("depthwise", (5, 5, 6), (1, 1), 7, 6),
)
PACKED = (
    StripLayer("packed", (5, 5, 16), (1, 1), 8, 12, sparsity=0.5),
    StripLayer("packed", (7, 5, 12), (1, 1), 3, 16, sparsity=0.5),
    StripLayer("packed", (8, 6, 8), (3, 3), 3, 8, padding=(1, 1, 1, 1), sparsity=0.5),
    StripLayer("packed", (9, 8, 6), (3, 3), 2, 6, (2, 2), (1, 1, 1, 1), sparsity=0.3),
    StripLayer("packed", (9, 6, 4), (3, 2), 4, 5, (1, 1), (2, 1, 2, 2), (2, 3), sparsity=0.3),
)
DELTA8 = (
    StripLayer("delta8", (5, 5, 16), (1, 1), 8, 12, sparsity=0.5),
    StripLayer("delta8", (7, 5, 12), (1, 1), 3, 16, sparsity=0.5),
    StripLayer("delta8", (8, 5, 8), (3, 3), 3, 8, padding=(1, 1, 1, 1), sparsity=0.5),
    StripLayer("delta8", (9, 7, 4), (3, 2), 4, 5, (1, 1), (2, 1, 2, 2), (2, 3), sparsity=0.3),
)
DSP_CORES = ("cortex-m4", "cortex-m7", "cortex-m33")
LAYERS = (*CONVOLUTIONS, *DEPTHWISE, *PACKED, *DELTA8)


@pytest.fixture(scope="module")
def worst(
    cmsis_nn_dir: Path,
    cmsis_nn: KernelLibrary,
    runtime: KernelLibrary,
    tmp_path_factory: pytest.TempPathFactory,
) -> KernelLibrary:
    """The functions under test, over kernels that write before they read."""
    renamed = [f"-D{kernel}=worst_{kernel}" for kernel in KERNELS]
    sources = [*sorted((RUNTIME / "src").glob("*_strips_s8.c")), WORST]
    output = tmp_path_factory.mktemp("worst") / "worst.so"
    sanitizer = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    flags = ("-O1", *WARNINGS, *sanitizer, *renamed)
    link = (*sanitizer, runtime.path, cmsis_nn.path)
    return build(sources, cmsis_nn_dir, output, flags, link)


def output_at(library: KernelLibrary, layer: StripLayer, distance: int) -> Int8:
    """The output of a layer that begins `distance` bytes behind the input; nothing else may be written."""
    size = int(np.prod(layer.output))
    input_at, output_at = max(0, -distance), max(0, distance)
    memory = Guarded(max(input_at + layer.input.size, output_at + size))
    memory.bytes[input_at : input_at + layer.input.size] = layer.input.reshape(-1)
    before = memory.bytes.copy()
    address = memory.bytes.ctypes.data
    input, output = (ctypes.c_void_p(address + at) for at in (input_at, output_at))
    function = layer.op().C_FUNCTION
    status = call(library, function, layer.arguments(), input, output)
    assert status == 0 or layer.kind in ("packed", "delta8")
    memory.check()
    result = memory.bytes[output_at : output_at + size].copy()
    memory.bytes[output_at : output_at + size] = before[output_at : output_at + size]
    np.testing.assert_array_equal(memory.bytes, before)
    return result


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_exactly_the_claimed_overlap(
    worst: KernelLibrary, runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: StripLayer
) -> None:
    expected = layer.expected(cmsis_nn)
    assert len(np.unique(expected)) > 10, "the case says little: its outputs are nearly constant"
    before, behind = distances(layer)
    assert 0 < -before <= expected.size and 0 < behind <= layer.input.size
    for library in (runtime, worst):
        for distance in (before, behind, before - 3, behind + 3):
            np.testing.assert_array_equal(output_at(library, layer, distance), expected)
    for distance in (before + 1, behind - 1):
        assert not np.array_equal(output_at(worst, layer, distance), expected)


def test_every_kernel_is_among_the_layers() -> None:
    assert {type(layer.op()) for layer in LAYERS} == set(STRIPS.values())


def layers_of(cpu: str) -> list[StripLayer]:
    """Those whose kernels the compiler calls on a core."""
    return [layer for layer in LAYERS if layer.kind != "packed" or cpu in ("host", *DSP_CORES)]


def outputs_on(cpu: str, folder: Path, cmsis_nn_dir: Path, sanitize: bool = False) -> Int8:
    """The outputs of all layers at both claimed distances."""
    project = KernelProject([DEVICE_MEMORY])
    for layer in layers_of(cpu):
        for distance in distances(layer):
            add_call(project, layer, distance)
    project.write(folder, "sparsec_convolve_*_s8")
    project.write(folder, "*_strips_s8")
    unused = [np.zeros((1, 1), np.int8)]
    result = run_project(folder, cpu, unused, cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    return result.outputs[0][0]


def distances(layer: StripLayer) -> tuple[int, int]:
    """From the begin of the input to that of the output, before and behind it, that are just allowed."""
    op = layer.op()
    claim = op.safe_overlap(rowwise(op).output, rowwise(op).input)
    return -claim.below, claim.above


def expected_on(cpu: str, cmsis_nn: KernelLibrary) -> Int8:
    return np.concatenate(
        [out for layer in layers_of(cpu) for out in [layer.expected(cmsis_nn)] * 2]
    )


def test_host_with_address_sanitizer(
    cmsis_nn_dir: Path, cmsis_nn: KernelLibrary, tmp_path: Path
) -> None:
    found = outputs_on("host", tmp_path, cmsis_nn_dir, sanitize=True)
    np.testing.assert_array_equal(found, expected_on("host", cmsis_nn))


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m3", *DSP_CORES, "cortex-m55"])
def test_core(cmsis_nn_dir: Path, cmsis_nn: KernelLibrary, tmp_path: Path, cpu: str) -> None:
    found = outputs_on(cpu, tmp_path, cmsis_nn_dir)
    np.testing.assert_array_equal(found, expected_on(cpu, cmsis_nn))
