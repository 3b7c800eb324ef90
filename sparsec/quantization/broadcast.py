# SPDX-License-Identifier: Apache-2.0
"""Tensors that broadcast, as in numpy: the shape they fill, and that in as few axes as it takes."""

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

import numpy as np

Shape: TypeAlias = tuple[int, ...]


def broadcast_shape(*shapes: Sequence[int]) -> Shape:
    """The shape of a result of all. Raises ValueError where they do not go together."""
    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        found = ("x".join(map(str, shape)) or "()" for shape in shapes)
        raise ValueError(f"shapes {' and '.join(found)} cannot be broadcast") from None


def merged(*shapes: Sequence[int]) -> tuple[Shape, ...]:
    """The same tensors with neighbouring axes as one where all have them, or the same ones of them.

    At least one axis is left, and as many in each shape. Raises ValueError as `broadcast_shape`.
    """
    rank = len(broadcast_shape(*shapes))
    aligned = [(*(1,) * (rank - len(shape)), *shape) for shape in shapes]
    sizes: list[list[int]] = []
    kinds: list[tuple[bool, ...]] = []
    for along in zip(*aligned, strict=True):
        kind = tuple(n != 1 for n in along)
        if not any(kind):
            continue
        if kinds[-1:] == [kind]:
            sizes[-1] = [x * y for x, y in zip(sizes[-1], along, strict=True)]
        else:
            kinds.append(kind)
            sizes.append(list(along))
    found = tuple(zip(*sizes, strict=True)) if sizes else ((1,),) * len(shapes)
    assert [prod(shape) for shape in found] == [prod(shape) for shape in shapes]
    return found
