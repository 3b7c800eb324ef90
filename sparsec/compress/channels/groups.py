# SPDX-License-Identifier: Apache-2.0
"""Channels as one chooses among them: in groups of layers that lose theirs together.

The one rule: a layer is in one group, with all its channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from sparsec.compress.channels.found import Trace
from sparsec.compress.channels.labels import listed, numbers


@dataclass(frozen=True)
class Channel:
    """What goes or stays as one: rows of weights of one or several layers."""

    rows: Mapping[str, tuple[int, ...]]
    """By layer."""
    reason: str | None
    """Why it stays, None where it can go."""
    number: int


@dataclass(frozen=True)
class Group:
    """Layers whose output channels are joined, and what else loses with them."""

    layers: tuple[str, ...]
    """They lose rows, depthwise layers among them."""
    consumers: tuple[str, ...]
    """They lose columns."""
    followers: tuple[str, ...]
    """Parameters of norms and the like that hold one number for each channel."""
    channels: tuple[Channel, ...]

    @property
    def size(self) -> int:
        """How many channels there are to choose from."""
        return len(self.channels)

    @property
    def protected(self) -> str | None:
        """Why none of them can go, None where one can."""
        if len(self.channels) == 1:
            return self.channels[0].reason or "it has one channel"
        free = any(each.reason is None for each in self.channels)
        return None if free else self.channels[0].reason


def groups_of(trace: Trace) -> tuple[Group, ...]:
    """Layers that share a channel are in one group; in the order in which their first layers run."""
    roots = trace.ties.roots
    outputs = {name: roots(each.gives) for name, each in trace.layers.items()}
    sets: list[tuple[set[str], set[int]]] = []
    for layer, labels in outputs.items():
        names, channels = {layer}, set(numbers(labels))
        apart = [each for each in sets if not each[1] & channels]
        joined = [each for each in sets if each[1] & channels]
        names |= {name for each in joined for name in each[0]}
        channels |= {channel for each in joined for channel in each[1]}
        sets = [*apart, (names, channels)]
    order = list(outputs)
    sets.sort(key=lambda each: min(order.index(name) for name in each[0]))
    return tuple(_group(trace, outputs, *each) for each in sets if each[1])


def _group(
    trace: Trace, outputs: Mapping[str, Tensor], names: set[str], channels: set[int]
) -> Group:
    def touches(labels: Tensor) -> bool:
        return not channels.isdisjoint(numbers(trace.ties.roots(labels)))

    layers = tuple(name for name in outputs if name in names)
    weights = {each.parameter for each in trace.layers.values()}
    return Group(
        layers,
        tuple(
            name
            for name, each in trace.layers.items()
            if each.inputs is not None and touches(each.reads)
        ),
        tuple(
            name
            for name, axes in trace.cuts.items()
            if name not in weights and any(map(touches, axes.values()))
        ),
        tuple(
            Channel(
                {name: at for name in layers if (at := where(outputs[name] == channel))},
                trace.ties.reason(channel),
                channel,
            )
            for channel in sorted(channels)
        ),
    )


def where(mask: Tensor) -> tuple[int, ...]:
    """The places of a line that are true."""
    return tuple(listed(mask.nonzero()))
