"""How a command ends: 0 well, 1 a comparison failed, 2 the user's mistake, 70 ours."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

USER_ERROR = 2
INTERNAL_ERROR = 70


class UserError(Exception):
    """Something the user can mend; the message says what and how."""


class InternalError(Exception):
    """A bug of ours. `reproducer` is the text of a file that shows it."""

    def __init__(self, message: str, reproducer: str):
        super().__init__(message)
        self.reproducer = reproducer


def one_line(error: BaseException) -> str:
    """The message of `error` without notes and underlined IR."""
    return str(error).strip() or type(error).__name__


def report_internal_error(error: BaseException, command: str) -> int:
    """Write a reproducer, say where it lies; returns the exit code."""
    details = "".join(traceback.format_exception(error))
    comment = "".join(f"// {line}\n" for line in details.splitlines())
    body = error.reproducer if isinstance(error, InternalError) else ""
    path = Path("sparsec-crash.mlir")
    try:
        path.write_text(f"// {command}\n{body}{comment}")
        where = f"; {path} shows it, please report it"
    except OSError:
        where = f"\n{details}"
    print(f"internal error: {one_line(error)}{where}", file=sys.stderr)
    return INTERNAL_ERROR


def guarded(command: Callable[[], int], text: str) -> int:
    """Run `command`; a UserError becomes one line on stderr, anything else a reproducer."""
    try:
        return command()
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        return report_internal_error(error, text)
