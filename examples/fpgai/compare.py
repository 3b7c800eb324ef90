# SPDX-License-Identifier: Apache-2.0
"""FPGAI's integer arithmetic beside exact scales and ours, on a LeNet trained here: `python -m examples.fpgai.compare`.

FPGAI bounds all activations to [0, 1], stores them as n / 255, and takes (sum * scale) >> shift, which is cut, not
rounded. The same bytes with exact factors say what its scales cost, int8 with calibrated ranges what its scheme costs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.fpgai.networks import LeNet
from sparsec.compress.quantization import convert, prepare_ptq, save
from sparsec.compress.weight_files import as_fpgai, layers_of
from sparsec.frontends import run_program
from sparsec.layouts.weight_files import Rescaling, StoredLayer

IMAGES = Path(__file__).parents[1] / "mnist/test_images.npz"

Rescale = Callable[[Tensor, Rescaling], Tensor]


class BoundedLeNet(LeNet):
    """With activations in [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.hardtanh(self.c1(x), 0, 1))
        x = self.pool(functional.hardtanh(self.c3(x), 0, 1))
        x = torch.flatten(functional.hardtanh(self.c5(x), 0, 1), 1)
        return self.f7(functional.hardtanh(self.f6(x), 0, 1))


def shifted(sums: Tensor, rescaling: Rescaling) -> Tensor:
    """FPGAI's (sum * scale) >> shift."""
    return torch.floor(sums * rescaling.scale / 2**rescaling.shift)


def bytes_through(
    layers: Sequence[StoredLayer],
    rescalings: Sequence[Rescaling],
    images: Tensor,
    rescale: Rescale = shifted,
) -> Tensor:
    """The outputs of a LeNet in FPGAI's scheme, for images in [0, 1], as whole numbers n of n / 255."""
    x = torch.round(images.double() * 255)
    for number, (layer, rescaling) in enumerate(zip(layers, rescalings, strict=True)):
        weights = torch.from_numpy(layer.weights.astype(np.float64)) - rescaling.zero_point
        biases = torch.from_numpy(layer.biases.astype(np.float64))
        if weights.ndim == 4:
            x = functional.conv2d(x, weights, biases, padding=2 if number == 0 else 0)
        else:
            x = functional.linear(x.flatten(1), weights, biases)
        x = rescale(x, rescaling)
        if number < len(layers) - 1:
            x = x.clamp(0, 255)
        if number < 2:
            x = torch.floor(functional.avg_pool2d(x, 2))
    return x


def exact_factors(model: nn.Module, rescalings: Sequence[Rescaling]) -> Rescale:
    """As `shifted`, with the factors that FPGAI's scales stand for, and rounded."""
    spans = [
        float(layer.weight.detach().max() - layer.weight.detach().min())
        for layer in layers_of(model)
    ]
    exact = {id(each): span / 255 for each, span in zip(rescalings, spans, strict=True)}
    return lambda sums, rescaling: torch.round(sums * exact[id(rescaling)])


def train(model: nn.Module, x: Tensor, labels: Tensor, epochs: int) -> None:
    """Batches of 32 in their order."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for first in range(0, len(x), 32):
            optimizer.zero_grad()
            part = slice(first, first + 32)
            functional.cross_entropy(model(x[part]), labels[part]).backward()
            optimizer.step()


def calibrated(model: nn.Module, seen: Tensor, x: Tensor) -> Tensor:
    """What our int8 network gives for `x`, as torch runs it."""
    prepared = prepare_ptq(model.eval(), [seen[:8]])
    with torch.no_grad():
        prepared.module(seen)
    with TemporaryDirectory() as folder:
        path = Path(folder, "lenet.pt2")
        save(convert(prepared), path)
        (outputs,) = run_program(path, [x.numpy()])
    return torch.from_numpy(outputs)


def figures(epochs: int = 40) -> dict[str, tuple[float, float]]:
    """For each arithmetic the share of digits that it gets right, and its mean distance from float as a share of the
    largest output."""
    torch.manual_seed(0)
    with np.load(IMAGES) as file:
        images = torch.from_numpy(file["images"].reshape(-1, 1, 28, 28)).float() / 255
        labels = torch.from_numpy(file["labels"].astype(np.int64))
    seen = len(images) * 3 // 4
    model = BoundedLeNet()
    train(model, images[:seen], labels[:seen], epochs)
    x, right = images[seen:], labels[seen:]
    layers, rescalings = as_fpgai(model)
    with torch.no_grad():
        real = model(x).double()
        found = {
            "float": real,
            "FPGAI, (sum * scale) >> shift": bytes_through(layers, rescalings, x) / 255,
            "FPGAI's bytes, exact factors": bytes_through(
                layers, rescalings, x, exact_factors(model, rescalings)
            )
            / 255,
            "int8, ranges of data": calibrated(model, images[:seen], x).double(),
        }
    largest = float(real.abs().max())
    return {
        name: (
            float((outputs.argmax(1) == right).double().mean()),
            float((outputs - real).abs().mean()) / largest,
        )
        for name, outputs in found.items()
    }


def main() -> None:
    print(f"{'arithmetic':<32} {'right':>7} {'mean error':>11}")
    for name, (right, error) in figures().items():
        print(f"{name:<32} {right:>7.4f} {error:>11.2%}")


if __name__ == "__main__":
    main()
