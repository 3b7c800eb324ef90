# SPDX-License-Identifier: Apache-2.0
"""An imported module held to torch: both run on the same inputs, and where they part is named.

The importer reads a file in one way, a second reading (`frontends/proof.py`) in another; only a
mistake that both make stays unseen. Where the outputs differ each call is looked at by itself: what int8 numbers in a
program make of a tie, which torch and we may round to either side, is no difference.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import OpResult, SSAValue

from sparsec.frontends.batch import samples
from sparsec.frontends.builder import entry_order
from sparsec.frontends.proof import Proof, ReadingError, Written
from sparsec.frontends.tensors import Array, Order
from sparsec.interpreters.run import interpret, interpreter_of
from sparsec.interpreters.signature import main_function
from sparsec.ir import nn
from sparsec.ir.shapes import shape_of
from sparsec.tools.errors import first_line

TOLERANCE = 1e-4
"""Largest difference as a part of a value's range.

torch rounds every sum of products to float32 as it goes, the interpreter once: some 1e-7 of the
range for each layer, 4e-6 for the deepest network of the examples. A layer that is read wrongly
moves more.
"""

FLIPPED = 1 / 128
"""What a layer may make of a step of its int8 inputs, as a part of its result's range: twice the step."""

TIES = 1 / 64
"""The share of indices that may differ: torch may find the larger of two numbers that are nearly the same elsewhere."""

SAMPLES = 2
"""How many samples are compared."""


def difference(proof: Proof, module: ModuleOp) -> str | None:
    """What `module` gives that torch does not, and which call is the first; None where they agree.

    Raises ReadingError if torch cannot run the file.
    """
    try:
        wanted = proof.reading.results()
    except ReadingError:
        raise
    except Exception as error:  # the second reading trusts nothing that the first has checked
        raise ReadingError(f"{type(error).__name__}: {first_line(error)}") from error
    inputs = [array[:SAMPLES] for array in proof.inputs]
    apart = _outputs_apart(proof, module, wanted, interpret(module, inputs))
    if apart is None:
        return None
    one = [array[:1] for array in proof.inputs]
    first, outputs = _call_by_call(proof, module, one)
    if first is not None:
        return f"{apart}; the first call that they see differently is {first}"
    if not _rounds(module):
        return apart
    # A tie that is rounded the other way reaches every call behind it: from torch's own values each is right.
    return _outputs_apart(proof, module, wanted, outputs)


def _outputs_apart(
    proof: Proof, module: ModuleOp, wanted: Sequence[Array], given: Sequence[Array]
) -> str | None:
    """Which result, and by how much, is not torch's."""
    results = _results(main_function(module))
    for index, (value, want, got) in enumerate(zip(results, wanted, given, strict=True)):
        axis, rank = proof.axes[index], len(shape_of(value.type))
        if axis is None and rank == want.ndim:  # a constant, which is the same for each sample
            got = got[0]
        else:
            want = samples(want, axis)[: len(got)]
        got = _in_torch(got, entry_order(rank, proof.layout))
        if (apart := _apart(value, want, got)) is not None:
            return f"output {index} differs from torch's {apart}"
    return None


def mixes_samples(proof: Proof) -> bool:
    """Whether torch itself gives for one sample alone what it does not give for it among others: they are no batch.

    Raises ReadingError if torch cannot run the file.
    """
    if proof.alone is None:
        return False
    for axis, together, one in zip(
        proof.axes, proof.reading.results(), proof.alone.results(), strict=True
    ):
        if axis is None:
            continue
        want, got = (samples(array, axis)[0] for array in (together, one))
        most = float(np.abs(want).max(initial=0.0))
        if want.shape != got.shape or not np.allclose(
            want, got, rtol=0, atol=TOLERANCE * most, equal_nan=True
        ):
            return True
    return False


def _call_by_call(
    proof: Proof, module: ModuleOp, inputs: Sequence[Array]
) -> tuple[str | None, list[Array]]:
    """The first call of which the module has another result than torch, by one sample, if there is one, and the outputs.

    Each call takes what torch gave before it, so that no difference reaches another call.
    """
    main, interpreter = main_function(module), interpreter_of(module)
    torchs = dict(proof.reading.values())
    written: dict[SSAValue, list[Written]] = defaultdict(list)
    for each in proof.written:
        if each.name in torchs:
            written[each.value.ssa].append(each)
    computed: dict[SSAValue, Array] = {}
    first: str | None = None

    def compute(value: SSAValue, result: Array) -> None:
        nonlocal first
        computed[value] = result
        for each in written[value]:
            got = _in_torch(result, each.value.order)
            # torch may have run more samples, wherever their axis is.
            want = torchs[each.name][tuple(map(slice, got.shape))]
            if got.dtype != np.float32:
                continue
            apart = _apart(value, want, got)
            if apart is None:
                computed[value] = want.astype(np.float32).transpose(each.value.order)
            elif first is None:
                first = f"{each.call} {apart}"

    for argument, array in zip(main.body.block.args, inputs, strict=True):
        compute(argument, array if _has_batch(argument) else array[0])
    for op in main.body.block.ops:
        operands = tuple(computed[operand] for operand in op.operands)
        if isinstance(op, ReturnOp):
            pairs = zip(op.operands, operands, strict=True)
            return first, [each if _has_batch(value) else each[np.newaxis] for value, each in pairs]
        for value, result in zip(op.results, interpreter.run_op(op, operands), strict=True):
            compute(value, result)
    raise AssertionError("a function ends with what it gives")


def _has_batch(value: SSAValue) -> bool:
    """Whether an input or output has the axis of the samples; if not, it is one of them as a whole."""
    return shape_of(value.type)[:1] == (1,)


def _rounds(module: ModuleOp) -> bool:
    """Whether activations become int8 on the way."""
    return any(isinstance(op, nn.QuantizeOp) for op in module.walk())


def _results(main: FuncOp) -> Sequence[SSAValue]:
    last = main.body.block.last_op
    assert isinstance(last, ReturnOp)
    return last.operands


def _in_torch(array: Array, order: Order) -> Array:
    """An array that holds torch's axes in `order`, with torch's axes."""
    return array.transpose([order.index(axis) for axis in range(len(order))])


def _apart(value: SSAValue, want: Array, got: Array) -> str | None:
    """By how much what the module has for `value` is not what torch has; None where it is."""
    if want.shape[1:] != got.shape[1:] or len(want) not in (1, len(got)):
        return f"in shape: {want.shape} in torch, {got.shape} imported"
    if got.dtype.kind != "f":
        wrong = int(np.count_nonzero(got != want))
        return f"in {wrong} of {got.size} numbers" if wrong > got.size * TIES else None
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
