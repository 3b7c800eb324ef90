"""`pack-sparse-constants`: the arrays that store a sparse constant become constants themselves.

    %w = qnn.constant named "fc.weight" dense<..> : tensor<4x6xi8, #sparse.encoding<delta8>>
    %e = sparse.component "entries" %w : .. -> tensor<20xui8>
becomes
    %e = qnn.constant named "fc.weight.entries" dense<..> : tensor<20xui8>

Every packed constant is unpacked again and compared.
"""

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.formats.base import Components
from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.sparse import ComponentOp, format_of, matrix_shape


@dataclass(frozen=True)
class PackSparseConstantsPass(ModulePass):
    """Lay sparse constants out into their arrays."""

    name = "pack-sparse-constants"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        packed: dict[SSAValue, Components] = {}
        for component in [c for c in op.walk() if isinstance(c, ComponentOp)]:
            constant = component.input.owner
            assert isinstance(constant, qnn.ConstantOp)
            if component.input not in packed:
                packed[component.input] = pack(constant)
            array = packed[component.input].get(component.component.data)
            if array is None or dense_attribute(array).type != component.result.type:
                raise PassFailedException(
                    f"{constant.name_in_model or 'a constant'} has no component "
                    f"'{component.component.data}' of type {component.result.type}"
                )
            label = constant.name_in_model
            label = None if label is None else f"{label}.{component.component.data}"
            Rewriter.replace_op(component, qnn.ConstantOp(array, label))
        for value in packed:
            if not value.uses:
                constant = value.owner
                assert isinstance(constant, qnn.ConstantOp)
                Rewriter.erase_op(constant)


def pack(constant: qnn.ConstantOp) -> Components:
    """The arrays that store `constant`, proven to hold its value."""
    encoding = format_of(constant.result.type)
    assert encoding is not None
    matrix = constant.array.reshape(matrix_shape(constant.result.type))
    try:
        components = encoding.pack(matrix)
    except ValueError as error:
        name = constant.name_in_model or "a constant"
        raise PassFailedException(f"{name} cannot be stored as {encoding.name}: {error}") from error
    if not np.array_equal(encoding.unpack(components, matrix.shape), matrix):
        raise AssertionError(f"{encoding.name} does not hold the value it was given")
    return components
