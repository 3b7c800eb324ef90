# SPDX-License-Identifier: Apache-2.0
"""Tables in which names of files and layers stand."""

import pytest

from sparsec.tools.console import print_table


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons mean nothing, and what a terminal would obey is left out."""
    print_table(
        "a[bold]b\x1b[31m", ("layer", "bytes"), [("x[/y]:smile:", 1234), ("a\x1b[2J\nb", None)]
    )
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "a[bold]b?[31m",
        "layer         bytes",
        "x[/y]:smile:  1,234",
        "a?[2J?b",
    ]
