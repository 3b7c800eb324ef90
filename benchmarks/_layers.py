"""Many layers in one image, whose costs one run of the profiler measures: what the cost model is fitted to."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._layer_calls import SEED, Call, Case, call_of, row_numbers
from sparsec.run.build import build_image
from sparsec.run.cmsis_nn import locate
from sparsec.run.errors import ToolchainError
from sparsec.run.profile.profile import Cost, profile_image
from sparsec.run.project import read_project
from sparsec.targets.runtime import runtime_dir
from sparsec.targets.stored import Stored

ENTRY = "layers"


@dataclass(frozen=True)
class Measured:
    """A measured layer and what is stored of its weights."""

    case: Case
    stored: Stored
    cost: Cost


def measure(core: str, cases: Sequence[Case]) -> list[Measured]:
    """Build one image of all cases for `core` and profile it: exact instructions, estimated cycles."""
    directory = locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    calls = [call_of(case) for case in cases]
    with (
        tempfile.TemporaryDirectory(prefix="sparsec-") as folder,
        tempfile.TemporaryDirectory(prefix="sparsec-") as build,
    ):
        write_project(Path(folder), cases, calls)
        image = build_image(read_project(Path(folder)), core, Path(build), cmsis_nn=directory)
        profile = profile_image(image, [np.zeros((1, 1), np.int8)])
    assert len(profile.layers) == len(cases)
    return [
        Measured(case, call.stored, layer.cost)
        for case, call, layer in zip(cases, calls, profile.layers, strict=True)
    ]


def write_project(folder: Path, cases: Sequence[Case], calls: Sequence[Call]) -> None:
    """Write a project whose entry makes the calls, one after the other, and the kernels that they need."""
    kernels = [case.kernel for case in cases]
    wanted = [f" {kernel}(" for kernel in set(kernels)]
    for source in (*runtime_dir().glob("src/*"), *runtime_dir().glob("include/*")):
        if source.suffix == ".h" or any(name in source.read_text() for name in wanted):
            shutil.copy(source, folder)

    shapes = [case.work.image for case in cases] + [case.work.outputs for case in cases]
    image_bytes = rounded_up(max(height * width * channels for height, width, channels in shapes))
    scratch_bytes = rounded_up(max(call.scratch_bytes for call in calls))
    numbers = row_numbers(max(channels for _, _, channels in shapes))
    most_weights = max(case.work.outputs[2] * case.work.columns for case in cases)
    weights = np.random.default_rng(SEED).integers(-127, 128, most_weights + 64)
    declarations = [
        declaration(name, values)
        for name, values in {"weights": weights.astype(np.int8), **vars(numbers)}.items()
    ]
    statements: list[str] = []
    for kernel, call in zip(kernels, calls, strict=True):
        arguments: list[str] = []
        for argument in call.arguments:
            if isinstance(argument, str):
                arguments.append(argument)
                continue
            arguments.append(f"constant{len(declarations)}")
            declarations.append(declaration(arguments[-1], argument))
        statements.append(f"{{ (void){kernel}({', '.join(arguments)}); }}")
    text = "\n".join(
        (
            f'#include "{ENTRY}.h"\n#include "arm_nnfunctions.h"\n#include "sparsec.h"',
            *declarations,
            f"int {ENTRY}(int8_t *arena) {{",
            "const cmsis_nn_per_channel_quant_params quant = {(int32_t *)multiplier, (int32_t *)shift};",
            "const cmsis_nn_context sums = {(void *)bias, sizeof bias};",
            f"int8_t *const input = arena; int8_t *const output = arena + {image_bytes};",
            f"const cmsis_nn_context scratch = {{arena + {2 * image_bytes}, {scratch_bytes}}};",
            "uint16_t *const counts = (uint16_t *)scratch.buf;",
            f"uint8_t *const entries = (uint8_t *)(counts + {len(numbers.bias)});",
            *statements,
            "return 0;\n}\n",
        )
    )
    (folder / f"{ENTRY}.c").write_text(text)
    (folder / f"{ENTRY}.h").write_text(f"#include <stdint.h>\nint {ENTRY}(int8_t *arena);\n")
    report = {
        "name": ENTRY,
        "entry": ENTRY,
        "header": f"{ENTRY}.h",
        "arena_bytes": 2 * image_bytes + scratch_bytes + 2 * len(numbers.bias),
        "inputs": [{"name": "input", "offset": 0, "bytes": 1}],
        "outputs": [{"name": "output", "offset": image_bytes, "bytes": 1}],
        "layers": [{"name": f"layer{i}", "kernel": kernel} for i, kernel in enumerate(kernels)],
    }
    (folder / "report.json").write_text(json.dumps(report))


def declaration(name: str, values: NDArray[Any]) -> str:
    """A constant in flash."""
    numbers = ",".join(map(str, values.reshape(-1).tolist())) or "0"
    return f"static const {values.dtype.name}_t {name}[] = {{{numbers}}};"


def rounded_up(size: int) -> int:
    """To whole 16 bytes."""
    return -(-size // 16) * 16
