# SPDX-License-Identifier: Apache-2.0
"""The discardable attribute `layer`: the module path an operation came from."""

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from sparsec.ir.attributes import LAYER


def named_layer(op: Operation) -> str | None:
    """The layer of `op`, None if it has none."""
    layer = op.attributes.get(LAYER)
    return layer.data if isinstance(layer, StringAttr) else None


def layer_of(op: Operation) -> str:
    """The layer of `op`, else the name of the operation without its dialect."""
    layer = named_layer(op)
    return op.name.split(".")[-1] if layer is None else layer


def layer_name(op: Operation) -> str:
    """How errors and reports call `op`: its layer, else its whole name."""
    layer = named_layer(op)
    return op.name if layer is None else layer


def set_layer(op: Operation, layer: str) -> None:
    """Say that `op` belongs to `layer`."""
    op.attributes[LAYER] = StringAttr(layer)


def copy_layer(source: Operation, target: Operation) -> None:
    """`target` belongs to the layer of `source`, if that has one."""
    if LAYER in source.attributes:
        target.attributes[LAYER] = source.attributes[LAYER]
