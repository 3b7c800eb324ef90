# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_table_s8`: single weights of a linear layer of one row, eight at a time."""

from sparsec.formats import Delta8
from sparsec.ir import rt
from sparsec.kernels.branches import Lists
from sparsec.kernels.linear_rows import BYTE_PLACES, LinearRow, row_loops, row_path
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear import TableLayout
from sparsec.targets.cpu import VectorUnit


class FullyConnectedTable(LinearRow):
    """Columns and weights in groups of eight, which take the place of `delta8`."""

    operation = rt.FullyConnectedTableOp
    function = operation.C_FUNCTION
    format = Delta8()

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        lists = Lists.of(stored.entries, work.outputs[2], work.columns)
        wide = work.columns > BYTE_PLACES
        return row_path(stored), row_loops(lists, TableLayout.group, stored, wide)
