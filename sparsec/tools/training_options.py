# SPDX-License-Identifier: Apache-2.0
"""What commands that train have in common: data from files, settings, where checkpoints go."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sparsec.frontends import numpy_files
from sparsec.frontends.errors import FrontendError
from sparsec.tools.errors import UserError
from sparsec.tools.labels import check_labels, take_labels

if TYPE_CHECKING:
    from sparsec.compress.data import Samples
    from sparsec.compress.training import Settings
    from sparsec.frontends.programs import Program

Array: TypeAlias = np.ndarray[Any, Any]


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Options of training, and of what is kept of it."""
    group = parser.add_argument_group("training, from a file with --data alone")
    add_data_options(group)
    group.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="for checkpoints, history.csv and history.svg, from which a run that was killed goes on, e.g. run1",
    )
    group.add_argument("--track", metavar="SERVICE", help="tensorboard or mlflow, where installed")


def add_data_options(group: "argparse._ArgumentGroup") -> None:  # pyright: ignore[reportPrivateUsage]
    """What it is trained on and how."""
    group.add_argument(
        "--data",
        metavar="FILE",
        help=".npz with inputs [N, ..] in torch's layout, and labels, to train on, e.g. train.npz",
    )
    group.add_argument(
        "--labels",
        default="labels",
        metavar="NAME|FILE",
        help="the right classes, whole numbers [N]: an array of --data (and of --test) or a .npy file; default labels",
    )
    group.add_argument(
        "--test", metavar="FILE", help=".npz as --data, to tell the accuracy on, e.g. test.npz"
    )
    group.add_argument(
        "--epochs", type=int, default=3, metavar="N", help="passes over --data; default 3, e.g. 10"
    )
    group.add_argument(
        "--batch", type=int, default=128, metavar="N", help="samples at a time; default 128"
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        default=1e-3,
        metavar="X",
        help="at the start of its cosine; default 0.001",
    )
    group.add_argument(
        "--optimizer",
        choices=("adam", "adamw", "sgd"),
        default="adam",
        help="default adam, e.g. sgd",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the order of samples; default 0"
    )


def read_program(model: str) -> "Program":
    """The program of a file. UserError where it is none."""
    from sparsec.frontends.archive import read_file
    from sparsec.frontends.programs import Program

    if model == "-" or model.endswith(".mlir"):
        raise UserError(f"{model}: weights are written into files of torch.export.save: give one")
    try:
        return Program(read_file(Path(model)))
    except FrontendError as error:
        raise UserError(f"{model}: {error}") from error


def check_training(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """UserError where options of training are given without data to train on, or the folder cannot be one."""
    names = (
        "labels",
        "test",
        "epochs",
        "batch",
        "learning_rate",
        "optimizer",
        "seed",
        "folder",
        "track",
    )
    given = [
        f"--{name.replace('_', '-')}"
        for name in names
        if getattr(args, name) != parser.get_default(name)
    ]
    if given and args.data is None:
        raise UserError(f"{' and '.join(given)} belong to training: give --data")
    if args.folder is not None:
        try:
            args.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--folder: cannot write to {args.folder}: {error.strerror}") from error


def settings_of(args: argparse.Namespace) -> "Settings":
    """The settings that the options say. UserError where they make no sense."""
    from sparsec.compress.training import Settings

    try:
        return Settings(
            epochs=args.epochs,
            learning_rate=args.learning_rate,
            optimizer=args.optimizer,
            seed=args.seed,
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def read_samples(path: str, labels: str, program: "Program", batch: int) -> "Samples":
    """Inputs and classes of a file that `program` takes. UserError where there are none."""
    from sparsec.compress.data import Samples, classes_of
    from sparsec.frontends.programs import as_taken

    try:
        arrays = dict(numpy_files.read_arrays(Path(path)))
    except ValueError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    classes = take_labels(arrays, labels, path)
    names = program.input_names
    if len(names) != 1 or len(arrays) != 1:
        raise UserError(
            f"{path} must hold one array of inputs and the labels, for a network of one input: it holds "
            f"{', '.join(arrays) or 'none'} besides {labels}, the network takes {', '.join(names)}"
        )
    (inputs,) = arrays.values()
    if inputs.dtype.kind not in "fiu" or inputs.ndim < 2:
        raise UserError(
            f"{path}: inputs must be numbers [N, ..], not {inputs.dtype} {list(inputs.shape)}"
        )
    if not np.isfinite(inputs).all():
        sample = int(np.argmin(np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)))
        raise UserError(
            f"{path}: inputs must be finite numbers, and sample {sample} has others, infinite or none"
        )
    try:
        (inputs,) = as_taken(program, [inputs])
        count = classes_of(program, inputs)
    except (ValueError, FrontendError) as error:
        raise UserError(
            f"{path}: {error}; inputs are as the network was exported with, a batch of any size"
        ) from error
    if count is None:
        raise UserError(
            "only networks with one output [N, classes] are trained from files: train others in Python"
        )
    check_labels(classes, len(inputs), count)
    try:
        return Samples.as_they_are(inputs, classes, batch)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
