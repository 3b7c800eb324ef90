# SPDX-License-Identifier: Apache-2.0
"""Constants as globals of the module: named after the parameter they came from, equal ones shared."""

import re
from collections.abc import Iterator, Sequence

from xdsl.dialects import memref
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    UnitAttr,
    UnrealizedConversionCastOp,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import named_layer
from sparsec.ir.views import buffer_type

RESERVED = re.compile(r"arena|invoke|(de)?quantize_(in|out)put\d*")
"""Names that the generated code has for itself."""


class Globals:
    """The globals of a module, to which constants move."""

    def __init__(self, module: ModuleOp):
        self.module = module
        self.symbols: dict[tuple[Attribute, bytes], memref.GlobalOp] = {}
        self.names = {op.sym_name.data for op in module.ops if isinstance(op, memref.GlobalOp)}

    def replace(self, constant: qnn.ConstantOp) -> None:
        """Read `constant` from a global instead; one without uses disappears."""
        if not constant.result.uses:
            Rewriter.erase_op(constant)
            return
        global_op = self._global(constant)
        type = buffer_type(constant.result.type)
        Rewriter.replace_op(constant, memref.GetGlobalOp(global_op.sym_name.data, type))

    def _global(self, constant: qnn.ConstantOp) -> memref.GlobalOp:
        # Not the attribute itself: a splat and a full list of equal elements are the same array.
        value = dense_attribute(constant.array)
        assert isinstance(value.data.data, bytes)
        key = value.type, value.data.data
        if key not in self.symbols:
            self.symbols[key] = self._new(constant, value)
        return self.symbols[key]

    def _new(self, constant: qnn.ConstantOp, value: DenseIntOrFPElementsAttr) -> memref.GlobalOp:
        name = self._unique(constant.name_in_model or role(constant))
        type = MemRefType(value.get_element_type(), value.get_shape())
        global_op = memref.GlobalOp.get(StringAttr(name), type, value, constant=UnitAttr())
        function = constant.parent_op()
        assert function is not None
        Rewriter.insert_op(global_op, InsertPoint.before(function))
        return global_op

    def _unique(self, label: str) -> str:
        """`label` as a C identifier that no other global has."""
        stem = re.sub(r"\W", "_", label, flags=re.ASCII)
        name, number = stem, 2
        while name in self.names or RESERVED.fullmatch(name):
            name, number = f"{stem}_{number}", number + 1
        self.names.add(name)
        return name


def role(constant: qnn.ConstantOp) -> str:
    """What an unlabelled constant is to the first kernel that reads it, like `conv1.multiplier`."""
    for value in buffers(constant.result):
        for use in value.uses:
            user = use.operation
            if isinstance(user, KernelOp):
                layer = named_layer(user)
                prefix = user.name if layer is None else layer
                return f"{prefix}.{operand_name(user, value)}"
    return "constant"


def buffers(tensor: SSAValue) -> Iterator[SSAValue]:
    """Every buffer that shows `tensor`."""
    for use in tensor.uses:
        if isinstance(use.operation, UnrealizedConversionCastOp):
            yield from shown(use.operation.results[0])


def shown(buffer: SSAValue) -> Iterator[SSAValue]:
    """`buffer` and its reshapes."""
    yield buffer
    for use in buffer.uses:
        if isinstance(use.operation, memref.ReinterpretCastOp):
            yield from shown(use.operation.result)


def operand_name(op: KernelOp, value: SSAValue) -> str:
    """What `op` calls its operand `value`, with a number where that is one of several."""
    for name, _ in op.get_irdl_definition().operands:
        given: SSAValue | Sequence[SSAValue] | None = getattr(op, name)
        if given is value:
            return name
        if isinstance(given, Sequence) and value in given:
            return f"{name}{given.index(value)}"
    raise ValueError(f"{op.name} has no such operand")
