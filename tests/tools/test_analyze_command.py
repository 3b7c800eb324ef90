# SPDX-License-Identifier: Apache-2.0
"""sparsec analyze: counts against a count by hand, against the compiled project, and for known networks."""

import json
import re
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsec.analysis.values.removed_channels import REASONS
from sparsec.formats import COMMON_FORMATS
from sparsec.tools import analyze_command
from sparsec.tools.analyze_command import entropy_bound
from tests.frontends.support import export_bytes
from tests.frontends.tflite.support import OperatorSpec, TensorSpec, network, write
from tests.tools.support import Ended, Net, Tools, images, net

KEYS = {
    *("schema_version", "name", "target", "unsupported", "arena_bytes", "arena_lower_bound_bytes"),
    *(
        "activation_bytes_before",
        "activation_bytes_after",
        "flash_weight_bytes_stored",
        "flash_code_bytes",
        "flash_bytes",
        "total",
        "layers",
    ),
}
LINEAR = """
func.func @main(%x : tensor<1x4xi8> {qnn.quantization = #nn.quantization<scales = [1.0]>})
    -> (tensor<1x4xi8> {qnn.quantization = #nn.quantization<scales = [1.0]>}) {
  %w = qnn.constant dense<[[1, 0, 0, 2], [0, 3, 0, 0], [4, 5, 0, 0], [0, 0, 6, 7]]> : tensor<4x4xi8>
  %b = qnn.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<-1> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"}
      : tensor<1x4xi8>, tensor<4x4xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
  %z = qnn.linear %y, %w, %b requant(%m, %s) <> {layer = "fc"}
      : tensor<1x4xi8>, tensor<4x4xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
  func.return %z : tensor<1x4xi8>
}
"""
"""A layer that is used twice."""


def report(ended: Ended) -> dict[str, Any]:
    """The JSON that was printed, and nothing else was."""
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert set(found) == KEYS
    assert found["schema_version"] == 2
    return found


def pruned() -> Net:
    """A net of which nobody reads filter 0, whose filter 1 is zero, and whose filter 2 has zeros."""
    result = net()
    with torch.no_grad():
        result.conv.weight[1] = 0
        result.conv.weight[2, 0] = 0
        result.fc.weight[:, :16] = 0
    return result


@pytest.fixture
def pruned_model(tmp_path: Path) -> Path:
    path = tmp_path / "pruned.pt2"
    path.write_bytes(export_bytes(pruned(), [images()]))
    return path


def test_json(tools: Tools, pruned_model: Path) -> None:
    found = report(tools.sparsec("analyze", pruned_model, "--json", "-q"))
    assert (found["name"], found["target"]) == ("pruned", "cortex-m4")
    assert found["unsupported"] == []
    layers = {layer["op"]: layer for layer in found["layers"]}
    conv = layers["qnn.conv2d"]
    assert (conv["name"], conv["output_shape"]) == ("conv", [1, 4, 4, 3])
    assert (conv["weights"], conv["nonzero_weights"], conv["density"]) == (54, 27, 0.5)
    assert (conv["macs"], conv["zero_macs"]) == (16 * 54, 16 * 27)
    # What the zero filter gives is part of the bias behind it, so nobody reads that one either.
    assert conv["dead_channels"] == {"dead_inputs": 2}
    assert conv["removed"] == {"dead_inputs": [0, 1]}
    assert (conv["weights_left"], conv["macs_left"]) == (18, 16 * 18)
    linear = layers["qnn.linear"]
    assert (linear["name"], linear["output_shape"], linear["macs"]) == ("fc", [1, 5], 240)
    assert linear["zero_macs"] >= 80
    assert (linear["weights_left"], linear["dead_channels"]) == (80, {})
    total = found["total"]
    assert (total["weights"], total["weights_left"]) == (54 + 240, 18 + 80)
    assert total["macs"] == 864 + 240
    assert total["zero_macs"] == conv["zero_macs"] + linear["zero_macs"]
    assert total["dead_channels"] == 2


