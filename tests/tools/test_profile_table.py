# SPDX-License-Identifier: Apache-2.0
"""sparsec run --profile: a table for people, JSON for programs, one line when it cannot be done."""

import json
import shutil
from pathlib import Path

import pytest

from tests.tools.support import Tools


@pytest.fixture(autouse=True)
def toolchain(cmsis: Path) -> None:
    missing = [
        tool
        for tool in ("gcc", "arm-none-eabi-gcc", "qemu-system-arm")
        if shutil.which(tool) is None
    ]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")


@pytest.mark.qemu
def test_json(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("run", texts["qnn"], "--on=cortex-m4", "--profile", "--json")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    profile = report["profile"]
    assert report["schema_version"] == 1
    assert set(profile) == {"instructions", "estimated_cycles", "layers", "functions"}
    assert profile["instructions"] == report["instructions"][0]
    for part in ("layers", "functions"):
        for number in ("instructions", "estimated_cycles"):
            assert sum(row[number] for row in profile[part]) == profile[number] > 0
    assert all(
        set(layer) == {"name", "kernel", "instructions", "estimated_cycles"}
        for layer in profile["layers"]
    )
    assert all(layer["name"] for layer in profile["layers"])
    cycles = [function["estimated_cycles"] for function in profile["functions"]]
    assert cycles == sorted(cycles, reverse=True)


@pytest.mark.qemu
def test_text(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("run", texts["qnn"], "--on=cortex-m55", "--profile")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    (mismatches,) = (i for i, line in enumerate(lines) if line.startswith("mismatches: 0 of"))
    assert lines[mismatches + 2].startswith("layers on cortex-m55, first sample")
    header = lines[mismatches + 3].split("  ")
    assert [word.strip() for word in header if word] == [
        *("layer", "kernel", "instructions", "est. cycles", "% of cycles")
    ]
    (total,) = (line.split() for line in lines if line.startswith("total "))
    (said,) = (line for line in lines if line.startswith("instructions per inference: "))
    assert said.endswith(f" {total[1]}") and total[-1] == "100.0"
    assert lines[-1].startswith("instructions are exact; cycles are estimated")


def test_not_on_the_host(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("run", model, "--profile")
    assert ended.code == 2
    assert ended.err == (
        "error: --profile counts on QEMU: add --on=cortex-m4, or another Cortex-M\n"
    )


@pytest.mark.qemu
def test_without_gcc(tools: Tools, texts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which

    def all_but_gcc(name: str) -> str | None:
        return None if name == "gcc" else which(name)

    monkeypatch.setattr(shutil, "which", all_but_gcc)
    ended = tools.sparsec("run", texts["qnn"], "--on=cortex-m4", "--profile", "-q")
    assert ended.code == 2
    assert ended.err.startswith("error: gcc is not installed; ") and ended.err.count("\n") == 1
