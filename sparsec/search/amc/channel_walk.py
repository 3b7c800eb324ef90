# SPDX-License-Identifier: Apache-2.0
"""Over layers that lose whole channels: how many are left of each axis of each weight is a sum over groups.

The one rule: channels of a group go in one order, so that the first so many of it are what goes.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparsec.compress.channels.choice import Choice
from sparsec.compress.channels.prune import OpenChannels
from sparsec.pruning.masks import zeros_of
from sparsec.pruning.patterns import Rows
from sparsec.pruning.plan import Share
from sparsec.search.amc.facts import Facts, facts_of, macs_of
from sparsec.search.amc.walks import Step, Walk


class ChannelWalk(Walk):
    """Over groups of layers that lose whole channels."""

    def __init__(
        self,
        channels: OpenChannels,
        bounds: Mapping[str, tuple[float, float]],
        *,
        strict: bool = False,
        n_points_per_fm: int = 10,
    ) -> None:
        """`bounds` of the share of each listed layer. Raises ValueError where a layer cannot lose channels, or, `strict`,
        where one that is not next to it would change."""
        graph = channels.graph
        facts = facts_of(graph.model, graph.inputs)
        if strict:
            channels.check_strict()
        self._channels, self._strict, self._points = channels, strict, n_points_per_fm
        found = _channel_steps(channels, bounds, facts)
        super().__init__(graph.model, [step for step, _ in found], facts)
        self._groups = [groups for _, groups in found]
        self._counts = [
            [_counts(channels, groups, ratio) for ratio in step.ratios] for step, groups in found
        ]
        self._lost = [
            _lost(graph.slices(group), _order(choice))
            for group, choice in zip(channels.groups, channels.choices, strict=True)
        ]
        self._weights = [
            (facts[name].positions, each.parameter, tuple(parameter.shape))
            for name, each in graph.weights.items()
            if name in facts
            for parameter in [graph.model.get_parameter(each.parameter)]
        ]

    def _gone(self, levels: Sequence[int]) -> dict[int, int]:
        """By group how many channels go."""
        return {
            group: count
            for groups, counts, level in zip(self._groups, self._counts, levels, strict=True)
            if level >= 0
            for group, count in zip(groups, counts[level], strict=True)
            if count
        }

    def macs(self, levels: Sequence[int]) -> int:
        gone = self._gone(levels)
        total = 0
        for positions, parameter, shape in self._weights:
            for axis, size in enumerate(shape):
                left = size
                for group, count in gone.items():
                    if (parameter, axis) in self._lost[group]:
                        left -= self._lost[group][parameter, axis][count]
                positions *= left
            total += positions
        return total

    def made(self, levels: Sequence[int]) -> nn.Module:
        gone = self._gone(levels)
        mine = copy.deepcopy(self._channels)
        if gone:
            channels = [
                choice.gone(gone.get(group, 0)) for group, choice in enumerate(mine.choices)
            ]
            mine.remove(channels, strict=self._strict, n_points_per_fm=self._points)
        return mine.graph.model.eval()

    def counted(self, model: nn.Module) -> int:
        return macs_of(model, self.facts)


def _channel_steps(
    channels: OpenChannels, bounds: Mapping[str, tuple[float, float]], facts: Mapping[str, Facts]
) -> list[tuple[Step, tuple[int, ...]]]:
    """In the order in which layers are listed, one for layers that lose channels together; and the groups that do."""
    found: list[tuple[Step, tuple[int, ...]]] = []
    taken: set[str] = set()
    for name in bounds:
        if name in taken:
            continue
        layers, groups = _joined(channels, name)
        if not groups:
            weights = channels.graph.weights[name]
            if channels.side == "inputs" and weights.inputs is None and name not in channels.stayed:
                raise ValueError(
                    f"{name} reads each channel by itself: list the layer in front of it"
                )
            raise ValueError(
                f"{name} can lose no channels: {channels.stayed.get(name, 'it reads those of no layer')}"
            )
        layers = tuple(each for each in bounds if each in layers)
        taken |= set(layers)
        given = {bounds[each] for each in layers}
        if len(given) > 1:
            raise ValueError(
                f"{', '.join(layers)} lose their channels together and cannot have different ranges"
            )
        low, high = given.pop()
        together = [facts[each] for each in layers]
        step = Step(
            layers,
            replace(
                together[0],
                macs=sum(each.macs for each in together),
                weights=sum(each.weights for each in together),
            ),
            _levels(channels, groups, low, high),
            low,
            high,
        )
        found.append((step, groups))
    return found


def _joined(channels: OpenChannels, name: str) -> tuple[set[str], tuple[int, ...]]:
    """The layers that can only have the same share as `name`, and all groups whose channels they lose."""
    names, groups, before = {name}, set[int](), -1
    while len(names) + len(groups) != before:
        before = len(names) + len(groups)
        for index, group in enumerate(channels.groups):
            if names & set(channels.named(group)):
                groups.add(index)
                names |= set(channels.named(group))
    return names, tuple(sorted(groups))


def _counts(channels: OpenChannels, groups: Sequence[int], ratio: float) -> tuple[int, ...]:
    """How many channels of each group go at a share."""
    choices = [channels.choices[group] for group in groups]
    return tuple(len(choice.gone(zeros_of(ratio, choice.size))) for choice in choices)


def _levels(
    channels: OpenChannels, groups: Sequence[int], low: float, high: float
) -> tuple[Share, ...]:
    """For all numbers of channels that can go within the bounds the smallest share that takes so many."""
    ratios = {low, high}
    for group in groups:
        size = channels.choices[group].size
        ratios |= {count / size for count in range(size) if low <= count / size <= high}
    found: dict[tuple[int, ...], Share] = {}
    for ratio in sorted(ratios):
        found.setdefault(_counts(channels, groups, ratio), Share(Rows(), ratio))
    return tuple(found.values())


def _order(choice: Choice) -> list[int]:
    """The channels that can go, in the order in which they do: those of a count are among those of a larger one."""
    found: list[int] = []
    for count in range(choice.size):
        found += [each for each in choice.gone(count) if each not in found]
    return found


def _lost(
    slices: Mapping[tuple[str, int], NDArray[np.int64]], order: Sequence[int]
) -> dict[tuple[str, int], list[int]]:
    """By parameter and axis how many slices are lost with the first channels of `order`, from none on."""
    return {key: [0, *map(int, np.cumsum(each[list(order)]))] for key, each in slices.items()}
