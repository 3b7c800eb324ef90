"""Which level of the IR a piece of it is written in."""

from xdsl.ir import Operation


def is_float(op: Operation) -> bool:
    """Whether `op` holds operations of `nn`; a pass of that level leaves any other alone."""
    return any(inner.name.startswith("nn.") for inner in op.walk())
