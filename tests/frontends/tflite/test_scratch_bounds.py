# SPDX-License-Identifier: Apache-2.0
"""The most scratch memory that TensorFlow Lite Micro's kernels ask for: by hand, and by its interpreter."""

import numpy as np
import pytest

from benchmarks._tflm_plan import arena_of
from sparsec.frontends.tflite.reader import read_model
from sparsec.frontends.tflite.scratch_bounds import WITHOUT, scratch_bound
from tests.frontends.tflite.support import SCHEMA, OperatorSpec, TensorSpec, write

CONVOLUTION = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
POOL = {"StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1}


def constant(*shape: int, dtype: str = "INT8") -> TensorSpec:
    numpy = {"INT8": np.int8, "INT32": np.int32, "FLOAT32": np.float32, "INT16": np.int16}[dtype]
    return TensorSpec("w", shape, [0.1], dtype=dtype, data=np.ones(shape, numpy))


def computed(*shape: int, dtype: str = "INT8") -> TensorSpec:
    return TensorSpec("x", shape, [0.1], dtype=dtype)


def one(name: str, *tensors: TensorSpec, kind: str = "", **options: float) -> bytes:
    """A network of one operator: its inputs and its output."""
    last = len(tensors) - 1
    return write(tensors, [OperatorSpec(name, range(last), [last], kind, options)])


IMAGE = computed(1, 4, 4, 20)


@pytest.mark.parametrize(
    ("content", "bound"),
    [
        (one("RELU", computed(1, 8), computed(1, 8)), 0),
        (
            one(
                "CONV_2D",
                IMAGE,
                constant(8, 1, 1, 20),
                computed(1, 4, 4, 8),
                kind="Conv2DOptions",
                **CONVOLUTION,
            ),
            0,
        ),
        # Four rows of columns, rounded up to 16 on Helium.
        (
            one(
                "CONV_2D",
                IMAGE,
                constant(8, 3, 3, 20),
                computed(1, 4, 4, 8),
                kind="Conv2DOptions",
                **CONVOLUTION,
            ),
            4 * 192,
        ),
        # Blocks of 124 channels on Helium.
        (
            one(
                "DEPTHWISE_CONV_2D",
                IMAGE,
                constant(1, 3, 3, 20),
                IMAGE,
                kind="DepthwiseConv2DOptions",
                **CONVOLUTION,
            ),
            4 * 124 * 9,
        ),
        (
            one(
                "FULLY_CONNECTED",
                computed(1, 8),
                constant(5, 8),
                computed(1, 5),
                kind="FullyConnectedOptions",
            ),
            32,
        ),
        (one("AVERAGE_POOL_2D", IMAGE, IMAGE, kind="Pool2DOptions", **POOL), 80),
        (
            one(
                "MEAN",
                computed(1, 20),
                constant(1, dtype="INT32"),
                computed(1, 1),
                kind="ReducerOptions",
            ),
            48,
        ),
        (
            one(
                "MIRROR_PAD",
                computed(1, 20),
                constant(2, 2, dtype="INT32"),
                computed(1, 20),
                kind="MirrorPadOptions",
            ),
            32,
        ),
        (
            one(
                "ADD_N",
                computed(1, 20),
                computed(1, 20),
                computed(1, 20),
                computed(1, 20),
                kind="AddNOptions",
            ),
            32,
        ),
        (
            one(
                "CONV_2D",
                computed(1, 4, 4, 20, dtype="FLOAT32"),
                constant(8, 3, 3, 20, dtype="FLOAT32"),
                computed(1, 4, 4, 8, dtype="FLOAT32"),
                kind="Conv2DOptions",
                **CONVOLUTION,
            ),
            0,
        ),
        (
            one(
                "FULLY_CONNECTED",
                computed(1, 8, dtype="INT16"),
                constant(5, 8),
                computed(1, 5, dtype="INT16"),
            ),
            None,
        ),
        (one("SVDF", computed(1, 8), computed(1, 8)), None),
        (one("CONV_2D", computed(8), constant(8), computed(8)), None),
    ],
)
def test_bounds(content: bytes, bound: int | None) -> None:
    model = read_model(content)
    assert scratch_bound(model, model.operators[0]) == bound


def test_a_mean_asks_for_no_more() -> None:
    """As its interpreter measures: the arena of the tensors and scratch memory."""
    pytest.importorskip("tflite_micro")
    axis = TensorSpec("axis", (1,), dtype="INT32", data=np.array([1], np.int32))
    content = write(
        [computed(1, 20), axis, computed(1, 1)],
        [OperatorSpec("MEAN", [0, 1], [2], "ReducerOptions", {"KeepDims": True})],
    )
    assert arena_of(content).head == 32 + 16 + 48


def test_the_names_are_those_of_the_schema() -> None:
    assert all(hasattr(SCHEMA.BuiltinOperator, name) for name in WITHOUT)
