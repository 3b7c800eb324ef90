# SPDX-License-Identifier: Apache-2.0
"""Channel pruning: so much of the layers goes, by a method, in place.

The one rule: what goes is chosen for all groups on the network as it is, then removed at once.
"""

from collections.abc import Mapping, Sequence
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
from sparsec.compress.channels.graph import ChannelGraph, Group
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
    strict: bool = False,
    n_points_per_fm: int = 10,
    noise: float = 0.1,
    seed: int = 0,
) -> Pruned:
    """Take a share `ratio` of the channels out of the layers of `model`, in place; no more than that.

    `inputs` are [N, ..] for each argument of the model, real ones for fm-reconstruction. `ratio` may be one for each
    layer by name; `layers` are those whose outputs are to go, with what is tied to them (`strict`: an error, see
    `ChannelGraph.remove`). l1-rank takes what `importance` says matters least, with `magnitude` the rows of least l1;
    stochastic-l1-rank the same with numbers that are multiplied by normal noise around 1; fm-reconstruction fits the
    layers behind on `n_points_per_fm` points of each feature map. What is left of a layer is a multiple of `group_size`
    channels, by default of what the kernels of `target` take at a time.

    Raises ValueError, and leaves `model` as it was, where that cannot be done.
    """
    if method not in METHODS:
        raise ValueError(f"there is no method '{method}', known: {', '.join(METHODS)}")
    graph = ChannelGraph(model, inputs)
    named = {layer.name: layer for layer in layers_of(model)}
    wanted = _wanted(graph, named, ratio, layers)
    groups, stayed = _open(graph, named, wanted)
    size = group_size_of(target) if group_size is None else group_size
    random = np.random.default_rng(seed) if method == "stochastic-l1-rank" else None
    choices: list[Choice] = []
    for group in groups:
        worth = _worth(graph, group, named, importance)
        if random is not None:
            worth = worth * (1 + noise * random.standard_normal(len(worth)))
        free = np.array([channel.reason is None for channel in group.channels])
        choices.append(Choice(worth, free, _multiple(group, size, group_size is not None)))
    if scope == "global" and not isinstance(ratio, Mapping):
        gone = overall(choices, ratio)
    else:
        gone = local(choices, [_ratio_of(group, ratio) for group in groups])
    channels = {
        name: [row for index in indices for row in group.channels[index].rows.get(name, ())]
        for group, indices in zip(groups, gone, strict=True)
        for name in group.layers
        if name in wanted
    }
    weights: dict[str, Tensor] = {}
    refits: dict[str, Refit] = {}
    if method == "fm-reconstruction":
        columns = graph.columns(channels)
        weights, refits = refit(model, graph.inputs, graph.weights, columns, n_points_per_fm, seed)
    rows = graph.remove(channels, strict=strict, weights=weights)
    lost = tuple(
        Lost(group.layers, group.size, group.size - len(indices))
        for group, indices in zip(groups, gone, strict=True)
        if indices
    )
    return Pruned(lost, rows, stayed, size, refits)


def _open(
    graph: ChannelGraph, named: Mapping[str, Layer], wanted: set[str]
) -> tuple[list[Group], dict[str, str]]:
    """The groups that can lose channels, and by layer why others cannot."""
    groups: list[Group] = []
    stayed: dict[str, str] = {}
    for group in graph.groups:
        layers = [name for name in group.layers if name in wanted]
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
    graph: ChannelGraph,
    named: Mapping[str, Layer],
    ratio: float | Mapping[str, float],
    layers: Select,
) -> set[str]:
    if isinstance(ratio, Mapping):
        for name in ratio:
            if name not in graph.layers:
                raise ValueError(no_such_layer(name, graph.layers))
        if layers is not None:
            raise ValueError("give a ratio for each layer or layers and one ratio, not both")
        return set(ratio)
    return {layer.name for layer in selected(list(named.values()), layers)} & set(graph.layers)


def _ratio_of(group: Group, ratios: float | Mapping[str, float]) -> float:
    if not isinstance(ratios, Mapping):
        return ratios
    given = {ratios[name] for name in group.layers if name in ratios}
    if len(given) > 1:
        names = ", ".join(name for name in group.layers if name in ratios)
        raise ValueError(f"{names} lose their channels together and cannot have different ratios")
    return given.pop()


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
