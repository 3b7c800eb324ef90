# SPDX-License-Identifier: Apache-2.0
"""How a command ends: 0 well, 1 a comparison failed, 2 the user's mistake, 70 ours."""

import contextlib
import errno
import os
import re
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

USER_ERROR = 2
INTERNAL_ERROR = 70
INTERRUPTED = 130
REPRODUCER = Path("sparsec-crash.mlir")
"""Written to the working directory when a command ends by a bug of ours."""


_LONGEST = 400


class UserError(Exception):
    """Something the user can mend; the message says what and how."""


class InternalError(Exception):
    """A bug of ours that shows when the passes `pipeline` run on the IR `text`, or, without any, in the IR itself."""

    def __init__(self, message: str, text: str, pipeline: str | None):
        super().__init__(message)
        self.text = text
        self.pipeline = pipeline


def first_line(error: BaseException) -> str:
    """The first line of what `error` says, as a terminal can show it: no control characters, not too long."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    text = "".join(character if character.isprintable() else "?" for character in line)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def printable(text: str) -> str:
    """`text` of several lines as a terminal can show it; what a file or an argument says may be in it.

    No control characters, and of words that no name has the length of the beginning and the end.
    """
    shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    return re.sub(rf"\S{{{_LONGEST},}}", lambda word: f"{word[0][:50]}...{word[0][-50:]}", shown)


def one_line(text: str) -> str:
    """`text` as one line that a terminal can show."""
    return printable(text).replace("\n", "?")


def warn(text: str, kind: str = "warning") -> None:
    """A line on stderr, in which names of files and layers may be."""
    print(f"{kind}: {one_line(text)}", file=sys.stderr)


def discard_stdout() -> None:
    """Python would complain once more as it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report_internal_error(error: BaseException, command: str) -> int:
    """Write a reproducer, say where it lies; returns the exit code."""
    details = "".join(traceback.format_exception(error))
    parts = [f"// {command}\n"]
    if isinstance(error, InternalError):
        message = first_line(error)
        if error.pipeline is not None:
            parts.append(f"// sparsec-opt {REPRODUCER} -p {shlex.quote(error.pipeline)}\n")
        parts.append(error.text)
    else:
        message = f"{type(error).__name__}: {first_line(error)}"
    parts += [f"// {line}\n" for line in details.splitlines()]
    try:
        REPRODUCER.write_text("".join(parts))
        where = f"; please report it with {REPRODUCER}, which shows it"
    except OSError:
        where = f"\n{details}"
    print(f"internal error: {message}{where}", file=sys.stderr)
    return INTERNAL_ERROR


def guarded(command: Callable[[], int], text: str) -> int:
    """Run `command`, which was typed as `text`, and say how it ended; returns the exit code.

    A UserError becomes a message on stderr, anything else a reproducer.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("stdout", "stderr"):  # None where the shell closed it
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
    try:
        code = command()
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {printable(str(error).strip())}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        discard_stdout()  # the reader has gone
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return report_internal_error(error, text)
        discard_stdout()
        print("error: cannot write: no space left on the device", file=sys.stderr)
        return USER_ERROR
    except Exception as error:
        return report_internal_error(error, text)
