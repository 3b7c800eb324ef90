# SPDX-License-Identifier: Apache-2.0
"""Layouts are read back by the proof, by costs, by reports and for each inference that is interpreted: once is enough.

The rule: only for functions that give the same for the same arguments. All who ask are given one result, so nobody can
write to its arrays.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


def remembered(most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keeps the `most` results that were asked for last. Arguments are arrays, told apart by their content, and what can
    be hashed."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known: OrderedDict[tuple[Any, ...], R] = OrderedDict()

        @wraps(function)
        def ask(*args: P.args, **kwargs: P.kwargs) -> R:
            key = (*map(_key, args), *((name, _key(value)) for name, value in kwargs.items()))
            if key not in known:
                known[key] = _frozen(function(*args, **kwargs))
                while len(known) > most:
                    known.popitem(last=False)
            known.move_to_end(key)
            return known[key]

        return ask

    return decorate


def _key(value: object) -> object:
    if not isinstance(value, np.ndarray):
        return value
    array = cast(NDArray[Any], value)
    return array.shape, array.dtype.str, sha256(array.tobytes()).digest()


def _frozen(result: R) -> R:
    """`result` with its arrays, and those of its fields, made such that writing to them is an error."""
    for value in (result, *getattr(result, "__dict__", {}).values()):
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return result
