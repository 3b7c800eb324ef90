# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's auto compression by a YAML file: `python -m examples.paddleslim.act --config_path FILE`.

`--pretrained_model` is what train.py made, or a state dict. `model.pt2` in `--save_dir` is for `sparsec`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.export import ExportedProgram

from examples.export import save_program
from examples.paddleslim.common import accuracies, device_of, load_weights, sources
from examples.paddleslim.flags import DEFAULTS, add_common
from sparsec.compat.paddleslim.act import compress, read_act
from sparsec.compress.quantization import save


class Int8(nn.Module):
    """A program as a module that may be told to train or not, which the program itself may not."""

    def __init__(self, program: ExportedProgram):
        super().__init__()
        self.call: tuple[Any, ...] = (program.module(),)  # not a part, which would be told too

    def forward(self, x: Tensor) -> Tensor:
        return self.call[0](x)


def run(arguments: argparse.Namespace) -> None:
    """Raises ValueError, OSError."""
    config = read_act(arguments.config_path)
    if config.notes:
        print(f"without effect here: {', '.join(config.notes)}", file=sys.stderr)
    data = sources(arguments.data, arguments.batch_size or DEFAULTS["batch_size"])
    model = data.network(arguments.model)
    if arguments.pretrained_model is not None:
        load_weights(model, arguments.pretrained_model)
    folder: Path = arguments.save_dir
    folder.mkdir(parents=True, exist_ok=True)
    inputs = next(data.train.in_order())[0][:16]
    print("before: acc_top1 {:.4f}, acc_top5 {:.4f}".format(*accuracies(model, data.test)))
    device = str(device_of(arguments))
    result = compress(model, config, data.train, [inputs], folder=folder, device=device)
    made = result.model if result.program is None else Int8(result.program)
    print("after:  acc_top1 {:.4f}, acc_top5 {:.4f}".format(*accuracies(made, data.test)))
    if result.sparsity is not None:
        print(f"sparsity of what was pruned: {result.sparsity:.4f}")
    path = folder / "model.pt2"
    if result.program is None:
        save_program(result.model, inputs, path)
    else:
        save(result.program, path)
    print(path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.paddleslim.act", description=__doc__)
    add_common(parser)
    parser.add_argument("--config_path", type=Path, required=True, metavar="YAML")
    parser.add_argument("--save_dir", type=Path, default=Path("output"), metavar="DIR")
    try:
        run(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
