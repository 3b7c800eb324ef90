# SPDX-License-Identifier: Apache-2.0
"""Candidates against what the backend makes of them: the kernel, every byte of flash, the scratch memory."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.candidates import Candidate, candidates, label_of
from sparsec.analysis.choice.format_choice import Decision, Problem
from sparsec.analysis.choice.format_goal import Goal
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.backends.c.report import constants_of
from sparsec.formats import COMMON_FORMATS, FORMATS
from sparsec.ir import qnn
from sparsec.ir.kernel import KernelOp, element_count, element_dtype
from sparsec.ir.rt.decode import DecodeOp
from sparsec.kernels.layer import Layer
from sparsec.passes.select_sparse_formats import SelectSparseFormatsPass
from sparsec.recipe import wish_for_all
from sparsec.targets.cpu import cpu_named
from tests.analysis.choice.sparse_networks import Spec, compiled, network, weights_of

LAYERS = (
    Spec("conv2d", 6, 5, seed=1),
    Spec("conv2d", 4, 9, size=5, kernel=3, seed=2),
    Spec("linear", 24, 7, size=1, seed=3),
    Spec("linear", 300, 6, size=1, per_channel=False, keep=0.1, seed=4),
    Spec("linear", 8, 5, size=6, seed=5),
    Spec("linear", 8, 5, size=6, per_channel=False, seed=6),
    Spec("depthwise", 6, 6, size=5, kernel=3, seed=7),
    Spec("depthwise", 3, 3, size=6, kernel=5, seed=8),
    Spec("conv2d", 8, 6, size=4, keep=0, seed=9),
)


def bytes_of(value: SSAValue) -> int:
    return element_count(value.type) * np.dtype(element_dtype(value.type)).itemsize


def scratch_of(kernels: list[KernelOp]) -> int:
    """Bytes that calls need besides what they read and write of the network."""
    found = 0
    for op in kernels:
        if isinstance(op, DecodeOp):
            found += sum(map(bytes_of, op.written()))
        scratch: SSAValue | None = getattr(op, "scratch", None)
        found += 0 if scratch is None else bytes_of(scratch)
    return found


def chosen(spec: Spec, weights: str, target: str) -> tuple[Decision, list[KernelOp], int]:
    """What is predicted of a layer, its calls, and the flash that they read."""
    module = network([spec])
    goal = Goal(weights=wish_for_all(weights))
    decision = Problem(module, cpu_named(target), goal).decide()
    SelectSparseFormatsPass(target=target, format=weights).apply(Context(), module)
    lowered = compiled(module, target)
    planned = planned_function(lowered)
    assert planned is not None
    flash = sum(array.nbytes for array in constants_of(lowered).values())
    return decision, list(planned.kernels), flash


def holds(spec: Spec, weights: str) -> bool:
    """Whether the weights have the structure of the format; depthwise ones stay dense or become delta8 anyway."""
    encoding = wish_for_all(weights).format
    array = weights_of(spec)
    if encoding is None or spec.kind == "depthwise":
        return True
    try:
        encoding.pack(array.reshape(len(array), -1))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("weights", "target"),
    [
        *((each, "cortex-m4") for each in ("dense", *(f.label for f in COMMON_FORMATS))),
        *((each, "cortex-m3") for each in ("dense", "delta8", "block(1x4)")),
        *((each, "cortex-m55") for each in ("dense", "delta8", "bitmap")),
    ],
)
def test_the_backend_does_what_was_predicted(weights: str, target: str) -> None:
    sparse = 0
    for spec in LAYERS:
        if not holds(spec, weights):
            with pytest.raises(ValueError, match="non-zeros in columns"):
                chosen(spec, weights, target)
            continue
        decision, kernels, flash = chosen(spec, weights, target)
        winner = decision.layers[0].winner
        calls = [op for op in kernels if type(op).__name__ != "PadOp"]
        expected = [call.removeprefix("&") for call in winner.calls]
        # A kernel that decodes a few rows at a time is given the decoder.
        assert [f for op in calls for f in (*op.callbacks(), op.C_FUNCTION)] == expected
        assert decision.constants == winner.bytes == flash
        assert winner.scratch == scratch_of(calls)
        sparse += winner.format is not None
    assert (sparse > 0) == (weights != "dense")


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_costs_are_known_and_fewer_entries_cost_less(target: str) -> None:
    """A row of the table without a fit would never win."""
    for spec in (
        Spec("conv2d", 64, 16),
        Spec("linear", 64, 16, size=1),
        Spec("depthwise", 16, 16, kernel=3),
    ):
        dense, half = (
            cycles_of(spec, "dense", target),
            cycles_of(replace(spec, keep=0.5), "delta8", target),
        )
        assert 0 < cycles_of(replace(spec, keep=0.1), "delta8", target) < half
        assert dense > 0


def cycles_of(spec: Spec, weights: str, target: str) -> int:
    goal = Goal(weights=wish_for_all(weights))
    (layer,) = Problem(network([spec]), cpu_named(target), goal).decide().layers
    assert layer.winner.cost is not None
    return layer.winner.cost.cycles


def test_every_format_has_a_kernel_for_some_layer() -> None:
    """Nothing that `--weights` offers is out of reach."""
    module = network([Spec("conv2d", 4, 4, keep=0), Spec("linear", 8, 4, size=1, keep=0)])
    found = {
        candidate.label.partition("(")[0]
        for op in module.walk()
        if isinstance(op, qnn.WeightedOp)
        for candidate in candidates(Layer(op), cpu_named("cortex-m4"))
        if isinstance(candidate, Candidate)
    }
    assert found == {"dense", *FORMATS}


def test_a_layer_that_overflows_when_it_is_folded_stays_dense() -> None:
    """Weights that no sparse kernel can add up are refused with the reason, not left to the backend."""
    spec = Spec("linear", 9, 3, size=1)
    module = network([spec])
    (op,) = [op for op in module.walk() if isinstance(op, qnn.WeightedOp)]
    bias = op.bias.owner
    assert isinstance(bias, qnn.ConstantOp)
    large = qnn.ConstantOp(bias.array * 0 + (2**31 - 2))
    block = op.parent_block()
    assert block is not None
    block.insert_op_before(large, op)
    bias.result.replace_all_uses_with(large.result)
    reasons = {
        c.reason
        for c in candidates(Layer(op), cpu_named("cortex-m4"))
        if not isinstance(c, Candidate)
    }
    assert any(reason.startswith("an accumulator can leave 32 bits") for reason in reasons)
    with pytest.raises(PassFailedException, match="'layer0' cannot be stored as delta8"):
        SelectSparseFormatsPass(format="delta8").apply(Context(), module)


@pytest.mark.parametrize("target", ["cortex-m3", "cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("kind", ["conv2d", "linear"])
def test_what_is_stored_is_what_the_format_says(
    kind: Literal["conv2d", "linear"], target: str
) -> None:
    """A 2:4 layer stored as nm(2:4) takes the bytes of nm(2:4), on every core: the formula counts entries alone, without
    the bias, the multiplier and the shift of each row, which are 12 bytes, whatever the layout."""
    spec = Spec(kind, 64, 16, size=6 if kind == "conv2d" else 1, keep=0.02, seed=3)
    module = network([spec])
    (op,) = [op for op in module.walk() if isinstance(op, qnn.WeightedOp)]
    matrix = weights_of(spec).reshape(16, -1)
    decoded: set[str] = set()
    for found in candidates(Layer(op), cpu_named(target)):
        if isinstance(found, Candidate) and found.decoder is not None:
            assert found.format is not None
            assert found.bytes - 12 * 16 == found.format.stored_bytes(matrix)
            decoded.add(found.label)
    assert {"nm(2:4)", "bitmap", "csr"} <= decoded
    # Linear layers have kernels that read them, and on Helium convolutions, too; those of 16 columns are for Helium alone.
    helium = target == "cortex-m55"
    assert ("block(1x4)" in decoded) == (kind == "conv2d" and not helium)
    assert ("block(1x16)" in decoded) == (not helium)


def test_labels_are_what_recipes_say() -> None:
    for encoding in (None, *COMMON_FORMATS):
        assert wish_for_all(label_of(encoding)).format == encoding


def test_what_is_shifted_to_the_left_costs_as_much_as_it_takes() -> None:
    """Dense weights less, because results are not rounded, and sparse ones more, because they end in the long way: on QEMU a
    depthwise layer of 90 % zeros took 14 % more estimated cycles than dense on a Cortex-M7 when this was not known."""
    spec = Spec("depthwise", 16, 16, size=12, kernel=3, keep=0.3)
    convolution = Spec("conv2d", 16, 16, size=12, kernel=3, keep=0.3)
    for core, each in (("cortex-m7", spec), ("cortex-m3", convolution)):
        dense, sparse = (costs_of(core, each, label) for label in ("dense", "delta8"))
        assert dense[1] < dense[0] and sparse[1] > sparse[0]


def costs_of(core: str, spec: Spec, label: str) -> list[int]:
    """Cycles without left shifts and with them in every second output."""
    found: list[int] = []
    for left in (False, True):
        (op,) = (op for op in network([spec]).walk() if isinstance(op, qnn.WeightedOp))
        shift = op.shift.owner
        block = op.parent_block()
        assert isinstance(shift, qnn.ConstantOp) and block is not None
        new = qnn.ConstantOp(
            np.where(left & (np.arange(16) % 2 == 0), 1, shift.array).astype(np.int32)
        )
        block.insert_op_before(new, op)
        op.shift.replace_all_uses_with(new.result)
        ways = [
            each for each in candidates(Layer(op), cpu_named(core)) if isinstance(each, Candidate)
        ]
        cost = next(each.cost for each in ways if each.label == label)
        assert cost is not None
        found.append(cost.cycles)
    return found
