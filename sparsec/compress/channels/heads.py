# SPDX-License-Identifier: Apache-2.0
"""Heads of attention as channels: products of two activations that are done head by head.

The one rule: of [N, heads, rows, width] a head goes or stays as a whole, in queries, keys, values and what is made of them.
What moves elements in front of such a product keeps its labels as they are until the product says which axis the heads are.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import Graph, Node

from sparsec.compress.channels.found import Heads, Held
from sparsec.compress.channels.labels import along
from sparsec.compress.channels.trace import KEEPS, MOVES, Args, Tracer
from sparsec.compress.forms import module_path, operation

HEADS = -3
"""The axis of the heads."""

_PASSED = {*MOVES, *KEEPS, "select", "unbind", "split", "split_with_sizes", "chunk", "mul", "div"}
"""What may stand between a layer and a product of its heads, and leaves labels as they are."""


def in_front_of_heads(graph: Graph) -> frozenset[Node]:
    """The operations whose labels wait for a product of heads."""
    found: set[Node] = set()
    for node in graph.nodes:
        pending = list(_factors(node))
        while pending:
            each = pending.pop()
            name = operation(each).removeprefix("aten.")
            if each in found or (name not in _PASSED and each.op == "call_function" and name):
                continue
            if each.op == "call_function":
                found.add(each)
                pending += each.all_input_nodes
    return frozenset(found)


def _factors(node: Node) -> list[Node]:
    """The activations of [N, heads, rows, width] that `node` multiplies, none where it is another operation."""
    count = {"aten.scaled_dot_product_attention": 3, "aten.matmul": 2}.get(operation(node), 0)
    factors = [each for each in node.args[:count] if isinstance(each, Node)]
    shapes = [getattr(each.meta.get("val"), "shape", ()) for each in factors]
    return factors if len(factors) == count and all(len(s) > 3 for s in shapes) else []


def attention(tracer: Tracer, given: Args) -> Any:
    """Scaled dot product attention."""
    return _by_heads(tracer, given, ("query", "key", "value"), "attention reads all channels")


def product(tracer: Tracer, given: Args) -> Any:
    """A matrix product of two activations."""
    reason = "a product of two activations reads all channels"
    return _by_heads(tracer, given, ("self", "other"), reason)


def _by_heads(tracer: Tracer, given: Args, factors: tuple[str, ...], reason: str) -> Any:
    read = [given[name] for name in factors]
    sizes = {each.size(HEADS) if _has_heads(each) else 0 for each in read}
    rest = [value for name, value in given.items() if name not in factors]
    if len(sizes) != 1 or sizes == {0}:
        for each in (*read, *rest):
            tracer.lock(each, reason)
        return tracer.gives(torch.zeros(tracer.shape, dtype=torch.int64))
    lines: list[Tensor] = []
    for each in cast(list[Tensor], read):
        settled, axis = tracer.ties.settle_along(each, each.ndim + HEADS)
        if axis is None:
            tracer.ties.protect(settled, reason)
        lines.append(settled.movedim(HEADS, 0).reshape(each.size(HEADS), -1)[:, 0])
    for line in lines[1:]:
        tracer.ties.tie(lines[0], line)
    line = tracer.ties.roots(lines[0])
    tracer.found.heads.append(Heads(module_path(tracer.node), line, read[0].size(-1)))
    result = along(line, HEADS, tracer.shape)
    for each in rest:  # a mask, or a bias that may have heads of its own
        if isinstance(each, Tensor | Held):
            result = tracer.elementwise((result.narrow(-1, 0, 1), each)).narrow(-1, 0, 1)
            result = result.expand(tracer.shape)
    return result


def _has_heads(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 3 and value.size(HEADS) > 1
