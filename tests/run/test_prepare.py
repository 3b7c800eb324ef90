# SPDX-License-Identifier: Apache-2.0
"""Compiling CMSIS-NN ahead."""

import shutil
from pathlib import Path

import pytest

from sparsec.run import cmsis_nn, prepare
from sparsec.run.toolchain import compiler_for
from tests.run.test_build import small_cmsis_nn


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(
        "CMSIS_NN_DIR", str(small_cmsis_nn(tmp_path / "a", "int answer(void) { return 42; }\n"))
    )
    return tmp_path / "cache/sparsec/lib"


@pytest.mark.qemu
def test_each_core_has_one_and_nothing_is_compiled_again(
    libraries: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main() == 0
    said = capsys.readouterr().err
    assert "setup: compiling CMSIS-NN, 1 files for cortex-m55 by gcc\n" in said
    found = {path: path.stat().st_mtime_ns for path in libraries.glob("*.a")}
    assert len(found) == said.count("\n") >= 7
    assert prepare.main() == 0
    assert capsys.readouterr().err == ""
    assert {path: path.stat().st_mtime_ns for path in libraries.glob("*.a")} == found


@pytest.mark.builds
def test_a_missing_compiler_is_no_reason_to_stop(
    libraries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which

    def all_but_arm(name: str) -> str | None:
        return None if name.startswith("arm-") else which(name)

    monkeypatch.setattr(shutil, "which", all_but_arm)
    compiler_for.cache_clear()
    assert prepare.main() == 0
    assert len(list(libraries.glob("*.a"))) == 2


def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cmsis_nn, "locate", lambda: None)
    assert prepare.main() == 2
    assert "CMSIS_NN_DIR" in capsys.readouterr().err
