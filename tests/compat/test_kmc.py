# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's sparsity: its file, its three entries, its contracts, its demo."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from examples.kmc import sparsity_demo
from examples.kmc.network import ResNet
from sparsec.compat.kmc.configuration import read_sparsity_config
from sparsec.compat.kmc.contracts import Validation, validated
from sparsec.compat.kmc.sparsity import MCSparsity
from sparsec.compress.pruner import Pruner

LISTED = ("0.weight", "2.weight")


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(64, 128, 3), nn.ReLU(), nn.Conv2d(128, 64, 1), nn.Flatten(), nn.Linear(64, 4)
    )


def config(folder: Path, **sections: Any) -> Path:
    content: dict[str, Any] = {
        "app_args": {"arch": "net", "dataset": "noise", "device": "cpu"},
        "network": {"net": list(LISTED)},
        "asp_cfg": {"target_sparsity": 0.5},
    }
    path = folder / "sparsity.yaml"
    path.write_text(yaml.safe_dump(content | sections))
    return path


def sparse(folder: Path, model: nn.Module, optimizer: Any = None, **asp: Any) -> nn.Module:
    asp_cfg = {"target_sparsity": 0.5, **asp}
    return MCSparsity.sparse_model(
        {
            "model_fn": lambda: model,
            "optimizer": optimizer,
            "config_file": config(folder, asp_cfg=asp_cfg),
        }
    )


def retrain(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(2, 64, 3, 3)).square().mean().backward()
        optimizer.step()


def test_the_template_has_every_key_and_default() -> None:
    read = read_sparsity_config(sparsity_demo.TEMPLATE)
    app, asp = read.app_args, read.asp_cfg
    assert (app.arch, app.dataset, app.input_shape) == ("resnet8", "cifar10", (1, 3, 32, 32))
    assert (app.device, app.output_dir) == (0, "output")
    assert (asp.sparsity_method, asp.target_sparsity) == ("CustomPruner", 0.5)
    assert set(read.parameters) < {name for name, _ in ResNet().named_parameters()}
    assert set(yaml.safe_load(sparsity_demo.TEMPLATE.read_text())) == {
        "app_args",
        "network",
        "asp_cfg",
    }


def test_defaults(tmp_path: Path) -> None:
    path = config(tmp_path, app_args={"arch": "net", "dataset": "noise"}, asp_cfg=None)
    read = read_sparsity_config(path)
    assert (read.app_args.device, read.app_args.output_dir) == (0, None)
    assert (read.asp_cfg.sparsity_method, read.asp_cfg.target_sparsity) == ("CustomPruner", 0.5)
    assert read.parameters == LISTED


