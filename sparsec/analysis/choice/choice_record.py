# SPDX-License-Identifier: Apache-2.0
"""The record of `select-sparse-formats`: what was chosen for, and what each layer with weights is predicted to cost.

    sparsec.choice = {objective = "latency", flash = 65536, layers = [
        {layer = "fc1", format = "delta8", kernel = "sparsec_..", instructions = 1200, cycles = 1500}]}

A budget that was not given, or a cost that is not known, is not there. `smaller` is there where `balanced` takes less flash
than the choice for latency, and that takes more than dense weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import IRNode
from xdsl.utils.hints import isa

from sparsec.analysis.choice.format_choice import Decision, Smaller
from sparsec.analysis.choice.format_goal import Goal
from sparsec.ir.attributes import CHOICE
from sparsec.kernels.cost import Cost


@dataclass(frozen=True)
class ChosenLayer:
    """What was chosen for a layer; numbers are None where they are not known."""

    layer: str
    format: str
    kernel: str
    instructions: int | None
    cycles: int | None


@dataclass(frozen=True)
class Record:
    """The objective, the budgets in bytes, the layers with weights in their order, and a choice that takes less flash where
    this one takes more than dense weights do."""

    objective: str
    flash: int | None
    ram: int | None
    layers: tuple[ChosenLayer, ...]
    smaller: Smaller | None = None


def record(goal: Goal, decision: Decision, smaller: Smaller | None = None) -> DictionaryAttr:
    """The record as an attribute."""
    layers = (
        ChosenLayer(
            each.name,
            each.winner.label,
            each.winner.kernel,
            None if (cost := each.winner.cost) is None else cost.instructions,
            None if cost is None else cost.cycles,
        )
        for each in decision.layers
    )
    return _attribute(Record(goal.objective, goal.flash, goal.ram, tuple(layers), smaller))


def revise(module: IRNode, done_by: Mapping[str, str], kernel: str, more: Cost) -> None:
    """Write down on `module` that the layers of `done_by`, by name with their kernels, are done in one call of `kernel`,
    which costs so much more. Without a record there is nothing to do.
    """
    if not isinstance(module, ModuleOp) or (before := record_of(module)) is None:
        return
    gone = [each for each in before.layers if done_by.get(each.layer) == each.kernel]
    if len(gone) != len(done_by):
        return  # of layers that have the same name, who knows which
    total = ChosenLayer(
        "+".join(each.layer for each in gone),
        gone[0].format,
        kernel,
        _total([*(each.instructions for each in gone), more.instructions]),
        _total([*(each.cycles for each in gone), more.cycles]),
    )
    layers = [total if each is gone[0] else each for each in before.layers if each not in gone[1:]]
    module.attributes[CHOICE] = _attribute(replace(before, layers=tuple(layers)))


def _total(numbers: Iterable[int | None]) -> int | None:
    """None if one is not known."""
    found = list(numbers)
    return None if None in found else sum(each for each in found if each is not None)


def _attribute(record: Record) -> DictionaryAttr:
    layers = [_entries(**asdict(each)) for each in record.layers]
    entries = _entries(objective=record.objective, flash=record.flash, ram=record.ram)
    smaller = {} if record.smaller is None else {"smaller": _entries(**asdict(record.smaller))}
    return DictionaryAttr({**entries.data, **smaller, "layers": ArrayAttr(layers)})


def record_of(module: ModuleOp) -> Record | None:
    """What the pass wrote down on `module`; None if it did not, or what is there is no such record."""
    found = module.attributes.get(CHOICE)
    layers = found.data.get("layers") if isinstance(found, DictionaryAttr) else None
    if not isinstance(found, DictionaryAttr) or not isa(layers, ArrayAttr[DictionaryAttr]):
        return None
    return Record(
        _text(found, "objective"),
        _number(found, "flash"),
        _number(found, "ram"),
        tuple(
            ChosenLayer(
                _text(entry, "layer"),
                _text(entry, "format"),
                _text(entry, "kernel"),
                _number(entry, "instructions"),
                _number(entry, "cycles"),
            )
            for entry in layers
        ),
        _smaller(found),
    )


def _smaller(record: DictionaryAttr) -> Smaller | None:
    entry = record.data.get("smaller")
    if not isinstance(entry, DictionaryAttr):
        return None
    numbers = {each.name: _number(entry, each.name) for each in fields(Smaller)}
    known = {name: number for name, number in numbers.items() if number is not None}
    return Smaller(**known) if len(known) == len(numbers) else None


def _entries(**values: str | int | None) -> DictionaryAttr:
    return DictionaryAttr(
        {
            name: StringAttr(value) if isinstance(value, str) else IntegerAttr(value, 64)
            for name, value in values.items()
            if value is not None
        }
    )


def _text(entry: DictionaryAttr, name: str) -> str:
    value = entry.data.get(name)
    return value.data if isinstance(value, StringAttr) else ""


def _number(entry: DictionaryAttr, name: str) -> int | None:
    value = entry.data.get(name)
    return value.value.data if isinstance(value, IntegerAttr) else None
