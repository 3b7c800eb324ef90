# SPDX-License-Identifier: Apache-2.0
"""The environment of an agent: one step for each listed layer, a reward at the end.

A state is distiller's 13 numbers, each between 0 and 1: which step it is, the layer's type, n, c, h, w, stride, k, MACs
and weights, what is gone of the whole cost, what the layers behind cost, and the share that went in the step before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from sparsec.search.amc.costs import Costs
from sparsec.search.amc.protocols import Protocol, held
from sparsec.search.amc.walks import Walk

STATE = ("t", "type", "n", "c", "h", "w", "stride", "k", "MACs", "Weights") + (
    *("reduced", "rest", "prev_a"),
)
"""What a state says, in its order."""

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Walked:
    """The end of an episode: the levels that were taken, and what came of them."""

    levels: tuple[int, ...]
    cost: float
    accuracy: float
    reward: float


class Environment(gymnasium.Env[Numbers, Numbers]):
    """A walk as gymnasium has environments. An action is the share of the layer that goes."""

    def __init__(
        self,
        walk: Walk,
        costs: Costs,
        protocol: Protocol,
        target: float,
        judge: Callable[[tuple[int, ...]], float],
        ended: Callable[[Walked], None] = lambda walked: None,
    ) -> None:
        """`judge` tells the share of right answers at the levels of an episode; `ended` hears of each episode.

        Raises ValueError where the target, a part of what the dense network costs, cannot be kept.
        """
        check_target(walk, costs, protocol, target)
        self.walk, self.costs, self.protocol, self.target = walk, costs, protocol, target
        self._judge, self._ended = judge, ended
        steps = walk.steps
        self.observation_space = Box(0.0, 1.0, (len(STATE),), np.float32)
        self.action_space = Box(
            np.array([min(step.low for step in steps)], np.float32),
            np.array([max(step.high for step in steps)], np.float32),
        )
        self._static = _scaled(
            [
                *(
                    (index, f.type, f.n, f.c, f.h, f.w, f.stride, f.k, f.macs, f.weights)
                    for index, f in enumerate(step.facts for step in steps)
                ),
            ]
        )
        self._costs = [costs.step(index) for index in range(len(steps))]
        self._levels: list[int] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        """To the first layer, with nothing gone."""
        super().reset(seed=seed)
        self._levels = []
        return self._state(), {}

    def step(self, action: Numbers) -> tuple[Numbers, float, bool, bool, dict[str, Any]]:
        """The share `action` [1] of the layer goes, or more where the protocol holds it to its target."""
        self._levels.append(self._level(float(action[0])))
        if len(self._levels) < len(self.walk.steps):
            return self._state(), 0.0, False, False, {}
        walked = self._walked()
        self._ended(walked)
        return self._state(), walked.reward, True, False, {"walked": walked}

    def _walked(self) -> Walked:
        most = self.target * self.costs.whole if self.protocol.is_clamped else None
        levels, cost = self.costs.settled(self._levels, most)
        accuracy = self._judge(levels)
        reward = self.protocol.reward(accuracy, cost, self.costs.whole, self.target)
        return Walked(levels, cost, accuracy, reward)

    def _level(self, action: float) -> int:
        index = len(self._levels)
        step = self.walk.steps[index]
        wanted = min(max(action, step.low), step.high)
        if not self.protocol.is_clamped or self.costs.metric == "ram":
            return step.level(wanted)
        whole = self.costs.whole
        wanted = held(
            wanted,
            target=self.target,
            whole=whole,
            removed=whole - self._so_far(),
            behind=sum(self._costs[index + 1 :]),
            layer=self._costs[index],
            high=step.high,
        )
        return self._least(step.level(min(wanted, step.high)))

    def _least(self, level: int) -> int:
        """The first level from this one on with which the target can be kept."""
        highest = self.walk.highest
        index = len(self._levels)
        while level < highest[index]:
            levels = [*self._levels, level, *highest[index + 1 :]]
            if self.costs.expected(levels) <= self.target * self.costs.whole:
                break
            level += 1
        return level

    def _so_far(self) -> float:
        """The cost with what has been decided, and nothing else, gone."""
        undecided = [-1] * (len(self.walk.steps) - len(self._levels))
        return self.costs.expected([*self._levels, *undecided])

    def _state(self) -> Numbers:
        """Of the step that comes, behind the last one of the last."""
        done, steps = len(self._levels), self.walk.steps
        index = min(done, len(steps) - 1)
        whole = self.costs.whole
        reduced = (whole - self._so_far()) / whole
        rest = sum(self._costs[done + 1 :]) / whole
        before = steps[done - 1].ratios[self._levels[-1]] if done else 0.0
        state = np.array([*self._static[index], reduced, rest, before], np.float32)
        return np.clip(state, 0, 1)


def check_target(walk: Walk, costs: Costs, protocol: Protocol, target: float) -> None:
    """Raises ValueError where the protocol cannot keep its target."""
    if not 0 < target <= 1:
        raise ValueError(
            f"the target is a part of what the dense network costs, above 0 and at most 1, not {target:g}"
        )
    if not protocol.is_clamped:
        return
    _, least = costs.settled(walk.highest, None)
    if least > target * costs.whole:
        shares = ", ".join(f"{step.high:g}" for step in walk.steps[:1])
        raise ValueError(
            f"{protocol.text} cannot reach {100 * target:g} % of the {costs.metric}: with a share of {shares} gone of "
            f"each listed layer {100 * least / costs.whole:.2f} % are left; list more layers or let more go"
        )


def _scaled(rows: Sequence[Sequence[float]]) -> Numbers:
    """Each column from 0 to 1; 0 where all are the same."""
    values = np.array(rows, np.float64)
    low, high = values.min(0), values.max(0)
    spread = np.where(high > low, high - low, 1)
    return ((values - low) / spread).astype(np.float32)
