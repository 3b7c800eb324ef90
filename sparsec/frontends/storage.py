# SPDX-License-Identifier: Apache-2.0
"""Which tensors share memory in torch, so that an operation in place reaches all of them and no other.

The one rule: a value of the graph never changes. What is written in place gives its storage another
value, and every view of it is made anew from that when it is next read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Literal, cast

import numpy as np

from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tensors import Activation, Parameter, Tensor


class Kind(Enum):
    """How a view shows the tensor that it is of."""

    RESHAPE = auto()
    """All elements, row by row in another shape or the same one."""
    PERMUTE = auto()
    """All elements, with the axes in another order."""
    PART = auto()
    """Some elements, each once."""
    REPEAT = auto()
    """Elements several times; torch itself writes into no such view."""


VIEWS: Mapping[str, Kind] = {
    **dict.fromkeys(
        ("view", "_unsafe_view", "view_as", "unflatten", "squeeze", "unsqueeze"), Kind.RESHAPE
    ),
    **dict.fromkeys(("alias", "detach", "lift_fresh", "positive", "real"), Kind.RESHAPE),
    # Once training is over these give the very tensor that they take.
    **dict.fromkeys(
        ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), Kind.RESHAPE
    ),
    **dict.fromkeys(("permute", "transpose", "swapaxes", "swapdims", "movedim"), Kind.PERMUTE),
    **dict.fromkeys(("t", "numpy_T", "mT", "moveaxis"), Kind.PERMUTE),
    **dict.fromkeys(("select", "slice", "narrow", "diagonal"), Kind.PART),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "unbind", "tensor_split"), Kind.PART),
    **dict.fromkeys(("unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"), Kind.PART),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "unfold"), Kind.REPEAT),
}
"""Operations of aten that give views of their first argument."""

PERHAPS_VIEWS = {"reshape", "reshape_as", "flatten", "ravel", "contiguous", "to", "type_as"}
"""Operations of aten that give a view where the order of elements in memory allows it, else a copy.

Whatever is in neither table gives a tensor with memory of its own, even if it has the same values.
"""

CHANNELS_LAST_FORMATS = (2, 3)
"""torch's numbers of the orders of elements in memory that are not row by row."""

READS_NO_ELEMENTS = {
    *("aten.sym_size", "aten.sym_numel", "aten.size", "aten.empty_like", "aten.new_empty"),
    *("aten.zeros_like", "aten.ones_like", "aten.full_like"),
    *("aten.new_zeros", "aten.new_ones", "aten.new_full"),
}
"""Operations that ask for no more than the shape of what they take."""


@dataclass(eq=False)
class Storage:
    """What torch keeps elements in: `value` is what it holds after `writes` operations in place.

    `owner` is the parameter or buffer whose it is. `unsure` are storages that may be this one, and
    `doubt` says why it is not known what this one holds.
    """

    value: Tensor
    owner: str = ""
    writes: int = 0
    unsure: list["Storage"] = field(default_factory=list["Storage"])
    doubt: str = ""

    def perhaps_same(self) -> Iterator["Storage"]:
        """All storages but this one that may be this one."""
        seen: list[Storage] = [self]
        left = list(self.unsure)
        while left:
            other = left.pop()
            if other not in seen:
                seen.append(other)
                left += other.unsure
                yield other


@dataclass(frozen=True)
class Step:
    """One call on the way from a storage to a view; of several results, the one at `index`.

    `shape` is the shape that it was given.
    """

    call: Call
    kind: Kind
    index: int | None
    shape: tuple[int, ...]


@dataclass
class View:
    """What a tensor of the model shows: its storage through `steps`.

    `value` is the tensor's value as of so many `writes`. `contiguous` is whether torch is known to
    keep its elements row by row.
    """

    storage: Storage
    steps: tuple[Step, ...]
    value: Tensor
    writes: int
    contiguous: bool


