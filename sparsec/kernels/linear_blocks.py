# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_1x4_s8`, `sparsec_fully_connected_4x1_s8` and `_w16_s8`: blocks of four weights of a linear
layer of one row."""

from abc import ABC
from dataclasses import replace

from sparsec.formats import Block, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.branches import Lists
from sparsec.kernels.layer import Layer
from sparsec.kernels.linear_rows import BYTE_PLACES, LinearRow, row_loops, row_path
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored, stored_as
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear import BLOCK, RowBlockLayout
from sparsec.targets.cpu import VectorUnit


class FullyConnectedBlocks(LinearRow, ABC):
    """What costs is stored blocks, zeros in them included."""

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        assert format is not None
        found = stored_as(format, layer.components(format), layer.matrix)
        return replace(found, slow=self.slow_rows(layer))


class FullyConnected1x4(FullyConnectedBlocks):
    """Four columns of one row."""

    operation = rt.FullyConnected1x4Op
    function = operation.C_FUNCTION
    format = Block(1, 4)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        wide = work.columns % 4 != 0 or work.columns > 4 * BYTE_PLACES
        blocks, places = stored.entries // BLOCK, -(-work.columns // BLOCK)
        lists = Lists.of(blocks, work.outputs[2], places)
        return row_path(stored), row_loops(lists, RowBlockLayout.group, stored, wide)


class FullyConnected4x1(FullyConnectedBlocks):
    """Four rows of one column."""

    operation = rt.FullyConnected4x1Op
    function = operation.C_FUNCTION
    format = Block(4, 1)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        rows, last = divmod(work.outputs[2], BLOCK)
        lists = Lists.of(stored.entries // BLOCK, rows + (last > 0), work.columns)
        loops = row_loops(lists, BLOCK, stored, wide=work.columns > BYTE_PLACES)
        return row_path(stored), {**loops, "last outputs": last}


class FullyConnected4x1W16(FullyConnected4x1):
    """The same with weights of 16 bits, faster in more flash."""

    operation = rt.FullyConnected4x1W16Op
    function = operation.C_FUNCTION
    format = Block(4, 1, 16)
