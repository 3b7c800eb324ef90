# SPDX-License-Identifier: Apache-2.0
"""What Knight-MC's functions take and give as dicts."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from sparsec.tables import did_you_mean, mapping_of

ValFn = Callable[[nn.Module], Mapping[str, Any]]
"""From a model to its accuracy: `ind1` and `ind2` in percent, perhaps `vloss`, and what else one likes."""


@dataclass(frozen=True)
class Validation:
    """What a `val_fn` gave: top-1 and top-5 accuracy, or mAP@.5 and mAP@.5:.95, in percent."""

    ind1: float
    ind2: float
    vloss: float | None = None


def validated(val_fn: ValFn, model: nn.Module, *, is_pruned: bool = False) -> Validation:
    """What `val_fn` gives for a model. Raises ValueError where it does not keep to the contract.

    Numbers of 1 and below are taken for fractions, unless the model `is_pruned`: it may know as little.
    """
    given = mapping_of(val_fn(model), "what val_fn returns")
    first = _percent(given, "ind1", "top-1 accuracy or mAP@.5")
    second = _percent(given, "ind2", "top-5 accuracy or mAP@.5:.95")
    if not is_pruned and 0 < max(first, second) <= 1:
        raise ValueError(
            f"val_fn returns ind1 = {first:g} and ind2 = {second:g}, which are fractions: return percent, 100 times that"
        )
    return Validation(first, second, _number(given.get("vloss")))


def _percent(given: Mapping[str, Any], name: str, what: str) -> float:
    if name not in given:
        raise ValueError(f"val_fn returns no '{name}': it is the {what} in percent")
    number = _number(given[name])
    if number is None or not 0 <= number <= 100:
        raise ValueError(
            f"val_fn returns {name} = {given[name]!r}: it is a number of percent, 0 to 100"
        )
    return number


def _number(value: Any) -> float | None:
    """A number of Python, numpy or torch; None is anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def check_need_args(
    given: object, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Any]:
    """The `need_args` of an entry. Raises ValueError where one is missing or unknown."""
    found = mapping_of(given, "need_args")
    for name in found:
        if name not in required + optional:
            raise ValueError(
                f"need_args has no '{name}': {did_you_mean(name, required + optional)}"
            )
    for name in required:
        if name not in found:
            raise ValueError(f"need_args lacks '{name}'")
    return found
