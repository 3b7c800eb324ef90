# SPDX-License-Identifier: Apache-2.0
"""What an agent is rewarded for, and what it may leave: the four protocols of distiller and Knight-MC.

What is counted is a cost: MACs there, here also estimated cycles, bytes of flash or of the arena. The one rule: formulas
are those of distiller with the cost in the place of MACs, and know nothing of networks.
"""

import math
from dataclasses import dataclass
from difflib import get_close_matches

from sparsec.search.objectives import METRICS, PRICES

RULES = ("mac-constrained", "accuracy-guaranteed", "mac-constrained-experimental", "punish-agent")
"""As distiller calls them."""

COSTS = {
    ("mac" if metric == "macs" else metric): metric for metric in ("macs", "cycles", "flash", "ram")
}
"""By the word of a protocol what it counts."""

SLACK = 0.002
"""By how much of the whole `mac-constrained-experimental` may exceed its target."""

MOST = 0.9
"""Of what is behind a layer that is counted on to go at most."""

_CONSTRAINED = "-constrained"
_EXPERIMENTAL = "-experimental"


@dataclass(frozen=True)
class Protocol:
    """A rule, and which cost it counts."""

    rule: str = RULES[0]
    metric: str = "macs"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"there is no protocol '{self.rule}', known: {', '.join(RULES)}")
        if self.metric not in PRICES:
            raise ValueError(
                f"a protocol counts one of {', '.join(PRICES)}, not '{self.metric}'"
                + (": it is what is made better" if self.metric in METRICS else "")
            )

    @property
    def is_clamped(self) -> bool:
        """Whether actions are held to the target, so that no candidate exceeds it."""
        return self.rule == "mac-constrained"

    @property
    def text(self) -> str:
        """As one writes it."""
        if _CONSTRAINED in self.rule:
            word = next(word for word, metric in COSTS.items() if metric == self.metric)
            return self.rule.replace("mac", word, 1)
        return self.rule if self.metric == "macs" else f"{self.rule}({self.metric})"

    def reward(self, accuracy: float, cost: float, whole: float, target: float) -> float:
        """Of a candidate with a share `accuracy` of right answers and a `cost`, where the dense network's is `whole`."""
        density = cost / whole
        if self.rule == "accuracy-guaranteed":
            return -(1 - accuracy) * math.log(max(cost, 1))
        if self.rule == "mac-constrained-experimental":
            return accuracy + 1 if density <= target + SLACK else -3 - density
        if self.rule == "punish-agent":
            return accuracy if density <= target else target - density
        return accuracy


def parse_protocol(text: str) -> Protocol:
    """`mac-constrained`, `cycles-constrained`, `punish-agent(flash)` and so on. Raises ValueError where it is none."""
    rule, _, rest = text.strip().partition("(")
    if rest:
        return Protocol(rule, COSTS.get(rest.removesuffix(")"), rest.removesuffix(")")))
    word, constrained, ending = rule.partition(_CONSTRAINED)
    if constrained and word in COSTS and ending in ("", _EXPERIMENTAL):
        return Protocol(f"mac{constrained}{ending}", COSTS[word])
    known = [*RULES, *(f"{word}{_CONSTRAINED}" for word in COSTS if word != "mac")]
    if rule not in known:
        close = get_close_matches(rule, known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
        raise ValueError(f"there is no protocol '{text}': {hint}")
    return Protocol(rule)


def held(
    action: float,
    *,
    target: float,
    whole: float,
    removed: float,
    behind: float,
    layer: float,
    high: float,
) -> float:
    """The share of a layer that goes when an agent wants `action` and the cost is to be `target` of the `whole` in the end.

    `removed` of the cost has gone with the layers in front, `behind` is what those behind it cost, of which `high` can go
    and 0.9 is counted on; `layer` is the cost of this one. What is still to go then goes here.
    """
    duty = (1 - target) * whole - (removed + behind * min(MOST, high))
    return min(max(action, duty / layer), 1.0) if layer > 0 else action
