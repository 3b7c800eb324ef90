# SPDX-License-Identifier: Apache-2.0
"""Functions as text: read as they are written, evaluated as numpy does, refused with a place."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.ir.expression import (
    MAX_DEPTH,
    MAX_LENGTH,
    OPERATORS,
    Apply,
    Number,
    Term,
    Variable,
    apply,
    evaluate,
    parse,
    substituted,
)
from sparsec.quantization.functions import FUNCTIONS

SAFE = ("+", "-", "*", "<", ">=", "tanh", "sigmoid", "leaky_relu", "minimum", "where")
"""Functions that have a value everywhere."""


def applied(terms: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    def of(name: str) -> st.SearchStrategy[Term]:
        count = {**FUNCTIONS, **OPERATORS}[name].arguments
        return st.tuples(*[terms] * count).map(lambda found: Apply(name, found))

    return st.sampled_from(SAFE).flatmap(of)


numbers = st.floats(-1e6, 1e6).map(lambda value: Number(value + 0.0))
TERMS = st.recursive(st.one_of(st.just(Variable()), numbers), applied, max_leaves=8)


@given(TERMS)
def test_what_is_written_is_read(term: Term) -> None:
    assert parse(str(term)) == term


@given(TERMS, TERMS, st.floats(-100, 100))
def test_a_function_of_a_function(outer: Term, inner: Term, x: float) -> None:
    value = np.array([x])
    np.testing.assert_array_equal(
        evaluate(substituted(outer, inner), value), evaluate(outer, evaluate(inner, value))
    )


@pytest.mark.parametrize(
    ("text", "written", "value"),
    [
        ("x", "x", 3.0),
        ("-x", "0 - x", -3.0),
        ("-2.50*x", "-2.5 * x", -7.5),
        ("1-(2-x)", "1 - (2 - x)", 2.0),
        ("(1-2)-x", "1 - 2 - x", -4.0),
        ("((x+3))*2/6", "(x + 3) * 2 / 6", 2.0),
        ("x/(3*x)", "x / (3 * x)", 1 / 3),
        ("(x>2)*5", "(x > 2) * 5", 5.0),
        ("where(x != 3, 1, 1e-05)", "where(x != 3, 1, 1e-05)", 1e-5),
        ("softplus(x, 1, 20)", "softplus(x, 1, 20)", math.log1p(math.exp(3))),
        ("7", "7", 7.0),
    ],
)
def test_how_it_reads(text: str, written: str, value: float) -> None:
    assert str(parse(text)) == written
    assert evaluate(parse(text), np.array([3.0])) == pytest.approx([value])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no function of x: it ends too early"),
        ("x +", "it ends too early"),
        ("y", "'y' is not expected"),
        ("x < 1 < 2", "'< 2' is not expected"),
        ("x x", "'x' is not expected"),
        ("relu7(x)", "unknown function 'relu7', known: sigmoid"),
        ("clamp(x, 1)", "clamp takes 3 numbers, got 2"),
        ("1" * 400, "a constant of a function is too large"),
        ("x+" * MAX_LENGTH, "is too long"),
        ("-" * MAX_DEPTH + "x", "a function is nested more than 100 deep"),
    ],
)
def test_what_is_no_function(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_neither_warn_nor_overflow(name: str) -> None:
    parameters = [1.0] * (FUNCTIONS[name].arguments - 1)
    term = apply(name, Variable(), *parameters)
    found = evaluate(term, np.array([-1e4, -700.0, -1.0, 0.0, 1.0, 700.0, 1e4]))
    partial = {
        *("exp", "expm1", "sinh", "cosh", "log", "log1p", "log2", "log10", "sqrt"),
        *("asin", "acos", "acosh", "atanh"),
    }
    assert np.isfinite(found).all() or name in partial
    assert np.isfinite(found[3:5]).any()


def test_poles_and_what_has_no_value() -> None:
    found = evaluate(parse("1 / x + sqrt(x) * 0"), np.array([0.0, -1.0, 4.0]))
    assert found[0] == np.inf and np.isnan(found[1]) and found[2] == 0.25
