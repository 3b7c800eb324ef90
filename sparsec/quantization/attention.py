# SPDX-License-Identifier: Apache-2.0
"""Attention in int8: a product, a softmax and a product, of heads wherever they lie.

The one rule: the bytes are those of the three steps one behind the other (`matmul.py`, `softmax.py`). A mask adds to the sums
of the first product before they are rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sparsec.quantization.arrays import Int8Array, Int64Array
from sparsec.quantization.matmul import MatmulParams, finish, largest_sum, sums
from sparsec.quantization.softmax import softmax_by

Array: TypeAlias = np.ndarray[Any, Any]

HIDDEN = -128
"""The mask of a key that a query does not see."""

PROBABILITY_ZP = -128
"""The zero point of what softmax gives, of which kernels know."""

Place: TypeAlias = tuple[int, ...]
"""Where matrices lie in a tensor, in elements: the first one's offset, then the distances of two of the outer axis, two heads,
two rows. Elements of a row are neighbours."""


@dataclass(frozen=True)
class Attention:
    """What an attention looks at, and where the queries, keys, values and results lie in their tensors.

    For each head of each of the outer axis `queries` rows of `width` elements, `keys` rows as wide, and as many rows of
    `value_width` elements. With `causal` a query sees the first `keys - queries + 1 + its place` keys, else all.
    `mask_factor` is what one step of a mask adds to a sum.
    """

    outer: int
    heads: int
    queries: int
    keys: int
    width: int
    value_width: int
    query: Place
    key: Place
    value: Place
    result: Place
    mask_factor: int = 0
    causal: int = 0

    def __post_init__(self) -> None:
        sizes = (self.outer, self.heads, self.queries, self.keys, self.width, self.value_width)
        if min(sizes) < 1:
            raise ValueError(f"an attention has at least one of everything, got {list(sizes)}")
        if self.causal not in (0, 1):
            raise ValueError(f"causal is 0 or 1, got {self.causal}")
        if self.causal and self.queries > self.keys:
            raise ValueError(
                f"the first of {self.queries} causal queries sees none of {self.keys} keys"
            )
        if not 0 <= self.mask_factor < 2**22:
            raise ValueError(f"a mask factor of {self.mask_factor} is outside 0 to {2**22 - 1}")
        for name in ("query", "key", "value", "result"):
            place = getattr(self, name)
            if len(place) != 4 or min(place) < 0:
                raise ValueError(f"{name} must be an offset and three distances, got {list(place)}")

    @property
    def query_shape(self) -> tuple[int, int, int, int]:
        """Of the queries as four axes; keys, values and results likewise."""
        return self.outer, self.heads, self.queries, self.width

    @property
    def key_shape(self) -> tuple[int, int, int, int]:
        return self.outer, self.heads, self.keys, self.width

    @property
    def value_shape(self) -> tuple[int, int, int, int]:
        return self.outer, self.heads, self.keys, self.value_width

    @property
    def result_shape(self) -> tuple[int, int, int, int]:
        return self.outer, self.heads, self.queries, self.value_width

    @property
    def mask_shape(self) -> tuple[int, int, int, int]:
        """That to which a mask broadcasts."""
        return self.outer, self.heads, self.queries, self.keys

    def largest_sum(self, scores: MatmulParams, values: MatmulParams) -> int:
        """What no sum of either product exceeds, shifted to the left as `requantize` does."""
        mask = 128 * self.mask_factor << max(scores.shift, 0)
        return max(largest_sum(self.width, scores) + mask, largest_sum(self.keys, values))


def end_of(place: Place, shape: Sequence[int]) -> int:
    """The elements up to the end of the last row of matrices of `shape`."""
    return place[0] + sum((n - 1) * d for n, d in zip(shape, (*place[1:], 1), strict=True)) + 1


def fills(place: Place, shape: Sequence[int]) -> bool:
    """Whether matrices of `shape` have all the first elements of a tensor, each once: axes are then steps over each other."""
    axes = sorted((d, n) for n, d in zip(shape, (*place[1:], 1), strict=True) if n > 1)
    steps = [prod(n for _, n in axes[:i]) for i in range(len(axes))]
    return place[0] == 0 and [d for d, _ in axes] == steps


def matrices(tensor: Array, place: Place, shape: Sequence[int]) -> Array:
    """A view of the rows of `tensor` [N, elements] at `place`: [N, *shape]."""
    size = tensor.itemsize
    distances = [tensor.strides[0], *(size * distance for distance in place[1:]), size]
    return np.lib.stride_tricks.as_strided(tensor[:, place[0] :], (len(tensor), *shape), distances)


def place_results(found: Int8Array, a: Attention) -> Int8Array:
    """int8[elements]: results [outer, heads, queries, value_width] where they go."""
    results = np.empty(prod(a.result_shape), np.int8)
    matrices(results[np.newaxis], a.result, a.result_shape)[0] = found
    return results


def probabilities(
    scores: Int8Array, mask: Int8Array | None, a: Attention, exponentials: Int64Array
) -> Int8Array:
    """Softmax of the scores [.., queries, keys] over what each query sees."""
    seen = None if mask is None else (mask != HIDDEN).astype(np.int8)
    if a.causal:
        first = np.tri(a.queries, a.keys, a.keys - a.queries, dtype=np.int8)
        seen = first if seen is None else first & seen
    return softmax_by(exponentials, scores, seen)


def attention(
    tensors: Sequence[Int8Array],
    mask: Int8Array | None,
    a: Attention,
    scores: MatmulParams,
    exponentials: Int64Array,
    values: MatmulParams,
) -> Int8Array:
    """[N, outer, heads, queries, value_width] of queries, keys and values in tensors [N or 1, elements]; `mask` broadcasts to `a.mask_shape`.

    `exponentials` are those of `softmax.py`.
    """
    query, key, value = tensors
    q = matrices(query, a.query, a.query_shape)
    k = matrices(key, a.key, a.key_shape)
    v = matrices(value, a.value, a.value_shape)
    total = sums(q, k.swapaxes(-1, -2), scores)
    if mask is not None:
        total = total + a.mask_factor * mask.astype(np.int64)
    found = probabilities(finish(total, scores), mask, a, exponentials)
    return finish(sums(found, v, values), values)
