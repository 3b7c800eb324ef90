# SPDX-License-Identifier: Apache-2.0
"""One run: search for what each layer of a trained network becomes, train what was found, compile it.

All searches judge as many candidates, untrained, by the same images, which are neither trained nor tested on; all that they
find is trained for the same epochs. A run depends on its name alone, (network, method, seed), and on the runs before it.
"""

import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks import _compress_data
from benchmarks._compress_networks import NETWORKS
from benchmarks._compress_runs import CORE, base
from sparsec.compress.channels.graph import ChannelGraph
from sparsec.compress.channels.prune import open_channels
from sparsec.compress.norm_statistics import measure_norms
from sparsec.compress.training import Settings, accuracy_of
from sparsec.pruning.patterns import Rows
from sparsec.pruning.plan import Share
from sparsec.search import baselines
from sparsec.search.amc.agent import AgentSettings
from sparsec.search.amc.costs import MacCosts
from sparsec.search.amc.protocols import parse_protocol
from sparsec.search.amc.search import Judged, search
from sparsec.search.amc.spaces import walk_over
from sparsec.search.baselines import greedy, look
from sparsec.search.objectives import Objectives, Prices, parse_objectives
from sparsec.search.space import Candidate, Space, parse_space
from sparsec.search.study import Budget, Study
from sparsec.search.subject import Outcome, Subject
from sparsec.tools.chip import Chip

EVALUATIONS, WARM_UP = 200, 50
"""Candidates that each search judges, and how many of AMC's are drawn blindly."""
JUDGED_BY = 2_000
"""Images that judge a candidate."""
MACS = 0.5
"""What AMC and what it is compared with may leave."""
RATIOS = "0..0.8"
WEIGHTS = "unstructured|block(1x4)|block(4x1)|dense 0.3..0.95"
GUIDED = "cycles "
"""Before the part of AMC's cycles that a search may take."""


@dataclass(frozen=True)
class Result:
    """What a run found and what came of it: accuracies on the whole test set as shares, bytes, cycles of the layers with
    weights; `curve` is the best untrained accuracy after each tenth of the candidates."""

    network: str
    method: str
    seed: int
    candidate: str
    evaluations: int
    steps: int
    untrained_accuracy: float
    float_accuracy: float
    int8_accuracy: float
    macs: int
    cycles: int
    flash: int
    arena: int
    curve: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class Found:
    """The best candidate of a search, and the best accuracy after each one."""

    candidate: Candidate
    accuracies: Sequence[float] = ()


class AtOnce:
    """A subject whose candidates are judged as they are, untrained: a step is a candidate."""

    steps = 1

    def __init__(self, subject: Subject):
        self.subject = subject

    @property
    def dense(self) -> Prices:
        """Of the network as it is."""
        return self.subject.dense

    def prices(self, candidate: Candidate) -> Prices:
        """By the compiler."""
        return self.subject.prices(candidate)

    def tried(
        self,
        candidate: Candidate,
        objectives: Objectives,
        *,
        hopeless: Callable[[int, float], bool],
        folder: Path | None,
    ) -> Outcome:
        """Priced, and judged if no limit is broken."""
        prices = self.prices(candidate)
        broken = objectives.broken(prices, self.dense)
        if broken:
            return Outcome(candidate, prices, refused=", ".join(limit.text for limit, _ in broken))
        return Outcome(candidate, prices, self.accuracy(candidate), 1)

    def accuracy(self, candidate: Candidate) -> float:
        """In float, with its weights gone at once."""
        return untrained_accuracy(self.subject, self.subject.made(candidate))


def untrained_accuracy(subject: Subject, model: nn.Module) -> float:
    """Of a network whose weights went, its batch norms measured anew."""
    measure_norms(model, subject.inputs)
    return accuracy_of(model, subject.test)


def subject_of(network: str, seed: int) -> Subject:
    """The network trained dense, and its data."""
    recipe = NETWORKS[network]
    data = recipe.data()
    return Subject(
        base(network, seed).eval(),
        [data.calibration],
        data.train,
        _compress_data.unseen(JUDGED_BY),
        Chip([data.calibration], [f"--target={CORE}"]),
        Settings(recipe.epochs, recipe.learning_rate, seed=seed + 3000),
        int8=False,
    )


def channel_space(subject: Subject) -> Space:
    """One layer for each group of channels that can lose some."""
    graph = ChannelGraph(subject.model, subject.inputs)
    opened = open_channels(graph, list(graph.layers))
    names = [group.layers[0] for group in opened.groups]
    return parse_space("; ".join(f"{name}: channels {RATIOS}" for name in names), subject.layers)


