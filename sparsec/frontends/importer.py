# SPDX-License-Identifier: Apache-2.0
"""Running a model's calls against the table of operators, and remembering what they gave.

The one rule: a model is not refused at its first unsupported operation, but with the list of all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from sparsec.frontends.builder import Builder, Layout
from sparsec.frontends.call import Call
from sparsec.frontends.errors import FrontendError, UnsupportedModelError
from sparsec.frontends.operators import OPERATORS
from sparsec.frontends.tensors import Activation, Parameter, Tensor

READS_ANY_ORDER = {
    *("aten.permute", "aten.transpose", "aten.t", "aten.contiguous", "aten.clone", "aten.alias"),
    *("aten.detach", "aten.to", "aten._to_copy", "aten.dropout", "aten.sym_size", "aten.size"),
}
"""Operations before which an image from outside is not yet put in channels-last order."""


class Missing:
    """What a call gives that could not be imported."""


MISSING: Final = Missing()


@dataclass(frozen=True)
class Problem:
    """One call that cannot be imported, and why if its operation is a known one."""

    call: Call
    reason: str = ""

    def __str__(self) -> str:
        name, place = self.call.name, self.call.place
        where = f" at {place.layer}" if place.layer else ""
        source = f" ({place.source})" if place.source else ""
        return f"{name}{where}{source}" + (f": {self.reason}" if self.reason else "")


class Importer:
    """The state of an import: operations written, values by the model's names, problems met."""

    def __init__(self, layout: Layout):
        self.builder = Builder(layout)
        self.values: dict[str, object] = {}
        self.problems: list[Problem] = []

    def run(self, call: Call) -> object:
        """What `call` gives; MISSING if it, or what it reads, cannot be imported."""
        in_place = call.name.endswith("_") and not call.name.endswith("__")
        name = call.name.removesuffix("_") if in_place else call.name
        operator = OPERATORS.get(name)
        if operator is None:
            self.problems.append(Problem(call))
            return MISSING
        if any(_is_missing(value) for value in call.arguments.values()):
            return MISSING
        self.builder.place = call.place
        try:
            result = operator(self.builder, self._settled(name, call))
        except FrontendError:
            raise
        except ValueError as error:
            self.problems.append(Problem(call, str(error)))
            return MISSING
        if in_place:
            self._replace(next(iter(call.arguments.values())), result)
        return result

    def refuse(self, call: Call, reason: str) -> None:
        """Note that `call` gave something unusable."""
        self.problems.append(Problem(call, reason))

    def check(self) -> None:
        """Raise UnsupportedModelError with all problems if there are any."""
        if self.problems:
            lines = dict.fromkeys(str(problem) for problem in self.problems)
            raise UnsupportedModelError("operation", list(lines))

    def _settled(self, name: str, call: Call) -> Call:
        if name in READS_ANY_ORDER:
            return call
        arguments = {name: self._settle(value) for name, value in call.arguments.items()}
        return Call(call.name, arguments, call.place, call.exported_batch)

    def _settle(self, value: object) -> object:
        if isinstance(value, Activation):
            return self.builder.settled(value)
        if isinstance(value, list):
            return [self._settle(item) for item in cast(list[object], value)]
        return value

    def _replace(self, old: object, new: object) -> None:
        """After an operation in place, all names of the old value stand for the new one."""
        for name, value in self.values.items():
            if value is old:
                self.values[name] = new


def _is_missing(value: object) -> bool:
    if isinstance(value, list):
        return any(_is_missing(item) for item in cast(list[object], value))
    return value is MISSING


def tensor_named(values: Mapping[str, object], name: str) -> Tensor:
    """A result of the model, which must be a tensor."""
    value = values.get(name)
    if isinstance(value, Activation | Parameter):
        return value
    raise FrontendError(f"output '{name}' is not a tensor: return tensors from forward()")
