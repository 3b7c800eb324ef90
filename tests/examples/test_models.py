# SPDX-License-Identifier: Apache-2.0
"""The example networks: their published MAC counts, reproducible random weights, and the shipped files."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from examples.export import load_program, main
from examples.mnist.train import to_input
from examples.models import same_padding
from examples.zoo import ZOO, example_inputs, random_model, randomise

EXAMPLES = Path(__file__).parents[2] / "examples"

OUTPUT_WIDTHS = {
    "lenet": 10,
    "kws": 12,
    "ic": 10,
    "vww": 2,
    "ad": 640,
    "mobilenetv2": 10,
    "vgg": 10,
}
MLPERF_TINY_MACS = {
    # 64 filters of 10x4, four pairs of depthwise 3x3 and pointwise, all on 25x5, and the classifier.
    "kws": 125 * (64 * 10 * 4 + 4 * (64 * 9 + 64 * 64)) + 64 * 12,
    "ic": 12_501_632,
    "vww": 7_489_664,
    # 640-128, three times 128-128, 128-8 and back.
    "ad": 2 * (640 * 128 + 3 * 128 * 128 + 128 * 8),
}
MLPERF_TINY_MILLION_MACS = {"kws": "2.657", "ic": "12.50", "vww": "7.490", "ad": "0.264"}


def count_macs(model: nn.Module, inputs: Tensor) -> int:
    """Multiply-accumulates of all convolutions and linear layers for the one input of the batch."""
    total = 0

    def add(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += output[0].numel() * module.weight[0].numel()

    for module in model.modules():
        module.register_forward_hook(add)
    model(inputs)
    return total


def stored_inputs(program: ExportedProgram) -> Tensor:
    assert program.example_inputs is not None
    (inputs,) = program.example_inputs[0]
    assert isinstance(inputs, Tensor)
    return inputs


def readme_count(title: str) -> tuple[int, int]:
    """The "A of B" in the row `title` of the table in the MNIST README."""
    row = re.search(
        rf"^\| {re.escape(title)} \| (\d+) of (\d+) \|",
        (EXAMPLES / "mnist/README.md").read_text(),
        re.M,
    )
    assert row is not None, title
    return int(row[1]), int(row[2])


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        ((49, 10), (10, 4), 2, (1, 1, 4, 5)),
        ((96, 96), (3, 3), 2, (0, 1, 0, 1)),
        ((32, 32), (3, 3), 1, (1, 1, 1, 1)),
        ((32, 32), (1, 1), 2, (0, 0, 0, 0)),
    ],
)
def test_same_padding(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, expected: tuple[int, int, int, int]
) -> None:
    assert same_padding(size, kernel, stride) == expected


@pytest.mark.parametrize("name", MLPERF_TINY_MACS)
def test_macs_are_those_of_mlperf_tiny(name: str) -> None:
    macs = count_macs(random_model(name), example_inputs(name, 1, seed=0))
    assert macs == MLPERF_TINY_MACS[name]
    digits = len(MLPERF_TINY_MILLION_MACS[name].partition(".")[2])
    assert f"{macs / 1e6:.{digits}f}" == MLPERF_TINY_MILLION_MACS[name]


@pytest.mark.parametrize("name", ZOO)
def test_outputs_differ_between_inputs(name: str) -> None:
    inputs = example_inputs(name, 16, seed=3)
    assert inputs.shape == (16, *ZOO[name].input_shape)
    with torch.inference_mode():
        outputs = random_model(name, seed=1)(inputs)
    assert outputs.shape == (16, OUTPUT_WIDTHS[name])
    assert torch.isfinite(outputs).all()
    assert len(set(outputs.argmax(dim=1).tolist())) > 1
    assert outputs.std(dim=0).mean() > 0.05


@pytest.mark.parametrize("name", ["kws", "ic", "vww"])
def test_softmax_sums_to_one(name: str) -> None:
    with torch.inference_mode():
        outputs = random_model(name)(example_inputs(name, 4, seed=0))
    torch.testing.assert_close(outputs.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize("name", ["kws", "mobilenetv2"])
def test_seed_decides_weights_and_inputs(name: str) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (random_model(name, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
    assert torch.equal(example_inputs(name, 2, seed=5), example_inputs(name, 2, seed=5))
    assert not torch.equal(example_inputs(name, 2, seed=5), example_inputs(name, 2, seed=6))
    # Making the module draws from torch's own state, randomising it must not.
    model = ZOO[name].factory()
    state = torch.random.get_rng_state()
    randomise(model, seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_batch_norms_are_not_trivial() -> None:
    norms = [m for m in random_model("ic").modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 7
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_mean.std() > 0.01
        assert norm.running_var is not None
        assert norm.running_var.std() > 0.01
        assert norm.weight.std() > 0.1
        assert not norm.training


def test_randomise_refuses_other_models() -> None:
    with pytest.raises(ValueError, match="Conv2d is not a network of the zoo: lenet, kws"):
        randomise(nn.Conv2d(1, 1, 1), seed=0)


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/model.pt")), ids=lambda path: path.parent.name
)
def test_shipped_file_has_a_dynamic_batch_and_no_absolute_path(path: Path) -> None:
    program = load_program(path)
    inputs = stored_inputs(program)
    assert len(inputs) >= 2
    assert program.module()(inputs[:1]).shape[0] == 1
    traces = [
        node.meta["stack_trace"] for node in program.graph.nodes if "stack_trace" in node.meta
    ]
    assert traces
    assert all('File "examples/' in trace and 'File "/' not in trace for trace in traces)
    assert path.stat().st_size < 700_000


def test_mnist_accuracy_is_what_the_readme_says() -> None:
    program = load_program(EXAMPLES / "mnist/model.pt")
    with np.load(EXAMPLES / "mnist/test_images.npz") as data:
        images, labels = data["images"], data["labels"]
    assert images.shape == (256, 28, 28)
    assert images.dtype == np.uint8
    with torch.inference_mode():
        predicted = program.module()(to_input(images)).argmax(dim=1).numpy()
    correct = int((predicted == labels).sum())
    assert (correct, len(labels)) == readme_count("float, pruned, test_images.npz")
    assert correct >= 0.98 * len(labels)


def test_mnist_sparsity_is_what_the_readme_says() -> None:
    state = load_program(EXAMPLES / "mnist/model.pt").state_dict
    weights = {
        key.removesuffix(".weight"): value
        for key, value in state.items()
        if key.endswith(".weight")
    }
    counts = {name: (int((weight == 0).sum()), weight.numel()) for name, weight in weights.items()}
    assert list(counts) == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    for name, count in counts.items():
        assert count == readme_count(f"zero weights, {name}")
    total = (sum(zeros for zeros, _ in counts.values()), sum(size for _, size in counts.values()))
    assert total == readme_count("zero weights, all")


def test_export_refuses_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["resnet50"])
    assert exit_info.value.code == 2
    assert "unknown network 'resnet50': choose from lenet, kws" in capsys.readouterr().err
