# SPDX-License-Identifier: Apache-2.0
"""What another layout of the inputs would spare is said where it would."""

import json
from pathlib import Path

import torch
from torch import nn

from tests.frontends.support import export_bytes
from tests.tools.support import Tools


def write(model: nn.Module, *shape: int) -> None:
    torch.manual_seed(0)
    Path("net.pt2").write_bytes(export_bytes(model.eval(), [torch.randn(4, *shape)]))


def test_what_the_entry_moves_is_said(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    write(nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.Flatten(), nn.Linear(64, 2)), 3, 32, 32)
    ended = tools.sparsec("net.pt2", "-o", "first")
    assert "--input-layout=nhwc" in ended.out and "the moving of 3,072 B" in ended.out
    moves, before = arena("first")
    assert moves["bytes_moved"] == 3 * 32 * 32
    assert moves["arena_bytes"] > 0
    assert "--input-layout" not in tools.sparsec("net.pt2", "--input-layout=nhwc", "-o", "last").out
    moves, after = arena("last")
    assert moves is None and after < before


def arena(folder: str) -> tuple[dict[str, int], int]:
    report = json.loads(Path(folder, "report.json").read_text())
    return report["input_moves"], report["arena_bytes"]


def test_one_channel_moves_nothing(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    write(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 2)), 1, 8, 8)
    assert "--input-layout" not in tools.sparsec("net.pt2", "-o", "out").out
    assert arena("out")[0] is None


def test_ir_has_the_layout_it_has(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    write(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)), 3, 8, 8)
    tools.sparsec("net.pt2", "--emit=qnn", "-o", "net.mlir")
    assert "--input-layout" not in tools.sparsec("net.mlir", "-o", "out").out
