# SPDX-License-Identifier: Apache-2.0
"""Plans for TensorFlow Lite Micro: which tensors, for how long, in how many bytes; and that it takes them."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks._tflm_plan import arena_of, differing_bytes
from sparsec.frontends import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.metadata import with_metadata
from sparsec.frontends.tflite.model import Model, Operator, Tensor
from sparsec.frontends.tflite.offline_plan import NAME, lifetimes, plan_offline, with_plan
from sparsec.frontends.tflite.reader import Reader, read_model
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from tests.frontends.tflite.support import (
    NETWORKS,
    OperatorSpec,
    TensorSpec,
    network,
    objects,
    packed,
    write,
)
from tests.frontends.tflite.test_hostile import mutated, structure_of

SAMPLES = 10


def tensor(shape: Sequence[int] = (1, 20), dtype: str = "INT8", **fields: Any) -> Tensor:
    none = np.zeros(0)
    return replace(Tensor(0, "", dtype, tuple(shape), None, none, none, 0), **fields)


def test_lifetimes() -> None:
    tensors = (
        tensor(),
        tensor(data=np.zeros((1, 20), np.int8)),
        tensor((1, 4), "FLOAT32"),
        tensor(is_variable=True),
        tensor((), "INT64"),
        tensor(dtype="STRING"),
        tensor((1, 33)),
        tensor((1, 16)),
    )
    operators = (
        Operator(0, "A", (0, 1, -1), (2, 6)),
        Operator(1, "B", (2, 3), (3, 4)),
        Operator(2, "C", (0, 5), (5,)),
    )
    assert lifetimes(Model(tensors, operators, (0,), (4,))) == {
        0: Buffer(32, 0, 3, 16),
        2: Buffer(16, 1, 2, 16),
        4: Buffer(16, 2, 3, 16),
        6: Buffer(48, 1, 1, 16),
    }


def chain(*sizes: int) -> bytes:
    """Fully connected layers with so many elements between them."""
    rng = np.random.default_rng(0)
    tensors = [TensorSpec("x", (1, sizes[0]), [0.1])]
    operators: list[OperatorSpec] = []
    for before, after in pairwise(sizes):
        weights = rng.integers(-127, 128, (after, before)).astype(np.int8)
        tensors.append(TensorSpec("w", weights.shape, [0.01], data=weights))
        tensors.append(TensorSpec("y", (1, after), [0.1]))
        last = len(tensors) - 1
        operators.append(
            OperatorSpec(
                "FULLY_CONNECTED", [max(0, last - 2), last - 1], [last], "FullyConnectedOptions"
            )
        )
    return write(tensors, operators)


def stored_plan(content: bytes) -> tuple[int, ...]:
    """The numbers that TensorFlow Lite Micro finds."""
    root = Reader(content).root()
    [entry] = [
        root.Metadata(i)
        for i in range(root.MetadataLength())
        if root.Metadata(i).Name() == NAME.encode()
    ]
    data = root.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    return struct.unpack(f"<{len(data) // 4}i", data)


def test_what_is_stored() -> None:
    content = chain(40, 30, 20)
    planned = with_metadata(content, NAME, plan_offline(content).metadata)
    version, subgraphs, count, *offsets = stored_plan(planned)
    assert (version, subgraphs, count) == (1, 1, 5)
    assert [offset == -1 for offset in offsets] == [False, True, False, True, False]
    # A plan that is there gives way to the new one.
    again = with_plan(planned, plan_offline(planned))
    assert stored_plan(again) == stored_plan(planned)


def test_a_plan_that_saves_nothing_is_not_added() -> None:
    """TensorFlow Lite Micro's own planner may place scratch memory in gaps of its plan, not of ours."""
    content = chain(40, 30, 20)
    plan = plan_offline(content)
    assert not plan.is_smaller
    assert with_plan(content, plan) == content


def test_a_model_that_computes_nothing_is_refused() -> None:
    constant = TensorSpec("c", (1, 4), [0.5], data=np.zeros((1, 4), np.int8))
    with pytest.raises(FrontendError, match="nothing to plan"):
        plan_offline(write([constant], [], []))


def test_a_model_that_is_too_large_is_refused() -> None:
    tensors = [TensorSpec(str(i), (1 << 14, 1 << 14), dtype="FLOAT32") for i in range(2)]
    with pytest.raises(FrontendError, match="no model for a microcontroller"):
        plan_offline(write(tensors, [OperatorSpec("RELU", [0], [1])]))


def test_several_subgraphs_are_refused() -> None:
    tensors = [TensorSpec(name, (1, 4), [0.5]) for name in "xy"]
    with pytest.raises(FrontendError, match="2 subgraphs and only one is supported"):
        plan_offline(write(tensors, [OperatorSpec("RELU", [0], [1])], subgraphs=2))


