# SPDX-License-Identifier: Apache-2.0
"""What is searched: a network with its data, its candidates made, priced and trained.

The one rule: prices are the compiler's own, of the candidate as it would be compiled, before a step of training is spent.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from sparsec.compress.channels.prune import prune_channels
from sparsec.compress.data import Batches, Samples
from sparsec.compress.layers import layers_of
from sparsec.compress.pruner import Pruner
from sparsec.compress.training import Row, Settings, accuracy_of, fit
from sparsec.frontends.programs import Program
from sparsec.pruning.patterns import Rows
from sparsec.pruning.plan import Plan, Share
from sparsec.pruning.schedules import Gradual
from sparsec.search.objectives import Objectives, Prices
from sparsec.search.outcome import Outcome
from sparsec.search.space import Candidate


class Compiler(Protocol):
    """What the compiler says of a network as it is, for the core that it is asked for."""

    def prices(self, model: nn.Module, settings: Mapping[str, str]) -> Prices:
        """Of the whole compilation. Raises ValueError where the network cannot be compiled."""
        ...

    def int8_accuracy(self, model: nn.Module, settings: Mapping[str, str], test: Samples) -> float:
        """The share of right answers of the int8 network, byte for byte the device's."""
        ...


@dataclass(eq=False)
class Subject:
    """A network and how its candidates are tried.

    `model` has its trained weights; each candidate starts from them and is trained for the epochs of `settings`, its zeros
    growing over the first half. `inputs` are real ones [N, ..], for calibration. `build` makes the network for a `width`,
    whose weights are new ones then. `int8` tells the accuracy of the int8 network, else that of the float one.
    `group_size` is of how many channels what is left is a multiple, None what the core takes at a time.
    """

    model: nn.Module
    inputs: Sequence[Tensor]
    data: Batches
    test: Samples
    compiler: Compiler
    settings: Settings = field(default_factory=Settings)
    int8: bool = True
    build: Callable[[float], nn.Module] | None = None
    group_size: int | None = None
    importance: str = "magnitude"
    _priced: dict[str, Prices] = field(default_factory=dict[str, Prices], init=False)

    @property
    def layers(self) -> list[str]:
        """By name, those that can lose weights."""
        return [layer.name for layer in layers_of(self.model)]

    @property
    def dense(self) -> Prices:
        """Of the network as it is."""
        return self.prices(Candidate({}))

    @property
    def steps(self) -> int:
        """Of training that a candidate takes."""
        return self.settings.epochs * len(self.data)

    def made(self, candidate: Candidate) -> nn.Module:
        """The candidate's network with its weights gone at once, untrained. Raises ValueError where it cannot be made."""
        model, plan = self._made(candidate)
        if plan is not None:
            self._pruner(model, plan, None).detach()
        return model.eval()

    def prices(self, candidate: Candidate) -> Prices:
        """What the candidate would cost, its weights gone at once. Raises ValueError where it cannot be made or compiled."""
        found = self._priced.get(candidate.text)
        if found is None:
            found = self.compiler.prices(self.made(candidate), candidate.settings)
            self._priced[candidate.text] = found
        return found

    def tried(
        self,
        candidate: Candidate,
        objectives: Objectives,
        *,
        hopeless: Callable[[int, float], bool] = lambda steps, accuracy: False,
        folder: Path | None = None,
    ) -> Outcome:
        """The candidate priced, and trained if no limit on its prices is broken.

        `hopeless` is asked behind each epoch with the steps so far and the float accuracy. `folder` takes checkpoints, from
        which training goes on. The prices are those of the network as it is in the end.
        """
        prices = self.prices(candidate)
        broken = objectives.broken(prices, self.dense)
        if broken:
            said = ", ".join(f"{limit.text}: {prices.of(limit.metric):,.0f}" for limit, _ in broken)
            return Outcome(candidate, prices, refused=said)
        model, rows = self.trained(candidate, hopeless=hopeless, folder=folder)
        steps = len(rows) * len(self.data)
        if len(rows) < self.settings.epochs:
            return Outcome(candidate, prices, rows[-1].accuracy, steps, stopped=True)
        return Outcome(
            candidate,
            self.compiler.prices(model, candidate.settings),
            self.accuracy(model, candidate),
            steps,
        )

    def trained(
        self,
        candidate: Candidate,
        *,
        hopeless: Callable[[int, float], bool] = lambda steps, accuracy: False,
        folder: Path | None = None,
    ) -> tuple[nn.Module, list[Row]]:
        """The candidate's network behind its training, and the history, shorter where it was hopeless."""
        model, plan = self._made(candidate)
        pruner = None
        if plan is not None:
            ramp = max(self.steps // 2, 1)
            target = max(share.ratio for _, share in plan.wishes if share is not None)
            schedule = Gradual(
                target,
                pruning=ramp,
                tuning=self.steps - ramp,
                steps=min(50, ramp),
                initial=min(0.15, target),
            )
            pruner = self._pruner(model, plan, schedule)
        rows = fit(
            model,
            self.data,
            self.settings,
            test=self.test,
            pruner=pruner,
            folder=folder,
            stop=lambda row: hopeless(row.epoch * len(self.data), row.accuracy or 0.0),
            quiet=True,
        )
        if pruner is not None:
            pruner.detach()
        return model.eval(), rows

    def accuracy(self, model: nn.Module, candidate: Candidate) -> float:
        """The share of right answers, of int8 or float."""
        if self.int8:
            return self.compiler.int8_accuracy(model, candidate.settings, self.test)
        return accuracy_of(model, self.test)

    def _made(self, candidate: Candidate) -> tuple[nn.Module, Plan | None]:
        """The network with its channels gone, and the plan of all else that goes."""
        width = candidate.settings.get("width")
        if width is None:
            model = copy.deepcopy(self.model)
        elif self.build is None:
            raise ValueError("width is a choice for networks that a function builds: give `build`")
        else:
            torch.manual_seed(self.settings.seed)
            model = self.build(float(width))
        model.eval()
        channels, others = _split(candidate.shares, keeps_shape=isinstance(model, Program))
        if channels:
            prune_channels(
                model,
                self.inputs,
                channels,
                importance=self.importance,
                group_size=self.group_size,
            )
        return model, Plan(tuple(others.items())) if others else None

    def _pruner(self, model: nn.Module, plan: Plan, schedule: Gradual | None) -> Pruner:
        return Pruner(
            model, plan=plan, schedule=schedule, importance=self.importance, inputs=self.inputs
        )


def _split(
    shares: Mapping[str, Share], *, keeps_shape: bool
) -> tuple[dict[str, float], dict[str, Share]]:
    """The ratios of channels that are cut off, and the other shares; what is 0 is left out.

    Where the network `keeps_shape`, as one in an archive does, channels become zeros, and the compiler cuts them off.
    """
    channels: dict[str, float] = {}
    others: dict[str, Share] = {}
    for name, share in shares.items():
        if isinstance(share.pattern, Rows) and not keeps_shape:
            if share.ratio > 0:
                channels[name] = share.ratio
        elif share.ratio > 0:
            others[name] = share
    return channels, others