def test_tiles_of_32_by_64_in_each_tap(tmp_path: Path) -> None:
    model = sparse(tmp_path, net())
    for name in LISTED:
        weight = model.get_parameter(name).detach()
        outputs, inputs, *kernel = weight.shape
        tiles = weight.eq(0).reshape(outputs // 64, 64, inputs // 32, 32, *kernel)
        gone = tiles.all(3).all(1)
        assert torch.equal(gone, tiles.any(3).any(1)) and gone.float().mean() == 0.5
    assert model.get_parameter("4.weight").all()


def test_layers_of_one_tile(tmp_path: Path) -> None:
    path = config(tmp_path, network={"net": ["0.weight", "5.weight"]})
    model = net().append(nn.Linear(4, 4))
    with pytest.warns(UserWarning, match="too few tiles for any to go: 5.weight$"):
        MCSparsity.sparse_model({"model_fn": model, "optimizer": None, "config_file": path})
    assert model.get_parameter("0.weight").eq(0).float().mean() == 0.5


def test_two_of_four(tmp_path: Path) -> None:
    """Of each four inputs at one place of the kernel."""
    model = sparse(tmp_path, net(), sparsity_method="Pruner2to4")
    for name in LISTED:
        weight = model.get_parameter(name).detach().movedim(1, -1)
        assert bool((weight.reshape(-1, 4).eq(0).sum(-1) == 2).all())


def test_two_of_four_behind_a_flatten(tmp_path: Path) -> None:
    """Of each four columns as C has them, channels last, which the shape of the inputs tells; tied weights by any name."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.Flatten(), nn.Linear(32, 32), nn.Linear(32, 32))
    model.get_submodule("3").weight = model.get_parameter("2.weight")
    sections: dict[str, Any] = {
        "app_args": {
            "arch": "net",
            "dataset": "noise",
            "device": "cpu",
            "input_shape": [1, 2, 4, 4],
        },
        "network": {"net": ["3.weight"]},
        "asp_cfg": {"sparsity_method": "Pruner2to4"},
    }
    args = {"model_fn": model, "optimizer": None, "config_file": config(tmp_path, **sections)}
    MCSparsity.sparse_model(args)
    weight = model.get_parameter("2.weight").detach().reshape(32, 8, 4).movedim(1, -1)
    assert bool((weight.reshape(-1, 4).eq(0).sum(-1) == 2).all())
    sections["app_args"]["input_shape"] = [1, 3, 4, 4]
    config(tmp_path, **sections)
    with pytest.raises(
        ValueError, match=r"app_args.input_shape is \[1, 3, 4, 4\]: torch cannot exp"
    ):
        MCSparsity.sparse_model(args)


def test_models_on_several_gpus(tmp_path: Path) -> None:
    """Names have "module." in front or not, in what is listed, in files and in the model."""
    model = nn.DataParallel(net())
    path = config(tmp_path, network={"net": [f"module.{name}" for name in LISTED]})
    MCSparsity.sparse_model({"model_fn": model, "optimizer": None, "config_file": path})
    MCSparsity.save_sparse_model(model, tmp_path / "net.pth")
    content = torch.load(tmp_path / "net.pth", weights_only=True)
    for part in ("state_dict", "masks"):
        content[part] = {f"module.{name}": value for name, value in content[part].items()}
    torch.save(content, tmp_path / "older.pth")
    gone = [model.module.get_parameter(name) == 0 for name in LISTED]
    for file in ("net.pth", "older.pth"):
        for again in (net(), nn.DataParallel(net())):
            MCSparsity.load_sparse_model(again, tmp_path / file)
            plain = again.module if isinstance(again, nn.DataParallel) else again
            for name, zeros in zip(LISTED, gone, strict=True):
                with torch.no_grad():
                    plain.get_parameter(name).add_(1)
                again.state_dict()
                assert torch.equal(plain.get_parameter(name) == 0, zeros)


def test_retraining_keeps_zeros_and_files_keep_masks_and_extras(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    sparse(tmp_path, model, optimizer)
    gone = {name: model.get_parameter(name) == 0 for name in LISTED}
    retrain(model, optimizer)
    for name in LISTED:  # at once, without another forward or state_dict
        assert torch.equal(model.get_parameter(name) == 0, gone[name])
    with torch.no_grad():
        kept = int((~gone["2.weight"]).reshape(-1).nonzero()[0])
        model.get_parameter("2.weight").view(-1)[kept] = 0  # by chance, so it is in no mask
    MCSparsity.save_sparse_model(
        model, tmp_path / "net.pth", {"epoch": 3, "optimizer": optimizer.state_dict()}
    )
    again = MCSparsity.load_sparse_model(net(), tmp_path / "net.pth")
    extras = MCSparsity.load_extras(tmp_path / "net.pth")
    assert extras["epoch"] == 3
    optimizer = torch.optim.Adam(again.parameters(), 0.1)
    optimizer.load_state_dict(extras["optimizer"])
    retrain(again, optimizer)
    weights = again.state_dict()
    assert all(torch.equal(weights[name] == 0, gone[name]) for name in LISTED)


def test_weights_without_masks_have_those_of_their_zeros(tmp_path: Path) -> None:
    """Of a model that was trained on several GPUs too."""
    model = net()
    gone = Pruner(model, ratio=0.7, layers="2").masks["2.weight"].logical_not()
    torch.save({f"module.{k}": v for k, v in model.state_dict().items()}, tmp_path / "net.pth")
    again = MCSparsity.load_sparse_model(net(), tmp_path / "net.pth")
    retrain(again, torch.optim.SGD(again.parameters(), 1.0))
    assert torch.equal(again.state_dict()["2.weight"] == 0, gone)
    assert again.state_dict()["0.weight"].all()
    assert MCSparsity.load_extras(tmp_path / "net.pth") == {}


def test_files_that_are_not_read(tmp_path: Path) -> None:
    model = sparse(tmp_path, net())
    path = tmp_path / "net.pth"
    torch.save(model, path)
    with pytest.raises(
        ValueError, match="pickled objects, .* not read: load it once where its classes are at home"
    ):
        MCSparsity.load_sparse_model(net(), path)
    MCSparsity.save_sparse_model(model, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="net.pth is of another model"):
        MCSparsity.load_sparse_model(nn.Linear(3, 3), path)
    with pytest.raises(ValueError, match="extras hold objects, which nobody could load safely"):
        MCSparsity.save_sparse_model(model, path, {"model": net()})
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="the model has no masks"):
        MCSparsity.save_sparse_model(net(), path)
    torch.save(net().state_dict(), path)
    with pytest.raises(ValueError, match="has no zeros in the weights of any layer"):
        MCSparsity.load_sparse_model(net(), path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        MCSparsity.load_sparse_model(net(), tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"asp_config": {}}, "a section 'asp_config' that sparsity does not have: did you mean 'asp_cfg'"),
        ({"app_args": {"arch": "net", "data_set": "x"}}, "app_args has no key 'data_set': did you mean 'dataset'"),
        ({"app_args": {"arch": "net"}}, "app_args.dataset is missing"),
        ({"app_args": {"arch": "nets", "dataset": "x"}}, "'nets', which network does not list: did you mean 'net'"),
        ({"app_args": {"arch": "net", "dataset": "x", "device": "gpu"}}, "device is cpu or the number of one GPU"),
        ({"app_args": {"arch": "net", "dataset": "x", "device": [0, 1]}}, r"device is a whole number or text, not \[0, 1\]"),
        ({"app_args": ["arch"]}, r"app_args is keys with values, not \['arch'\]"),
        ({"network": {"net": "0.weight"}}, "network.net.names is a list of values that are each text, not '0.weight'"),
        ({"network": {"net": []}}, "network.net lists no weights"),
        ({"network": {"net": ["2.weigth"]}}, "no layer with weights matches '2.weigth': did you mean '2.weight'"),
        ({"asp_cfg": {"target_sparsity": "half"}}, "asp_cfg.target_sparsity is a number, not 'half'"),
        ({"asp_cfg": {"target_sparsity": 1}}, "a ratio of zeros is at least 0 and below 1, not 1"),
        ({"asp_cfg": {"target_sparsity": None}}, "asp_cfg.target_sparsity is a number, not nothing"),
        ({"asp_cfg": {"sparsity_method": "Pruner1to4"}}, "sparsity_method is one of CustomPruner, Pruner2to4, not 'Pruner1to4'"),
        ({"asp_cfg": {"sparsity_method": "Pruner2to4", "target_sparsity": 0.7}}, "Pruner2to4 makes a target_sparsity of 0.5"),
    ],
)  # fmt: skip
def test_configurations_without_sense(
    tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MCSparsity.sparse_model(
            {"model_fn": net(), "optimizer": None, "config_file": config(tmp_path, **sections)}
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app_args: [", "is no YAML of plain values: while parsing"),
        ("app_args: !!python/object/apply:os.getcwd []", "is no YAML of plain values: could not determine a constructor"),
        ("- 1", r"is keys with values, not \[1\]"),
        ("a: &a [*a]", "a section 'a' that sparsity does not have"),
    ],
)  # fmt: skip
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sparsity.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sparsity_config(path)


def test_need_args(tmp_path: Path) -> None:
    args: dict[str, Any] = {"model_fn": net(), "optimizer": None, "config_file": config(tmp_path)}
    with pytest.raises(ValueError, match="need_args has no 'config': did you mean 'config_file'"):
        MCSparsity.sparse_model(args | {"config": 1})
    with pytest.raises(ValueError, match="need_args lacks 'optimizer'"):
        MCSparsity.sparse_model({"model_fn": net()})
    with pytest.raises(ValueError, match="model_fn is a torch module or a function"):
        MCSparsity.sparse_model(args | {"model_fn": dict})
    other = torch.optim.SGD(net().parameters(), 0.1)
    with pytest.raises(ValueError, match="the optimizer trains none of the weights"):
        MCSparsity.sparse_model(args | {"optimizer": other})
    with pytest.raises(ValueError, match="optimizer is one of torch.optim or None"):
        MCSparsity.sparse_model(args | {"optimizer": "sgd"})
    with pytest.raises(ValueError, match="val_fn returns no 'ind1'"):
        MCSparsity.sparse_model(args | {"val_fn": lambda model: {"acc1": 9.0, "ind2": 9.0}})  # pyright: ignore[reportUnknownLambdaType]


def test_what_a_val_fn_returns() -> None:
    assert validated(
        lambda model: {"ind1": 4.39, "ind2": 1.76, "vloss": None, "acc1": "x"}, net()
    ) == Validation(4.39, 1.76)
    assert validated(lambda model: {"ind1": 0, "ind2": 50, "vloss": 2}, net()) == Validation(
        0, 50, 2
    )


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"ind1": 0.92, "ind2": 0.99}, "ind1 = 0.92 and ind2 = 0.99, which are fractions: return percent"),
        ({"ind1": 92.0}, "val_fn returns no 'ind2'"),
        ({"ind1": "good", "ind2": 99.0}, "ind1 = 'good': it is a number of percent"),
        ({"ind1": math.nan, "ind2": 99.0}, "ind1 = nan: it is a number of percent"),
        ({"ind1": 9200.0, "ind2": 99.0}, "ind1 = 9200.0: it is a number of percent, 0 to 100"),
        (92.0, "what val_fn returns is keys with values, not 92.0"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract(result: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validated(lambda model: result, net())


def test_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On made-up images, and on batches in CIFAR-10's layout; a program that is sparse is there in the end."""
    output = tmp_path / "output"
    data = tmp_path / "cifar-10-batches-bin"
    data.mkdir()
    records = torch.randint(0, 10, (20, 3073), dtype=torch.uint8).numpy().tobytes()
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        (data / f"{name}.bin").write_bytes(records)
    small = ["--epochs=1", "--images=64", f"--output={output}"]
    assert sparsity_demo.main([*small, f"--data={tmp_path}"]) == 0
    assert "dense: ind1" in capsys.readouterr().out
    assert sparsity_demo.main(small) == 0
    said = capsys.readouterr().out
    assert "layer3.0.conv2.weight: 0.5000 zeros" in said
    from examples.export import load_program

    program = load_program(output / "resnet8-best-sparsity.pt2")
    assert program.state_dict["layer3.0.conv2.weight"].eq(0).float().mean() == 0.5
    (data / "test_batch.bin").unlink()
    assert sparsity_demo.main([f"--data={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "test_batch.bin" in error
