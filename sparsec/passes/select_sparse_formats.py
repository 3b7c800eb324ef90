"""`select-sparse-formats`: weights with enough zeros get a storage format, as their type.

    %w = qnn.constant dense<..> : tensor<6x5x5x1xi8>
becomes
    %w = qnn.constant dense<..> : tensor<6x5x5x1xi8, #sparse.encoding<delta8>>

The values stay dense until `pack-sparse-constants`; only types change, so no result can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import EncodingAttr, format_of, matrix_shape
from sparsec.targets.cpu import cpu_named
from sparsec.targets.sparsity import delta8_break_even

Choice = Literal["auto", "dense", "delta8"]


@dataclass(frozen=True)
class SelectSparseFormatsPass(ModulePass):
    """Choose dense or `delta8` for each layer.

    `auto` takes `delta8` where it is faster on `target` and needs fewer bytes; `min_sparsity`, a
    share of zero weights, replaces the measured one from which on it is faster. `dense` and
    `delta8` choose for every layer that has such a kernel. Weights that have a format keep it.
    """

    name = "select-sparse-formats"
    target: str = "cortex-m4"
    format: Choice = "auto"
    min_sparsity: float | int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.min_sparsity is not None and not 0 <= self.min_sparsity <= 1:
            raise PassFailedException(
                f"min-sparsity is a share between 0 and 1, got {self.min_sparsity}"
            )
        if self.format == "dense":
            return
        encoding = Delta8()
        for constant in [c for c in op.walk() if isinstance(c, qnn.ConstantOp)]:
            layers = [use.operation for use in constant.result.uses]
            if not layers or format_of(constant.result.type) is not None:
                continue
            weighted = [
                use.operation
                for use in constant.result.uses
                if isinstance(use.operation, qnn.WeightedOp)
                and use.operation.weights is constant.result
                and has_kernel(use.operation)
            ]
            # Every user has to read the same bytes.
            if len(weighted) == len(layers) and self.wants(constant, weighted, encoding):
                encode(constant, encoding)

    def wants(
        self, constant: qnn.ConstantOp, layers: Sequence[qnn.WeightedOp], encoding: SparseFormat
    ) -> bool:
        """`encoding` is to store `constant`, the weights of `layers`."""
        matrix = constant.array.reshape(matrix_shape(constant.result.type))
        try:
            stored = encoding.stored_bytes(matrix)
        except ValueError as error:
            if self.format == "auto":
                return False
            layer = layers[0].attributes.get("layer")
            name = layer.data if isinstance(layer, StringAttr) else layers[0].name
            raise PassFailedException(
                f"layer '{name}' cannot be stored as {encoding.name}: {error}; "
                "choose format=auto or format=dense"
            ) from error
        sparsity = 1 - int(np.count_nonzero(matrix)) / matrix.size
        least = max(self.least_sparsity(layer) for layer in layers)
        return self.format != "auto" or (sparsity >= least and stored < matrix.size)

    def least_sparsity(self, layer: qnn.WeightedOp) -> float:
        """The share of zeros from which on `layer` is to be sparse."""
        if self.min_sparsity is not None:
            return self.min_sparsity
        try:
            unit = cpu_named(self.target).vector_unit
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        kind = "convolution" if isinstance(layer, qnn.Conv2dOp) else "fully-connected"
        return delta8_break_even(unit, kind)


def has_kernel(op: qnn.WeightedOp) -> bool:
    """There is a kernel that reads the weights of `op` in a sparse format."""
    match op:
        case qnn.Conv2dOp():
            return True
        case qnn.LinearOp():
            return prod(shape_of(op.input.type)[:-1]) == 1
        case _:
            return False


def encode(constant: qnn.ConstantOp, encoding: SparseFormat) -> None:
    """Give `constant`, and so every use of it, a type with `encoding`."""
    value = dense_attribute(constant.array, EncodingAttr(encoding))
    Rewriter.insert_op(new := qnn.ConstantOp(value, constant.label), InsertPoint.before(constant))
    constant.result.replace_all_uses_with(new.result)
    Rewriter.erase_op(constant)
