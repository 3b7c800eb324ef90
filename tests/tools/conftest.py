# SPDX-License-Identifier: Apache-2.0
"""The tools, and a small model exported once."""

from pathlib import Path

import pytest
import torch

from sparsec.run import cmsis_nn
from sparsec.tools import sparsec
from tests.frontends.support import export_bytes
from tests.tools.support import Tools, TwoInputs, images, net


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own, where tools may leave files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tools(capsys: pytest.CaptureFixture[str]) -> Tools:
    return Tools(capsys)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported program with four example inputs."""
    path = tmp_path_factory.mktemp("models") / "tiny.pt2"
    path.write_bytes(export_bytes(net(), [images()]))
    return path


@pytest.fixture(scope="session")
def two_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with two inputs and two outputs."""
    path = tmp_path_factory.mktemp("models") / "two.pt"
    torch.manual_seed(0)
    path.write_bytes(export_bytes(TwoInputs(), [torch.randn(5, 6), torch.randn(5, 6)]))
    return path


@pytest.fixture(scope="session")
def texts(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model as IR text of each level. The float one is calibrated."""
    folder = tmp_path_factory.mktemp("texts")
    paths = {level: folder / f"{level}.mlir" for level in ("nn", "qnn", "kernels")}
    for level, path in paths.items():
        with pytest.raises(SystemExit) as ended:
            sparsec.main([str(model), f"--emit={level}", "-q", "-o", str(path)])
        assert ended.value.code == 0
    return paths


@pytest.fixture
def cmsis() -> Path:
    """CMSIS-NN, or a skip."""
    found = cmsis_nn.locate()
    if found is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    return found
