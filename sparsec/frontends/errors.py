# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a file that a user hands in."""

from collections.abc import Sequence


class FrontendError(ValueError):
    """A file cannot be read or compiled; the message says why and what to do."""


class UnsupportedModelError(FrontendError):
    """A model has operations that cannot be compiled; `operations` says of each which and where.

    The message lists up to `most` of them; `noun` is what the model's framework calls them.
    """

    def __init__(self, noun: str, operations: Sequence[str], most: int | None = None):
        count = len(operations)
        lines = [f"  {operation}" for operation in operations[:most]]
        if len(lines) < count:
            lines.append(f"  and {count - len(lines)} more")
        what = f"{count} {noun}" + ("s" if count > 1 else "")
        super().__init__("\n".join([f"the model uses {what} that cannot be compiled:", *lines]))
        self.operations = tuple(operations)


class UnsupportedError(ValueError):
    """One operation of a model cannot be expressed; caught, and listed with the others."""
