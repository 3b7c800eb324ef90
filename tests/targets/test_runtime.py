# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from sparsec.targets import runtime


def make_runtime(directory: Path) -> Path:
    (directory / "include").mkdir(parents=True)
    (directory / "include" / "sparsec.h").touch()
    return directory


def test_the_checkout_wins_over_the_installed_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "sparsec" / "targets" / "runtime.py"))
    with pytest.raises(FileNotFoundError, match="reinstall sparsec"):
        runtime.runtime_dir()
    installed = make_runtime(tmp_path / "sparsec" / "_runtime")
    assert runtime.runtime_dir() == installed
    checkout = make_runtime(tmp_path / "runtime")
    assert runtime.runtime_dir() == checkout
