# SPDX-License-Identifier: Apache-2.0
"""Running a model's calls against the table of operators, and remembering what they gave.

The one rule: a model is not refused at its first unsupported operation, but with the list of all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from xdsl.dialects.builtin import ModuleOp, i32
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter

from sparsec.frontends import batch
from sparsec.frontends.builder import Builder, Layout
from sparsec.frontends.call import Call, Place, check_axes
from sparsec.frontends.errors import FrontendError, UnsupportedError, UnsupportedModelError
from sparsec.frontends.folding import evaluated, is_constant
from sparsec.frontends.operators import OPERATORS
from sparsec.frontends.operators.masked_softmax import FILLS_WITH_INFINITY, FOLLOWED
from sparsec.frontends.operators.shape import with_axis, without_axes
from sparsec.frontends.proof import Written
from sparsec.frontends.storage import READS_NO_ELEMENTS, Storages, makes_view
from sparsec.frontends.tensors import Activation, Parameter, Tensor
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import element_type

READS_ANY_ORDER = {
    *("aten.permute", "aten.transpose", "aten.t", "aten.contiguous", "aten.clone", "aten.alias"),
    *("aten.detach", "aten.to", "aten._to_copy", "aten.dropout", "aten.sym_size", "aten.size"),
}
"""Operations before which an image from outside is not yet put in channels-last order."""


WITHOUT_BATCH = {
    "aten.linear": 1,
    **dict.fromkeys(("aten.conv1d", "aten.conv_transpose1d", "aten.max_pool1d"), 2),
    **dict.fromkeys(("aten.avg_pool1d", "aten.adaptive_avg_pool1d"), 2),
    **dict.fromkeys(("aten.conv2d", "aten.conv_transpose2d", "aten.max_pool2d"), 3),
    **dict.fromkeys(("aten.avg_pool2d", "aten.adaptive_avg_pool2d"), 3),
    **dict.fromkeys(("aten._adaptive_avg_pool2d", "aten.max_pool2d_with_indices"), 3),
}
"""The rank at which torch takes the input of an operation for one sample without a batch."""


TAKES_INDICES = {
    *READS_ANY_ORDER,
    *("aten.embedding", "aten.reshape", "aten.view", "aten._unsafe_view", "aten.flatten"),
    *("aten.squeeze", "aten.unsqueeze", "aten.unflatten", "aten.lift_fresh_copy"),
    *("aten._assert_tensor_metadata", "aten.sym_numel"),
}
"""Operations that take integers which stand for themselves."""


WAYS_OUT = {
    "quantized.": "export the float model, or one quantized by PT2E, with torch.export.save",
    **dict.fromkeys(
        ("quantized_decomposed.choose_qparams", "torchao.choose_qparams"),
        "it finds scales as the network runs: quantize activations statically (is_dynamic=False) and "
        "calibrate them",
    ),
    "higher_order.": "control flow on values is not compiled: export the branch that is taken",
    "aten._weight_int8pack_mm": "export the float model, or one quantized by PT2E",
    "aten.rand": "random numbers as the network runs: call model.eval() before the export",
    "aten.bernoulli": "random numbers as the network runs: call model.eval() before the export",
}
"""What to do about operations that are not known, by how their names begin."""


class UnknownOperationError(Exception):
    """There is no operator for a call, and it is no constant."""


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
        reason = self.reason or next(
            (way for start, way in WAYS_OUT.items() if name.startswith(start)), ""
        )
        where = f" at {place.layer}" if place.layer else ""
        source = f" ({place.source})" if place.source else ""
        return f"{name}{where}{source}" + (f": {reason}" if reason else "")


class Importer:
    """The state of an import: operations written, values by the model's names, problems met.

    A value that is a tensor stands for torch's tensor, whatever was written into it since: `read`
    gives what it holds.
    """

    def __init__(self, layout: Layout):
        self.builder = Builder(layout)
        self.storages = Storages(self._give)
        self.values: dict[str, object] = {}
        self.calls: dict[str, Call] = {}
        self.problems: list[Problem] = []
        self.written: list[Written] = []

    def run(self, call: Call) -> object:
        """What `call` gives; MISSING if it, or what it reads, cannot be imported."""
        if any(_is_missing(value) for value in call.arguments.values()):
            if _operator_name(call) not in OPERATORS:
                self.problems.append(Problem(call))
            return MISSING
        try:
            return self._run(call)
        except UnknownOperationError:
            self.problems.append(Problem(call))
            return MISSING
        except FrontendError:
            raise
        except ValueError as error:
            self.problems.append(Problem(call, str(error)))
            return MISSING

    def _run(self, call: Call) -> object:
        """What `call` gives, with its effect on what it writes. Raises ValueError where it cannot."""
        read = call
        if call.name not in READS_NO_ELEMENTS:
            arguments = {name: self.read(value) for name, value in call.arguments.items()}
            read = replace(call, arguments=arguments)
        written = call.first if _is_in_place(call) else call.arguments.get("out")
        if not isinstance(written, Activation | Parameter):
            return self.storages.record(call, read, self._give(read))
        if _is_in_place(call) and makes_view(call):
            self.storages.show(written, read)
        else:
            result = self._give(read)
            if not isinstance(result, Activation | Parameter):
                raise UnsupportedError("it writes something other than a tensor")
            self.storages.write(written, result, call)
        return written

    def _give(self, read: Call) -> object:
        """What the operator of a call gives; its arguments are what its tensors hold."""
        self.builder.place = read.place
        name = _operator_name(read)
        if is_constant(read, name):
            return evaluated(read, name)
        if name not in OPERATORS:
            raise UnknownOperationError
        if name not in TAKES_INDICES and any(map(is_index, tensors_in(read.arguments.values()))):
            raise UnsupportedError("it computes with integers, which only pick rows of a table")
        value = read.first
        if isinstance(value, Activation) and len(value.shape) == WITHOUT_BATCH.get(name):
            arguments = {
                **read.arguments,
                next(iter(read.arguments)): with_axis(self.builder, value, 0),
            }
            result = self._give(replace(read, arguments=arguments))
            return without_axes(self.builder, cast(Tensor, result), {0})
        check_axes(read)
        return OPERATORS[name](self.builder, self._settled(name, read))

    def read(self, value: object) -> object:
        """`value`, with what its tensors hold now. Raises UnsupportedError where that is not known."""
        if isinstance(value, Activation | Parameter):
            return self.storages.read(value)
        if isinstance(value, list):
            return [self.read(item) for item in cast(list[object], value)]
        return value

    def with_values(self, call: Call) -> Call:
        """`call` with what its tensors held when they were last read or written."""

        def value(argument: object) -> object:
            if isinstance(argument, list):
                return [value(item) for item in cast(list[object], argument)]
            if isinstance(argument, Activation | Parameter):
                return self.storages.value(argument)
            return argument

        return replace(call, arguments={name: value(a) for name, a in call.arguments.items()})

    def finish(self, results: Sequence[Tensor], axes: Sequence[int | None]) -> ModuleOp:
        """The module that gives what `results` hold at the model's end, with the batch at `axes`.

        Raises FrontendError.
        """
        held: list[Tensor] = []
        for result in results:
            try:
                held.append(self.storages.read(result))
            except ValueError as error:
                self.refuse(Call("output", {}, Place("")), str(error))
        self._drop_taken_masks(held)
        self.check()
        self.builder.place = Place("output")
        try:
            given = [batch.result(self.builder, *each) for each in zip(held, axes, strict=True)]
            return self.builder.finish(given)
        except UnsupportedError as error:
            raise FrontendError(f"the model's result cannot be given: {error}") from error

    def _drop_taken_masks(self, results: Sequence[Tensor]) -> None:
        """Erase what held minus infinity until a softmax took that; refuse what is read by others."""
        given = [value.ssa for value in results if isinstance(value, Activation)]
        for value in reversed(self.builder.shut_out):
            place = Place(layer_of(cast(Operation, value.owner)))
            if not self._forgotten(value, given):
                self.refuse(Call("aten.masked_fill", {}, place), FILLS_WITH_INFINITY)

    def _forgotten(self, value: SSAValue, given: Sequence[SSAValue]) -> bool:
        """Whether nothing reads `value` but what nothing reads, of the kinds that a mask is followed through; erases them all if so."""
        for op in dict.fromkeys(use.operation for use in value.uses):
            if isinstance(op, FOLLOWED):
                self._forgotten(op.result, given)
        if value.uses or value in given:
            return False
        Rewriter.erase_op(cast(Operation, value.owner))
        self.written = [each for each in self.written if each.value.ssa is not value]
        return True

    def name(self, name: str, call: Call, value: object) -> None:
        """Let `name` stand for `value`, which `call` gave."""
        self.values[name], self.calls[name] = value, call
        held = self.storages.value(value) if isinstance(value, Activation | Parameter) else None
        if isinstance(held, Activation):
            self.written.append(Written(name, str(Problem(call)), held))

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
        return replace(call, arguments=arguments)

    def _settle(self, value: object) -> object:
        if isinstance(value, Activation):
            return self.builder.settled(value)
        if isinstance(value, list):
            return [self._settle(item) for item in cast(list[object], value)]
        return value


def is_index(value: Tensor) -> bool:
    """Whether the model computes it or is given it as integers that stand for themselves."""
    return isinstance(value, Activation) and element_type(value.ssa.type) == i32


def _is_in_place(call: Call) -> bool:
    return call.name.endswith("_") and not call.name.endswith("__")


def _operator_name(call: Call) -> str:
    return call.name.removesuffix("_") if _is_in_place(call) else call.name


def tensors_in(values: Iterable[object]) -> Iterator[Tensor]:
    """The tensors among values and in lists of them."""
    for value in values:
        if isinstance(value, Activation | Parameter):
            yield value
        elif isinstance(value, list):
            yield from tensors_in(cast(list[object], value))


def _is_missing(value: object) -> bool:
    if isinstance(value, list):
        return any(_is_missing(item) for item in cast(list[object], value))
    return value is MISSING


def tensor_named(values: Mapping[str, object], name: str) -> Tensor:
    """A result of the model, which must be a tensor."""
    value = values.get(name)
    if isinstance(value, Activation | Parameter):
        return value
    raise FrontendError(
        f"output '{name}' is nothing that can be computed here: return tensors from forward(), and of operations with "
        "several results those that are supported (of a maximum pool not the indices)"
    )
