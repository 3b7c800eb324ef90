# SPDX-License-Identifier: Apache-2.0
"""`sparsec sensitivity`: the table, CSV and picture."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparsec.compress.layers import program_of
from sparsec.compress.training import accuracy_of
from tests.compress.nets import images
from tests.compress.test_sensitivity import learned
from tests.tools.support import Tools


def test_the_command(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model, data = learned()
    Path("net.pt2").write_bytes(program_of(model, [images(2)]).saved())
    np.savez("test.npz", x=data.inputs.numpy(), labels=data.labels.numpy())
    words = "sensitivity", "net.pt2", "--data=test.npz", "-q", "--sparsity=0.9"
    ended = tools.sparsec(*words, "--json")
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)["rows"]
    assert [row["layer"] for row in rows] == ["", "0", "4", "6", "9"]
    assert rows[0]["accuracy"] == accuracy_of(model.eval(), data)
    ended = tools.sparsec(*words, "--layers=9", "-o", "scan.csv", "--plot=scan.png")
    assert ended.code == 0 and ended.out == ""
    assert Path("scan.csv").read_text().count("\n") == 3
    assert Path("scan.png").read_bytes().startswith(b"\x89PNG")
    assert "as it is" in tools.sparsec(*words, "--layers=9").out
    ended = tools.sparsec(
        *(word for word in words if word != "-q"), "--pattern=block(1x16)", "--json"
    )
    assert json.loads(ended.out)["left_out"] == ["0", "4"]
    assert "left out, as block(1x16) is larger: 0, 4\n" in ended.err
    for extra, message in (
        (["--layers=conv"], "no layer with weights matches 'conv'"),
        (["--pattern=nm(2:4),channels"], "--pattern takes one pattern"),
        (["--pattern=block(1x16)", "--layers=0"], "block(1x16) is larger than each layer: 0"),
        (["--plot=scan.txt"], "is no picture"),
        (["--plot=no/scan.svg", "--layers=9"], ""),
    ):
        ended = tools.sparsec(*words, *extra)
        assert ended.code == (2 if message else 0) and message in ended.err