class Storages:
    """The tensors of a model and their storages; a tensor is told by the value that it was born with.

    `run` gives what an operator gives for a call whose arguments are read.
    """

    def __init__(self, run: Callable[[Call], object]):
        self._run = run
        self._views: dict[Tensor, View] = {}

    def add(self, value: Tensor, *, contiguous: bool = True, owner: str = "") -> None:
        """A tensor with memory of its own."""
        self._views[value] = View(Storage(value, owner), (), value, 0, contiguous)

    def value(self, tensor: Tensor) -> Tensor:
        """What a tensor held when it was last read or written."""
        return self._view(tensor).value

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """The shape of a tensor, whatever was written into it."""
        return self._view(tensor).value.shape

    def read(self, tensor: Tensor) -> Tensor:
        """What a tensor holds now. Raises UnsupportedError if that cannot be known."""
        view = self._view(tensor)
        storage = view.storage
        if storage.doubt:
            raise UnsupportedError(storage.doubt)
        if view.writes != storage.writes:
            view.value = self._through(storage.value, view.steps)
            view.writes = storage.writes
        return view.value

    def note_contiguous(self, tensor: Tensor, contiguous: bool) -> None:
        """Say of a tensor whether torch keeps its elements row by row."""
        self._view(tensor).contiguous = contiguous

    def record(self, call: Call, read: Call, result: object) -> object:
        """The tensors that `call` makes, from the values that it gives once its arguments are `read`.

        Each tensor that comes back is another one than any before.
        """
        if call.name.startswith("_operator."):  # an item of a list is the tensor that it was
            return result
        if isinstance(result, list):
            items = enumerate(cast(list[object], result))
            return [self._recorded(call, read, item, index) for index, item in items]
        return self._recorded(call, read, result, None)

    def write(self, tensor: Tensor, value: Tensor, call: Call) -> None:
        """Let `call` put `value` into `tensor`. Raises UnsupportedError where it cannot."""
        view = self._view(tensor)
        storage = view.storage
        if storage.owner:
            raise UnsupportedError(
                f"it changes '{storage.owner}' of the model as it runs: "
                "call model.eval() before the export"
            )
        if value.shape != view.value.shape:
            raise UnsupportedError(
                f"it puts shape {value.shape} into a tensor of shape {view.value.shape}"
            )
        if storage.doubt:
            raise UnsupportedError(storage.doubt)
        base = value
        for n, step in reversed(list(enumerate(view.steps))):
            base = self._written_back(view, n, step, base)
        storage.value = base
        storage.writes += 1
        view.value, view.writes = value, storage.writes
        where = f" ({call.place.source})" if call.place.source else ""
        for other in storage.perhaps_same():
            other.doubt = (
                f"it reads what {call.name}{where} may have changed in place, which depends on how "
                "torch keeps it in memory: copy with .clone() or use no operation in place"
            )

    def show(self, tensor: Tensor, read: Call) -> None:
        """Let `tensor` itself become the view that a call, say `unsqueeze_`, makes of it."""
        view = self._view(tensor)
        self._views[tensor] = self._next(view, read, None, cast(Tensor, self._run(read)))

    def _view(self, tensor: Tensor) -> View:
        if tensor not in self._views:  # what no call made belongs to the model
            self.add(tensor, owner=tensor.name if isinstance(tensor, Parameter) else "")
        return self._views[tensor]

    def _recorded(self, call: Call, read: Call, value: object, index: int | None) -> object:
        if not isinstance(value, Activation | Parameter):
            return value
        tensor = replace(value)
        source = call.first
        relation = "copy"
        if isinstance(source, Activation | Parameter):
            relation = self._relation(call, self._view(source), tensor)
        if relation == "copy" or not isinstance(source, Activation | Parameter):
            self.add(tensor, contiguous=all(map(self._is_contiguous, call.arguments.values())))
            return tensor
        view = self._view(source)
        if relation == "unsure":
            self.add(tensor, contiguous=False)
            storage = self._views[tensor].storage
            storage.unsure.append(view.storage)
            view.storage.unsure.append(storage)
            return tensor
        self._views[tensor] = self._next(view, read, index, tensor)
        return tensor

    def _next(self, view: View, call: Call, index: int | None, value: Tensor) -> View:
        """A view of what `view` shows, as `call` gives it."""
        kind = VIEWS.get(_operation(call), Kind.RESHAPE)
        step = Step(call, kind, index, view.value.shape)
        contiguous = self._stays_contiguous(view, step, value)
        return View(view.storage, (*view.steps, step), value, view.storage.writes, contiguous)

    def _relation(
        self, call: Call, source: View, value: Tensor
    ) -> Literal["view", "copy", "unsure"]:
        name = _operation(call)
        if name in VIEWS:
            return "view"
        if name not in PERHAPS_VIEWS or call.flag("copy"):
            return "copy"
        if isinstance(value, Parameter) and isinstance(source.value, Parameter):
            if value.array.dtype != source.value.array.dtype:
                return "copy"
        order = call.arguments.get("memory_format")
        if order in CHANNELS_LAST_FORMATS:
            return "unsure"
        same = value.shape == source.value.shape and name != "contiguous" and order is None
        return "view" if source.contiguous or same else "unsure"

    def _is_contiguous(self, value: object) -> bool:
        """Whether an argument, and all in it, is known to be kept row by row."""
        if isinstance(value, list):
            return all(map(self._is_contiguous, cast(list[object], value)))
        return not isinstance(value, Activation | Parameter) or self._view(value).contiguous

    def _stays_contiguous(self, view: View, step: Step, value: Tensor) -> bool:
        if step.kind is Kind.PERMUTE:
            # The first axis is the batch, of which torch may be given several.
            moved = [a for a in self._axes(step) if a == 0 or step.shape[a] != 1]
            return view.contiguous and moved == sorted(moved)
        if step.kind in (Kind.PART, Kind.REPEAT):
            return view.contiguous and value.shape == step.shape
        return view.contiguous

    def _through(self, value: Tensor, steps: tuple[Step, ...]) -> Tensor:
        """What `steps` show of `value`."""
        for step in steps:
            value = self._stepped(step, value)
        return value

    def _stepped(self, step: Step, value: Tensor) -> Tensor:
        name = next(iter(step.call.arguments))
        arguments = {**step.call.arguments, name: value}
        result = self._run(replace(step.call, arguments=arguments))
        if step.index is not None:
            result = cast(list[object], result)[step.index]
        return cast(Tensor, result)

    def _written_back(self, view: View, n: int, step: Step, value: Tensor) -> Tensor:
        """What the n-th step was given, once it shows `value`."""
        match step.kind:
            case Kind.RESHAPE:
                return self._called(
                    step, "aten.reshape", {"self": value, "shape": list(step.shape)}
                )
            case Kind.PERMUTE:
                axes = self._axes(step)
                back = [axes.index(axis) for axis in range(len(axes))]
                return self._called(step, "aten.permute", {"self": value, "dims": back})
            case Kind.PART:
                return self._inserted(view, n, step, value)
            case Kind.REPEAT:
                raise UnsupportedError(f"it writes through {step.call.name}")

    def _inserted(self, view: View, n: int, step: Step, value: Tensor) -> Tensor:
        """`value` between what lies before and behind it in what the n-th step was given."""
        indices = np.arange(int(np.prod(step.shape))).reshape(step.shape)
        shown = cast(Parameter, self._stepped(step, Parameter("indices", indices))).array
        if shown.size == 0:
            return self._through(view.storage.value, view.steps[:n])
        places = [np.unique(along) for along in np.unravel_index(shown.reshape(-1), step.shape)]
        box = [len(along) for along in places]
        axes = [
            a for a, (part, whole) in enumerate(zip(box, step.shape, strict=True)) if part < whole
        ]
        if int(np.prod(box)) != shown.size or len(axes) > 1:
            raise UnsupportedError(f"it writes through {step.call.name} into elements with gaps")
        part = self._called(step, "aten.reshape", {"self": value, "shape": box})
        if not axes:
            return part
        (axis,) = axes
        whole = self._through(view.storage.value, view.steps[:n])
        low, high = int(places[axis][0]), int(places[axis][-1]) + 1
        if high - low > box[axis]:
            both = self._called(step, "aten.cat", {"tensors": [whole, part], "dim": axis})
            picked = np.arange(step.shape[axis])
            picked[places[axis]] = step.shape[axis] + np.arange(box[axis])
            index = Parameter("index", picked)
            return self._called(
                step, "aten.index_select", {"self": both, "dim": axis, "index": index}
            )

        def kept(start: int, end: int) -> list[Tensor]:
            slice = {"self": whole, "dim": axis, "start": start, "end": end, "step": 1}
            return [self._called(step, "aten.slice", slice)] if start < end else []

        parts = [*kept(0, low), part, *kept(high, step.shape[axis])]
        return self._called(step, "aten.cat", {"tensors": parts, "dim": axis})

    def _axes(self, step: Step) -> list[int]:
        """For each axis that a permutation gives, the one that it was, seen on axes of all different lengths."""
        shape = tuple(range(2, 2 + len(step.shape)))
        probe = Parameter("axes", np.broadcast_to(np.float32(0), shape))
        return [length - 2 for length in self._stepped(step, probe).shape]

    def _called(self, step: Step, name: str, arguments: Mapping[str, object]) -> Tensor:
        return cast(Tensor, self._run(Call(name, arguments, step.call.place)))


def makes_view(call: Call) -> bool:
    """Whether a call always gives a view of its first argument."""
    return _operation(call) in VIEWS


def _operation(call: Call) -> str:
    """`aten.relu_` as `relu`."""
    return call.name.removeprefix("aten.").removesuffix("_")
