# SPDX-License-Identifier: Apache-2.0
"""Whole channels of a network of torch: which ones go together, and a smaller module without them.

The one rule: the module that is left computes what the original computes when nothing reads the channels that are gone,
and is shown to on the inputs given, before the module is changed.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsec.compress.channels.cut import (
    FewerHeads,
    Kept,
    UnlikeError,
    load,
    names_of,
    prove,
    shrink,
)
from sparsec.compress.channels.found import Weights
from sparsec.compress.channels.groups import Channel as Channel
from sparsec.compress.channels.groups import Group, groups_of, where
from sparsec.compress.channels.labels import listed
from sparsec.compress.channels.operators import trace
from sparsec.compress.layers import modules_of
from sparsec.frontends.modules import exported

Side: TypeAlias = Literal["outputs", "inputs"]
PROVED = 8
"""Samples on which a smaller network is compared with the original."""


class ChannelGraph:
    """Which channels of a module go together, found by one run of its exported program."""

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor] | Tensor) -> None:
        """`inputs` are [N, ..] for each argument of the model. Raises ValueError where torch cannot export it."""
        self.model = model
        self.inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        self._trace = trace(exported(model, [each[:1] for each in self.inputs]), names_of(model))
        self._ties = self._trace.ties
        layers = self._trace.layers
        self._outputs = {name: self._ties.roots(each.gives) for name, each in layers.items()}
        self._inputs = {
            name: self._ties.roots(each.reads)
            for name, each in layers.items()
            if each.inputs is not None
        }
        self._depthwise = {
            each.parameter for each in layers.values() if each.inputs is None and each.groups > 1
        }
        self.groups = groups_of(self._trace)
        self._is_spent = False

    @property
    def layers(self) -> tuple[str, ...]:
        """That have weights, in the order in which they run."""
        return tuple(self._outputs)

    @property
    def weights(self) -> Mapping[str, Weights]:
        """By layer which parameter holds its weights, and what the axes are."""
        return self._trace.layers

    def group_of(self, layer: str) -> Group:
        """The group that a layer's channels are in. Raises ValueError where there is no such layer."""
        self._check_layer(layer)
        return next(group for group in self.groups if layer in group.layers)

    def remove(
        self,
        channels: Mapping[str, Sequence[int]],
        *,
        side: Side = "outputs",
        strict: bool = False,
        weights: Mapping[str, Tensor] | None = None,
    ) -> dict[str, tuple[int, ...]]:
        """Take output channels of layers, or with `side="inputs"` input channels, out of the module, in place.

        What is tied to them goes too; gives the rows that went, by layer. `strict` refuses where that is in another
        layer than the ones named and the ones right behind them (of inputs: right before them). `weights` are to take
        the place of parameters first. The graph is that of the module as it was: make a new one for the next time.
        Raises ValueError, and leaves the module as it was, where the channels cannot go.
        """
        if self._is_spent:
            raise ValueError("channels of the module have gone since: make a new ChannelGraph")
        gone = self._gone(channels, side)
        if strict:
            self.check_strict(channels, side=side)
        kept = self._kept(gone)
        self._check_left(kept)
        self._prove(kept, weights or {}, gone)
        load(self.model, weights or {})
        shrink(self.model, kept, self._depthwise, self._fewer_heads(gone))
        self._is_spent = True
        rows = {layer: where(self._goes(at, gone)) for layer, at in self._outputs.items()}
        return {layer: each for layer, each in rows.items() if each}

    def columns(self, channels: Mapping[str, Sequence[int]], *, side: Side = "outputs") -> Kept:
        """What of the weights of the layers behind still reads something when channels of layers go."""
        return self._columns(self._kept(self._gone(channels, side)))

    def reads(self, layer: str, numbers: Sequence[int]) -> list[int]:
        """The input channels of `layer` that are the channels with these numbers."""
        return list(where(self._goes(self._inputs[layer], set(numbers))))

    def is_of_heads(self, group: Group) -> bool:
        """Whether the channels of a group are heads of attention that go as a whole."""
        channels = {each.number for each in group.channels}
        return any(
            channels.issuperset(listed(self._ties.roots(each.line))) for each in self._trace.heads
        )

    def slices(self, group: Group) -> dict[tuple[str, int], NDArray[np.int64]]:
        """By parameter and axis how many slices go with each channel of `group`."""
        numbers = torch.tensor([each.number for each in group.channels])
        found: dict[tuple[str, int], NDArray[np.int64]] = {}
        for name, axes in self._trace.cuts.items():
            for axis, labels in axes.items():
                met = self._ties.roots(labels)[:, None] == numbers
                if met.any():
                    found[name, axis] = met.sum(0).numpy()
        return found

    def check_strict(
        self, channels: Mapping[str, Sequence[int]], *, side: Side = "outputs"
    ) -> None:
        """Raises ValueError where a layer would change that is neither named nor next to one that is."""
        self._check_strict(channels, side, self._gone(channels, side))

    def _kept(self, gone: set[int]) -> dict[str, dict[int, Tensor]]:
        kept: dict[str, dict[int, Tensor]] = {}
        for name, axes in self._trace.cuts.items():
            masks = {axis: ~self._goes(labels, gone) for axis, labels in axes.items()}
            if losing := {axis: mask for axis, mask in masks.items() if not mask.all()}:
                kept[name] = losing
        return kept

    def _fewer_heads(self, gone: set[int]) -> tuple[FewerHeads, ...]:
        found: dict[str, FewerHeads] = {}
        for each in self._trace.heads:
            before, lost = len(each.line), int(self._goes(each.line, gone).sum())
            if lost:  # two products of one attention say the same
                found.setdefault(
                    each.module, FewerHeads(each.module, before, before - lost, each.width)
                )
        return tuple(found.values())

    def _columns(self, kept: Kept) -> dict[str, dict[int, Tensor]]:
        return {
            each.parameter: {each.inputs: kept[each.parameter][each.inputs]}
            for each in self._trace.layers.values()
            if each.inputs is not None and each.inputs in kept.get(each.parameter, {})
        }

    def _goes(self, labels: Tensor, gone: set[int]) -> Tensor:
        return torch.isin(self._ties.roots(labels), torch.tensor(sorted(gone), dtype=torch.int64))

    def _check_layer(self, layer: str) -> None:
        if layer not in self._outputs:
            close = get_close_matches(layer, self._outputs, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            if layer in modules_of(self.model):
                hint = ": its weights are computed, or not called; bake what computes them first"
            raise ValueError(f"the model has no layer '{layer}' with weights{hint}")

    def _gone(self, channels: Mapping[str, Sequence[int]], side: Side) -> set[int]:
        """The numbers of the channels that go with the ones named. Raises ValueError where one cannot go."""
        gone: set[int] = set()
        for layer, indices in channels.items():
            self._check_layer(layer)
            if side == "inputs" and layer not in self._inputs:
                raise ValueError(
                    f"{layer} reads each channel by itself: name the layer in front of it"
                )
            labels = self._outputs[layer] if side == "outputs" else self._inputs[layer]
            for index in indices:
                if not 0 <= index < len(labels):
                    raise ValueError(f"{layer} has no channel {index}: it has {len(labels)} {side}")
                root = int(labels[index])
                reason = self._ties.reason(root) if root else "it is none of a layer"
                if reason is not None:
                    raise ValueError(
                        f"channel {index} of the {side} of {layer} cannot go: {reason}"
                    )
                gone.add(root)
        return gone

    def _check_strict(
        self, channels: Mapping[str, Sequence[int]], side: Side, gone: set[int]
    ) -> None:
        readers = self._trace.readers
        near = set(channels)
        for layer in channels:
            if side == "outputs":
                near |= readers.get(layer, set())
            else:
                near |= {name for name, behind in readers.items() if layer in behind}
        touched = [
            layer
            for layer in self._outputs
            if bool(self._goes(self._outputs[layer], gone).any())
            or (layer in self._inputs and bool(self._goes(self._inputs[layer], gone).any()))
        ]
        far = [layer for layer in touched if layer not in near]
        if far:
            raise ValueError(
                f"pruning {side} of {', '.join(channels)} would also change {', '.join(far)}, "
                f"which {'is' if len(far) == 1 else 'are'} not adjacent: name the layers together, or not strict"
            )

    def _check_left(self, kept: Kept) -> None:
        for name, axes in kept.items():
            for mask in axes.values():
                if not mask.any():
                    raise ValueError(f"{name} would lose all of its {len(mask)} channels")

    def _prove(self, kept: Kept, weights: Mapping[str, Tensor], gone: set[int]) -> None:
        """Raises ValueError where the module's code is not made for other sizes."""
        columns = self._columns(kept)
        layers = ", ".join(name for name, at in self._outputs.items() if self._goes(at, gone).any())
        try:
            samples = [each[:PROVED] for each in self.inputs]
            heads = self._fewer_heads(gone)
            prove(self.model, kept, columns, self._depthwise, weights, samples, heads)
        except ValueError as error:
            raise ValueError(
                f"the model does not run with fewer channels in {layers}: {error}"
            ) from error
        except UnlikeError as error:
            assumed = {self._ties.assumption(each) for each in gone} - {None}
            if assumed:
                raise ValueError(
                    f"the model does not do with fewer channels in {layers} what it was taken to do, that "
                    f"{' and '.join(sorted(filter(None, assumed)))}"
                ) from error
            raise RuntimeError(f"internal error: without channels of {layers} {error}") from error


def remove(
    model: nn.Module,
    inputs: Sequence[Tensor] | Tensor,
    channels: Mapping[str, Sequence[int]],
    *,
    side: Side = "outputs",
    strict: bool = False,
) -> dict[str, tuple[int, ...]]:
    """`ChannelGraph(model, inputs).remove(channels)`."""
    return ChannelGraph(model, inputs).remove(channels, side=side, strict=strict)
