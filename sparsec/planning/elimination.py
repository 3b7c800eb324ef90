# SPDX-License-Identifier: Apache-2.0
"""The cheapest choice for variables whose costs are sums of tables over a few of them each: bucket elimination.

Exact on every graph. A variable is taken out by minimizing over it all tables that name it, which gives a table of its
neighbours; the one with the smallest such table goes first, so trees and series-parallel graphs never need one of more than
two variables besides what their own tables have. R. Dechter, Bucket elimination: a unifying framework for reasoning,
Artificial Intelligence 113 (1999).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, prod


@dataclass(frozen=True)
class Factor:
    """What each choice for `variables`, one number each, costs together."""

    variables: tuple[int, ...]
    cost: Callable[..., float]


def cheapest_choice(sizes: Sequence[int], factors: Sequence[Factor]) -> tuple[list[int], float]:
    """For each variable, which has `sizes` choices, the one that makes the sum of all factors least, and that sum; of equal
    ones the first, the last variable deciding. ValueError where every choice costs infinitely much."""
    tables = [_table(factor, sizes) for factor in factors]
    removed: list[tuple[int, tuple[int, ...], dict[tuple[int, ...], int]]] = []
    left = set(range(len(sizes)))
    while left:
        variable = min(left, key=lambda each: (_size(each, tables, sizes), each))
        mine = [table for table in tables if variable in table[0]]
        tables = [table for table in tables if variable not in table[0]]
        scope = tuple(sorted({each for variables, _ in mine for each in variables} - {variable}))
        costs: dict[tuple[int, ...], float] = {}
        best: dict[tuple[int, ...], int] = {}
        for choice in product(*(range(sizes[each]) for each in scope)):
            chosen = dict(zip(scope, choice, strict=True))
            sums = [
                sum(
                    values[tuple((chosen | {variable: own})[each] for each in variables)]
                    for variables, values in mine
                )
                for own in range(sizes[variable])
            ]
            costs[choice] = min(sums)
            best[choice] = sums.index(costs[choice])
        tables.append((scope, costs))
        removed.append((variable, scope, best))
        left.remove(variable)
    total = sum(values[()] for _, values in tables)
    if total == inf:
        raise ValueError("no choice is possible")
    found: dict[int, int] = {}
    for variable, scope, best in reversed(removed):
        found[variable] = best[tuple(found[each] for each in scope)]
    return [found[each] for each in range(len(sizes))], total


_Table = tuple[tuple[int, ...], Mapping[tuple[int, ...], float]]


def _table(factor: Factor, sizes: Sequence[int]) -> _Table:
    choices = product(*(range(sizes[each]) for each in factor.variables))
    return factor.variables, {choice: factor.cost(*choice) for choice in choices}


def _size(variable: int, tables: Sequence[_Table], sizes: Sequence[int]) -> int:
    """Of the table that is left when `variable` goes."""
    others = {each for variables, _ in tables if variable in variables for each in variables}
    return prod(sizes[each] for each in others - {variable})
