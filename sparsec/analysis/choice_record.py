"""The record of `select-sparse-formats`: what was chosen for, and what each layer with weights is predicted to cost.

    sparsec.choice = {objective = "latency", flash = 65536, layers = [
        {layer = "fc1", format = "delta8", kernel = "sparsec_..", instructions = 1200, cycles = 1500}]}

A budget that was not given, or a cost that is not known, is not there.
"""

from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute
from xdsl.utils.hints import isa

from sparsec.analysis.format_choice import Decision
from sparsec.analysis.format_goal import Goal

CHOICE = "sparsec.choice"


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
    """The objective, the budgets in bytes, and the layers with weights in their order."""

    objective: str
    flash: int | None
    ram: int | None
    layers: tuple[ChosenLayer, ...]


def record(goal: Goal, decision: Decision) -> DictionaryAttr:
    """The record as an attribute."""
    layers: list[Attribute] = []
    for each in decision.layers:
        cost = each.winner.cost
        layers.append(
            _entries(
                layer=each.name,
                format=each.winner.label,
                kernel=each.winner.kernel,
                instructions=None if cost is None else cost.instructions,
                cycles=None if cost is None else cost.cycles,
            )
        )
    entries = _entries(objective=goal.objective, flash=goal.flash, ram=goal.ram)
    return DictionaryAttr({**entries.data, "layers": ArrayAttr(layers)})


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
    )


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
