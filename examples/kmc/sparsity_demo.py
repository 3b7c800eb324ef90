# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's sparsity demo: train a network, make the weights that a YAML file lists sparse, retrain, save, load.

`python -m examples.kmc.sparsity_demo` trains a ResNet on made-up images, with `--data DIR` on CIFAR-10's binary version;
with `--config_file examples/kmc/detection_sparsity.yaml` it trains a small detector on made-up boxes. It writes
weights with masks, the masks held all the while, and a program for `sparsec` to the folder that the YAML file says.
"""

import argparse
import sys
from pathlib import Path

import torch

from examples.export import save_program
from examples.kmc.tasks import demo_parser, task_of, told
from sparsec.compat.kmc.configuration import read_sparsity_config
from sparsec.compat.kmc.sparsity import MCSparsity

TEMPLATE = Path(__file__).parent / "sparsity_template.yaml"


def main(argv: list[str] | None = None) -> int:
    parser = demo_parser("sparsity_demo", __doc__, TEMPLATE)
    parser.add_argument("--output", type=Path, metavar="DIR", help="instead of app_args.output_dir")
    return told(demonstrate, parser.parse_args(argv))


def demonstrate(arguments: argparse.Namespace) -> None:
    config = read_sparsity_config(arguments.config_file)
    folder: Path = arguments.output or Path(config.app_args.output_dir or "output")
    task = task_of(config.app_args.arch, arguments.images, arguments.data)
    torch.manual_seed(0)
    model = task.network()
    optimizer = torch.optim.SGD(model.parameters(), arguments.lr, momentum=0.9, weight_decay=5e-4)
    task.train(model, optimizer, arguments.epochs)
    print("dense: ind1 {ind1:.2f}  ind2 {ind2:.2f}".format(**task.validate(model)))
    need_args = {
        "model_fn": model,
        "optimizer": optimizer,
        "config_file": arguments.config_file,
        "val_fn": task.validate,
    }
    MCSparsity.sparse_model(need_args)
    task.train(model, optimizer, arguments.epochs)
    result = task.validate(model)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{config.app_args.arch}-best-sparsity.pth"
    MCSparsity.save_sparse_model(model, weights, {"epochs": arguments.epochs, **result})
    again = MCSparsity.load_sparse_model(task.network(), weights)
    print("retrained: ind1 {ind1:.2f}  ind2 {ind2:.2f}".format(**task.validate(again)))
    for name in config.parameters:
        value = again.get_parameter(name)
        print(f"{name}: {float((value == 0).float().mean()):.4f} zeros")
    program = weights.with_suffix(".pt2")
    save_program(again.cpu(), task.images[:16], program)
    print(f"{weights}\n{program}")


if __name__ == "__main__":
    sys.exit(main())
