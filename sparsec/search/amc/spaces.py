# SPDX-License-Identifier: Apache-2.0
"""The walk over a space."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from sparsec.compress.channels.graph import ChannelGraph, Side
from sparsec.compress.channels.prune import Method, open_channels
from sparsec.compress.importance import Importance
from sparsec.compress.layers import no_such_layer
from sparsec.pruning.patterns import NOfM, Pattern, Rows
from sparsec.pruning.plan import Share
from sparsec.search.amc.channel_walk import ChannelWalk
from sparsec.search.amc.mask_walk import MaskWalk
from sparsec.search.amc.walks import Walk
from sparsec.search.space import Space

GRID = 64
"""Into how many parts a range of shares is divided where weights go one by one."""


def walk_over(
    model: nn.Module,
    inputs: Sequence[Tensor],
    space: Space,
    *,
    importance: str | Importance = "magnitude",
    method: Method = "l1-rank",
    group_size: int | None = None,
    side: Side = "outputs",
    strict: bool = False,
    n_points_per_fm: int = 10,
    seed: int = 0,
) -> Walk:
    """The steps over the layers of a space. The words for channels are those of `prune_channels`.

    Each layer has one pattern with a range of shares, or several N:M patterns and `dense`, from which the share that is
    wanted chooses. Raises ValueError for other spaces, and where a layer cannot have its pattern.
    """
    if not space.layers:
        raise ValueError("an agent walks over layers, and the space has none")
    for name, values in space.settings.items():
        if len(values) > 1:
            raise ValueError(
                f"an agent decides on layers alone: give {name} one value, not {'|'.join(values)}"
            )
    channels = {
        name: (choice.low, choice.high)
        for name, choice in space.layers.items()
        if any(isinstance(each, Rows) for each in choice.patterns)
    }
    if not channels:
        shares = {
            name: (_shares(name, choice.patterns, choice.low, choice.high), choice.low, choice.high)
            for name, choice in space.layers.items()
        }
        return MaskWalk(model, inputs, shares, importance=importance)
    if len(channels) < len(space.layers) or any(
        len(choice.patterns) > 1 for choice in space.layers.values()
    ):
        raise ValueError(
            "an agent takes channels of all layers or of none: what else goes depends on the channels that are left"
        )
    graph = ChannelGraph(model, inputs)
    for name in channels:
        if name not in graph.layers:
            raise ValueError(no_such_layer(name, graph.layers))
    found = open_channels(
        graph,
        list(channels),
        method=method,
        importance=importance,
        group_size=group_size,
        side=side,
        seed=seed,
    )
    return ChannelWalk(found, channels, strict=strict, n_points_per_fm=n_points_per_fm)


def _shares(
    name: str, patterns: Sequence[Pattern | None], low: float, high: float
) -> list[Share | None]:
    """What a layer can get that has no channels to lose."""
    fixed = [each for each in patterns if each is None or isinstance(each, NOfM)]
    if len(fixed) == len(patterns):
        found = [
            None if each is None else Share(each, each.ratio)
            for each in sorted(fixed, key=lambda each: 0.0 if each is None else each.ratio)
        ]
        return found
    pattern = patterns[0]
    if len(patterns) > 1 or pattern is None:
        raise ValueError(
            f"{name}: an agent decides how much goes, not by which pattern: give one pattern, or several of nm(N:M)"
        )
    ratios = np.linspace(low, high, GRID + 1) if high > low else np.array([low])
    return [Share(pattern, round(float(ratio), 6)) for ratio in ratios]
