# SPDX-License-Identifier: Apache-2.0
"""What people see: progress on stderr, results on stdout, plain when not on a terminal."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from sparsec.tools.errors import one_line

Progress: TypeAlias = Callable[[str], None]


@contextmanager
def progress(quiet: bool = False) -> Generator[Progress]:
    """A spinner on stderr with the step that is running; silent when stderr is no terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    spinner = Spinner("dots")
    # Results go to stdout untouched: rich would send them to its own console, stderr.
    with Live(spinner, console=console, transient=True, redirect_stdout=False):
        yield lambda text: spinner.update(text=text)


def cell_text(cell: object) -> str:
    """A cell of a table, with thousands set apart in whole numbers; a name is one line that a terminal can show."""
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else one_line(str(cell))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; columns of numbers are aligned right. None is an empty cell."""
    # Names have brackets and colons.
    console = Console(file=sys.stdout, soft_wrap=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=200, color_system=None, markup=False, emoji=False)
    table = Table(
        title=one_line(title), title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(cell_text, row))
    console.print(table)
