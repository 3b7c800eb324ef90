# SPDX-License-Identifier: Apache-2.0
"""The discardable attribute `nn.range`: the (lowest, highest) value that calibration saw.

On an operation it is about the one result; for an argument it stands in the function's `arg_attrs`.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, Float64Type, f64
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from sparsec.ir.attributes import RANGE

Range = tuple[float, float]


def range_attribute(measured: Range) -> DenseArrayBase[Float64Type]:
    """`array<f64: lo, hi>`."""
    return DenseArrayBase.from_list(f64, measured)


def _argument_attributes(function: FuncOp) -> Sequence[DictionaryAttr]:
    if function.arg_attrs is None:
        return [DictionaryAttr({})] * len(function.args)
    return function.arg_attrs.data


def set_range(value: SSAValue, measured: Range) -> None:
    """Note the range of the result of an operation or of an argument of a function."""
    attribute = range_attribute(measured)
    if isinstance(value.owner, Operation):
        value.owner.attributes[RANGE] = attribute
        return
    function = value.owner.parent_op()
    assert isinstance(function, FuncOp) and isinstance(value, BlockArgument)
    entries = list(_argument_attributes(function))
    entries[value.index] = DictionaryAttr({**entries[value.index].data, RANGE: attribute})
    function.arg_attrs = ArrayAttr(entries)


def range_of(value: SSAValue) -> Range | None:
    """What `set_range` noted for `value`, or None."""
    owner = value.owner
    if isinstance(owner, Block):
        function = owner.parent_op()
        assert isinstance(value, BlockArgument)
        if not isinstance(function, FuncOp):
            return None
        attribute = _argument_attributes(function)[value.index].data.get(RANGE)
    else:
        attribute = owner.attributes.get(RANGE)
    if not isinstance(attribute, DenseArrayBase):
        return None
    low, high = attribute.get_values()
    return float(low), float(high)
