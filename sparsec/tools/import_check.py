# SPDX-License-Identifier: Apache-2.0
"""An imported module held to torch: both run on the same inputs, and where they part is named.

The importer reads a file in one way, a second reading (`frontends/proof.py`) in another; only a
mistake that both make stays unseen.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, OpResult, SSAValue

from sparsec.frontends.builder import entry_order
from sparsec.frontends.proof import Proof
from sparsec.frontends.tensors import Array, Order
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import nn
from sparsec.ir.shapes import shape_of

TOLERANCE = 1e-4
"""Largest difference as a part of a value's range.

torch rounds every sum of products to float32 as it goes, the interpreter once: some 1e-7 of the
range for each layer, 4e-6 for the deepest network of the examples. A layer that is read wrongly
moves more.
"""

FLIPPED = 1 / 128
"""What a layer may make of a step of its int8 inputs, as a part of its result's range: twice the step."""

SAMPLES = 2
"""How many samples are compared."""


def difference(proof: Proof, module: ModuleOp) -> str | None:
    """What `module` gives that torch does not, and which call is the first; None where they agree.

    Raises ReadingError if torch cannot run the file.
    """
    wanted = proof.reading.results()
    inputs = [
        np.ascontiguousarray(array[:SAMPLES].transpose(entry_order(array.ndim, proof.layout)))
        for array in proof.reading.inputs
    ]
    results = _results(main_function(module))
    given = interpret(module, inputs)
    for index, (value, want, got) in enumerate(zip(results, wanted, given, strict=True)):
        order = entry_order(want.ndim, proof.layout)
        if (apart := _apart(value, want, got, order)) is not None:
            first = _first_apart(proof, module, inputs)
            where = (
                "" if first is None else f"; the first call that they see differently is {first}"
            )
            return f"output {index} differs from torch's {apart}{where}"
    return None


def _first_apart(proof: Proof, module: ModuleOp, inputs: Sequence[Array]) -> str | None:
    """The first call whose result the module has otherwise than torch."""
    computed: dict[SSAValue, Array] = {}

    def listen(op: Operation, results: Sequence[Array]) -> None:
        computed.update(zip(op.results, results, strict=True))

    interpret(module, inputs, listener=listen)
    written = {value.name: value for value in proof.written}
    for name, want in proof.reading.values():
        ours = written.get(name)
        if ours is None or ours.value.ssa not in computed:
            continue
        got = computed[ours.value.ssa]
        apart = _apart(ours.value.ssa, want, got, ours.value.order)
        if got.dtype == np.float32 and apart is not None:
            return f"{ours.call} {apart}"
    return None


def _results(main: FuncOp) -> Sequence[SSAValue]:
    last = main.body.block.last_op
    assert isinstance(last, ReturnOp)
    return last.operands


def _apart(value: SSAValue, want: Array, got: Array, order: Order) -> str | None:
    """By how much `got`, which holds torch's axes in `order`, is not `want`; None where it is."""
    shape = shape_of(value.type)
    if len(order) != len(shape) or want.ndim != got.ndim:
        return f"in rank: {want.ndim} in torch, {got.ndim} imported"
    got = got.transpose([order.index(axis) for axis in range(len(order))])
    if (
        want.shape[:1] != got.shape[:1]
    ):  # torch may have run more samples, a constant is one for all
        want = want[: len(got)] if len(got) < len(want) and len(got) > 1 else want
    if want.shape[1:] != got.shape[1:]:
        return f"in shape: {want.shape} in torch, {got.shape} imported"
    finite = np.isfinite(want)
    scale = float(np.abs(want[finite]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        distance = np.abs(got - want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    most = float(np.where(same, 0.0, distance).max(initial=0.0))
    if most <= TOLERANCE * scale + _flip(value, scale):
        return None
    return f"by {most:.3g} (largest value {scale:.3g})"


def _flip(value: SSAValue, scale: float) -> float:
    """What a tie that is rounded the other way may change in a value that comes from int8 ones, else 0."""
    steps = list(_steps_behind(value))
    return max(steps) + scale * FLIPPED if steps else 0.0


def _steps_behind(value: SSAValue) -> Iterator[float]:
    """The scales of the int8 activations that a value is computed from without another on the way."""
    seen: set[SSAValue] = set()
    left = [value]
    while left:
        value = left.pop()
        if value in seen or not isinstance(value, OpResult):
            continue
        seen.add(value)
        op = value.op
        if not isinstance(op, nn.DequantizeOp):
            left += op.operands
        elif not isinstance(op.input.owner, nn.ConstantOp):
            yield max(op.quantization.data.scales)
