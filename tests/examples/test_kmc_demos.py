# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's demos of pruning, and of sparsity on a detector; its template of pruning."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from examples.export import load_program
from examples.kmc import pruning_demo, sparsity_demo
from examples.kmc.detector import decoded, mean_average_precision, scenes
from sparsec.compat.kmc.pruning_configuration import (
    AmcCfg,
    DdpgCfg,
    DockerCfg,
    read_pruning_config,
)
from tests.compat.test_kmc_pruning import hide_onnx

FOLDER = pruning_demo.TEMPLATE.parent


def small(folder: Path, name: str, epochs: int = 1, **sections: dict[str, Any]) -> list[str]:
    """The command line for a file of the examples, with few episodes in a folder of the test's."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    content["app_args"]["output_dir"] = str(folder / "output")
    for section, values in sections.items():
        content[section] |= values
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return [f"--config_file={path}", f"--epochs={epochs}", "--images=64"]


@pytest.fixture(autouse=True)
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes two seconds for each candidate; `test_kmc_pruning.py` writes one."""
    hide_onnx(monkeypatch)


FEW: dict[str, Any] = {"warmup": 1, "num_training_episodes": 1, "bsize": 4}


def test_the_template_has_every_key_and_default() -> None:
    content: dict[str, Any] = yaml.safe_load(pruning_demo.TEMPLATE.read_text())
    read = read_pruning_config(pruning_demo.TEMPLATE)
    for name, table in (("amc_cfg", AmcCfg), ("ddpg_cfg", DdpgCfg), ("docker_cfg", DockerCfg)):
        assert list(content[name]) == [each.name for each in dataclasses.fields(table)]
    assert read.amc_cfg == AmcCfg() and read.ddpg_cfg == DdpgCfg()
    assert read.docker_cfg == dataclasses.replace(DockerCfg(), chip="TX5368")
    assert (read.input_shape, read.app_args.device) == ((1, 3, 32, 32), 0)


def test_pruning_a_resnet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = small(tmp_path, "pruning_template.yaml", ddpg_cfg=FEW, app_args={"device": "cpu"})
    assert pruning_demo.main(line) == 0
    said = capsys.readouterr().out
    assert "\ndense: ind1 " in said and "\nretrained: ind1 " in said
    with (tmp_path / "output" / "kmc-pruning.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(float(row["normalized_macs"]) <= 50 for row in rows)
    weights = load_program(tmp_path / "output" / "resnet8-best-pruning.pt2").state_dict
    assert (
        weights["layer3.0.conv2.weight"].shape[1] == weights["layer3.0.conv1.weight"].shape[0] < 64
    )
    assert pruning_demo.main([*line, f"--data={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_a_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pruned, then sparse; with the milliseconds of an inference."""
    line = small(tmp_path, "detection_pruning.yaml", 12, ddpg_cfg=FEW)
    assert pruning_demo.main(line) == 0
    with (tmp_path / "output" / "kmc-pruning.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert float(row["normalized_macs"]) <= 80 and float(row["infer_time"]) > 0
        assert int(row["op_num"]) >= 8 and 0 <= float(row["ind2"]) <= float(row["ind1"]) <= 100
    assert rows
    assert sparsity_demo.main(small(tmp_path, "detection_sparsity.yaml", 12)) == 0
    assert "head.0.weight: 0.5000 zeros" in capsys.readouterr().out
    assert (
        pruning_demo.main(
            small(tmp_path, "detection_pruning.yaml", network={"yolo_small": ["second.0"]})
        )
        == 2
    )
    error = capsys.readouterr().err
    assert "pruning inputs of second.0 would also change fuse.0, which is not adjacent" in error


def test_precision_of_boxes() -> None:
    """What is right is counted once, and a wrong guess that is sure costs."""
    _, (boxes, *_) = scenes(1, 3)
    right = torch.cat([torch.ones(len(boxes), 1), boxes], 1)
    assert mean_average_precision([right], [boxes], 0.95) == 1.0
    twice = torch.cat([right, right * torch.tensor([0.5, 1, 1, 1, 1, 1])])
    assert mean_average_precision([twice], [boxes], 0.5) == 1.0
    one = boxes[:1]
    wrong = torch.tensor([[2.0, float(one[0, 0]), 0.9, 0.9, 0.01, 0.01]])
    assert mean_average_precision([torch.cat([wrong, right[:1]])], [one], 0.5) == 0.5
    assert mean_average_precision([right[:0]], [boxes], 0.5) == 0.0
    output = torch.full((1, 7, 8, 8), -9.0)
    output[0, :, 2, 3] = torch.tensor([9.0, 0, 0, -1, -1, 9, -9])
    (row,) = decoded(output)[0]
    assert row[1:4].tolist() == [0, 3.5 / 8, 2.5 / 8]
