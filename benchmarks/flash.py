# SPDX-License-Identifier: Apache-2.0
"""The flash of whole networks, predicted and as linked, next to plain CMSIS-NN calls: MLPerf Tiny's own files.

    make bench-flash         or        python -m benchmarks.flash

Flash is all that the network's function reaches in an image that is linked with --gc-sections: constants, generated code,
kernels and functions of the C library.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks._plain_cmsis import write_plain_project
from benchmarks._results import Figure, publish, step
from benchmarks.lossless import FILES, models
from sparsec.run.build import build_image
from sparsec.run.errors import RunError
from sparsec.run.project import read_project
from sparsec.tools.compilation import compile_model
from sparsec.tools.console import print_table
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.sparsec import parser

CORES = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55")
MOST_ERROR = 0.3
"""Percent of what is linked that the prediction is off."""


@dataclass(frozen=True)
class Flash:
    """Bytes: as report.json has them, as linked, and those of plain CMSIS-NN calls; and the arena."""

    predicted: int
    linked: int
    plain: int
    arena: int

    @property
    def error(self) -> float:
        """Of the prediction, in percent of what is linked."""
        return 100 * (self.predicted / self.linked - 1)


def measured(model: Path, core: str, objective: str) -> Flash:
    """What a network takes that is compiled for an objective. Raises UserError and RunError."""
    args = parser().parse_args([str(model), f"--target={core}", f"--objective={objective}"])
    compilation = compile_model(args, "c")
    assert compilation.quantized is not None
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        ours, plain = Path(folder, compilation.name), Path(folder, "plain")
        files = project_files(args, compilation)
        write_files(files, ours)
        write_plain_project(compilation.quantized, plain)
        report = json.loads(files["report.json"])
        return Flash(
            report["flash_bytes"],
            linked_flash(ours, core, cmsis_nn_directory(args)),
            linked_flash(plain, core, cmsis_nn_directory(args)),
            report["arena_bytes"],
        )


def linked_flash(project: Path, core: str, cmsis_nn: Path) -> int:
    """Bytes of what the function of a written project reaches in an image."""
    objects = project.parent / f"{project.name}-objects"
    objects.mkdir()
    return build_image(read_project(project), core, objects, cmsis_nn=cmsis_nn).model.flash


def main() -> int:
    """Build the four networks; 1 if a target was missed."""
    figures: list[Figure] = []
    rows: list[tuple[object, ...]] = []
    for name, file in FILES.items():
        for core in CORES:
            plain = 0
            for objective in ("latency", "balanced", "flash"):
                step(f"{name} on {core} for {objective}")
                found = measured(models() / file, core, objective)
                plain = found.plain
                what, options = f"{name} {core} {objective}", f"--objective={objective}"
                most = 1.0 if objective == "flash" else None
                figures += [
                    Figure(f"{what}: predicted", found.predicted, None, "B", "lower", options),
                    Figure(f"{what}: linked", found.linked, None, "B", "lower", options),
                    Figure(f"{what}: arena", found.arena, None, "B", "lower", options),
                    Figure(f"{what}: error", abs(found.error), MOST_ERROR, "%", "lower", options),
                    Figure(
                        f"{what}: linked/plain",
                        found.linked / found.plain,
                        most,
                        "x",
                        "lower",
                        options,
                    ),
                ]
                rows.append(
                    (
                        *(name, core, objective, found.predicted, found.linked),
                        *(f"{found.error:+.2f}", found.plain, found.arena),
                    )
                )
            figures.append(Figure(f"{name} {core}: plain", plain, None, "B", "lower"))
    print_table(
        "MLPerf Tiny files as shipped, flash in bytes",
        ("network", "core", "objective", "predicted", "linked", "off %", "plain", "arena"),
        rows,
    )
    return publish("flash", figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
