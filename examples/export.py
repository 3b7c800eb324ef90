# SPDX-License-Identifier: Apache-2.0
"""Write the example networks as exported programs: `python -m examples.export [NAME...] [-o DIR]`.

An exported program carries the example inputs it was exported with, and sparsec calibrates on those, so they are a
whole batch and the batch dimension is dynamic.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from examples.zoo import ZOO, example_inputs, random_model

_ROOT = Path(__file__).resolve().parent.parent


def export_program(model: nn.Module, inputs: Tensor) -> ExportedProgram:
    """Export `model` with `inputs` [N >= 2, ...] as its example inputs and N dynamic."""
    # Detached and copied: a view would store the whole of the tensor it was taken from.
    example = inputs.detach().clone()
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=({0: Dim("batch")},))
    for node in program.graph.nodes:
        _shorten_paths(node.meta)
    return program


def _shorten_paths(meta: dict[str, Any]) -> None:
    """Keep source lines, which error messages show, but not where this checkout lies: the same file on all machines."""
    if "stack_trace" in meta:
        meta["stack_trace"] = meta["stack_trace"].replace(f"{_ROOT}/", "")


def save_program(model: nn.Module, inputs: Tensor, path: Path) -> None:
    """`torch.export.save` the exported `model` to `path`, whose folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # By stream, since torch warns about a path that does not end in .pt2.
    with path.open("wb") as file:
        torch.export.save(export_program(model, inputs), file)


def load_program(path: Path) -> ExportedProgram:
    """`torch.export.load` a program that `save_program` wrote; for one's own files, as torch may unpickle."""
    with path.open("rb") as file:
        return torch.export.load(file)


def export_example(name: str, path: Path, seed: int = 0) -> None:
    """Write the network `name` of the zoo with random weights and inputs to `path`."""
    inputs = example_inputs(name, ZOO[name].example_batch, seed + 1)
    save_program(random_model(name, seed), inputs, path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.export", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(ZOO)} (default: all)"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("build/models"), metavar="DIR")
    arguments = parser.parse_args(argv)
    names: list[str] = arguments.names or list(ZOO)
    for name in names:
        if name not in ZOO:
            parser.error(f"unknown network '{name}': choose from {', '.join(ZOO)}")
    for name in names:
        path = arguments.output / f"{name}.pt"
        export_example(name, path)
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
