# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's pruning: its file, its three entries, its table, what it refuses."""

import csv
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from sparsec.compat.kmc import candidates
from sparsec.compat.kmc.candidates import COLUMNS, TABLE
from sparsec.compat.kmc.models import inner_of
from sparsec.compat.kmc.pruning import Int8, MCPruning
from sparsec.compat.kmc.pruning_configuration import read_pruning_config
from sparsec.compress.layers import layers_of
from sparsec.compress.pruner import Pruner
from sparsec.search.amc.search import Episode
from sparsec.tools.chip import Chip
from tests.compress.test_channels_errors import knights_figure

INPUTS = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(0))
FAST: dict[str, Any] = {"bsize": 8, "hidden1": 16, "hidden2": 16, "warmup": 2}
FAST["num_training_episodes"] = 3


@pytest.fixture(autouse=True)
def without_onnx(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test writes .onnx, which takes two seconds for each candidate."""
    if request.node.name != "test_onnx":
        hide_onnx(monkeypatch)


def hide_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> str | None:
        return None if name == "onnx" else name

    monkeypatch.setattr(candidates, "find_spec", found)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 12, 3, stride=2), nn.ReLU(), nn.Conv2d(12, 8, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(8, 4)),
    ).eval()


class Agreement:
    """Percent of answers as the dense network has them, with as many calls as were made."""

    def __init__(self) -> None:
        self.calls = 0
        with torch.no_grad():
            self.labels = net()(INPUTS)

    def __call__(self, model: nn.Module) -> dict[str, Any]:
        self.calls += 1
        with torch.no_grad():
            output: Tensor = model(INPUTS)
        near = float(nn.functional.cosine_similarity(output, self.labels).mean().clamp(0, 1))
        same = (output.argmax(1) == self.labels.argmax(1)).float().mean()
        return {"ind1": 100 * near, "ind2": 100 * float(same), "vloss": None, "acc1": "x"}


def config(folder: Path, **sections: Any) -> Path:
    content: dict[str, Any] = {
        "app_args": {
            **{"arch": "net", "dataset": "noise", "input_shape": [1, 1, 8, 8]},
            **{"device": "cpu", "output_dir": str(folder / "output")},
        },
        "network": {"net": ["3", "5"]},
        "amc_cfg": {"pruning_method": "l1-rank"},
        "ddpg_cfg": FAST,
    }
    path = folder / "pruning.yaml"
    path.write_text(yaml.safe_dump(content | sections))
    return path


def prune(path: Path, **more: Any) -> nn.Module:
    args = {"model_fn": net, "val_fn": Agreement(), "config_file": path, "inputs": INPUTS}
    return MCPruning.prune_model(args | more)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "output" / TABLE).open(newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return list(reader)


def test_defaults(tmp_path: Path) -> None:
    read = read_pruning_config(config(tmp_path, amc_cfg=None, ddpg_cfg=None))
    amc, ddpg, docker = read.amc_cfg, read.ddpg_cfg, read.docker_cfg
    assert (amc.agent_algo, amc.protocol, amc.pruning_pattern) == (
        *("DDPG", "mac-constrained", "channels"),
    )
    assert (amc.pruning_method, amc.target_density) == ("fm-reconstruction", 0.5)
    assert (amc.n_points_per_fm, amc.group_size, amc.action_range) == (10, 1, (0.05, 0.95))
    assert (ddpg.bsize, ddpg.tau, ddpg.discount, ddpg.epsilon) == (1, 0.01, 1.0, 50000)
    assert (ddpg.init_delta, ddpg.delta_decay) == (0.5, 0.95)
    assert (ddpg.hidden1, ddpg.hidden2, ddpg.window_length) == (300, 300, 1)
    assert (ddpg.heatup_noise, ddpg.initial_training_noise) == (0.5, 0.5)
    assert (ddpg.training_noise_decay, ddpg.warmup) == (0.95, 100)
    assert (ddpg.num_training_episodes, ddpg.lr_a, ddpg.lr_c) == (300, 1e-4, 1e-3)
    assert (docker.run_latency, docker.bit_width, docker.is_sparse) == (False, 8, False)
    assert read.app_args.device == "cpu" and not read.has_docker and ddpg.idle == []


def test_candidates_as_they_improve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table, its files, and a search that goes on where it was cut off, without asking or writing again."""
    path = config(tmp_path)
    judge, heard = Agreement(), list[float]()
    fails_at = 3

    def cut_off(model: nn.Module) -> dict[str, Any]:
        if judge.calls == fails_at:
            raise KeyError("no such image")
        return judge(model)

    with pytest.raises(ValueError, match="val_fn raised KeyError: 'no such image' .the episodes"):
        prune(path, val_fn=cut_off)
    said = capsys.readouterr().out
    assert said.startswith(
        "dense: ind1 100  ind2 100\nno .onnx is written: pip install onnx\nepisode 0: ind1 "
    )
    first = rows(tmp_path)
    output = tmp_path / "output"
    stamps = {file.name: file.stat().st_mtime_ns for file in output.glob("pruning_episode_000*")}
    assert set(stamps) == {"pruning_episode_000_best.pth", "pruning_episode_000_best.pt2"}

    def hears(episode: Episode) -> None:
        heard.append(episode.reward)

    best = prune(path, val_fn=judge, on_episode=hears)
    assert judge.calls <= fails_at + 4 and len(heard) == 5
    table = rows(tmp_path)
    assert table[: len(first)] == first
    assert len(table) == sum(
        now > max(heard[:index], default=-1) for index, now in enumerate(heard)
    )
    assert [float(row["ind1"]) for row in table] == sorted({float(row["ind1"]) for row in table})
    assert {
        file.name: file.stat().st_mtime_ns for file in output.glob("pruning_episode_000*")
    } == stamps
    for row in table:
        assert (row["infer_time"], row["op_num"]) == ("None", "None")
        assert float(row["normalized_macs"]) <= 50 and row["ckpt_name"] == (
            f"pruning_episode_{int(row['episode']):03}_best"
        )
        model = MCPruning.load_pruned_model(net(), output / f"{row['ckpt_name']}.pth")
        given = Agreement()(model)
        assert f"{given['ind1']:g}" == row["ind1"] and f"{given['ind2']:g}" == row["ind2"]
        weights = sum(layer.weight.numel() for layer in layers_of(model))
        dense = sum(layer.weight.numel() for layer in layers_of(net()))
        assert f"{100 * weights / dense:.6g}" == row["normalized_nnz"]
        assert MCPruning.load_extras(output / f"{row['ckpt_name']}.pth")["episode"] == int(
            row["episode"]
        )
    assert f"{Agreement()(best)['ind1']:g}" == table[-1]["ind1"]
    program = torch.export.load(output / f"{table[-1]['ckpt_name']}.pt2")
    assert torch.allclose(program.module()(INPUTS), best(INPUTS), atol=1e-5)
    assert (output / "pruning_last_checkpoint.pth").is_file()
    with pytest.raises(
        ValueError, match="output holds another search .target, amc_cfg differ.: take another"
    ):
        prune(config(tmp_path, amc_cfg={"pruning_method": "l1-rank", "target_density": 0.6}))
    assert rows(tmp_path) == table


def test_latency_and_int8_and_cycles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker = {"run_latency": True, "chip": "TX5368", "is_sparse": True}
    path = config(
        tmp_path,
        amc_cfg={
            "pruning_pattern": "unstructured",
            "protocol": "cycles-constrained",
            "target_density": 0.8,
        },
        ddpg_cfg={**FAST, "warmup": 1, "num_training_episodes": 1, "epsilon": 9},
        docker_cfg=docker,
    )
    judge = Agreement()

    def int8(model: nn.Module) -> dict[str, Any]:
        assert next(model.parameters()).device.type == "cpu"
        output = model(INPUTS)
        assert output.shape == judge.labels.shape and isinstance(model, Int8)
        values = output.unique()
        steps = values.diff() / values.diff().min()  # int8 outputs lie on a grid
        assert len(values) < output.numel() and torch.allclose(steps, steps.round(), atol=1e-3)
        return judge(model)

    prune(path, val_fn=int8, accuracy="int8", megahertz=100)
    said = capsys.readouterr().out
    assert "ddpg_cfg: without effect here: epsilon\n" in said
    assert "chip TX5368 is not ours, no image is started: cortex-m4 at 100 MHz is taken" in said
    for row in rows(tmp_path):
        assert 0 < float(row["infer_time"]) < 1 and int(row["op_num"]) == 4
        assert float(row["normalized_nnz"]) < 100


def test_without_the_agents_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what is missing, before anything is written."""
    for name in ("agent", "environment"):
        monkeypatch.delitem(sys.modules, f"sparsec.search.amc.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ValueError, match="^stable_baselines3 is not installed: AMC takes pip ins"):
        prune(config(tmp_path))
    assert not (tmp_path / "output").exists()


@pytest.mark.qemu
def test_latency_from_qemu(tmp_path: Path) -> None:
    """Instructions at one a cycle, not the estimate."""
    few = {**FAST, "warmup": 1, "num_training_episodes": 1}
    prune(config(tmp_path, ddpg_cfg=few, docker_cfg={"run_latency": True}), measure=True)
    chip = Chip([INPUTS], ["--target=cortex-m4", "--weights=dense"])
    row = rows(tmp_path)[-1]
    best = tmp_path / "output" / f"{row['ckpt_name']}.pth"
    model = MCPruning.load_pruned_model(net(), best)
    measured, calls = chip.profile(model, 168, "cortex-m4")
    estimated, _ = chip.profile(model, 168)
    assert (row["infer_time"], row["op_num"]) == (f"{measured:.3f}", str(calls))
    assert 0.5 < measured / estimated < 2 and measured != estimated


def test_a_pruned_network_may_know_nearly_nothing(tmp_path: Path) -> None:
    """Half a percent is no fraction behind a dense network that knows more."""
    asked: list[nn.Module] = []

    def judge(model: nn.Module) -> dict[str, Any]:
        asked.append(model)
        return {"ind1": 60.0 if len(asked) == 1 else 0.5, "ind2": 0.25}

    path = config(tmp_path, ddpg_cfg={**FAST, "warmup": 1, "num_training_episodes": 1})
    prune(path, val_fn=judge)
    assert [(row["ind1"], row["ind2"]) for row in rows(tmp_path)] == [("0.5", "0.25")]


def test_files_keep_shape_zeros_and_extras(tmp_path: Path) -> None:
    model = net()
    Pruner(model, ratio=0.5, layers="3").detach()
    path = tmp_path / "net.pth"
    MCPruning.save_pruned_model(model, path, {"epoch": 3})
    again = MCPruning.load_pruned_model(net(), path)
    gone = again.get_parameter("3.weight") == 0
    optimizer = torch.optim.SGD(again.parameters(), 0.1)
    again(INPUTS).square().mean().backward()
    optimizer.step()
    MCPruning.save_pruned_model(again, path, {"optimizer": optimizer.state_dict()})
    assert torch.equal(again.get_parameter("3.weight") == 0, gone) and gone.float().mean() == 0.5
    assert set(MCPruning.load_extras(path)) == {"optimizer"}
    state = {f"module.{name}": each for name, each in again.state_dict().items()}
    torch.save(state, path)  # of several GPUs
    spread = MCPruning.load_pruned_model(nn.DataParallel(net()), path)
    assert torch.equal(inner_of(spread).get_parameter("3.weight"), again.get_parameter("3.weight"))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="extras hold objects, which nobody could load safely"):
        MCPruning.save_pruned_model(model, path, {"model": net()})
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="net.pth is of another model: the tensors have other"):
        MCPruning.load_pruned_model(nn.Linear(3, 3), path)
    wider = net()
    wider[3] = nn.Conv2d(8, 11, 3, stride=2)
    with pytest.raises(ValueError, match=r"of another model: 3.weight is \[12, 8, 3, 3\], of the"):
        MCPruning.load_pruned_model(wider, path)
    torch.save(model, path)
    with pytest.raises(ValueError, match="pickled objects, .* not read"):
        MCPruning.load_pruned_model(net(), path)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"amc_config": {}}, "a section 'amc_config' that pruning does not have: did you mean 'amc_cfg'"),
        ({"nas_cfg": {}}, "nas_cfg: Knight-MC's network search is not there; sparsec search looks"),
        ({"amc_cfg": {"target_densty": 0.5}}, "amc_cfg has no key 'target_densty': did you mean 'target_density'"),
        ({"amc_cfg": {"protocol": "mac-constraint"}}, "amc_cfg: there is no protocol 'mac-constraint': did you mean"),
        ({"amc_cfg": {"pruning_method": "l1"}}, "pruning_method is one of l1-rank, stochastic-l1-rank, fm-"),
        ({"amc_cfg": {"agent_algo": "PPO"}}, "agent_algo is one of DDPG, not 'PPO'"),
        ({"amc_cfg": {"action_range": [0.9, 0.1]}}, r"action_range is the least and the most .* not \[0.9, 0.1\]"),
        ({"amc_cfg": {"target_density": 50}}, "target_density is above 0 and at most 1, not 50"),
        ({"amc_cfg": {"target_density": 0.01}}, "mac-constrained cannot reach 1 % of the macs: with a share of 0.95"),
        ({"amc_cfg": {"pruning_pattern": "rows"}}, "amc_cfg: .*rows"),
        ({"docker_cfg": {"bit_width": 16}}, "docker_cfg.bit_width is 8: no kernels have 16 bits"),
        ({"ddpg_cfg": {"bsize": 0}}, "bsize is at least 1, not 0"),
        ({"network": {"net": ["3", "4"]}}, "no layer with weights matches '4'"),
        ({"network": {"net": ["3.weigth"]}}, "no layer with weights matches '3.weigth': layers: 0, 3, 5, 8"),
        ({"network": {"net": ["3", "3"]}}, "network.net lists a layer twice"),
        ({"network": {"net": ["0"]}}, "no layer can lose channels"),
        ({"app_args": {"arch": "net", "dataset": "x"}}, "input_shape is the shape of an input, e.g."),
        ({"app_args": {"arch": "net", "dataset": "x", "input_shape": [1, 3, 8, 8]}}, r"inputs are \[N, 1, 8, 8\], app_args"),
    ],
)  # fmt: skip
def test_configurations_without_sense(
    tmp_path: Path, sections: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        prune(config(tmp_path, **sections))
    assert "\n" not in str(error.value)


def test_a_layer_that_is_not_adjacent(tmp_path: Path) -> None:
    """Knight-MC's figure: what G reads is a sum, which R reads too."""
    path = config(
        tmp_path,
        app_args={"arch": "net", "dataset": "x", "input_shape": [1, 3, 6, 6], "device": "cpu"},
        network={"net": ["G"]},
    )
    with pytest.raises(ValueError, match="pruning inputs of G would also change R, which is not"):
        prune(path, model_fn=knights_figure(), inputs=torch.rand(4, 3, 6, 6))


def fractions(model: nn.Module) -> dict[str, Any]:
    return {"ind1": 0.9, "ind2": 0.99}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"val_function": 1}, "need_args has no 'val_function': did you mean 'val_fn'"),
        ({"accuracy": "int4"}, "accuracy is one of float, int8, not 'int4'"),
        ({"target": "cortex-m99"}, "cortex-m99"),
        ({"megahertz": 0}, "megahertz is above 0, not 0"),
        ({"inputs": "noise"}, r"inputs are a tensor \[N, ..\], or one for each argument"),
        ({"val_fn": fractions}, "fractions: return percent, 100 times that$"),
    ],
)  # fmt: skip
def test_need_args(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prune(config(tmp_path), **more)


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript")),
    reason="onnx and onnxscript are not installed",
)
def test_onnx(tmp_path: Path) -> None:
    import onnx

    writer: Any = candidates.Candidates(tmp_path, [INPUTS])
    writer.save(net(), "net", {})
    library: Any = onnx
    model = library.load(str(tmp_path / "net.onnx"))
    library.checker.check_model(model)
    assert [node.op_type for node in model.graph.node].count("Conv") == 3