def test_bytes_of_each_format(tools: Tools) -> None:
    """A tied weight is used twice and stored once."""
    Path("tied.mlir").write_text(LINEAR)
    found = report(tools.sparsec("analyze", "tied.mlir", "--json"))
    first, second = found["layers"]
    assert [first["name"], second["name"]] == ["fc", "fc#2"]
    weights = np.array([[1, 0, 0, 2], [0, 3, 0, 0], [4, 5, 0, 0], [0, 0, 6, 7]], np.int8)
    stored: dict[str, int | None] = {"dense": 16, "entropy_bound": 9}
    for storage in COMMON_FORMATS:
        # Two of the four weights of the first row are not zero.
        lost = storage.name == "nm" and storage.label != "nm(2:4)"
        stored[storage.label] = None if lost else storage.stored_bytes(weights)
    assert first["weight_bytes"] == second["weight_bytes"] == stored
    dense_where_lost = {name: size or 16 for name, size in stored.items()}
    assert found["total"]["weight_bytes"] == dense_where_lost
    assert stored["bitmap"] == 7 + 4  # and nothing is smaller
    for counted in (first, second, found["total"]):
        assert counted["smallest_bytes"] == 11
    assert first["smallest_format"] == "bitmap"
    assert (found["total"]["weights"], found["total"]["macs"]) == (16, 32)
    assert (found["total"]["nonzero_weights"], found["total"]["zero_macs"]) == (7, 18)


