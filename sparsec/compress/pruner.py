# SPDX-License-Identifier: Apache-2.0
"""Pruning while a network is trained: masks, found by a schedule, hold zeros until others take their place.

The one rule: the model stays an ordinary module. Its weights are its own parameters, with zeros in them before each
forward and in each `state_dict`, so it is copied, saved, exported and quantized like any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sparsec.compress.data import name_of
from sparsec.compress.followers import followers_of, tensor_of, zeros_held
from sparsec.compress.importance import Importance, importance_of
from sparsec.compress.layers import Layer, Select, layers_of, selected
from sparsec.pruning.masks import (
    Weights,
    check_stores,
    global_masks,
    local_masks,
    threshold_masks,
)
from sparsec.pruning.patterns import Mask, Pattern, Rows, parse_pattern
from sparsec.pruning.plan import Plan, Share, parse_plan
from sparsec.pruning.schedules import OneShot

Scope: TypeAlias = Literal["global", "local"]

Masking: TypeAlias = Callable[[Tensor, Tensor], None]
"""What a mask, true where a weight stays, does to the weights, in place and without gradients."""


def put_zeros(weight: Tensor, mask: Tensor) -> None:
    """Zero what the mask has gone."""
    weight.mul_(mask)


class Schedule(Protocol):
    """When masks are found anew, and how many zeros there are to be then."""

    @property
    def target(self) -> float:
        """In the end."""
        ...

    def ratio(self, iteration: int) -> float:
        """Of zeros."""
        ...

    def changes(self, iteration: int) -> bool:
        """Whether masks are to be found before this iteration."""
        ...


@dataclass(frozen=True)
class Sparsity:
    """The zeros of a layer."""

    layer: str
    pattern: str
    zeros: int
    weights: int

    @property
    def ratio(self) -> float:
        """Of zeros."""
        return self.zeros / self.weights


class Pruner:
    """Keeps zeros in the layers of `model`.

    What goes is said in one of four ways: a `ratio` of the weights, or what is worth less than a `threshold`, in
    `pattern` over `layers`, of all of them together (`scope="global"`) or of each (`"local"`); a `plan` with a share for
    each layer; or, with none of these, the zeros that are there already, which stay (static masks). A `schedule`
    (`Gradual`) makes the ratio grow, that of a plan in proportion; without one all goes at once. `inputs` tell which
    linear layers read images, see `layers_of`. Call `step()` once for each iteration of training.

    Whole outputs (`channels`) go with their biases and what a batch norm right behind adds, so that nothing of them is left;
    without `layers` or a plan those of the last layer stay, which are the results. Other patterns leave biases and norms.

    With `regrow`, each step finds the masks anew from the weights as the optimizer left them, so that a zero whose update
    outgrew other weights comes back and they go; without it zeros stay. `masking` is how zeros are put into place.

    Raises ValueError where a layer's name, ratio, pattern or importance makes no sense.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    >>> pruner = Pruner(net, ratio=0.75)
    >>> pruner.sparsity
    0.75
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        ratio: float | None = None,
        threshold: float | None = None,
        plan: str | Plan | None = None,
        pattern: str | Pattern = "unstructured",
        layers: Select = None,
        scope: Scope = "global",
        importance: str | Importance = "magnitude",
        schedule: Schedule | None = None,
        inputs: Sequence[Tensor] | None = None,
        regrow: bool = False,
        masking: Masking = put_zeros,
    ):
        if sum(each is not None for each in (ratio, threshold, plan)) > 1:
            raise ValueError(
                "a ratio, a threshold and a plan say the same in other ways: give one of them"
            )
        if schedule is not None and not (ratio is threshold is None):
            raise ValueError(
                "a schedule says the ratio itself, and a threshold has none: leave one out"
            )
        if scope not in ("global", "local"):
            raise ValueError(f"the scope is 'global' or 'local', not '{scope}'")
        self.model = model
        self.pattern = parse_pattern(pattern) if isinstance(pattern, str) else pattern
        known = layers_of(model, inputs)
        self._results = known[-1].parameter if known else ""
        self.layers = selected(known, layers)
        if not self.layers:
            raise ValueError("no layer is left to prune")
        if (
            isinstance(self.pattern, Rows)
            and layers is None
            and not (ratio is threshold is schedule is None)
        ):
            self.layers = self.layers[:-1]
            if not self.layers:
                raise ValueError(
                    "the channels of the only layer are the results: name it if they are to go"
                )
        self.importance = importance
        self.threshold = threshold
        self.scope: Scope = scope
        self.regrow = regrow
        self.masking = masking
        self.shares: Mapping[str, Share] = self._shares(plan, ratio, schedule)
        self.schedule: Schedule | None = schedule or (
            None if ratio is None else OneShot(float(ratio))
        )
        self.identity: Mapping[str, Any] = {
            "threshold": threshold,
            "plan": [f"{name}: {share.text}" for name, share in self.shares.items()],
            "pattern": self.pattern.label,
            "scope": scope,
            "importance": importance if isinstance(importance, str) else name_of(importance),
            "schedule": None if self.schedule is None else name_of(self.schedule),
            "layers": [layer.parameter for layer in self.layers],
            "regrow": regrow,
        }
        """What was asked for, for a checkpoint."""
        self.iteration = 0
        self.masks: dict[str, Tensor] = {}
        """By the name of the parameter, in its shape; true where a number stays. Of whole outputs that go also by those of
        the biases and means behind."""
        for layer in self.layers:
            self.masks[layer.parameter] = torch.ones_like(layer.weight, dtype=torch.bool)
        self._handles: list[RemovableHandle] = [
            model.register_forward_pre_hook(self._before_forward),
            model.register_state_dict_pre_hook(self._before_state_dict),
        ]
        if self.is_static:
            self.freeze()
        else:
            self._check_patterns()
            self._find()

    def _shares(
        self, plan: str | Plan | None, ratio: float | None, schedule: Schedule | None
    ) -> Mapping[str, Share]:
        """The share of each layer, where a plan says it."""
        if plan is None:
            return {}
        read = parse_plan(plan) if isinstance(plan, str) else plan
        by_name = read.shares([name for layer in self.layers for name in layer.names])
        found = {
            layer.name: by_name[name]
            for layer in self.layers
            for name in reversed(layer.names)
            if name in by_name
        }
        self.layers = [layer for layer in self.layers if layer.name in found]
        if not self.layers:
            raise ValueError("the plan keeps every layer dense")
        return found

    @property
    def is_static(self) -> bool:
        """Whether the zeros are those that were there."""
        return self.threshold is None and not self.shares and self.schedule is None

    def pattern_of(self, layer: Layer) -> Pattern:
        """Of a layer's zeros."""
        share = self.shares.get(layer.name)
        return self.pattern if share is None else share.pattern

    def _check_patterns(self) -> None:
        """ValueError where a layer cannot have its pattern, before anything is trained."""
        for layer in self.layers:
            matrix = layer.matrix(layer.weight)
            weights = Weights(np.zeros(matrix.shape), self.pattern_of(layer), layer.taps)
            try:
                weights.pattern.check(weights.geometry)
            except ValueError as error:
                raise ValueError(
                    f"layer {layer.name}: {error}: say by layers or a plan which ones are to have it"
                ) from None

    def step(self) -> None:
        """An iteration of training was done: zeros where they are due now."""
        self.iteration += 1
        due = self.schedule is not None and self.schedule.changes(self.iteration)
        if due or (self.regrow and not self.is_static):
            self._find()
        else:
            self.apply()

    def _before_forward(self, module: nn.Module, arguments: object) -> None:
        if not torch.compiler.is_exporting():  # what changes weights has no place in a program
            self.apply()

    def _before_state_dict(self, module: nn.Module, prefix: str, keep_vars: bool) -> None:
        self.apply()

    def update(self) -> None:
        """Find the masks anew from the weights as they are, for the iteration that it is; what is zero stays zero, unless
        it may regrow."""
        if not self.is_static:
            self._find()

    def freeze(self) -> None:
        """From now on the zeros are those that the weights have now, as static masks."""
        self.schedule = self.threshold = None
        self.shares = {}
        self.masks = zeros_held(self.model, self.layers)

    @torch.no_grad()
    def apply(self) -> None:
        """Put zeros where the masks have them."""
        for name, mask in self.masks.items():
            tensor = tensor_of(self.model, name)
            if mask.device != tensor.device:
                mask = self.masks[name] = mask.to(tensor.device)
            self.masking(tensor, mask)

    def _find(self) -> None:
        weights = [self._weights(layer) for layer in self.layers]
        for layer, mask in zip(self.layers, self._found(weights), strict=True):
            pattern = self.pattern_of(layer)
            if not mask.all():
                check_stores(mask, pattern, layer.taps)
            self.masks[layer.parameter] = layer.tensor(mask) != 0
            if isinstance(pattern, Rows):
                for name in self._followers[layer.parameter]:
                    self.masks[name] = torch.from_numpy(mask.any(axis=1))
        self.apply()

    @cached_property
    def _followers(self) -> dict[str, tuple[str, ...]]:
        return followers_of(self.model, self.layers)

    def _weights(self, layer: Layer) -> Weights:
        importance = importance_of(layer, self.model, self.importance)
        if not self.regrow:
            gone = layer.matrix(self.masks[layer.parameter]) == 0
            importance[gone] = -1.0  # what is zero has nothing to say for itself
        results = layer.parameter == self._results
        return Weights(importance, self.pattern_of(layer), layer.taps, keeps_rows=results)

    def _found(self, weights: Sequence[Weights]) -> list[Mask]:
        if self.threshold is not None:
            return threshold_masks(weights, self.threshold)
        if self.shares:
            part = 1.0
            if self.schedule is not None:
                ratio = self.schedule.ratio(self.iteration)
                part = ratio / self.schedule.target if ratio else 0.0
            return [
                local_masks([each], self.shares[layer.name].ratio * part)[0]
                for layer, each in zip(self.layers, weights, strict=True)
            ]
        assert self.schedule is not None
        ratio = self.schedule.ratio(self.iteration)
        return (global_masks if self.scope == "global" else local_masks)(weights, ratio)

    @property
    def by_layer(self) -> list[Sparsity]:
        """The zeros of each layer."""
        found: list[Sparsity] = []
        for layer in self.layers:
            zeros = int((layer.weight.detach() == 0).sum())
            label = "zeros of the model" if self.is_static else self.pattern_of(layer).label
            found.append(Sparsity(layer.name, label, zeros, layer.weight.numel()))
        return found

    @property
    def sparsity(self) -> float:
        """The share of zeros in all layers that are pruned."""
        layers = self.by_layer
        return sum(each.zeros for each in layers) / sum(each.weights for each in layers)

    def summarize_weights(self, ratio: float) -> float:
        """The magnitude below which a share `ratio` of all weights lies: the threshold for that ratio."""
        if not 0 <= ratio <= 1:
            raise ValueError(f"a ratio is within 0 and 1, not {ratio:g}")
        values = np.concatenate(
            [np.abs(layer.matrix(layer.weight)).reshape(-1) for layer in self.layers]
        )
        return float(np.sort(values)[max(int(ratio * len(values)), 1) - 1])

    def detach(self) -> nn.Module:
        """Put zeros in place and let go of the model, which keeps them as long as nobody trains it; returns it."""
        self.apply()
        for handle in self._handles:
            handle.remove()
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """The masks and the iteration, for a checkpoint; tensors and numbers alone."""
        return {
            "iteration": self.iteration,
            "masks": {name: mask.cpu() for name, mask in self.masks.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`. Raises ValueError where it is that of other layers."""
        masks: Mapping[str, Tensor] = state["masks"]
        ours = {name: tuple(mask.shape) for name, mask in self.masks.items()}
        if {name: tuple(mask.shape) for name, mask in masks.items()} != ours:
            raise ValueError("the checkpoint holds masks of other layers: it is of another model")
        self.iteration = int(state["iteration"])
        self.masks = {name: mask.to(self.masks[name].device) for name, mask in masks.items()}
        self.apply()
