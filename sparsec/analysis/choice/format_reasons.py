# SPDX-License-Identifier: Apache-2.0
"""Why each way to store a layer's weights won or lost, in words. It only reports: `format_choice` decides."""

from collections.abc import Callable
from dataclasses import dataclass

from sparsec.analysis.choice.candidates import Candidate
from sparsec.analysis.choice.format_goal import Goal, Price, objection
from sparsec.analysis.choice.layer_groups import Group, Way


@dataclass(frozen=True)
class Verdict:
    """What became of one format for one layer; `candidate` is None where the layer cannot be stored so."""

    label: str
    candidate: Candidate | None
    won: bool
    reason: str


@dataclass(frozen=True)
class Judge:
    """What is needed to tell why. `dense` is what others have to beat, `own_bytes` what a way adds to the network's flash,
    `ram` what its layer needs."""

    goal: Goal
    cpu: str
    dense: Way | None
    price: Price
    own_bytes: Callable[[Way], int]
    ram: Callable[[Way], int]

    def verdicts(self, group: Group, winner: Way, index: int) -> tuple[Verdict, ...]:
        """The verdicts on layer `index` of a group: what was left, then what was refused."""
        verdicts = [
            Verdict(
                way.label,
                way.candidates[index],
                way is winner,
                self.praise(group, way) if way is winner else self.blame(group, way, winner),
            )
            for way in group.ways
        ]
        refused = [Verdict(label, None, False, r.reason) for label, r in group.refused.items()]
        return (*verdicts, *refused)

    def praise(self, group: Group, winner: Way) -> str:
        """Why `winner` won."""
        if group.asked is not None:
            return group.asked
        if len(group.ways) == 1:
            return "nothing else is left"
        if self.goal.objective == "flash":
            return "fewest bytes"
        if self.goal.objective == "balanced":
            return "least sum of flash and cycles, as shares of the dense network's"
        allowed = [
            w for w in group.ways if not objection(self.goal, group, w, self.dense, self.cpu)
        ]
        if winner.cycles <= min((way.cycles for way in allowed), default=0):
            return "fewest cycles"
        if any(self.is_cheaper(way, winner) for way in allowed) and self.goal.flash is None:
            return "what is faster saves too few cycles for its RAM"
        if self.goal.flash is None:
            return "what is faster saves too few cycles for its bytes"
        return "part of the best network that --flash allows"

    def is_cheaper(self, way: Way, winner: Way) -> bool:
        """Whether `way` would win if it were for flash and cycles alone."""
        bytes = self.own_bytes(way) - self.own_bytes(winner)
        return self.price.of(bytes, way.cycles - winner.cycles) < 0

    def blame(self, group: Group, way: Way, winner: Way) -> str:
        """Why `way` lost to `winner`."""
        against = objection(self.goal, group, way, self.dense, self.cpu)
        if against:
            return against
        bytes = self.own_bytes(way) - self.own_bytes(winner)
        cycles = way.cycles - winner.cycles
        if bytes == cycles == 0:
            return f"costs the same as {winner.label}"
        is_free = self.goal.objective != "flash" and self.goal.flash is None
        if is_free and self.is_cheaper(way, winner):
            ram = self.ram(way) - self.ram(winner)
            return f"{cycles:+,} cycles and {bytes:+,} bytes, but {ram:,} bytes of RAM more"
        match self.goal.objective:
            case "latency" | "ram" if cycles > 0 > bytes:
                return f"{cycles:,} cycles more for {-bytes:,} bytes fewer"
            case "latency" | "ram" if cycles > 0:
                return f"{cycles:,} cycles more"
            case "latency" | "ram" if cycles == 0:
                return f"as fast, {bytes:,} bytes more"
            case "latency" | "ram" if self.price.of(bytes, cycles) > 0:
                least = self.price.byte / self.price.cycle
                return (
                    f"saves {-cycles:,} cycles for {bytes:,} bytes more, of which each has to save "
                    f"{least:.3g}"
                )
            case "latency" | "ram":
                return f"{-cycles:,} cycles fewer, but {bytes:,} bytes more than --flash allows"
            case "flash" if bytes > 0:
                return f"{bytes:,} bytes more"
            case "flash":
                return f"as small, {cycles:,} cycles more"
            case "balanced":
                return f"{cycles:+,} cycles, {bytes:+,} bytes: a larger sum of shares"
