# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's demo: every flag of its command line, its older one too, on tiny data in the layouts it takes."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from examples.export import load_program
from examples.paddleslim import act, evaluate, train
from examples.paddleslim.common import MobileNet, sources
from examples.paddleslim.flags import filled, train_parser


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """Forty images, each with a bar where its class is."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    labels = (np.arange(40) % 10).astype(np.uint8)
    images = np.zeros((40, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 4] = 250
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def flags(text: str = "") -> dict[str, Any]:
    return vars(filled(train_parser().parse_args(text.split())))


def test_its_defaults() -> None:
    assert flags() == {
        **{"use_gpu": True, "batch_size": 64, "model": "MobileNet", "pretrained_model": None},
        **{"checkpoint": None, "lr": 0.1, "lr_strategy": "piecewise_decay", "l2_decay": 3e-5},
        **{"momentum_rate": 0.9, "pruning_strategy": "base", "threshold": 0.01},
        **{"pruning_mode": "ratio", "ratio": 0.55, "num_epochs": 120, "step_epochs": [30, 60, 90]},
        **{"sparse_block": [1, 1], "data": "mnist", "log_period": 100, "test_period": 5},
        **{"model_path": Path("models"), "model_period": 10, "last_epoch": -1, "stable_epochs": 0},
        **{"pruning_epochs": 60, "tunning_epochs": 60, "pruning_steps": 120, "initial_ratio": 0.15},
        **{"prune_params_type": None, "local_sparsity": False, "phase": None, "resume_epoch": None},
    }


def test_the_defaults_of_its_older_readme() -> None:
    older = flags("--phase train --resume_epoch 3")
    assert (older["threshold"], older["pruning_mode"]) == (1e-5, "threshold")
    assert (older["batch_size"], older["test_period"], older["last_epoch"]) == (512, 10, 3)
    assert flags("--phase train --threshold 0.1 --pruning_mode ratio")["threshold"] == 0.1
    assert flags("--phase test")["last_epoch"] == 0


def test_learning_rates() -> None:
    arguments = filled(
        train_parser().parse_args(["--lr=1", "--step_epochs", "2", "4", "--num_epochs=8"])
    )
    rates = [train.learning_rate(arguments, epoch) for epoch in range(6)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    arguments.lr_strategy = "cosine_decay"
    assert train.learning_rate(arguments, 4) == pytest.approx(0.5)


def test_training_goes_on_and_is_evaluated(
    mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was stopped behind an epoch ends as what was not; both of its phases; a program that is sparse."""
    common = [
        f"--data={mnist}",
        "--model=LeNet5",
        "--lr=0.05",
        "--batch_size=10",
        "--use_gpu=False",
        "--local_sparsity=True",
    ]
    whole, half = (tmp_path / name for name in ("whole", "half"))
    assert train.main([*common, f"--model_path={whole}", "--num_epochs=2"]) == 0
    said = capsys.readouterr().out
    assert "epoch[0]-batch[0] lr: 0.050000 - loss: 2." in said
    assert said.count("The current sparsity is: 0.54") == 2 and "Eval epoch[1] - acc_top1:" in said
    assert train.main([*common, f"--model_path={half}", "--num_epochs=1"]) == 0
    more = ["--num_epochs=2", "--last_epoch=1"]
    assert train.main([*common, f"--model_path={half}", *more]) == 0
    saved = [
        torch.load(folder / "epoch-0002.pt", weights_only=True)["model"] for folder in (whole, half)
    ]
    assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])
    program = load_program(whole / "model.pt2")
    assert program.state_dict["fc1.weight"].eq(0).float().mean() == pytest.approx(0.55, abs=1e-4)
    capsys.readouterr()
    short = common[:2]
    assert evaluate.main([*short, f"--model_path={whole}"]) == 0
    first = capsys.readouterr().out
    assert "epoch-0002.pt: acc_top1" in first and "sparsity 0.54" in first
    assert train.main([*short, f"--model_path={whole}", "--phase=test"]) == 0
    assert capsys.readouterr().out == first


