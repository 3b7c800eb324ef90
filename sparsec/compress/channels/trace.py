# SPDX-License-Identifier: Apache-2.0
"""Runs an exported network once on labels, so that every layer tells which channels it reads and gives.

The one rule: what only moves elements is run by torch itself on the labels, and what is not known protects all it reads.
"""

import operator
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from sparsec.compress.channels.found import Held, Trace, Weights, layer_name, mapped, tensors_in
from sparsec.compress.channels.labels import along, together

Args: TypeAlias = Mapping[str, Any]


class Tracer(Interpreter):
    """Label tensors, or `Held` parameters, in the place of tensors."""

    def __init__(
        self,
        module: torch.fx.GraphModule,
        operators: "Callable[[str], Operator | None]",
        waiting: Container[Node] = (),
    ) -> None:
        """`waiting` are operations whose labels may lie along several axes, as what follows says which one stays."""
        super().__init__(module)
        self._operators = operators
        self._waiting = waiting
        self.found = Trace()
        self.ties = self.found.ties
        self._node: Any = None
        self._layer: str | None = None
        self._sources: dict[Node, frozenset[str]] = {}
        self._rows: dict[str, Tensor] = {}

    def run_node(self, n: Node) -> Any:
        self._node, self._layer = n, None
        result = self._checked(super().run_node(n))
        read = cast(Sequence[Node], n.all_input_nodes)
        before = frozenset(name for each in read for name in self._sources[each])
        if self._layer is not None:
            for source in before:
                self.found.readers[source].add(self._layer)
            self.found.readers.setdefault(self._layer, set())
            before = frozenset({self._layer})
        self._sources[n] = before
        return result

    def _checked(self, result: Any) -> Any:
        """Labels have the shape of what they stand for, or are nobody's."""
        value = self._node.meta.get("val")
        if isinstance(result, Tensor) and isinstance(value, Tensor) and result.shape != value.shape:
            self.ties.protect(result, f"{self._node.name} has a size that follows from values")
            return _nobodys(value)
        return result

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return mapped(super().get_attr(target, args, kwargs), _nobodys)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target is operator.getitem:
            return args[0][args[1]]
        if not hasattr(target, "_schema"):
            return self._unknown((args, kwargs), getattr(target, "__name__", str(target)))
        given = _by_name(target, args, kwargs)
        name = str(target._schema.name).partition("::")[2]
        bare = name.removesuffix("_") if name.endswith("_") and not name.startswith("_") else name
        waits = self._node in self._waiting and not any(
            isinstance(each, Held) for each in tensors_in((args, kwargs))
        )
        if waits and bare in TAKE_APART:
            return target(*args, **kwargs)
        if (special := self._operators(bare)) is not None:
            return special(self, given)
        if bare in MOVES:
            return self._moved(target, args, kwargs, waits)
        if bare in KEEPS or torch.Tag.pointwise in target.tags:
            return self.elementwise((args, kwargs))
        if bare in SILENT:
            return None
        return self._unknown((args, kwargs), name)

    def output(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for each in tensors_in(args):
            if isinstance(each, Tensor):
                self.ties.protect(each, "an output of the network has it")
        return args

    @property
    def node(self) -> Node:
        """The present one."""
        return cast(Node, self._node)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the present node gives, or of its first result."""
        value: object = self._node.meta["val"]
        while isinstance(value, tuple | list):
            value = cast(Sequence[object], value)[0]
        return tuple(cast(Tensor, value).shape)

    def gives(self, labels: Tensor) -> Any:
        """`labels` for each result of the present node."""
        value = self._node.meta["val"]
        many = len(cast(Sequence[object], value)) if isinstance(value, tuple | list) else None
        return labels if many is None else (labels,) * many

    def sizes_taken(self, axis: int) -> set[int]:
        """How many slices of `axis` each operation like the present one takes from the same tensor."""
        users: Iterable[Any] = self._node.args[0].users
        values = [each.meta["val"] for each in users if each.target is self._node.target]
        return {
            int(each.shape[axis])
            for each in values
            if isinstance(each, Tensor) and each.ndim > axis
        }

    def _unknown(self, arguments: Any, name: str) -> Any:
        for each in tensors_in(arguments):
            self.lock(each, f"{name} reads all channels")
        value = self._node.meta.get("val")
        if isinstance(value, tuple | list):
            return tuple(_nobodys(each) for each in cast(Sequence[object], value))
        return _nobodys(value)

    def lock(self, value: object, reason: str) -> None:
        """What is read as a whole."""
        if isinstance(value, Held):
            self.found.keeps(value)
        elif isinstance(value, Tensor):
            self.ties.protect(value, reason)

    def labels(self, value: object) -> Tensor:
        """Of an operand whose own elements do not go."""
        if isinstance(value, Held):
            self.found.keeps(value)
            return torch.zeros_like(value.elements)
        return cast(Tensor, value)

    def _moved(self, target: Any, args: Any, kwargs: Any, waits: bool) -> Any:
        tensors = tensors_in((args, kwargs))
        if len(tensors) == 1 and isinstance(one := tensors[0], Held):
            moved = mapped((args, kwargs), lambda _: one.elements.contiguous())
            result: Any = target(*moved[0], **moved[1])
            return mapped(result, lambda each: Held(one.name, one.shape, cast(Tensor, each)))
        moved = mapped((args, kwargs), lambda each: self.labels(each).contiguous())
        result = target(*moved[0], **moved[1])
        if waits:
            return result
        return mapped(result, lambda each: self.ties.settle(cast(Tensor, each))[0])

    def elementwise(self, arguments: Any) -> Any:
        tensors = tensors_in(arguments)
        params = [each for each in tensors if isinstance(each, Held)]
        labels = [each for each in tensors if isinstance(each, Tensor)]
        if not labels:
            return params[0] if len(params) == 1 else self._computed(params)
        result = labels[0]
        for each in labels[1:]:
            result = self.ties.join(result, each)
        for each in params:
            result = self.follow(each, result)
        return result

    def _computed(self, params: Sequence[Held]) -> Tensor:
        """What is computed of parameters alone has a fixed size."""
        for each in params:
            self.found.keeps(each)
        return torch.zeros(self.shape, dtype=torch.int64)

    def follow(self, parameter: Held, labels: Tensor) -> Tensor:
        """`parameter` loses what meets the channels that go; gives the labels of what comes out."""
        elements = parameter.elements
        shape = together(labels.shape, elements.shape)
        elements = elements.reshape((1,) * (len(shape) - elements.ndim) + elements.shape)
        labels = labels.reshape((1,) * (len(shape) - labels.ndim) + labels.shape)
        labels, axis = self.ties.settle(labels)
        if axis is None or elements.size(axis) == 1:
            self.found.keeps(parameter)
            return self.ties.join(labels, torch.zeros_like(elements))
        line = self.ties.line(labels, axis, "")
        met = along(line, axis, elements.shape).reshape(-1)
        mine = torch.zeros(prod(parameter.shape), dtype=torch.int64)
        mine[elements.reshape(-1) - 1] = met
        own, own_axis = self.ties.settle(mine.reshape(parameter.shape))
        if own_axis is None or not torch.equal(mine[elements.reshape(-1) - 1], met):
            self.found.keeps(parameter)
            return self.ties.join(labels, torch.zeros_like(elements))
        self.found.cut(
            parameter, own_axis, self.ties.line(own, own_axis, ""), f"follows {own_axis}"
        )
        return along(line, axis, shape)

    def follow_line(self, parameters: Sequence[object], line: Tensor) -> None:
        """Parameters that hold one number for each channel."""
        for each in parameters:
            if isinstance(each, Held) and each.is_whole and each.shape == line.shape:
                self.found.cut(each, 0, line, "follows 0")
            elif each is not None:
                self.lock(each, "")
                self.ties.protect(line, "its parameter is computed")

    def is_layer(self, weights: Weights) -> None:
        """The present node is a layer with these weights."""
        self._layer = layer_name(weights.parameter)
        self.found.layers.setdefault(self._layer, weights)

    def rows(self, parameter: Held, count: int) -> Tensor:
        """The channels that a layer gives, the same in every call."""
        if parameter.name not in self._rows:
            self._rows[parameter.name] = self.ties.new(count)
        return self._rows[parameter.name]


Operator: TypeAlias = Callable[[Tracer, Args], Any]
"""What an operation of torch does to labels: its arguments by name."""


def _by_name(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Args:
    schema: Sequence[Any] = target._schema.arguments
    given = {each.name: each.default_value if each.has_default_value() else None for each in schema}
    return given | dict(zip((each.name for each in schema), args, strict=False)) | dict(kwargs)


def _nobodys(value: object) -> object:
    return torch.zeros(value.shape, dtype=torch.int64) if isinstance(value, Tensor) else value


MOVES = {
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "permute", "transpose", "t"),
    *("squeeze", "unsqueeze", "cat", "concat", "concatenate", "stack", "hstack", "vstack"),
    *("expand", "repeat", "tile", "flip", "movedim", "moveaxis", "swapaxes", "swapdims", "unfold"),
    *("view_as", "reshape_as", "repeat_interleave", "pixel_shuffle", "pixel_unshuffle"),
    *("broadcast_to", "atleast_2d", "numpy_T", "matrix_H", "mT", "diagonal"),
}
"""Operations that torch runs on the labels."""

TAKE_APART = {"slice", "select", "narrow", "split", "split_with_sizes", "chunk", "unbind"}
"""Operations that give pieces along an axis."""

KEEPS = {
    *("hardswish", "log_sigmoid", "dropout", "feature_dropout", "alpha_dropout", "expand_as"),
    *("contiguous", "clone", "alias", "detach", "to", "_to_copy", "type_as", "lift_fresh_copy"),
    *("zeros_like", "ones_like", "full_like", "conj", "resolve_conj", "positive", "celu"),
}
"""Operations on each element by itself that torch does not tag so."""

SILENT = {"_assert_tensor_metadata", "_assert_async", "_assert_scalar", "sym_constrain_range"}
"""Checks, which give nothing."""
