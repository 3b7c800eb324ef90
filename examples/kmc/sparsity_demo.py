# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's sparsity demo: train a ResNet, make the weights that a YAML file lists sparse, retrain, save, load.

`python -m examples.kmc.sparsity_demo` trains on made-up images, with `--data DIR` on CIFAR-10's binary version. It writes
weights with masks, the masks held all the while, and a program for `sparsec` to the folder that the YAML file says.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.datasets import Data, cifar10
from examples.export import save_program
from examples.kmc.network import ResNet
from sparsec.compat.kmc.configuration import read_sparsity_config
from sparsec.compat.kmc.sparsity import MCSparsity

TEMPLATE = Path(__file__).parent / "sparsity_template.yaml"


def made_up(count: int) -> Data:
    """Images of a colour and a stripe for each of ten classes, with noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 10
    images = torch.randn(count, 3, 32, 32, generator=generator) * 0.5
    for index in range(count):
        label = index % 10
        images[index, label % 3, 3 * label : 3 * label + 3] += 1.5
    return images, labels


def batches(data: Data, size: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(data[1]), generator=torch.Generator().manual_seed(seed))
    starts = range(0, len(order), size)
    return [(data[0][order[i : i + size]], data[1][order[i : i + size]]) for i in starts]


def train(model: nn.Module, optimizer: torch.optim.Optimizer, data: Data, epochs: int) -> None:
    model.train()
    device = next(model.parameters()).device
    for epoch in range(epochs):
        for x, y in batches(data, 64, epoch):
            loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def validate(model: nn.Module, data: Data) -> dict[str, Any]:
    """The contract of Knight-MC: top-1 and top-5 accuracy in percent, and the loss."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        starts = range(0, len(data[1]), 256)
        logits = torch.cat([model(data[0][i : i + 256].to(device)).cpu() for i in starts])
    best = logits.topk(5).indices == data[1][:, None]
    return {
        "ind1": 100 * float(best[:, 0].float().mean()),
        "ind2": 100 * float(best.any(1).float().mean()),
        "vloss": float(nn.functional.cross_entropy(logits, data[1])),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.kmc.sparsity_demo", description=__doc__
    )
    parser.add_argument("--config_file", type=Path, default=TEMPLATE, metavar="YAML")
    parser.add_argument("--data", type=Path, metavar="DIR", help="CIFAR-10's binary batches")
    parser.add_argument("--epochs", type=int, default=2, help="of training, and of retraining")
    parser.add_argument("--images", type=int, default=640, help="made-up ones, without --data")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--output", type=Path, metavar="DIR", help="instead of app_args.output_dir")
    arguments = parser.parse_args(argv)
    try:
        demonstrate(arguments)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def demonstrate(arguments: argparse.Namespace) -> None:
    config = read_sparsity_config(arguments.config_file)
    folder: Path = arguments.output or Path(config.app_args.output_dir or "output")
    data, test = (
        (made_up(arguments.images), made_up(200))
        if arguments.data is None
        else cifar10(arguments.data)
    )
    torch.manual_seed(0)
    model = ResNet()
    optimizer = torch.optim.SGD(model.parameters(), arguments.lr, momentum=0.9, weight_decay=5e-4)
    train(model, optimizer, data, arguments.epochs)

    def val_fn(model: nn.Module) -> dict[str, Any]:
        return validate(model, test)

    print("dense: ind1 {ind1:.2f}  ind2 {ind2:.2f}".format(**val_fn(model)))
    need_args = {
        "model_fn": model,
        "optimizer": optimizer,
        "config_file": arguments.config_file,
        "val_fn": val_fn,
    }
    MCSparsity.sparse_model(need_args)
    train(model, optimizer, data, arguments.epochs)
    result = val_fn(model)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{config.app_args.arch}-best-sparsity.pth"
    MCSparsity.save_sparse_model(model, weights, {"epochs": arguments.epochs, **result})
    again = MCSparsity.load_sparse_model(ResNet(), weights)
    print("retrained: ind1 {ind1:.2f}  ind2 {ind2:.2f}".format(**val_fn(again)))
    for name in config.parameters:
        value = again.get_parameter(name)
        print(f"{name}: {float((value == 0).float().mean()):.4f} zeros")
    program = weights.with_suffix(".pt2")
    save_program(again.cpu(), test[0][:16], program)
    print(f"{weights}\n{program}")


if __name__ == "__main__":
    sys.exit(main())
