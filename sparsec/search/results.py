# SPDX-License-Identifier: Apache-2.0
"""What a study found: its front, as rows and as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

from sparsec.search.objectives import METRICS, Objectives, Prices
from sparsec.search.trials import Tried

COLUMNS = (
    *("number", "state", "origin", "front"),
    *METRICS,
    *("weights", "nonzeros", "steps", "candidate", "said"),
)


def keeps_limits(tried: Tried, objectives: Objectives, dense: Prices) -> bool:
    """Whether a candidate was trained to its end and keeps all limits."""
    if tried.state != "finished" or tried.prices is None:
        return False
    accurate = all(
        limit.excess(tried.value("accuracy"), 0.0) <= 0
        for limit in objectives.limits
        if limit.metric == "accuracy"
    )
    return accurate and not objectives.broken(tried.prices, dense)


def front_of(results: Sequence[Tried], objectives: Objectives, dense: Prices) -> list[Tried]:
    """Those that keep all limits and that none of them dominates, by the first goal, the best one first; of equals the
    earlier one."""
    kept = {
        tuple(each.value(goal) for goal in objectives.goals): each
        for each in reversed(results)
        if keeps_limits(each, objectives, dense)
    }
    values = sorted(kept, reverse=objectives.directions[0] == "maximize")
    return [kept[values[index]] for index in objectives.front(values)]


def best_of(results: Sequence[Tried], objectives: Objectives, dense: Prices) -> Tried | None:
    """The one of the front that is best in the first goal."""
    return next(iter(front_of(results, objectives, dense)), None)


def results_text(results: Sequence[Tried], front: Sequence[Tried]) -> str:
    """As CSV, a row for each candidate; what is not known is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    numbers = {each.number for each in front}
    writer.writerows(list(_row(each, each.number in numbers).values()) for each in results)
    return file.getvalue()


def _row(tried: Tried, on_front: bool) -> Mapping[str, object]:
    prices = tried.prices
    row: dict[str, object] = {column: None for column in COLUMNS}
    row |= {"number": tried.number, "state": tried.state, "origin": tried.origin}
    row |= {"front": int(on_front), "accuracy": tried.accuracy, "steps": tried.steps}
    row |= {"candidate": tried.candidate.text, "said": tried.said}
    if prices is not None:
        known = [*(name for name in METRICS if name != "accuracy"), "weights", "nonzeros"]
        row |= {name: getattr(prices, name) for name in known}
    return row
