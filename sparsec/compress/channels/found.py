# SPDX-License-Identifier: Apache-2.0
"""What a run on labels finds out about a network: its layers, and which slices of its parameters go with which channels.

The one rule: a parameter that is used in ways which do not go together keeps all that it has.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, cast

import torch
from torch import Tensor

from sparsec.compress.channels.labels import Ties


@dataclass(frozen=True)
class Held:
    """A parameter or buffer, or what came of it by moving its elements, by their numbers from 1 on."""

    name: str
    shape: tuple[int, ...]
    elements: Tensor

    @property
    def is_whole(self) -> bool:
        """Whether it is the parameter itself."""
        return self.elements.shape == self.shape and torch.equal(
            self.elements, _numbered(self.shape)
        )


def held(name: str, shape: Sequence[int]) -> Held:
    """The parameter `name` itself."""
    return Held(name, tuple(shape), _numbered(shape))


def _numbered(shape: Sequence[int]) -> Tensor:
    return torch.arange(1, prod(shape) + 1).reshape(tuple(shape))


@dataclass(frozen=True, eq=False)
class Weights:
    """What makes a parameter the weights of a layer."""

    parameter: str
    outputs: int
    """The axis of its output channels; where there are groups and this is axis 1, of those of a group."""
    inputs: int | None
    """The axis of its input channels; None where it reads none, or as a depthwise convolution only the output's own."""
    groups: int
    gives: Tensor
    """The label of each output channel."""
    reads: Tensor
    """The label of each input channel."""


@dataclass(frozen=True, eq=False)
class Heads:
    """Attention by heads, or one of its two products."""

    module: str
    """The path of the module whose call it is."""
    line: Tensor
    """The label of each head."""
    width: int
    """Of a head of the first factor."""


@dataclass
class Trace:
    """What a run on labels finds."""

    ties: Ties = field(default_factory=Ties)
    cuts: dict[str, dict[int, Tensor]] = field(default_factory=dict[str, dict[int, Tensor]])
    """By parameter and axis: the channel of each slice."""
    layers: dict[str, Weights] = field(default_factory=dict[str, Weights])
    readers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The layers that read what a layer gives with no other layer between them."""
    heads: list[Heads] = field(default_factory=list[Heads])
    _roles: dict[str, str] = field(default_factory=dict[str, str])

    def cut(self, parameter: Held, axis: int, labels: Tensor, role: str) -> None:
        """`parameter` loses the slices of `axis` whose channels go."""
        cuts = self.cuts.setdefault(parameter.name, {})
        if axis in cuts:
            self.ties.tie(cuts[axis], labels)
        else:
            cuts[axis] = labels
        self._is(parameter, role)

    def _is(self, parameter: Held, role: str) -> None:
        self._roles[parameter.name] = (
            role if self._roles.get(parameter.name, role) == role else "used in several ways"
        )

    def keeps(self, parameter: Held) -> None:
        """`parameter` is used with all that it holds."""
        self._is(parameter, "kept")

    def finish(self) -> None:
        """Protects the channels of parameters that are used in ways which do not go together."""
        for name, cuts in self.cuts.items():
            weights = any(layer.parameter == name for layer in self.layers.values())
            if self._roles[name] == "used in several ways" or (not weights and len(cuts) > 1):
                for labels in cuts.values():
                    self.ties.protect(labels, f"{name} is used in several ways")


def layer_name(parameter: str) -> str:
    """Of the layer whose weights are `parameter`."""
    return parameter.removesuffix(".weight")


def tensors_in(value: object) -> list[Tensor | Held]:
    """The tensors among arguments."""
    found: list[Tensor | Held] = []
    mapped(value, lambda each: found.append(each))
    return found


def mapped(value: Any, function: Callable[[Tensor | Held], object]) -> Any:
    """`value` with what `function` gives in the place of each tensor."""
    if isinstance(value, Tensor | Held):
        return function(value)
    if isinstance(value, list | tuple):
        several = [mapped(each, function) for each in cast(Sequence[object], value)]
        return tuple(several) if isinstance(value, tuple) else several
    if isinstance(value, dict):
        return {key: mapped(each, function) for key, each in cast(dict[str, object], value).items()}
    return value
