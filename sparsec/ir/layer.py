"""The discardable attribute `layer`: the module path an operation came from."""

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

LAYER = "layer"


def layer_of(op: Operation) -> str:
    """The layer of `op`, else the name of the operation without its dialect."""
    layer = op.attributes.get(LAYER)
    return layer.data if isinstance(layer, StringAttr) else op.name.split(".")[-1]


def set_layer(op: Operation, layer: str) -> None:
    """Say that `op` belongs to `layer`."""
    op.attributes[LAYER] = StringAttr(layer)


def copy_layer(source: Operation, target: Operation) -> None:
    """`target` belongs to the layer of `source`, if that has one."""
    if LAYER in source.attributes:
        target.attributes[LAYER] = source.attributes[LAYER]
