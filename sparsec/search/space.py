# SPDX-License-Identifier: Apache-2.0
"""What a search may choose: for each layer a pattern and a share of zeros, for the network settings.

    conv*: unstructured|block(1x4) 0.3..0.95; fc: dense|nm(2:4); observer = min-max|mse

The one rule: `Space.choose` asks for every choice by its name, whoever answers: a trial of Optuna, a random generator or an
agent. The rule of plans holds too: of two wishes for one layer the later one does.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from sparsec.pruning.patterns import NOfM, Pattern, parse_pattern
from sparsec.pruning.plan import DENSE, Plan, Share, parse_plan

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "observer": ("min-max", "percentile", "mse"),
    "width": (),
    "bits": ("8",),
}
"""What may be chosen for the network as a whole, and its values; of `width` any multiplier of channels, which takes a
function that builds the network. There are kernels for 8 bits alone."""

LOW, HIGH = 0.0, 0.95
"""Of a share of zeros where none is said."""


class Chooser(Protocol):
    """Who answers."""

    def category(self, name: str, values: Sequence[str]) -> str:
        """One of the values."""
        ...

    def ratio(self, name: str, low: float, high: float) -> float:
        """A share of zeros within the bounds."""
        ...


@dataclass(frozen=True)
class Choice:
    """What a layer may become: one of the patterns, None to stay dense, with a share of zeros from `low` to `high`."""

    patterns: tuple[Pattern | None, ...]
    low: float = LOW
    high: float = HIGH

    def __post_init__(self) -> None:
        if not self.patterns or len(set(self.patterns)) != len(self.patterns):
            raise ValueError("a layer has one pattern or more to choose from, each once")
        if not 0 <= self.low <= self.high < 1:
            raise ValueError(
                f"a share of zeros lies within 0 and 1, from low to high, not {self.low:g}..{self.high:g}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The patterns as text."""
        return tuple(DENSE if each is None else each.label for each in self.patterns)

    @property
    def text(self) -> str:
        """As spaces have it."""
        patterns = "|".join(self.labels)
        has_ratio = any(each is not None and not isinstance(each, NOfM) for each in self.patterns)
        return f"{patterns} {self.low:g}..{self.high:g}" if has_ratio else patterns


