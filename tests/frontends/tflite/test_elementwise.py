# SPDX-License-Identifier: Apache-2.0
"""Operators on two tensors: TensorFlow Lite Micro, interpreter, calls and C give the same bytes."""

import numpy as np
import pytest

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from tests.frontends.tflite.support import (
    OperatorSpec,
    Spec,
    TensorSpec,
    oracle,
    side_by_side,
    write,
)
from tests.frontends.tflite.support import differing_bytes as differing_from_oracle

NAMES = ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU"]
OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}
OPERANDS = {
    "tensor": (None, False),
    "vector": ((5,), True),
    "vector of four axes": ((1, 1, 1, 5), True),
    "scalar": ((), True),
    "computed vector": ((1, 1, 1, 5), False),
    "whole constant": (None, True),
    "one for each pixel": ((1, 3, 4, 1), False),
    "rows": ((1, 3, 1, 5), True),
    "columns": ((1, 1, 4, 1), False),
}
"""Shape of the second operand, None for that of the first, and whether it is constant."""


def scale(rng: np.random.Generator) -> float:
    return float(np.float32(2.0 ** rng.uniform(-9, -3)))


def on_two(name: str, operand: str, seed: int, swapped: bool = False) -> Spec:
    """An operator on tensor and operand, in this order unless `swapped`."""
    rng = np.random.default_rng(seed)
    other, constant = OPERANDS[operand]
    shape = (1, *(int(n) for n in rng.integers(1, 8, 2)), 5)
    if other is not None and len(other) == 4:
        shape = tuple(n if m == 1 else m for n, m in zip(shape, other, strict=True))
    other = shape if other is None else other
    s1, s2 = scale(rng), scale(rng)
    zero_points = [int(n) for n in (*rng.integers(-128, 128, 2), rng.integers(-40, 41))]
    # About the range of the results, so that few of them saturate.
    largest = {"MUL": 100 * s1 * s2, "PRELU": max(s1, 100 * s1 * s2)}.get(name, s1 + s2)
    s_out = float(np.float32(largest * rng.uniform(0.5, 2.0)))
    if name in ("MAXIMUM", "MINIMUM"):
        s_out = s2 = s1
        zero_points = zero_points[:1] * 3
    data = rng.integers(-128, 128, other).astype(np.int8) if constant else None
    tensors = [
        TensorSpec("a", shape, [s1], zero_points[0]),
        TensorSpec("b", other, [s2], zero_points[1], data=data),
        TensorSpec("y", shape, [s_out], zero_points[2]),
    ]
    kind = OPTIONS.get(name, "")
    options = {"FusedActivationFunction": int(rng.integers(0, 4))} if kind else {}
    order = [1, 0] if swapped else [0, 1]
    return tensors, OperatorSpec(name, order, [2], kind, options)


def model(name: str, operand: str, seed: int, swapped: bool = False) -> bytes:
    return side_by_side(on_two(name, operand, seed, swapped))


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("name", NAMES)
def test_interpreter_gives_the_bytes_of_tflite_micro(name: str, operand: str) -> None:
    for seed in range(6):
        assert differing_from_oracle(model(name, operand, seed), 100) == 0, f"seed {seed}"


@pytest.mark.parametrize("operand", ["vector", "scalar", "computed vector", "columns"])
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"])
def test_the_first_operand_may_be_the_repeated_one(name: str, operand: str) -> None:
    for seed in range(6):
        assert differing_from_oracle(model(name, operand, seed, swapped=True), 100) == 0


def test_the_terms_of_a_difference_are_rounded_before_they_are_subtracted() -> None:
    """The second term ends in a half, and its rounding decides about that of the result.

    The sum with a negated multiplier gives other bytes.
    """
    one = np.array([1], np.int8)
    tensors = [
        TensorSpec("a", (1, 256), [2**-4]),
        TensorSpec("b", (1,), [2**-4 * (0.5 + 5 * 2**-21)], data=one),
        TensorSpec("y", (1, 256), [2**-4]),
    ]
    content = write(tensors, [OperatorSpec("SUB", [0, 1], [2], "SubOptions")])
    values = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    [ours], [theirs] = interpret(import_tflite(content), [values]), oracle(content, [values])
    assert np.array_equal(ours, theirs)
    assert ours[0, 128 + 5] == 4


def test_a_vector_stays_a_vector() -> None:
    text = str(import_tflite(model("MUL", "vector of four axes", 0)))
    assert text.count("dense<") == 1
    assert "tensor<5xi8>" in text


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "MAXIMUM"])
def test_both_operands_may_be_repeated(name: str) -> None:
    tensors = [
        TensorSpec("a", (1, 3, 1, 5), [0.5], 3),
        TensorSpec("b", (1, 1, 4, 1), [0.5], 3),
        TensorSpec("y", (1, 3, 4, 5), [0.5], 3),
    ]
    kind = OPTIONS.get(name, "")
    spec = OperatorSpec(name, [0, 1], [2], kind, {"FusedActivationFunction": 0} if kind else {})
    assert differing_from_oracle(write(tensors, [spec], [0, 1]), 100) == 0


def test_operands_have_to_fit_the_result() -> None:
    tensors = [TensorSpec(name, (1, n), [0.5]) for name, n in (("a", 3), ("b", 2), ("y", 3))]
    with pytest.raises(FrontendError, match="cannot be repeated"):
        import_tflite(write(tensors, [OperatorSpec("MUL", [0, 1], [2], "MulOptions")], [0, 1]))


def test_maximum_wants_one_quantization() -> None:
    tensors = [TensorSpec(name, (1, 4), [s]) for name, s in (("a", 0.5), ("b", 0.25), ("y", 0.5))]
    with pytest.raises(FrontendError, match="one scale and zero point"):
        import_tflite(write(tensors, [OperatorSpec("MAXIMUM", [0, 1], [2])], [0, 1]))
