# SPDX-License-Identifier: Apache-2.0
"""The record of `eliminate-dead-channels`: which channels each layer lost, and why.

    sparsec.removed = {conv1 = {dead_inputs = array<i64: 3, 7>, weights = array<i64: 216, 162>, ..}}

`dead_inputs`: nobody read the channel. `dead_outputs`: its filter was zero. `constant`: it was one
value for every input all the same. Channels are counted as they were before the pass; `weights` and
`macs` are (before, after), as are the most bytes of activations that are live at once:

    sparsec.live_bytes = array<i64: 18432, 9216>
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    DenseArrayBase,
    DictionaryAttr,
    IntegerType,
    ModuleOp,
    i64,
)
from xdsl.ir import Attribute, Block
from xdsl.utils.hints import isa

from sparsec.analysis.memory.live_bytes import most_live_bytes
from sparsec.analysis.values.dead_channels import Masks
from sparsec.analysis.values.weighted_layer import Mask, weighted_layer
from sparsec.ir import qnn
from sparsec.ir.attributes import LIVE_BYTES, REMOVED
from sparsec.ir.layer import layer_of

Record: TypeAlias = Mapping[str, tuple[int, ...]]
"""What is noted of a layer: its channels by reason; weights and MACs (before, after)."""

Reason: TypeAlias = Literal["dead_inputs", "dead_outputs", "constant"]
REASONS: tuple[Reason, ...] = ("dead_inputs", "dead_outputs", "constant")


def records_of(module: ModuleOp) -> dict[str, Record]:
    """By layer, what the pass wrote down on `module`."""
    record = module.attributes.get(REMOVED)
    if not isinstance(record, DictionaryAttr):
        return {}
    return {
        name: {key: _numbers(array) for key, array in entry.data.items()}
        for name, entry in record.data.items()
        if isinstance(entry, DictionaryAttr)
    }


def _numbers(array: Attribute) -> tuple[int, ...]:
    assert isa(array, DenseArrayBase[IntegerType])
    return array.get_values()


def live_bytes_of(module: ModuleOp) -> tuple[int, int] | None:
    """The most bytes of activations live at once (before, after); None if no channel was removed."""
    noted = module.attributes.get(LIVE_BYTES)
    if noted is None:
        return None
    before, after = _numbers(noted)
    return before, after


def _work(op: qnn.WeightedOp) -> tuple[int, int]:
    """(weights, MACs) of a layer."""
    layer = weighted_layer(op)
    return (0, 0) if layer is None else (layer.weights.size, layer.macs)


class LayerRecord:
    """What one layer was, which of its channels it still has, and why others went."""

    def __init__(self, op: qnn.WeightedOp, name: str):
        self.op = op
        self.name = name
        self.before = _work(op)
        self.present: npt.NDArray[np.int64] = np.arange(op.result.type.get_shape()[-1])
        self.marks: dict[int, Reason] = {}
        self.gone: dict[Reason, list[int]] = {reason: [] for reason in REASONS}

    def remove(self, mask: Mask) -> None:
        """The channels that `mask` marks among those present are gone."""
        for channel in self.present[mask].tolist():
            self.gone[self.marks.get(channel, "dead_inputs")].append(channel)
        self.present = self.present[~mask]

    def attribute(self) -> DictionaryAttr | None:
        """The entry of the layer, None if it is as it was."""
        if self.op.parent is None:  # erased with its result
            self.remove(np.ones(len(self.present), np.bool_))
        after = (0, 0) if self.op.parent is None else _work(self.op)
        if after == self.before:
            return None
        entry: dict[str, Attribute] = {
            reason: DenseArrayBase.from_list(i64, sorted(channels))
            for reason, channels in self.gone.items()
            if channels
        }
        for key, old, new in zip(("weights", "macs"), self.before, after, strict=True):
            entry[key] = DenseArrayBase.from_list(i64, [old, new])
        return DictionaryAttr(entry)


class RemovedChannels:
    """One record for each layer with weights of a function, by the name of the layer."""

    def __init__(self, block: Block):
        self._block = block
        self._live_bytes = most_live_bytes(block)
        self.records: dict[qnn.WeightedOp, LayerRecord] = {}
        names: set[str] = set()
        for op in block.ops:
            if isinstance(op, qnn.WeightedOp):
                name, number = layer_of(op), 2
                while name in names:
                    name, number = f"{layer_of(op)}#{number}", number + 1
                names.add(name)
                self.records[op] = LayerRecord(op, name)

    def mark(self, op: qnn.WeightedOp, reason: Reason, channels: Mask) -> None:
        """If one of `channels` goes, it goes because of `reason`; the first mark counts."""
        record = self.records[op]
        for channel in record.present[channels].tolist():
            record.marks.setdefault(channel, reason)

    def note(self, gone: Masks) -> None:
        """The channels that `gone` marks are removed now."""
        for op, record in self.records.items():
            if op.parent is not None and op.result in gone:
                record.remove(gone[op.result])

    def attach(self, module: ModuleOp) -> None:
        """Write the records down on `module`, unless nothing changed."""
        entries = {record.name: record.attribute() for record in self.records.values()}
        changed = {name: entry for name, entry in entries.items() if entry is not None}
        if changed:
            module.attributes[REMOVED] = DictionaryAttr(changed)
            live = [self._live_bytes, most_live_bytes(self._block)]
            module.attributes[LIVE_BYTES] = DenseArrayBase.from_list(i64, live)
