# SPDX-License-Identifier: Apache-2.0
"""`sparsec run --profile` for people and for programs. It only renders; run/profile does the work."""

from typing import Any

from sparsec.run.profile.profile import Cost, Profile
from sparsec.tools.console import print_table

HOT_FUNCTIONS = 10


def profile_report(profile: Profile) -> dict[str, Any]:
    """The profile as JSON. `instructions` are exact, `estimated_cycles` are estimates at zero wait states."""
    return {
        **_cost(profile.total),
        "layers": [
            {"name": layer.name, "kernel": layer.kernel, **_cost(layer.cost)}
            for layer in profile.layers
        ],
        "functions": [
            {"name": function.name, **_cost(function.cost)} for function in profile.functions
        ],
    }


def print_profile(report: dict[str, Any], core: str) -> None:
    """Two tables of what `profile_report` gives: the layers in their order, and the hottest functions."""
    total = report["estimated_cycles"]
    columns = ("instructions", "est. cycles", "% of cycles")
    rows = [(row["name"], row["kernel"], *_numbers(row, total)) for row in report["layers"]]
    rows.append(("total", "", *_numbers(report, total)))
    print()
    print_table(f"layers on {core}, first sample", ("layer", "kernel", *columns), rows)
    hottest = report["functions"][:HOT_FUNCTIONS]
    print()
    print_table(
        f"functions, {len(hottest)} of {len(report['functions'])}, without those they call",
        ("function", *columns),
        [(row["name"], *_numbers(row, total)) for row in hottest],
    )
    print()
    print("instructions are exact; cycles are estimated from pipeline rules at zero wait states")


def _cost(cost: Cost) -> dict[str, int]:
    return {"instructions": cost.instructions, "estimated_cycles": cost.cycles}


def _numbers(row: dict[str, Any], total: int) -> tuple[int, int, float]:
    cycles = row["estimated_cycles"]
    return row["instructions"], cycles, round(100 * cycles / max(total, 1), 1)
