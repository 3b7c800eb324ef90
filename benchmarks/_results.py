# SPDX-License-Identifier: Apache-2.0
"""A benchmark's figures: a table on stdout, the same in `benchmarks/results/NAME.json`.

Whether a target is met is computed here and never stated by a benchmark.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparsec.tools.console import print_table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured number; `target` is None where none was set.

    `options` are those of the compiler, or words for what else differs from the defaults; empty for the defaults.
    """

    what: str
    value: float
    target: float | None
    unit: str
    better: Literal["higher", "lower"]
    options: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the value is as good as the target, None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.better == "higher" else self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        """The entry in the results file."""
        options = {"options": self.options} if self.options else {}
        return {
            "what": self.what,
            **options,
            "value": self.value,
            "target": self.target,
            "unit": self.unit,
            "better": self.better,
            "met": self.met,
        }


def step(text: str) -> None:
    """Say on stderr what is being measured."""
    print(text, file=sys.stderr, flush=True)


def publish(name: str, figures: Sequence[Figure], directory: Path = RESULTS) -> int:
    """Print the figures and write `directory`/`name`.json; 0, or 1 if a target was missed."""
    words = {True: "yes", False: "NO", None: "-"}
    print_table(
        f"{name}: figures and targets",
        ("figure", "value", "target", "unit", "met"),
        [
            (
                f"{figure.what} ({figure.options})" if figure.options else figure.what,
                f"{figure.value:.4g}",
                "-" if figure.target is None else f"{bound(figure)} {figure.target:g}",
                figure.unit,
                words[figure.met],
            )
            for figure in figures
        ],
    )
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps([figure.as_json() for figure in figures], indent=2, ensure_ascii=False)
    (directory / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    missed = [figure.what for figure in figures if figure.met is False]
    for what in missed:
        step(f"target missed: {what}")
    return 1 if missed else 0


def bound(figure: Figure) -> str:
    """The direction of a target as a sign."""
    return ">=" if figure.better == "higher" else "<="