def test_gradual_pruning_and_a_threshold(
    mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [f"--data={mnist}", "--model=LeNet5", "--lr=0.01", f"--model_path={tmp_path}"]
    gmp = "--batch_size=2 --pruning_strategy=gmp --ratio=0.75 --num_epochs=2 --stable_epochs=0 --pruning_epochs=1 --tunning_epochs=1 --pruning_steps=1"
    assert train.main([*common, *gmp.split()]) == 0
    said = capsys.readouterr().out
    assert "The current sparsity is: 0.14" in said and "The current sparsity is: 0.74" in said
    assert (
        train.main(
            [*common, *"--phase=train --resume_epoch=0 --threshold=0.02 --num_epochs=1".split()]
        )
        == 0
    )
    share = float(capsys.readouterr().out.partition("sparsity is: ")[2].split()[0])
    assert 0.2 < share < 0.6  # of weights that torch draws from -1/20..1/20 and wider


def test_folders_of_images(tmp_path: Path) -> None:
    """As ImageNet lies on a disk; MobileNet reads them."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 2), ("val", 1)):
        for name in ("n01", "n02"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (30 + number, 40, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
    data = sources(str(tmp_path), batch=3)
    assert (data.shape, data.classes) == ((3, 224), 2)
    sizes = [tuple(x.shape) for x, _ in data.train.epoch(0)]
    assert sizes == [(3, 3, 224, 224), (1, 3, 224, 224)]
    assert torch.cat([y for _, y in data.train.in_order()]).tolist() == [0, 0, 1, 1]
    network = data.network("MobileNet").eval()
    with torch.no_grad():
        assert network(next(data.test.in_order())[0]).shape == (2, 2)
    with torch.no_grad():
        assert MobileNet(1, 28, 10).eval()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    (tmp_path / "val" / "n01" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="0.png is no image"):
        next(data.test.in_order())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--data=imagenet", "give the folder of imagenet by --data DIR"),
        ("--data=no-folder", "there is no folder no-folder: --data is mnist or a folder"),
        ("--data={data} --num_epochs=0", "--num_epochs is 1 or more, not 0"),
        ("--data={data} --ratio=1", "a ratio of zeros is at least 0 and below 1, not 1"),
        ("--data={data} --pruning_mode=threshold --local_sparsity=True", "local_sparsity is for mode 'ratio' alone"),
        ("--data={data} --pruning_strategy=gmp --pruning_steps=60", "pruning_iterations / pruning_steps is above 10"),
        ("--data={data} --prune_params_type=conv1x1_only", "no layer is left to prune"),
        ("--data={data} --last_epoch=7", "there is no file"),
        ("--data={data} --pretrained_model={data}/train-labels-idx1-ubyte", "is no checkpoint of tensors"),
        ("--data={data} --phase=test", "has no checkpoint: train first"),
        ("--data={data} --lr=1e30 --num_epochs=9", "train with a smaller --lr"),
    ],
)  # fmt: skip
def test_flags_without_sense(
    mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    words = text.format(data=mnist).split()
    assert train.main([*words, "--model=LeNet5", f"--model_path={tmp_path / 'models'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error


def test_auto_compression(mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the files that are here; the schedule of this one is that of all of MNIST, so it does not end."""
    configs = Path(act.__file__).parent / "configs"
    common = [f"--data={mnist}", "--model=LeNet5", "--batch_size=10"]
    assert (
        act.main(
            [*common, f"--config_path={configs / 'unstructured.yaml'}", f"--save_dir={tmp_path}"]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "before: acc_top1" in said and "sparsity of what was pruned: 0.15" in said
    assert load_program(tmp_path / "model.pt2").state_dict["fc1.weight"].eq(0).any()
    assert (
        act.main(
            [
                *common,
                f"--config_path={configs / 'quantized.yaml'}",
                f"--save_dir={tmp_path / 'int8'}",
            ]
        )
        == 0
    )
    said = capsys.readouterr()
    assert "sparsity of what was pruned: 0.5000" in said.out and "after:  acc_top1" in said.out
    assert not said.err  # every key of it has an effect
    state = load_program(tmp_path / "int8" / "model.pt2").state_dict
    assert (
        state["fc1.weight"].dtype == torch.int8 and state["fc1.weight"].eq(0).float().mean() > 0.4
    )
    (tmp_path / "other.yaml").write_text("QuantPost: {algo: hist}")
    assert act.main([*common, f"--config_path={tmp_path / 'other.yaml'}"]) == 2
    assert "has a section QuantPost, which is not read" in capsys.readouterr().err
