"""One option for each layer, so that together they are least: a multiple-choice knapsack.

The rule: exact. The whole front of bytes against time is built layer by layer; of two partial
choices that take the same bytes or more and the same time or more, only the better can be part of
an optimum (Nemhauser and Ullmann, 1969), so dropping the other loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Option:
    """What a way to store and compute one layer takes: bytes of flash, and time in any one unit."""

    bytes: int
    time: int


@dataclass(frozen=True)
class Choice:
    """The index of the option taken for each layer, and what they take together."""

    picks: tuple[int, ...]
    bytes: int
    time: int


class BudgetError(ValueError):
    """No choice fits the budget; `least` is what the smallest takes."""

    def __init__(self, budget: int, least: int):
        super().__init__(f"no choice fits {budget} bytes: the smallest takes {least}")
        self.budget = budget
        self.least = least


def front(layers: Sequence[Sequence[Option]]) -> list[Choice]:
    """Every choice that no other beats in bytes and in time, from the smallest to the fastest.

    Of choices that take the same bytes and time one is kept, always the same.
    Raises ValueError for a layer without options.
    """
    sizes, times = np.zeros(1, np.int64), np.zeros(1, np.int64)
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for index, options in enumerate(layers):
        if not options:
            raise ValueError(f"layer {index} has no option")
        option_sizes = np.array([option.bytes for option in options], np.int64)
        option_times = np.array([option.time for option in options], np.int64)
        all_sizes = (sizes[:, None] + option_sizes).reshape(-1)
        all_times = (times[:, None] + option_times).reshape(-1)
        kept = _undominated(all_sizes, all_times)
        sizes, times = all_sizes[kept], all_times[kept]
        steps.append((kept // len(options), kept % len(options)))
    return [_choice(steps, end, sizes, times) for end in range(len(sizes))]


def _undominated(sizes: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the pairs that no other beats, by size."""
    order = np.lexsort((times, sizes))
    ordered = times[order]
    fastest_before = np.concatenate([[np.iinfo(np.int64).max], np.minimum.accumulate(ordered)[:-1]])
    return order[ordered < fastest_before]


def _choice(
    steps: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    end: int,
    sizes: NDArray[np.int64],
    times: NDArray[np.int64],
) -> Choice:
    picks: list[int] = []
    place = end
    for parents, options in reversed(steps):
        picks.append(int(options[place]))
        place = int(parents[place])
    return Choice(tuple(reversed(picks)), int(sizes[end]), int(times[end]))


def fastest_within(choices: Sequence[Choice], budget: int | None) -> Choice:
    """The fastest choice of a front that takes at most `budget` bytes.

    Raises BudgetError if none does.
    """
    return _within(choices, budget)[-1]


def smallest(choices: Sequence[Choice], budget: int | None) -> Choice:
    """The choice of a front that takes the fewest bytes. Raises BudgetError."""
    return _within(choices, budget)[0]


def balanced(choices: Sequence[Choice], budget: int | None, reference: Choice) -> Choice:
    """The choice with the least sum of bytes and time, each as a share of `reference`'s.

    Raises BudgetError.
    """

    def share(choice: Choice) -> float:
        return choice.bytes / max(reference.bytes, 1) + choice.time / max(reference.time, 1)

    return min(_within(choices, budget), key=share)


def _within(choices: Sequence[Choice], budget: int | None) -> Sequence[Choice]:
    fitting = [choice for choice in choices if budget is None or choice.bytes <= budget]
    if not fitting:
        assert budget is not None
        raise BudgetError(budget, choices[0].bytes)
    return fitting
