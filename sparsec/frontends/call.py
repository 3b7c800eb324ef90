# SPDX-License-Identifier: Apache-2.0
"""One call of a torch operation: its name, its arguments by name, and where it stands in the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tensors import Activation, Parameter, Tensor


@dataclass(frozen=True)
class Place:
    """Where a call stands: `layer` is its module path, `source` its `file:line: code` or empty."""

    layer: str
    source: str = ""


@dataclass(frozen=True)
class Call:
    """A call of the operation `name` (`aten.conv2d`: no overload) with `arguments` by name.

    An argument is a Tensor, a number, a bool, a str, None or a list of these; one that is absent
    has the default that the operation gives it. `exported_batch` is the fixed batch of the model
    where that is more than 1, else 1.
    """

    name: str
    arguments: Mapping[str, object]
    place: Place
    exported_batch: int = 1

    @property
    def first(self) -> object:
        """Its first argument, None if it has none."""
        return next(iter(self.arguments.values()), None)

    def given(self, name: str) -> bool:
        """Whether the argument is there and not None."""
        return self.arguments.get(name) is not None

    def tensor(self, *names: str) -> Tensor:
        """A tensor; several `names` are what several overloads call it."""
        for name in names:
            value = self.arguments.get(name)
            if isinstance(value, Activation | Parameter):
                return value
        raise UnsupportedError(f"its argument '{names[0]}' is not a tensor")

    def activation(self, *names: str) -> Activation:
        """A tensor that the model computes."""
        value = self.tensor(*names)
        if isinstance(value, Parameter):
            raise UnsupportedError(f"its argument '{names[0]}' is a constant")
        return value

    def parameter(self, name: str) -> Parameter:
        """A tensor that must be a constant."""
        value = self.tensor(name)
        if isinstance(value, Activation):
            raise UnsupportedError(f"its argument '{name}' must be a constant of the model")
        return value

    def optional_parameter(self, name: str) -> Parameter | None:
        """A constant that may be absent."""
        return self.parameter(name) if self.given(name) else None

    def tensors(self, name: str) -> list[Tensor]:
        """A list of tensors."""
        values = self.items(name)
        if not all(isinstance(value, Activation | Parameter) for value in values):
            raise UnsupportedError(f"its argument '{name}' is not a list of tensors")
        return cast(list[Tensor], values)

    def number(self, name: str, default: float | None = None) -> float:
        """A number; constants of one element count as one."""
        value = self.arguments.get(name, default)
        if isinstance(value, Parameter) and value.array.size == 1:
            value = cast(float, value.array.item())
        if not isinstance(value, int | float):
            raise UnsupportedError(f"its argument '{name}' is not a number")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.number(name, default)
        if value != int(value):
            raise UnsupportedError(f"its argument '{name}' is not an integer")
        return int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A bool."""
        value = self.arguments.get(name, default)
        if not isinstance(value, bool):
            raise UnsupportedError(f"its argument '{name}' is not a bool")
        return value

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self.arguments.get(name, default)
        if not isinstance(value, str):
            raise UnsupportedError(f"its argument '{name}' is not a string")
        return value

    def integers(self, name: str, default: list[int] | None = None) -> list[int]:
        """A list of whole numbers; a single one is a list of one."""
        if not self.given(name) and default is not None:
            return default
        value = self.arguments.get(name)
        values = [value] if isinstance(value, int) else self.items(name)
        if not all(isinstance(value, int) for value in values):
            raise UnsupportedError(f"its argument '{name}' is not a list of integers")
        return cast(list[int], values)

    def numbers(self, name: str) -> list[float]:
        """A list of numbers."""
        values = self.items(name)
        if not all(isinstance(value, int | float) for value in values):
            raise UnsupportedError(f"its argument '{name}' is not a list of numbers")
        return cast(list[float], values)

    def repeated(self, name: str, count: int, default: int) -> list[int]:
        """`count` whole numbers; a single one stands for all of them, none for the default."""
        values = self.integers(name, [default]) or [default]
        return values * count if len(values) == 1 else values

    def items(self, name: str) -> list[object]:
        """A list of anything."""
        value = self.arguments.get(name)
        if not isinstance(value, list):
            raise UnsupportedError(f"its argument '{name}' is not a list")
        return cast(list[object], value)


AXES = (
    *("dim", "dims", "dim0", "dim1", "dimension"),
    *("start_dim", "end_dim", "source", "destination"),
)
"""What operations call axes of their first argument."""

WITH_ONE_MORE = frozenset(("aten.unsqueeze", "aten.stack"))
"""Operations that name an axis of their result, which has one more."""


def check_axes(call: Call) -> None:
    """Raise UnsupportedError for an axis that the first argument of `call`, a tensor or several alike, does not have, before
    it is taken modulo."""
    first = cast(list[object], call.first) if isinstance(call.first, list) else [call.first]
    tensors = [each for each in first if isinstance(each, Activation | Parameter)]
    # torch joins empty vectors to tensors of any rank.
    ranks = [len(each.shape) for each in tensors if each.shape != (0,)]
    if not ranks:
        return
    rank = max(ranks[0], 1) + (call.name in WITH_ONE_MORE)
    for name in AXES:
        value = call.arguments.get(name)
        for axis in cast(list[object], value) if isinstance(value, list) else [value]:
            if isinstance(axis, int) and not -rank <= axis < rank:
                raise UnsupportedError(f"a tensor of {rank} dimensions has no dimension {axis}")
