# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_gather_s8`, `_gather_1x4_s8` and `_1x16_s8`: sparse linear layers of one row on cores with
Helium, a vector of weights at a time."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import Block, Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.layer import Layer
from sparsec.kernels.linear_rows import BYTE_PLACES, LinearRow, row_path
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored, stored_in_vectors
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear_vectors import VECTOR, WORD
from sparsec.targets.cpu import Cpu, VectorUnit


class LinearVectors(LinearRow, ABC):
    """What costs is vectors, the last of a row with all its lanes."""

    units = ("mve",)

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        rows, group = self.lay_out(layer, format)["rows"], self.operation.LAYOUT.group
        return replace(
            stored_in_vectors(rows, len(layer.matrix), group), slow=self.slow_rows(layer)
        )

    def least(self, layer: Layer) -> Stored:
        entries = int(np.count_nonzero(layer.matrix))
        return Stored(entries, -(-entries // VECTOR), slow=self.slow_rows(layer))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        fours = -(-work.outputs[2] // 4)
        return row_path(stored), {"calls": 1, "fours": fours, "vectors": stored.blocks}


class FullyConnectedGather(LinearVectors):
    """Single weights, which take the place of `delta8`."""

    operation = rt.FullyConnectedGatherOp
    function = operation.C_FUNCTION
    format = Delta8()

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        path, loops = super().loops(unit, work, stored)
        wide = work.columns > BYTE_PLACES
        vectors = {"vectors": stored.blocks * (not wide), "wide vectors": stored.blocks * wide}
        return path, {**loops, **vectors}


class FullyConnectedGather1x4(LinearVectors):
    """Four columns of one row."""

    operation = rt.FullyConnectedGather1x4Op
    function = operation.C_FUNCTION
    format = Block(1, WORD)

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return layer.input_size[2]

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output, memory = low.output(), low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        low.call(
            rt.FullyConnectedGather1x4Op(
                low.buffer(layer.op.operands[0]),
                {**arrays, "scratch": memory},
                output,
                layer.requant,
                self.is_saturating(layer),
            )
        )
        return output


class FullyConnected1x16(LinearVectors):
    """Sixteen columns of one row."""

    operation = rt.FullyConnected1x16Op
    function = operation.C_FUNCTION
    format = Block(1, VECTOR)
