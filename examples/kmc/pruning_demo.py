# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's pruning demo: train a network, let an agent prune the layers that a YAML file lists, retrain the best one.

`python -m examples.kmc.pruning_demo` prunes a ResNet on made-up images, with `--data DIR` on CIFAR-10's binary version;
with `--config_file examples/kmc/detection_pruning.yaml` it prunes a small detector on made-up boxes. Rewards are in
TensorBoard, where it is installed: `tensorboard --logdir` the folder that the YAML file says.
"""

import argparse
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from examples.export import save_program
from examples.kmc.tasks import demo_parser, task_of, told
from sparsec.compat.kmc.pruning import MCPruning
from sparsec.compat.kmc.pruning_configuration import read_pruning_config
from sparsec.compress.tracking import tracker
from sparsec.search.amc.search import Episode

TEMPLATE = Path(__file__).parent / "pruning_template.yaml"


@dataclass(frozen=True)
class Point:
    """Of a curve."""

    epoch: int
    reward: float
    density: float


def main(argv: list[str] | None = None) -> int:
    parser = demo_parser("pruning_demo", __doc__, TEMPLATE)
    parser.add_argument("--accuracy", choices=("float", "int8"), default="float")
    parser.add_argument("--target", default="cortex-m4", help="core of infer_time")
    parser.add_argument("--measure", action="store_true", help="infer_time comes from QEMU")
    return told(demonstrate, parser.parse_args(argv))


def demonstrate(arguments: argparse.Namespace) -> None:
    config = read_pruning_config(arguments.config_file)
    folder = Path(config.app_args.output_dir or "output")
    task = task_of(config.app_args.arch, arguments.images, arguments.data)
    torch.manual_seed(0)
    model = task.network()
    optimizer = torch.optim.SGD(model.parameters(), arguments.lr, momentum=0.9, weight_decay=5e-4)
    task.train(model, optimizer, arguments.epochs)
    service = "tensorboard" if find_spec("tensorboard") else None
    with tracker(service, folder / "logs") as note:

        def heard(episode: Episode) -> None:
            note(Point(episode.number, episode.reward, episode.density))

        best = MCPruning.prune_model(
            {
                "model_fn": model,
                "val_fn": task.validate,
                "config_file": arguments.config_file,
                "inputs": task.images,
                "accuracy": arguments.accuracy,
                "target": arguments.target,
                "measure": arguments.measure,
                "on_episode": heard,
            }
        )
    optimizer = torch.optim.SGD(best.parameters(), arguments.lr, momentum=0.9, weight_decay=5e-4)
    task.train(best, optimizer, arguments.epochs)
    result = task.validate(best)
    weights = folder / f"{config.app_args.arch}-best-pruning.pth"
    MCPruning.save_pruned_model(best, weights, {"epochs": arguments.epochs, **result})
    again = MCPruning.load_pruned_model(task.network(), weights)
    print("retrained: ind1 {ind1:.2f}  ind2 {ind2:.2f}".format(**task.validate(again)))
    program = weights.with_suffix(".pt2")
    save_program(again.cpu(), task.images[:16], program)
    print(f"{weights}\n{program}")


if __name__ == "__main__":
    sys.exit(main())
