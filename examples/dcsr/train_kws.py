# SPDX-License-Identifier: Apache-2.0
"""Sweeps the sparsity of a DS-CNN: `python -m examples.dcsr.train_kws -e60 -p40 -r20 -as -w dense.pt`."""

import argparse
import sys
from pathlib import Path

from examples.dcsr.networks import DSCNN, DSCNN_SIZES
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

SPARSITIES = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)


def run(arguments: argparse.Namespace) -> None:
    """Raises ValueError, OSError."""
    epochs = epochs_of(arguments)
    data, test = datasets(arguments)
    channels, height, width = data.inputs.shape[1:]
    model = DSCNN(arguments.architecture, (channels, height, width), classes_of(data, test))
    name, folder = f"kws_{arguments.architecture}", arguments.output
    dense(model, data, test, epochs, arguments.weights, folder / name)
    report(f"{name}_dense", model.cpu(), accuracy_of(model, test), 0.0, data, folder)
    for target in SPARSITIES:
        title = f"{name}_{round(100 * target)}"
        found = pruned(model, target, data, test, epochs, folder / title)
        report(title, *found, data, folder)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.dcsr.train_kws", description=__doc__)
    add_common(parser)
    parser.add_argument("-a", "--architecture", choices=tuple(DSCNN_SIZES), default="s")
    parser.add_argument(
        "-w", "--weights", type=Path, metavar="FILE", help="of the dense network: read, or written"
    )
    return guarded(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
