# SPDX-License-Identifier: Apache-2.0
"""The runtime compiles with the headers of every CMSIS-NN that it knows, without a warning, and calls what they declare."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.kernel_library import RUNTIME, WARNINGS, KernelLibrary, build
from tests.runtime.strip_layers import StripLayer
from tests.runtime.test_strips import distances, output_at

SOURCE = RUNTIME / "src" / "sparsec_convolve_strips_s8.c"
SHAPED = Path(__file__).with_name("convolve_shapes.c")
UPSCALE = "const cmsis_nn_dims *upscale_dims,"
PARAMETERS = {"until v6": "", "from v7 on": UPSCALE}
"""What stands in front of the dimensions of the output."""

LAYERS = (
    StripLayer("convolve", (9, 7, 6), (3, 3), strip=4, outputs=8, padding=(1, 1, 1, 1)),
    StripLayer("convolve", (5, 5, 16), (1, 1), 4, 24),
)


def headers(cmsis_nn: Path, parameters: str, folder: Path) -> Path:
    """A folder whose Include/ declares `arm_convolve_s8` with these parameters before `output_dims`."""
    shutil.copytree(cmsis_nn / "Include", folder / "Include")
    header = folder / "Include" / "arm_nnfunctions.h"

    def reshape(prototype: re.Match[str]) -> str:
        plain = re.sub(r"const cmsis_nn_dims \*upscale_dims,\s*", "", prototype[0])
        return plain.replace(
            "const cmsis_nn_dims *output_dims", f"{parameters} const cmsis_nn_dims *output_dims"
        )

    text, found = re.subn(r"\barm_convolve_s8\([^;]*;", reshape, header.read_text(encoding="utf-8"))
    assert found == 1
    header.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("shape", PARAMETERS)
def test_convolution_with_headers_of_both_shapes(
    shape: str,
    cmsis_nn_dir: Path,
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    tmp_path: Path,
) -> None:
    include = headers(cmsis_nn_dir, PARAMETERS[shape], tmp_path / "cmsis-nn")
    sanitizer = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    flags = ["-O1", *WARNINGS, *sanitizer]
    flags += [
        "-Darm_convolve_s8=shaped_convolve_s8",
        *(["-DUPSCALED"] if PARAMETERS[shape] else []),
    ]
    link = (*sanitizer, runtime.path, cmsis_nn.path)
    library = build([SOURCE, SHAPED], include, tmp_path / "shaped.so", flags, link)
    for layer in LAYERS:
        for distance in distances(layer):
            expected = output_at(runtime, layer, distance)
            assert len(np.unique(expected)) > 10
            np.testing.assert_array_equal(output_at(library, layer, distance), expected)


def test_a_shape_that_nobody_knows_does_not_compile(cmsis_nn_dir: Path, tmp_path: Path) -> None:
    include = headers(cmsis_nn_dir, "const int32_t more,", tmp_path / "cmsis-nn") / "Include"
    command = ["gcc", "-std=c11", "-I", RUNTIME / "include", "-I", include, "-c", SOURCE]
    ended = subprocess.run([*command, "-o", tmp_path / "x.o"], capture_output=True, text=True)
    assert ended.returncode != 0 and "_Generic" in ended.stderr