@dataclass(frozen=True)
class Candidate:
    """What was chosen: layers without a share stay dense."""

    shares: Mapping[str, Share]
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def plan(self) -> Plan:
        """Of the layers that lose something."""
        return Plan(tuple(self.shares.items()))

    @property
    def text(self) -> str:
        """On one line; `parse_candidate` reads it."""
        settings = [f"{name} = {value}" for name, value in self.settings.items()]
        shares = [f"{name}: {_exact(share)}" for name, share in self.shares.items()]
        return "; ".join([*shares, *settings]) or DENSE

    @property
    def key(self) -> str:
        """A name for files: a checksum of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def _exact(share: Share) -> str:
    """As plans have it, with all digits of the ratio."""
    return (
        share.text if isinstance(share.pattern, NOfM) else f"{share.pattern.label} {share.ratio!r}"
    )


def parse_candidate(text: str) -> Candidate:
    """The candidate that `text` says. Raises ValueError where it says none."""
    if text.strip() == DENSE:
        return Candidate({})
    settings: dict[str, str] = {}
    shares: list[str] = []
    for part in text.replace("\n", ";").split(";"):
        name, equals, value = part.partition(" = ")
        if equals and ": " not in part:
            settings[name.strip()] = value.strip()
        elif part.strip():
            shares.append(part)
    wishes = parse_plan(";".join(shares)).wishes if shares else ()
    return Candidate({name: share for name, share in wishes if share is not None}, settings)


@dataclass(frozen=True)
class Space:
    """For each layer by name, in the order of the network, what it may become, and what may be set."""

    layers: Mapping[str, Choice]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def __post_init__(self) -> None:
        for name, values in self.settings.items():
            if name not in SETTINGS:
                raise ValueError(f"there is no setting '{name}', known: {', '.join(SETTINGS)}")
            _check_values(name, values)

    @property
    def text(self) -> str:
        """On one line; `parse_space` reads it."""
        layers = [f"{name}: {choice.text}" for name, choice in self.layers.items()]
        settings = [f"{name} = {'|'.join(values)}" for name, values in self.settings.items()]
        return "; ".join([*layers, *settings])

    def choose(self, chooser: Chooser) -> Candidate:
        """A candidate: everything asked for once, in order; what has one answer is not asked."""
        shares: dict[str, Share] = {}
        for name, choice in self.layers.items():
            label = choice.labels[0]
            if len(choice.labels) > 1:
                label = chooser.category(f"{name}.pattern", choice.labels)
            pattern = choice.patterns[choice.labels.index(label)]
            if isinstance(pattern, NOfM):
                shares[name] = Share(pattern, pattern.ratio)
            elif pattern is not None:
                ratio = (
                    choice.low
                    if choice.low == choice.high
                    else chooser.ratio(f"{name}.ratio", choice.low, choice.high)
                )
                shares[name] = Share(pattern, ratio)
        settings = {
            name: values[0] if len(values) == 1 else chooser.category(name, values)
            for name, values in self.settings.items()
        }
        return Candidate(shares, settings)


def _check_values(name: str, values: Sequence[str]) -> None:
    known = SETTINGS[name]
    if not values or len(set(values)) != len(values):
        raise ValueError(f"{name} has one value or more to choose from, each once")
    for value in values:
        if name == "width":
            try:
                fits = 0 < float(value) < math.inf
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(f"width is a multiplier of the channels above 0, not '{value}'")
        elif value not in known:
            why = ": there are kernels for 8 bits alone" if name == "bits" else ""
            raise ValueError(f"{name} is one of {', '.join(known)}, not '{value}'{why}")


def parse_space(text: str, layers: Sequence[str]) -> Space:
    """The space that `text` says for a network with these `layers`; those that it does not name are left as they are.

    Raises ValueError where it says none, or names a layer that is not there.
    """
    found: dict[str, Choice] = {}
    settings: dict[str, tuple[str, ...]] = {}
    for part in text.replace("\n", ";").split(";"):
        line = part.partition(" #")[0].strip()
        if not line:
            continue
        name, equals, values = line.partition("=")
        if equals and ":" not in name:
            settings[name.strip()] = tuple(value.strip() for value in values.split("|"))
            continue
        pattern, colon, what = line.partition(": ")
        if not colon or not pattern.strip() or not what.strip():
            raise ValueError(
                f"'{line[:60]}' is no part of a space: write e.g. conv*: unstructured|block(1x4) 0.3..0.95"
            )
        choice = _parse_choice(what.strip(), line)
        matching = [layer for layer in layers if fnmatchcase(layer, pattern.strip())]
        if not matching:
            raise ValueError(
                f"no layer with weights matches '{pattern.strip()}': layers: {', '.join(layers) or 'none'}"
            )
        found |= dict.fromkeys(matching, choice)
    if not found and not settings:
        raise ValueError("the space is empty: write e.g. conv*: unstructured|block(1x4) 0.3..0.95")
    return Space({name: found[name] for name in layers if name in found}, settings)


def _parse_choice(what: str, line: str) -> Choice:
    words = what.split()
    patterns = tuple(None if word == DENSE else parse_pattern(word) for word in words[0].split("|"))
    if len(words) == 1:
        return Choice(patterns)
    low, dots, high = words[1].partition("..")
    try:
        bounds = float(low), float(high if dots else low)
    except ValueError:
        bounds = None
    if len(words) != 2 or bounds is None:
        raise ValueError(f"'{line[:60]}' has no range of shares: write e.g. 0.3..0.95")
    return Choice(patterns, *bounds)
