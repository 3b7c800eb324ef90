# SPDX-License-Identifier: Apache-2.0
"""Channel pruning: so much of the layers goes, by a method, in place.

The one rule: what goes is chosen for all groups on the network as it is, then removed at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from torch import Tensor, nn

from sparsec.compress.channels.choice import (
    Choice,
    group_size_of,
    local,
    multiple_of,
    overall,
)
from sparsec.compress.channels.graph import ChannelGraph, Group, Side
from sparsec.compress.channels.refit import Refit, refit
from sparsec.compress.importance import Importance, importance_of
from sparsec.compress.layers import Layer, Select, layers_of, no_such_layer, selected
from sparsec.pruning.patterns import Array

Method: TypeAlias = Literal["l1-rank", "stochastic-l1-rank", "fm-reconstruction"]
METHODS: tuple[Method, ...] = ("l1-rank", "stochastic-l1-rank", "fm-reconstruction")


@dataclass(frozen=True)
class Lost:
    """The channels of the layers of a group, which lose them together."""

    layers: tuple[str, ...]
    before: int
    after: int


@dataclass(frozen=True)
class Pruned:
    """What was done."""

    lost: tuple[Lost, ...]
    """Of the groups that lost channels."""
    rows: Mapping[str, tuple[int, ...]]
    """By layer the output channels that went."""
    stayed: Mapping[str, str]
    """By layer why it could lose none."""
    group_size: int
    refits: Mapping[str, Refit]
    """By layer that was fitted to what it gave, what is left of the difference."""


def prune_channels(
    model: nn.Module,
    inputs: Sequence[Tensor] | Tensor,
    ratio: float | Mapping[str, float],
    *,
    layers: Select = None,
    method: Method = "l1-rank",
    importance: str | Importance = "magnitude",
    scope: Literal["local", "global"] = "local",
    group_size: int | None = None,
    target: str = "cortex-m4",
    side: Side = "outputs",
    strict: bool = False,
    n_points_per_fm: int = 10,
    noise: float = 0.1,
    seed: int = 0,
) -> Pruned:
    """Take a share `ratio` of the channels out of the layers of `model`, in place; no more than that.

    `inputs` are [N, ..] for each argument of the model, real ones for fm-reconstruction. `ratio` may be one for each
    layer by name; `layers` are those whose outputs are to go, with what is tied to them (`strict`: an error, see
    `ChannelGraph.remove`), by `side="inputs"` those whose inputs are. l1-rank takes what `importance` says matters least,
    with `magnitude` the rows of least l1; stochastic-l1-rank the same with numbers that are multiplied by normal noise
    around 1; fm-reconstruction fits the layers behind on `n_points_per_fm` points of each feature map. What is left of a
    layer is a multiple of `group_size` channels, by default of what the kernels of `target` take at a time.

    Raises ValueError, and leaves `model` as it was, where that cannot be done.
    """
    graph = ChannelGraph(model, inputs)
    found = open_channels(
        graph,
        _wanted(graph, ratio, layers),
        method=method,
        importance=importance,
        group_size=group_size,
        target=target,
        side=side,
        noise=noise,
        seed=seed,
    )
    if scope == "global" and not isinstance(ratio, Mapping):
        gone = overall(found.choices, ratio)
    else:
        gone = local(found.choices, [found.ratio_of(each, ratio) for each in found.groups])
    return found.remove(gone, strict=strict, n_points_per_fm=n_points_per_fm)


@dataclass(frozen=True, eq=False)
class OpenChannels:
    """The groups of a graph that can lose channels, and what each of their channels is worth.

    A copy of it (`copy.deepcopy`) has a copy of the model, which loses its own.
    """

    graph: ChannelGraph
    wanted: frozenset[str]
    """The layers that are to lose channels on `side`."""
    side: Side
    groups: tuple[Group, ...]
    choices: tuple[Choice, ...]
    stayed: Mapping[str, str]
    """By layer why it can lose none."""
    group_size: int
    method: Method
    seed: int

    def named(self, group: Group) -> tuple[str, ...]:
        """The layers that are to lose channels of `group`."""
        return tuple(name for name in _losing(group, self.side) if name in self.wanted)

    def ratio_of(self, group: Group, ratios: float | Mapping[str, float]) -> float:
        """The share of `group` that goes. Raises ValueError where its layers have different ones."""
        if not isinstance(ratios, Mapping):
            return ratios
        given = {ratios[name] for name in self.named(group)}
        if len(given) > 1:
            raise ValueError(
                f"{', '.join(self.named(group))} lose their channels together and cannot have different ratios"
            )
        return given.pop()

    def check_strict(self) -> None:
        """Raises ValueError where the first channel of a group cannot go without a change of a layer that is far."""
        for group, choice in zip(self.groups, self.choices, strict=True):
            index = int(np.flatnonzero(choice.free)[0])
            self.graph.check_strict(self._channels([(group, [index])]), side=self.side)

    def remove(
        self, gone: Sequence[Sequence[int]], *, strict: bool = False, n_points_per_fm: int = 10
    ) -> Pruned:
        """Take the channels with these indices out of each group, of the model of the graph, in place."""
        graph = self.graph
        channels = self._channels(list(zip(self.groups, gone, strict=True)))
        weights: dict[str, Tensor] = {}
        refits: dict[str, Refit] = {}
        if self.method == "fm-reconstruction":
            columns = graph.columns(channels, side=self.side)
            weights, refits = refit(
                graph.model, graph.inputs, graph.weights, columns, n_points_per_fm, self.seed
            )
        rows = graph.remove(channels, side=self.side, strict=strict, weights=weights)
        lost = tuple(
            Lost(group.layers, group.size, group.size - len(indices))
            for group, indices in zip(self.groups, gone, strict=True)
            if indices
        )
        return Pruned(lost, rows, self.stayed, self.group_size, refits)

    def _channels(self, gone: Sequence[tuple[Group, Sequence[int]]]) -> dict[str, list[int]]:
        """By layer the channels on the side that goes."""
        found: dict[str, list[int]] = {}
        for group, indices in gone:
            channels = [group.channels[index] for index in indices]
            for name in self.named(group):
                if self.side == "outputs":
                    places = [row for each in channels for row in each.rows.get(name, ())]
                else:
                    places = self.graph.reads(name, [each.number for each in channels])
                found[name] = found.get(name, []) + places
        return found


def open_channels(
    graph: ChannelGraph,
    layers: Collection[str],
    *,
    method: Method = "l1-rank",
    importance: str | Importance = "magnitude",
    group_size: int | None = None,
    target: str = "cortex-m4",
    side: Side = "outputs",
    noise: float = 0.1,
    seed: int = 0,
) -> OpenChannels:
    """What can go of `layers`; the words are those of `prune_channels`. Raises ValueError where nothing can."""
    if method not in METHODS:
        raise ValueError(f"there is no method '{method}', known: {', '.join(METHODS)}")
    named = {layer.name: layer for layer in layers_of(graph.model)}
    groups, stayed = _open(graph, named, layers, side)
    size = group_size_of(target) if group_size is None else group_size
    random = np.random.default_rng(seed) if method == "stochastic-l1-rank" else None
    choices: list[Choice] = []
    for group in groups:
        worth = _worth(graph, group, named, importance)
        if random is not None:
            worth = worth * (1 + noise * random.standard_normal(len(worth)))
        free = np.array([channel.reason is None for channel in group.channels])
        choices.append(Choice(worth, free, _multiple(group, size, group_size is not None)))
    return OpenChannels(
        graph,
        frozenset(layers),
        side,
        tuple(groups),
        tuple(choices),
        stayed,
        size,
        method,
        seed,
    )


def _losing(group: Group, side: Side) -> tuple[str, ...]:
    return group.layers if side == "outputs" else group.consumers


def _open(
    graph: ChannelGraph, named: Mapping[str, Layer], wanted: Collection[str], side: Side
) -> tuple[list[Group], dict[str, str]]:
    """The groups that can lose channels, and by layer why others cannot."""
    groups: list[Group] = []
    stayed: dict[str, str] = {}
    for group in graph.groups:
        layers = [name for name in _losing(group, side) if name in wanted]
        reason = group.protected
        if reason is None and not any(name in named for name in group.layers):
            reason = "its weights are a parameter by itself"
        if layers and reason is None:
            groups.append(group)
        elif reason is not None:
            stayed |= dict.fromkeys(layers, reason)
    if not groups:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in stayed.items())
        raise ValueError(f"no layer can lose channels: {reasons or 'none is selected'}")
    return groups, stayed


def _wanted(
    graph: ChannelGraph, ratio: float | Mapping[str, float], layers: Select
) -> frozenset[str]:
    if isinstance(ratio, Mapping):
        for name in ratio:
            if name not in graph.layers:
                raise ValueError(no_such_layer(name, graph.layers))
        if layers is not None:
            raise ValueError("give a ratio for each layer or layers and one ratio, not both")
        return frozenset(ratio)
    chosen = selected(layers_of(graph.model), layers)
    return frozenset(layer.name for layer in chosen) & frozenset(graph.layers)


def _worth(
    graph: ChannelGraph, group: Group, named: Mapping[str, Layer], importance: str | Importance
) -> Array:
    """Of each channel of `group`: the sum over all weights of the rows that go with it.

    By `bn-scale` only layers with a batch norm behind them count, of which there must be one.
    """
    worth, error = np.zeros(group.size), None
    layers = [name for name in group.layers if name in named]
    for name in layers:
        try:
            rows = importance_of(named[name], graph.model, importance).sum(1)
        except ValueError as found:
            if importance != "bn-scale":
                raise
            error = found
            layers = [each for each in layers if each != name]
            continue
        for index, channel in enumerate(group.channels):
            worth[index] += rows[list(channel.rows.get(name, ()))].sum()
    if error is not None and not layers:
        raise error
    return worth


def _multiple(group: Group, size: int, given: bool) -> int:
    """Of how many channels what is left must be a multiple, where all channels have equally many rows."""
    rows = [
        counts.pop()
        for name in group.layers
        if len(counts := {len(each.rows.get(name, ())) for each in group.channels}) == 1
    ]
    return multiple_of(size, rows or [1], group.size, given)