def test_entropy_bound() -> None:
    for count in range(1, 40):
        for nonzero in range(count + 1):
            bits = (comb(count, nonzero) * 255**nonzero - 1).bit_length()  # of a number for each
            assert abs(entropy_bound(count, nonzero) - bits / 8) <= 1
            assert entropy_bound(count, nonzero) <= min(count, -(-bits // 8))
    assert [entropy_bound(100, n) for n in (0, 1, 100)] == [0, 2, 100]


def test_memory_is_that_of_the_project(tools: Tools, pruned_model: Path, cmsis: Path) -> None:
    assert tools.sparsec(pruned_model, "-q", "-o", "project", "--target=cortex-m55").code == 0
    project = json.loads(Path("project/report.json").read_text())
    found = report(tools.sparsec("analyze", pruned_model, "-q", "--json", "--target=cortex-m55"))
    for key in KEYS - {"schema_version", "unsupported", "total", "layers"}:
        assert found[key] == project[key]
    # Most is live while the input is transposed, which removes no channel.
    assert found["activation_bytes_before"] == found["activation_bytes_after"] == 2 * 72
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert [entry["layer"] for entry in project["removed"]] == ["conv", "fc"]
    for entry in project["removed"]:
        layer = layers[entry["layer"]]
        assert entry["weights"] == [layer["weights"], layer["weights_left"]]
        assert entry["macs"] == [layer["macs"], layer["macs_left"]]
        gone = {reason: channels for reason, channels in entry.items() if reason in REASONS}
        assert {reason: c for reason, c in gone.items() if c} == layer["removed"]
    for what in ("flash_weight_bytes_stored", "flash_code_bytes", "flash_bytes"):
        assert found[what] == project[what]


def test_what_is_gone_is_not_counted_again(tools: Tools, pruned_model: Path) -> None:
    """IR text that went through the lossless passes holds their record."""
    assert tools.sparsec(pruned_model, "--emit=qnn", "-q", "-o", "small.mlir").code == 0
    assert "sparsec.removed" in Path("small.mlir").read_text()
    total = report(tools.sparsec("analyze", "small.mlir", "--json"))["total"]
    assert (total["dead_channels"], total["weights"], total["weights_left"]) == (0, 98, 98)


@pytest.mark.parametrize("level", ["nn", "qnn"])
def test_ir_text(tools: Tools, texts: dict[str, Path], level: str) -> None:
    ended = tools.sparsec("analyze", texts[level], "--json")
    assert report(ended)["total"]["macs"] == 864 + 240


def test_table(tools: Tools, pruned_model: Path) -> None:
    ended = tools.sparsec("analyze", pruned_model)
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "calibrating with the 4 example inputs" in ended.err
    lines = ended.out.splitlines()
    assert lines[0].strip() == "pruned for cortex-m4"
    assert "dead channels" in lines[1]
    [line] = [line for line in lines if "qnn.conv2d" in line]
    assert line.split()[:6] == ["conv", "qnn.conv2d", "1x4x4x3", "864", "432", "0.500"]
    assert re.search(r"2 dead inputs +18 +288$", line.rstrip())
    assert "98 of 294 weights" in ended.out
    assert list(Path().glob("*")) == [Path("pruned.pt2")]


def test_kernels_are_refused(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("analyze", texts["kernels"])
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: sparsec analyze reads the int8 network: give a model, nn or qnn IR\n"
    )


def test_budget(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("analyze", texts["qnn"], "--ram=8")
    assert (ended.code, ended.out) == (2, "")
    assert "--ram allows 8" in ended.err


def test_pipeline_is_printed(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("analyze", texts["qnn"], "--print-pipeline")
    assert ended.out == tools.sparsec(texts["qnn"], "--emit=kernels", "--print-pipeline").out


def test_unsupported_operators_are_listed_as_in_compiling(tools: Tools) -> None:
    tensors = [TensorSpec(name, (1, 4), (0.1,)) for name in "xaby"]
    operators = [
        OperatorSpec("ELU", [0], [1]),
        OperatorSpec("RELU", [1], [2]),
        OperatorSpec("TOPK_V2", [0, 2], [3]),
    ]
    Path("odd.tflite").write_bytes(write(tensors, operators))
    ended = tools.sparsec("analyze", "odd.tflite")
    assert (ended.code, ended.out) == (2, "")
    assert "ELU at 'a'" in ended.err and "TOPK_V2 at 'y'" in ended.err
    assert ended.err == tools.sparsec("odd.tflite").err
    ended_too = tools.sparsec("analyze", "odd.tflite", "--json")
    assert (ended_too.code, ended_too.err) == (2, ended.err)
    assert json.loads(ended_too.out)["unsupported"] == [
        "ELU at 'a' (operator 0)",
        "TOPK_V2 at 'y' (operator 2)",
    ]


def test_tflite_is_below_nn(tools: Tools) -> None:
    tensors = [TensorSpec(name, (1, 4), (0.1,)) for name in "xy"]
    Path("relu.tflite").write_bytes(write(tensors, [OperatorSpec("RELU", [0], [1])]))
    ended = tools.sparsec("relu.tflite", "--emit=nn")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: relu.tflite is at the level of qnn, below --emit=nn: choose --emit=qnn or lower\n"
    )
    found = report(tools.sparsec("analyze", "relu.tflite", "--json"))
    assert (found["total"]["macs"], found["total"]["density"]) == (0, None)
    assert tools.sparsec("analyze", "relu.tflite").code == 0


def test_person_detection(tools: Tools) -> None:
    """The figures that are known of this network."""
    Path("vww.tflite").write_bytes(network("vww_96_int8"))
    total = report(tools.sparsec("analyze", "vww.tflite", "--json"))["total"]
    assert (total["weights"], total["macs"]) == (208_112, 7_489_664)
    assert round(100 * total["zero_macs"] / total["macs"], 1) == 48.5
    assert total["weights_left"] <= 36_843
    assert total["macs_left"] <= 3_800_000


def test_help(tools: Tools) -> None:
    assert "sparsec analyze" in tools.sparsec("--help").out
    ended = tools.sparsec("analyze", "--help")
    assert ended.code == 0
    assert analyze_command.EXAMPLES in ended.out
