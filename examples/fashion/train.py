# SPDX-License-Identifier: Apache-2.0
"""Train a network on Fashion-MNIST, prune it while it is trained, train it on as int8: `python -m examples.fashion.train resnet8`.

The road of docs/compress.md from end to end. It can be killed at any time: with the same --folder it goes on.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from examples.datasets import Data, fashion_mnist, idx
from examples.export import save_program
from examples.fashion.networks import ds_cnn, resnet8
from examples.fashion.transformers import TinyFormer, TinyViT
from sparsec.compress import Distillation, Gradual, Pruner, Samples, Settings, accuracy_of, fit
from sparsec.compress.quantization import Prepared, convert, prepare_qat, save, static_masks

TRANSFORMERS: Mapping[str, Callable[[], nn.Module]] = {
    "tiny_vit": TinyViT,
    "tiny_former": TinyFormer,
}
"""Their attention is not trained as int8: the compiler finds its ranges from the images in the file."""

NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "resnet8": resnet8,
    "ds_cnn": ds_cnn,
    **TRANSFORMERS,
}
TRAIN_IMAGES, TEST_IMAGES, CALIBRATION_IMAGES = 20_000, 256, 32


def some(data: Data, count: int, batch: int = 128) -> Samples:
    """So many samples at equal distances."""
    chosen = np.arange(count) * len(data[1]) // count
    return Samples(data[0][chosen], data[1][chosen], batch)


def dense(name: str, data: Samples, epochs: int, folder: Path) -> nn.Module:
    """The network trained without zeros."""
    torch.manual_seed(0)
    model = NETWORKS[name]()
    fit(model, data, Settings(epochs, 2e-3), folder=folder / "dense")
    return model


def pruned(
    name: str, teacher: nn.Module, data: Samples, epochs: int, sparsity: float, folder: Path
) -> nn.Module:
    """The network as it learns from the dense one while the smallest weights go, over half of the epochs."""
    model = NETWORKS[name]()
    model.load_state_dict(teacher.state_dict())
    iterations = epochs * len(data)
    ramp = max(iterations // 2, 1)
    schedule = Gradual(sparsity, pruning=ramp, tuning=iterations - ramp, steps=min(50, ramp))
    pruner = Pruner(model, schedule=schedule)
    settings, learning = Settings(epochs, 2e-3, seed=1), Distillation(teacher, weight=0.5)
    fit(model, data, settings, pruner=pruner, distillation=learning, folder=folder / "pruned")
    return pruner.detach()


def in_int8(model: nn.Module, data: Samples, epochs: int, folder: Path) -> Prepared:
    """The network with int8 simulated and its zeros held."""
    prepared = prepare_qat(model, [data.inputs[:CALIBRATION_IMAGES]], static_masks(model))
    fit(prepared.module, data, Settings(epochs, 1e-4, seed=2), folder=folder / "int8")
    return prepared


def road(args: argparse.Namespace, data: Samples, test: Samples) -> Iterator[str]:
    """All steps, with the rows of a table."""
    folder = args.folder / args.network
    teacher = dense(args.network, data, args.epochs, folder)
    yield f"| float, dense | {100 * accuracy_of(teacher, test):.2f} % |"
    longer = args.sparse_epochs or 2 * args.epochs  # with zeros it takes longer
    model = pruned(args.network, teacher, data, longer, args.sparsity, folder)
    yield f"| float, {Pruner(model).sparsity:.2%} of the weights zero | {100 * accuracy_of(model, test):.2f} % |"
    args.output.mkdir(parents=True, exist_ok=True)
    if args.network in TRANSFORMERS:
        images = data.inputs[:CALIBRATION_IMAGES]
        save_program(model, images, args.output / f"{args.network}.pt2")
        return
    prepared = in_int8(model, data, max(args.epochs // 4, 1), folder)
    yield f"| int8, simulated by torch | {100 * accuracy_of(prepared.module, test):.2f} % |"
    save(convert(prepared), args.output / f"{args.network}.pt2")


def main(arguments: list[str] | None = None) -> int:
    """Train, print the table, write NAME.pt2 and test_images.npz."""
    parser = argparse.ArgumentParser(prog="python -m examples.fashion.train", description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="IDX files (default: Debian's dataset-fashion-mnist)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=8,
        metavar="N",
        help="dense; default 8",
    )
    parser.add_argument(
        "--sparse-epochs",
        type=int,
        metavar="N",
        help="while weights go and behind that; default twice --epochs",
    )
    parser.add_argument("--sparsity", type=float, default=0.75, metavar="X", help="default 0.75")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/fashion"), metavar="DIR", help="for checkpoints"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent, metavar="DIR")
    args = parser.parse_args(arguments)
    try:
        training, testing = fashion_mnist() if args.data is None else idx(args.data)
        data = some(training, min(TRAIN_IMAGES, len(training[1])))
        test = some(testing, len(testing[1]), 1000)
        for row in road(args, data, test):
            print(row, flush=True)
        sample = some(testing, min(TEST_IMAGES, len(testing[1])))
        pixels = np.round(sample.inputs[:, 0].numpy() * 255).astype(np.uint8)
        np.savez_compressed(
            args.output / "test_images.npz",
            images=pixels,
            labels=sample.labels.numpy().astype(np.uint8),
        )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
