# SPDX-License-Identifier: Apache-2.0
"""Small hand-written projects for the tests of the harness, and the skips for missing tools."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsec.run import cmsis_nn as cmsis_nn_lookup

WriteProject = Callable[..., Path]


@pytest.fixture
def cmsis_nn() -> Path:
    found = cmsis_nn_lookup.locate()
    if found is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    return found


@pytest.fixture
def write_project(tmp_path: Path) -> WriteProject:
    """Writes the project "tiny" around a C file that defines tiny_invoke(int8_t *arena)."""

    def write(
        source: str,
        *,
        arena: int = 64,
        inputs: list[tuple[int, int]],
        outputs: list[tuple[int, int]],
    ) -> Path:
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "tiny.h").write_text("#include <stdint.h>\nint tiny_invoke(int8_t *arena);\n")
        (project / "tiny.c").write_text(f'#include "tiny.h"\n{source}\n')
        report = {
            "name": "tiny",
            "entry": "tiny_invoke",
            "header": "tiny.h",
            "arena_bytes": arena,
            "inputs": [
                {"name": f"in{i}", "offset": o, "bytes": n} for i, (o, n) in enumerate(inputs)
            ],
            "outputs": [
                {"name": f"out{i}", "offset": o, "bytes": n} for i, (o, n) in enumerate(outputs)
            ],
        }
        (project / "report.json").write_text(json.dumps(report))
        return project

    return write
