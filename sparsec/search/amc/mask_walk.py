# SPDX-License-Identifier: Apache-2.0
"""Over layers whose weights become zero in place."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sparsec.compress.importance import Importance, importance_of
from sparsec.compress.layers import Layer, layers_of, no_such_layer
from sparsec.pruning.masks import Weights, check_stores, local_masks
from sparsec.pruning.patterns import Geometry, Mask
from sparsec.pruning.plan import Share
from sparsec.search.amc.facts import facts_of, macs_of
from sparsec.search.amc.walks import Step, Walk


class MaskWalk(Walk):
    """Over layers whose weights become zero in place; what counts are the MACs of weights that are not zero."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Sequence[Tensor],
        shares: Mapping[str, tuple[Sequence[Share | None], float, float]],
        *,
        importance: str | Importance = "magnitude",
    ) -> None:
        """`shares` that each listed layer can get, within their bounds."""
        facts = facts_of(model, inputs)
        for name in shares:
            if name not in facts:
                raise ValueError(no_such_layer(name, list(facts)))
        steps = [
            Step((name,), facts[name], tuple(able), low, high)
            for name, (able, low, high) in shares.items()
        ]
        super().__init__(model, steps, facts)
        self._importance = importance
        layers = {layer.name: layer for layer in layers_of(model, inputs)}
        self._results = list(layers.values())[-1].parameter
        self._layers = [layers[step.layers[0]] for step in steps]
        for layer, step in zip(self._layers, steps, strict=True):
            self._check(layer, step.shares)
        self._left: dict[tuple[int, int], int] = {}
        listed = sum(
            self._nonzeros(index, -1) * step.facts.positions for index, step in enumerate(steps)
        )
        self._others = macs_of(model, facts, nonzero=True) - listed

    def _check(self, layer: Layer, shares: Sequence[Share | None]) -> None:
        """ValueError where a layer cannot have a pattern."""
        rows, columns = layer.matrix(layer.weight).shape
        for share in shares:
            if share is not None:
                try:
                    share.pattern.check(Geometry(rows, columns, layer.taps))
                except ValueError as error:
                    raise ValueError(f"layer {layer.name}: {error}") from None

    def macs(self, levels: Sequence[int]) -> int:
        return self._others + sum(
            step.facts.positions * self._nonzeros(index, level)
            for index, (step, level) in enumerate(zip(self.steps, levels, strict=True))
        )

    def _nonzeros(self, index: int, level: int) -> int:
        if (index, level) not in self._left:
            share = self.steps[index].shares[level] if level >= 0 else None
            self._left[index, level] = self._count(self._layers[index], share)
        return self._left[index, level]

    def _count(self, layer: Layer, share: Share | None) -> int:
        matrix = layer.matrix(layer.weight)
        return int(np.count_nonzero(matrix * self._mask(layer, share)))

    def _mask(self, layer: Layer, share: Share | None) -> Mask:
        """Where weights stay, as a pruner has it that prunes at once."""
        if share is None or share.ratio == 0:
            return np.ones(layer.matrix(layer.weight).shape, np.bool_)
        worth = importance_of(layer, self.model, self._importance)
        results = layer.parameter == self._results
        weights = Weights(worth, share.pattern, layer.taps, keeps_rows=results)
        (mask,) = local_masks([weights], share.ratio)
        check_stores(mask, share.pattern, layer.taps)
        return mask

    def made(self, levels: Sequence[int]) -> nn.Module:
        model = copy.deepcopy(self.model)
        for step, layer, level in zip(self.steps, self._layers, levels, strict=True):
            mask = self._mask(layer, step.shares[level] if level >= 0 else None)
            with torch.no_grad():
                model.get_parameter(layer.parameter).mul_(layer.tensor(mask))
        return model.eval()

    def counted(self, model: nn.Module) -> int:
        return macs_of(model, self.facts, nonzero=True)
