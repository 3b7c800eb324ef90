# SPDX-License-Identifier: Apache-2.0
"""Where the networks of MLPerf Tiny are looked for."""

from hashlib import sha256
from pathlib import Path

import pytest

from examples import mlperf

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", mlperf.SOURCES)
def test_the_files_are_those_that_were_published(name: str) -> None:
    path = mlperf.find(name)
    if path is None:
        pytest.skip(f"{name}.tflite is not there")
    assert sha256(path.read_bytes()).hexdigest() == mlperf.SOURCES[name].sha256


def test_a_folder_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSEC_MODELS", str(tmp_path))
    file = tmp_path / "mlperf-tiny" / "ad01_int8.tflite"
    with pytest.raises(FileNotFoundError, match=r"has no mlperf-tiny/ad01_int8\.tflite: save http"):
        mlperf.find("ad01_int8")
    file.parent.mkdir()
    file.touch()
    assert mlperf.find("ad01_int8") == mlperf.require("ad01_int8") == file


def test_what_nobody_promised_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SPARSEC_MODELS", raising=False)
    monkeypatch.setattr(mlperf, "__file__", str(tmp_path / "a/examples/mlperf.py"))
    assert mlperf.find("ad01_int8") is None
    with pytest.raises(FileNotFoundError, match="set SPARSEC_MODELS to a folder with mlperf-tiny"):
        mlperf.require("ad01_int8")


def test_contributing_says_where_to_get_them() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name, source in mlperf.SOURCES.items():
        assert f"{name}.tflite" in text and source.path in text
