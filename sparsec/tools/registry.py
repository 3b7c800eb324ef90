# SPDX-License-Identifier: Apache-2.0
"""The dialects and passes that every tool knows: xDSL's own, and ours."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches

from xdsl.context import Context
from xdsl.passes import ModulePass
from xdsl.universe import XDSL_UNIVERSE, Universe

from sparsec.universe import SPARSEC_UNIVERSE

UNIVERSES: tuple[Universe, ...] = (XDSL_UNIVERSE, SPARSEC_UNIVERSE)
"""Not the multiverse of installed packages, which may hold ours a second time."""


def context() -> Context:
    """A context that knows every dialect."""
    result = Context()
    for universe in UNIVERSES:
        for name, factory in universe.all_dialects.items():
            result.register_dialect(name, factory)
    return result


def available_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Every pass by its name."""
    return {
        name: factory for universe in UNIVERSES for name, factory in universe.all_passes.items()
    }


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` if something known is spelt much like `word`, else nothing."""
    matches = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{matches[0]}'?" if matches else ""
