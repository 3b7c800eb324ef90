# SPDX-License-Identifier: Apache-2.0
"""Writing what a compilation gave: IR text, or a C project."""

import argparse
import errno
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sparsec.backends.c.folder import write_project
from sparsec.backends.cortex_m.project import emit_project
from sparsec.run import cmsis_nn
from sparsec.tools.compilation import Compilation
from sparsec.tools.errors import UserError
from sparsec.tools.self_test import self_test_of


def cmsis_nn_directory(args: argparse.Namespace) -> Path:
    """The CMSIS-NN in use. UserError when there is none."""
    try:
        directory = cmsis_nn.locate(args.cmsis_nn)
    except ValueError as error:
        raise UserError(str(error)) from error
    if directory is None:
        raise UserError(
            "CMSIS-NN is not there: set CMSIS_NN_DIR, or fetch it with "
            "python -m sparsec.run.cmsis_nn"
        )
    return directory


def project_files(args: argparse.Namespace, compilation: Compilation) -> dict[str, str]:
    """The files of the C project. UserError when the network is too large or the headers disagree."""
    include = cmsis_nn_directory(args) / "Include"
    try:
        files = emit_project(
            compilation.module,
            include,
            compilation.name,
            args.arena,
            args.int8_io,
            None if compilation.accuracy is None else compilation.accuracy.facts,
            self_test_of(args, compilation),
            args.bundle,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    check_budgets(args, json.loads(files["report.json"]))
    return files


def check_budgets(args: argparse.Namespace, report: dict[str, Any]) -> None:
    """UserError when constants and code are larger than asked."""
    if args.flash is not None and report["flash_bytes"] > args.flash:
        raise UserError(
            f"the network takes {report['flash_bytes']} bytes ({report['flash_code_bytes']} of them code), "
            f"--flash allows {args.flash}: prune the network further or choose --objective=flash"
        )


def write_files(files: dict[str, str], directory: Path, named_after: Path | None = None) -> None:
    """Write a project, all of it or nothing; `named_after` as for `write_project`. UserError when that is not possible."""
    try:
        write_project(files, directory, named_after)
    except OSError as error:
        raise cannot_write(directory, "directory", error) from error


def write_text(text: str, output: Path | None) -> None:
    """Text to stdout or to the file `output`."""
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        return
    write_bytes(text.encode(), output)


def write_bytes(content: bytes, output: Path) -> None:
    """The file `output`, whole or not at all. UserError when that is not possible.

    What is no plain file, a device or a pipe, is written to and stays; so does a symbolic link.
    """
    try:
        target = output.resolve()
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                stream.write(content)
            return
        # A file in a folder of its own gets the usual permissions, unlike a temporary file.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            staged = Path(folder, target.name)
            staged.write_bytes(content)
            staged.replace(target)
    except OSError as error:
        raise cannot_write(output, "file", error) from error


def cannot_write(output: Path, kind: str, error: OSError) -> UserError:
    """What to say when `output` cannot be written."""
    if error.errno == errno.ENAMETOOLONG:
        return UserError(
            f"cannot write {output}: {error.strerror}; name it shorter with --name and -o"
        )
    return UserError(
        f"cannot write {output}: {error.strerror or error}; name another {kind} with -o"
    )
