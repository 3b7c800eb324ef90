# SPDX-License-Identifier: Apache-2.0
"""Two tensors that broadcast, as in numpy: the shape they fill, and that in as few axes as it takes."""

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

import numpy as np

Shape: TypeAlias = tuple[int, ...]


def broadcast_shape(a: Sequence[int], b: Sequence[int]) -> Shape:
    """The shape of a result of both. Raises ValueError where they do not go together."""
    try:
        return np.broadcast_shapes(tuple(a), tuple(b))
    except ValueError:
        shapes = ("x".join(map(str, shape)) or "()" for shape in (a, b))
        raise ValueError("shapes {} and {} cannot be broadcast".format(*shapes)) from None


def merged(a: Sequence[int], b: Sequence[int]) -> tuple[Shape, Shape]:
    """The same two tensors with neighbouring axes as one where both have them, or the same one of both has.

    At least one axis is left, and as many in both shapes. Raises ValueError as `broadcast_shape`.
    """
    rank = len(broadcast_shape(a, b))
    left, right = ((*(1,) * (rank - len(shape)), *shape) for shape in (a, b))
    sizes: list[list[int]] = []
    kinds: list[tuple[bool, bool]] = []
    for n, m in zip(left, right, strict=True):
        kind = (n != 1, m != 1)
        if kind == (False, False):
            continue
        if kinds[-1:] == [kind]:
            sizes[-1] = [x * y for x, y in zip(sizes[-1], (n, m), strict=True)]
        else:
            kinds.append(kind)
            sizes.append([n, m])
    first, second = zip(*sizes, strict=True) if sizes else ((1,), (1,))
    assert prod(first) == prod(a) and prod(second) == prod(b)
    return first, second
