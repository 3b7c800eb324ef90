# SPDX-License-Identifier: Apache-2.0
"""Prunes MobileNetV2: `python -m examples.dcsr.train_mnetv2 -e60 -p40 -r20 -o.1 -w1.0 -s.75 -x11 -b dense.pt`.

Unlike there, the first blocks that -x excludes are excluded.
"""

import argparse
import sys
from pathlib import Path

from examples.dcsr.networks import MobileNetV2
from examples.dcsr.sweep import (
    add_common,
    classes_of,
    datasets,
    dense,
    epochs_of,
    guarded,
    pruned,
    report,
)
from sparsec.compress.training import accuracy_of


def run(arguments: argparse.Namespace) -> None:
    """Raises ValueError, OSError."""
    epochs = epochs_of(arguments)
    if not 0 < arguments.width <= 2 or not 0 <= arguments.dropout < 1 or arguments.exclude < 0:
        raise ValueError("-w is above 0 and at most 2, -o at least 0 and below 1, -x at least 0")
    data, test = datasets(arguments)
    classes = classes_of(data, test)
    model = MobileNetV2(arguments.width, arguments.dropout, data.inputs.shape[1], classes)
    folder = arguments.output
    dense(model, data, test, epochs, arguments.base, folder / "mnetv2")
    report("mnetv2_dense", model.cpu(), accuracy_of(model, test), 0.0, data, folder)
    title = f"mnetv2_{round(100 * arguments.sparsity)}"
    excluded = [f"blocks.{index}" for index in range(arguments.exclude)]
    found = pruned(model, arguments.sparsity, data, test, epochs, folder / title, excluded)
    report(title, *found, data, folder)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.dcsr.train_mnetv2", description=__doc__
    )
    add_common(parser)
    add = parser.add_argument
    add("-o", "--dropout", type=float, default=0.1, help="in front of the last layer")
    add("-w", "--width", type=float, default=1.0, help="channels are multiplied by")
    add("-s", "--sparsity", type=float, default=0.75)
    add("-x", "--exclude", type=int, default=11, help="so many first blocks stay dense")
    add(
        "-b",
        "--base",
        type=Path,
        metavar="FILE",
        help="weights of the dense network: read, or written",
    )
    return guarded(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
