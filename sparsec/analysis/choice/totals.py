# SPDX-License-Identifier: Apache-2.0
"""What ways to run all layers take together: the bytes of the network, and the cycles of its layers with weights.

The rule: bytes are those of an image. Equal arrays and sections of code that several layers need are there once, and so
is what layers without weights need.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.choice.candidates import Constants, bytes_of
from sparsec.analysis.choice.format_goal import Price
from sparsec.analysis.choice.layer_groups import Group, Way, other_constants
from sparsec.analysis.choice.network_code import network_code
from sparsec.planning import choice
from sparsec.planning.choice import Choice, Option
from sparsec.planning.fixed_charge import Priced, cheapest
from sparsec.targets.cpu import Cpu

Ways = Sequence[Sequence[Way]]
"""For each group those that there are to choose from."""


class Totals:
    """Those of a `qnn` module on a core, whose layers with weights are `groups`."""

    def __init__(self, module: ModuleOp, cpu: Cpu, groups: Sequence[Group]):
        self.groups = groups
        self.others = other_constants(module)
        """The constants that no layer with weights reads."""
        self.code = network_code(module, cpu)

    @cached_property
    def shared(self) -> Mapping[bytes | str, int]:
        """Bytes of what several groups may have in common, but for what is there in any case: constants, and sections of
        code."""
        calls = [call for group in self.groups for way in group.ways for call in way.calls]
        return {**self._shared_constants(), **self.code.sections(calls)}

    def _shared_constants(self) -> Constants:
        reads = [
            {k: v for way in group.ways for k, v in way.constants.items()} for group in self.groups
        ]
        readers = Counter(key for constants in reads for key in constants)
        return {
            key: size
            for constants in reads
            for key, size in constants.items()
            if readers[key] > 1 and key not in self.others
        }

    def flash(self, taken: Sequence[Way]) -> int:
        """Bytes of the network that is stored and run so."""
        constants = bytes_of([self.others, *(way.constants for way in taken)])
        return constants + self.code.bytes([call for way in taken for call in way.calls])

    def added(self, way: Way, others: Sequence[Way] = ()) -> int:
        """Bytes that `way` adds to those of `others`."""
        stored = self.others.keys() | {key for other in others for key in other.constants}
        linked = self.code.sections([call for other in others for call in other.calls])
        constants = sum(size for key, size in way.constants.items() if key not in stored)
        sections = self.code.sections(way.calls).items()
        code = sum(size for key, size in sections if key not in linked)
        return constants + code + self.code.calls(way.calls)

    def cheapest(self, ways: Ways, price: Price) -> list[Way]:
        """What costs least."""
        options = [
            [
                Priced(price.of(self._own(way), time(way, each)), self._shared_by(way))
                for way in each
            ]
            for each in ways
        ]
        picks = cheapest(options, {key: price.byte * size for key, size in self.shared.items()})
        return [each[pick] for each, pick in zip(ways, picks, strict=True)]

    def smallest(self, ways: Ways) -> list[Way]:
        """What takes the fewest bytes, of equals the fewest cycles."""
        most = sum(max(time(way, each) for way in each) for each in ways)
        return self.cheapest(ways, Price(most + 1, 1))

    def front(self, ways: Ways) -> list[tuple[Choice, list[Way]]]:
        """Every choice that none beats in bytes and cycles, from the smallest to the fastest."""
        options = [
            [Option(self._own(way), time(way, each), self._shared_by(way)) for way in each]
            for each in ways
        ]
        fixed = Option(sum(self.others.values()) + self.code.fixed, 0)
        found = choice.front([[fixed], *options], self.shared)
        return [
            (each, [of[pick] for of, pick in zip(ways, each.picks[1:], strict=True)])
            for each in found
        ]

    def _own(self, way: Way) -> int:
        """Flash of what no other group has and is not there in any case."""
        known = self.others.keys() | self.shared.keys()
        constants = sum(size for key, size in way.constants.items() if key not in known)
        return constants + self.code.calls(way.calls)

    def _shared_by(self, way: Way) -> frozenset[bytes | str]:
        constants = way.constants.keys() & self.shared.keys()
        return frozenset((*constants, *self.code.sections(way.calls)))


def time(way: Way, others: Sequence[Way]) -> int:
    """Cycles; what is not known counts as more than what is."""
    return way.cycles if way.measured else 2 * max(other.cycles for other in others)
