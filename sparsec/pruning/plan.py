# SPDX-License-Identifier: Apache-2.0
"""What is to be pruned how, as text: `"conv*: block(1x4) 0.75; fc: nm(2:4); stem: dense"`.

The rule is that of recipes: of two wishes for one layer the later holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sparsec.pruning.masks import check_ratio
from sparsec.pruning.patterns import NOfM, Pattern, parse_pattern

DENSE = "dense"


@dataclass(frozen=True)
class Share:
    """The pattern of a layer's zeros, and what share of its weights they are."""

    pattern: Pattern
    ratio: float

    def __post_init__(self) -> None:
        check_ratio(self.ratio)

    @property
    def text(self) -> str:
        """As plans have it."""
        return (
            self.pattern.label
            if isinstance(self.pattern, NOfM)
            else f"{self.pattern.label} {self.ratio:g}"
        )


@dataclass(frozen=True)
class Plan:
    """For shell patterns of names of layers their share of zeros; None keeps a layer dense."""

    wishes: tuple[tuple[str, Share | None], ...]

    @property
    def text(self) -> str:
        """The plan on one line; `parse_plan` reads it."""
        return "; ".join(
            f"{name}: {DENSE if share is None else share.text}" for name, share in self.wishes
        )

    def shares(self, layers: Sequence[str]) -> Mapping[str, Share]:
        """The share of each of `layers` that has one. Raises ValueError where a wish is for none of them."""
        for name, _ in self.wishes:
            if not any(fnmatchcase(layer, name) for layer in layers):
                raise ValueError(
                    f"no layer with weights matches '{name}': layers: {', '.join(layers) or 'none'}"
                )
        found: dict[str, Share] = {}
        for layer in layers:
            matching = [share for name, share in self.wishes if fnmatchcase(layer, name)]
            if matching and matching[-1] is not None:
                found[layer] = matching[-1]
        return found


def parse_plan(text: str) -> Plan:
    """The plan that `text` says, its parts divided by semicolons or new lines. Raises ValueError where it says none."""
    wishes: list[tuple[str, Share | None]] = []
    for part in text.replace("\n", ";").split(";"):
        line = part.partition(" #")[0].strip()
        if not line:
            continue
        name, colon, what = line.partition(": ")
        words = what.split()
        if not colon or not name.strip() or not words:
            raise ValueError(
                f"'{line[:60]}' is no part of a plan: write e.g. conv*: block(1x4) 0.75"
            )
        if words == [DENSE]:
            wishes.append((name.strip(), None))
            continue
        pattern = parse_pattern(words[0])
        if isinstance(pattern, NOfM) and len(words) == 1:
            wishes.append((name.strip(), Share(pattern, pattern.ratio)))
            continue
        if len(words) != 2 or isinstance(pattern, NOfM):
            raise ValueError(f"'{line[:60]}' needs one ratio behind its pattern, nm(N:M) none")
        try:
            ratio = float(words[1])
        except ValueError:
            raise ValueError(f"'{words[1][:20]}' is no ratio of zeros: write e.g. 0.75") from None
        wishes.append((name.strip(), Share(pattern, ratio)))
    if not wishes:
        raise ValueError("the plan is empty: write e.g. conv*: block(1x4) 0.75")
    return Plan(tuple(wishes))
