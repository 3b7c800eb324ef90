# SPDX-License-Identifier: Apache-2.0
"""What zeros would be worth on a core, for a whole network: the passes and the choice of formats that a compilation has."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from sparsec import pipelines
from sparsec.analysis.choice.format_choice import Decision, Problem
from sparsec.analysis.choice.what_if import (
    Answer,
    answer,
    can_have,
    pruned_network,
    weighted_layers,
    weights_name,
    weights_of,
)
from sparsec.ir.layer import layer_of
from sparsec.pruning.budget import Option, distribute
from sparsec.pruning.patterns import NOfM, Pattern, Rows
from sparsec.pruning.plan import Plan, Share
from sparsec.tools.compilation import (
    Compilation,
    goal_of,
    pipeline_options,
    plan_of,
    run_passes,
)
from sparsec.tools.console import Progress
from sparsec.tools.errors import UserError
from sparsec.tools.ram_budget import planned_bytes
from sparsec.tools.registry import context


@dataclass(frozen=True)
class Total:
    """A network with the same share in all layers that can have it; `fitting` of `layers` can."""

    share: Share | None
    zeros: int
    weights: int
    lost: float
    flash: int
    instructions: int
    cycles: int
    fitting: int
    layers: int


@dataclass(frozen=True)
class WhatIf:
    """All answers about a network on a core."""

    compilation: Compilation
    args: argparse.Namespace

    @property
    def quantized(self) -> ModuleOp:
        """The int8 network before anything is taken out of it."""
        return self.compilation.quantized or self.compilation.module

    @property
    def by_bytes(self) -> bool:
        """Whether bytes count first."""
        return self.args.objective == "flash"

    def layers(self, shares: Sequence[Share], progress: Progress) -> list[list[Answer]]:
        """For each layer what it is now, then with each share; channels are told of the network only."""
        wanted = [share for share in shares if not isinstance(share.pattern, Rows)]
        found: list[list[Answer]] = []
        cpu, ops = self.compilation.cpu, weighted_layers(self.compilation.module)
        for op in ops:
            progress(layer_of(op))
            found.append(
                [
                    answer(op, share, cpu, self.by_bytes, results=op is ops[-1])
                    for share in (None, *wanted)
                ]
            )
        return found

    def total(self, share: Share | None) -> Total:
        """The whole network with a share in each layer that can have it, but for the last one's channels, which are the
        results."""
        ops = weighted_layers(self.quantized)
        fitting = [] if share is None else [op for op in ops if can_have(op, share)]
        if share is not None and isinstance(share.pattern, Rows):
            fitting = [op for op in fitting if op is not ops[-1]]
        given = {weights_name(op): share for op in fitting if share is not None}
        return self.network(given, share, len(fitting))

    def network(
        self, shares: Mapping[str, Share], share: Share | None = None, fitting: int = 0
    ) -> Total:
        """The network with a share for each layer of `shares`, as it would be compiled."""
        module, lost, zeros = pruned_network(self.quantized, shares)
        layers = weighted_layers(module)
        count = sum(map(weights_of, layers))
        decision = self._decided(module)
        instructions = sum(
            0 if layer.winner.cost is None else layer.winner.cost.instructions
            for layer in decision.layers
        )
        flash, cycles = decision.flash, decision.cycles
        return Total(share, zeros, count, lost, flash, instructions, cycles, fitting, len(layers))

    def arena(self, shares: Mapping[str, Share]) -> int:
        """Bytes of the arena of the network with a share for each layer of `shares`."""
        module, _, _ = pruned_network(self.quantized, shares)
        options = pipeline_options(self.args, self.compilation.cpu, module, None)
        passes = [*pipelines.lossless(options), *pipelines.kernels(options)]
        run_passes(context(), module, passes, (), verify_each=False)
        plan = plan_of(module)
        return 0 if plan is None else planned_bytes(plan)

    def _decided(self, module: ModuleOp) -> Decision:
        """The choice for a network, its dead channels removed."""
        cpu = self.compilation.cpu
        options = pipeline_options(self.args, cpu, module, None)
        run_passes(context(), module, pipelines.lossless(options), (), verify_each=False)
        try:
            return Problem(module, cpu, goal_of(self.args, cpu, module), explained=False).decide()
        except ValueError as error:
            raise UserError(str(error)) from error


def shares_of(patterns: Sequence[Pattern], ratios: Sequence[float]) -> list[Share]:
    """Each pattern at each ratio; N:M patterns, whose ratio is their own, once."""
    found: list[Share] = []
    for pattern in patterns:
        if isinstance(pattern, NOfM):
            found.append(Share(pattern, pattern.ratio))
        else:
            found += [Share(pattern, ratio) for ratio in ratios]
    return found


def plan_for(
    what_if: WhatIf,
    goal: str,
    keep: float,
    shares: Sequence[Share],
    progress: Progress,
    names: Mapping[str, str] | None = None,
) -> Plan:
    """The shares that bring the layers with weights to a part `keep` of what the `goal` counts now, by what each layer
    saves for what it loses. `names` says for the weights of those that can be pruned what the plan calls them; without it
    all can, by their own names. UserError where they cannot."""
    ops = weighted_layers(what_if.compilation.module)
    if names is None:
        names = {weights_name(op): layer_of(op) for op in ops}
    groups: dict[str, list[list[Answer]]] = {}
    now = fixed = 0
    for op, answers in zip(ops, what_if.layers(shares, progress), strict=True):
        dense = answers[0]
        if dense.estimate is None:
            continue
        now += _cost(dense, goal)
        name = names.get(weights_name(op))
        if name is None:
            fixed += _cost(dense, goal)
        else:
            groups.setdefault(name, []).append(answers)
    wishes = {name: list(_wishes(of_layer)) for name, of_layer in groups.items()}
    options = [
        [Option(sum(_cost(each, goal) for each in found), found[0].lost) for found in of_layer]
        for of_layer in wishes.values()
    ]
    what = "estimated cycles" if goal == "latency" else "bytes"
    try:
        taken = distribute(options, max(int(keep * now) - fixed, 0))
    except ValueError as error:
        others = f", of which {fixed:,} in layers that are not pruned" if fixed else ""
        raise UserError(
            f"the layers with weights take {now:,} {what}{others} and --keep={keep:g} is out of reach: {error}; "
            "allow more, or higher ratios with --sparsity"
        ) from error
    return Plan(
        tuple(
            (name, of_layer[index][0].share)
            for (name, of_layer), index in zip(wishes.items(), taken, strict=True)
        )
    )


def _wishes(of_layer: Sequence[Sequence[Answer]]) -> Iterator[list[Answer]]:
    """What weights may become, each with the answers of all calls that have them."""
    for found in zip(*of_layer, strict=True):
        if all(each.estimate is not None for each in found):
            yield list(found)


def _cost(answer: Answer, goal: str) -> int:
    assert answer.estimate is not None
    return answer.estimate.cycles if goal == "latency" else answer.estimate.bytes


def _plan(weights: Sequence[str], shares: Mapping[str, Share], names: Mapping[str, str]) -> Plan:
    return Plan(tuple((names[each], shares.get(each)) for each in weights))


def smallest_channels(
    what_if: WhatIf,
    keep: float,
    ratios: Sequence[float],
    progress: Progress,
    names: Mapping[str, str],
    measured: Callable[[Plan], int],
) -> Plan:
    """The smallest share of whole channels with which the arena is a part `keep` of what it is; layers that do not matter
    for it keep theirs, and so does the last one, whose channels are results. UserError where no share does.

    `names` are as for `plan_for`. `measured` is the arena of the network when it is pruned so, which is what the plan is held to: other channels may go
    there, as batch norms are not folded yet."""
    ops = weighted_layers(what_if.quantized)
    results = weights_name(ops[-1]) if ops else ""
    weights = [
        each for each in dict.fromkeys(map(weights_name, ops)) if each in names and each != results
    ]
    now = what_if.arena({})
    limit = int(keep * now)
    least = now
    for ratio in sorted(ratios):
        progress(f"{ratio:g} of the channels")
        given = {name: Share(Rows(), ratio) for name in weights}
        found = what_if.arena(given)
        if found > limit:
            least = min(least, found)
            continue
        every = _plan(weights, given, names)
        for name in weights:
            fewer = {other: share for other, share in given.items() if other != name}
            if what_if.arena(fewer) <= limit:
                given = fewer
        for plan in dict.fromkeys((_plan(weights, given, names), every)):
            found = measured(plan)
            if found <= limit:
                return plan
            least = min(least, found)
    raise UserError(
        f"the arena takes {now:,} bytes, and --keep={keep:g} of it is out of reach: with these ratios the least is "
        f"{least:,}. Layers that are added must lose the same channels, which sparsec.compress.prune_channels sees to"
    )