def graph(rng: np.random.Generator, count: int) -> bytes:
    """`count` operators on any tensors before them; what is read by none is an output or is not."""
    tensors = [TensorSpec("x", (1, int(rng.integers(1, 90))), [0.1])]
    values = [0]
    operators: list[OperatorSpec] = []

    def size(index: int) -> int:
        return tensors[index].shape[1]

    for _ in range(count):
        a = int(rng.choice(values))
        b = int(rng.choice([index for index in values if size(index) == size(a)]))
        c = int(rng.choice(values))
        elements = size(a)
        match int(rng.integers(4)):
            case 0:
                operator = OperatorSpec("RELU", [a], [])
            case 1:
                operator = OperatorSpec("ADD", [a, b], [], "AddOptions")
            case 2 if size(a) + size(c) < 500:
                operator = OperatorSpec(
                    "CONCATENATION", [a, c], [], "ConcatenationOptions", {"Axis": 1}
                )
                elements = size(a) + size(c)
            case _:
                elements = int(rng.integers(1, 90))
                weights = rng.integers(-127, 128, (elements, size(a))).astype(np.int8)
                tensors.append(TensorSpec("w", weights.shape, [0.01], data=weights))
                weighted = [a, len(tensors) - 1]
                operator = OperatorSpec("FULLY_CONNECTED", weighted, [], "FullyConnectedOptions")
        values.append(len(tensors))
        operators.append(replace(operator, outputs=[len(tensors)]))
        tensors.append(TensorSpec("y", (1, elements), [0.1]))
    read = {index for operator in operators for index in operator.inputs}
    unread = [index for index in values[1:] if index not in read]
    return write(tensors, operators, outputs=unread[len(unread) // 2 :])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_tflite_micro_runs_in_our_plan(seed: int, count: int) -> None:
    pytest.importorskip("tflite_micro")
    content = graph(np.random.default_rng(seed), count)
    plan = plan_offline(content, budget=Budget(1))
    planned = with_plan(content, plan)
    assert differing_bytes(content, planned, SAMPLES) == 0
    own, ours = arena_of(content), arena_of(planned)
    assert own.head == plan.greedy_bytes
    assert ours.head == plan.assignment.arena_bytes <= own.head
    assert ours.tail == own.tail


def test_tflite_micro_obeys_the_plan() -> None:
    """With all tensors in one place it computes something else: it is our offsets that it takes."""
    pytest.importorskip("tflite_micro")
    content = chain(40, 30, 20, 10)
    clash = with_metadata(content, NAME, struct.pack("<10i", 1, 1, 7, *[0, -1] * 3, 0))
    assert arena_of(clash).head == 48
    assert differing_bytes(content, clash, SAMPLES) > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    """Measured in TensorFlow Lite Micro: the activations take the least that any plan can."""
    pytest.importorskip("tflite_micro")
    content = network(name)
    plan = plan_offline(content)
    planned = with_plan(content, plan)
    assert differing_bytes(content, planned, SAMPLES) == 0
    own, ours = arena_of(content), arena_of(planned)
    least = {"ad01_int8": 768, "ic_resnet8_int8": 49152, "kws_ref_model_int8": 16000}
    assert ours.head == plan.assignment.lower_bound == least.get(name, 55296)
    assert own.head == least.get(name, 73728)
    assert ours.tail == own.tail


@pytest.mark.parametrize("seed", [83, 136, 198])
def test_never_larger_than_their_plan(seed: int) -> None:
    """Not even where there is no time to search."""
    content = graph(np.random.default_rng(seed), 40)
    plan = plan_offline(content, budget=Budget(0))
    assert plan.assignment.arena_bytes <= plan.greedy_bytes


def test_models_with_state() -> None:
    """A variable is left to TensorFlow Lite Micro; the compiler still refuses it."""
    model = objects(chain(40, 30))
    model.subgraphs[0].tensors[0].isVariable = True
    content = packed(model)
    assert plan_offline(content).tensors == (2,)
    with pytest.raises(FrontendError, match="is a variable"):
        import_tflite(content)


def test_options_outside_the_flatbuffer_are_refused() -> None:
    model = objects(chain(40, 30))
    model.subgraphs[0].operators[0].largeCustomOptionsOffset = 1000
    with pytest.raises(FrontendError, match="options of operator 0 lie outside"):
        plan_offline(packed(model))


def test_mutated_networks() -> None:
    """They are planned or refused, and what is planned is read as before."""
    content = network("kws_ref_model_int8")
    structure = structure_of(content)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = mutated(content, rng, structure)
        try:
            planned = with_plan(damaged, plan_offline(damaged, budget=Budget(0.1)))
        except FrontendError:
            refused += 1
            continue
        assert lifetimes(read_model(planned)) == lifetimes(read_model(damaged))
    assert 0 < refused < 60


def test_truncated_files_are_refused() -> None:
    content = chain(40, 30, 20)
    for size in range(8, len(content) - 4, 37):
        with pytest.raises(FrontendError):
            plan_offline(content[:size])