def uniform(subject: Subject, space: Space) -> Found:
    """The smallest share of channels, in hundredths, of all groups alike, that leaves MACS at most."""

    def candidate(percent: int) -> Candidate:
        return Candidate({name: Share(Rows(), percent / 100) for name in space.layers})

    def fits(percent: int) -> bool:
        return subject.prices(candidate(percent)).macs <= MACS * subject.dense.macs

    return Found(candidate(bisect_left(range(95), True, key=fits)))


def by_amc(subject: Subject, space: Space, seed: int) -> Found:
    """AMC under `mac-constrained`."""
    walk = walk_over(subject.model, subject.inputs, space, seed=seed)
    settings = AgentSettings(
        bsize=64, warmup=WARM_UP, num_training_episodes=EVALUATIONS - WARM_UP, seed=seed
    )

    def judge(model: nn.Module, candidate: Candidate) -> Judged:
        return Judged(untrained_accuracy(subject, model))

    episodes = search(
        walk, MacCosts(walk), parse_protocol("mac-constrained"), MACS, judge, settings
    )
    best = max(episodes, key=lambda each: each.reward)
    return Found(best.candidate, [each.judged.accuracy for each in episodes])


def by_study(
    subject: Subject, space: Space, engine: str, limit: str, seed: int, warm: bool = False
) -> Found:
    """A sampler of Optuna, with a limit on the compiler's prices; `warm` begins with uniform and greedy candidates, as
    `sparsec search` does."""
    trier = AtOnce(subject)
    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            f"journal:{Path(folder, 'journal')}",
            "search",
            space,
            parse_objectives("accuracy", [limit]),
            {"space": space.text},
            engine=engine,
            seed=seed,
        )
        if warm:
            looks = look(subject, space)
            study.put_first(baselines.uniform(space), "uniform")
            study.put_first(greedy(subject, space, study.objectives, looks), "greedy")
        study.work(trier, Budget(steps=EVALUATIONS))
        tried = [each for each in study.results() if each.state == "finished" and each.steps]
    best = max(tried, key=lambda each: each.accuracy or 0.0)
    return Found(best.candidate, [each.accuracy or 0.0 for each in tried])


def found_by(
    subject: Subject, method: str, seed: int, amc_cycles: Callable[[], int] | None
) -> Found:
    """What a method finds: `dense`, `uniform`, `amc`, `tpe`, `random` for MACs; `cycles X` and `random cycles X` for so
    much of the cycles that AMC came to, over patterns of weights; the former begins with uniform and greedy candidates."""
    if method == "dense":
        return Found(Candidate({}))
    engine, _, part = method.rpartition(GUIDED)
    if part and method != part:
        assert amc_cycles is not None
        limit = f"cycles<={round(float(part) * amc_cycles())}"
        space = parse_space(f"*: {WEIGHTS}", subject.layers)
        return by_study(subject, space, engine.strip() or "tpe", limit, seed, warm=not engine)
    space = channel_space(subject)
    if method == "uniform":
        return uniform(subject, space)
    if method == "amc":
        return by_amc(subject, space, seed)
    return by_study(subject, space, method, f"macs<={MACS}x", seed)


def run(
    network: str, method: str, seed: int, amc_cycles: Callable[[], int] | None = None
) -> Result:
    """Search, train, quantize, compile."""
    began = time.monotonic()
    subject = subject_of(network, seed)
    found = found_by(subject, method, seed, amc_cycles)
    model, _ = subject.trained(found.candidate)
    test = NETWORKS[network].data().test
    prices = subject.compiler.prices(model, {})
    best = _best_so_far(found.accuracies)
    return Result(
        network,
        method,
        seed,
        found.candidate.text,
        len(found.accuracies),
        subject.steps,
        AtOnce(subject).accuracy(found.candidate),
        accuracy_of(model, test),
        subject.compiler.int8_accuracy(model, {}, test),
        **_figures(prices),
        curve=best[:: max(len(best) // 10, 1)],
        seconds=round(time.monotonic() - began, 1),
    )


def _figures(prices: Prices) -> Mapping[str, Any]:
    return {
        "macs": prices.macs,
        "cycles": prices.cycles,
        "flash": prices.flash,
        "arena": prices.ram,
    }


def _best_so_far(accuracies: Sequence[float]) -> list[float]:
    return [max(accuracies[: count + 1]) for count in range(len(accuracies))]
