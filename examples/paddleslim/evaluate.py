# SPDX-License-Identifier: Apache-2.0
"""Accuracy and sparsity of a network that train.py pruned: `python -m examples.paddleslim.evaluate`."""

import argparse
import sys
from pathlib import Path

from examples.paddleslim.common import accuracies, device_of, load_weights, sources
from examples.paddleslim.flags import DEFAULTS, add_common
from sparsec.compat.paddleslim import UnstructuredPruner
from sparsec.compress.checkpoints import checkpoints_in


def evaluate(arguments: argparse.Namespace) -> None:
    """Print both. Raises ValueError, OSError."""
    data = sources(arguments.data, arguments.batch_size or DEFAULTS["batch_size"])
    model = data.network(arguments.model)
    path: Path | None = arguments.pretrained_model
    if path is None:
        path = next(iter(checkpoints_in(arguments.model_path)), None)
    if path is None:
        raise ValueError(
            f"{arguments.model_path} has no checkpoint: train first, or give --pretrained_model FILE"
        )
    load_weights(model, path)
    first, five = accuracies(model.to(device_of(arguments)), data.test)
    sparsity, ones = (
        UnstructuredPruner.total_sparse(model),
        UnstructuredPruner.total_sparse_conv1x1(model),
    )
    print(
        f"{path}: acc_top1 {first:.4f}, acc_top5 {five:.4f}, sparsity {sparsity:.4f}, of 1x1 {ones:.4f}"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.paddleslim.evaluate", description=__doc__
    )
    add_common(parser)
    try:
        evaluate(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
