# SPDX-License-Identifier: Apache-2.0
"""Plans for TensorFlow Lite Micro: which tensors, for how long, in how many bytes; and that it takes them."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks._tflm_plan import arena_of, differing_bytes
from sparsec.frontends import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.metadata import with_metadata
from sparsec.frontends.tflite.model import Model, Operator, Tensor
from sparsec.frontends.tflite.offline_plan import (
    NAME,
    greedy_offsets,
    lifetimes,
    plan_offline,
    scratch_bounds,
    with_plan,
)
from sparsec.frontends.tflite.reader import Reader, read_model
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.exact import neighbours, sections
from sparsec.planning.heuristic import arena_bytes, place_in_order
from sparsec.planning.offsets import assign_offsets
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
    content = graph(np.random.default_rng(1), 40)
    plan = plan_offline(content)
    version, subgraphs, count, *offsets = stored_plan(with_plan(content, plan))
    assert (version, subgraphs, count) == (1, 1, plan.tensor_count)
    assert tuple(offsets[index] for index in plan.tensors) == plan.assignment.offsets
    assert offsets.count(-1) == count - len(plan.tensors) > 0


def test_a_plan_that_is_there_gives_way() -> None:
    """To the new one, and to TensorFlow Lite Micro's own planner where that takes no more."""
    content = chain(40, 30, 20)
    header = (1, 1, 5)
    planned = with_metadata(content, NAME, struct.pack("<8i", *header, 96, -1, 48, -1, 0))
    assert stored_plan(with_plan(planned, plan_offline(planned))) == (*header, *[-1] * 5)


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
        match int(rng.integers(12)):
            case 0 | 1 | 2 | 3:
                operator = OperatorSpec("RELU", [a], [])
            case 4 | 5 | 6:
                operator = OperatorSpec("ADD", [a, b], [], "AddOptions")
            case 7 | 8 | 9 | 10 if size(a) + size(c) < 500:
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


def pixels(rng: np.random.Generator, count: int) -> bytes:
    """`count` operators on images of one pixel; the transposed convolutions among them ask for scratch memory."""
    tensors = [TensorSpec("x", (1, 1, 1, int(rng.integers(1, 90))), [0.1])]
    values = [0]
    operators: list[OperatorSpec] = []
    for _ in range(count):
        a, b = (int(rng.choice(values)) for _ in range(2))
        channels = tensors[a].shape[3]
        if rng.random() < 0.25:
            elements = int(rng.integers(1, 90))
            weights = rng.integers(-127, 128, (elements, 1, 1, channels)).astype(np.int8)
            shape = np.array([1, 1, 1, elements], np.int32)
            tensors.append(TensorSpec("s", (4,), dtype="INT32", data=shape))
            tensors.append(TensorSpec("w", weights.shape, [0.01], data=weights))
            inputs = [len(tensors) - 2, len(tensors) - 1, a]
            strides = {"StrideH": 1, "StrideW": 1}
            operator = OperatorSpec("TRANSPOSE_CONV", inputs, [], "TransposeConvOptions", strides)
        elif channels + tensors[b].shape[3] < 400:
            elements = channels + tensors[b].shape[3]
            operator = OperatorSpec(
                "CONCATENATION", [a, b], [], "ConcatenationOptions", {"Axis": 3}
            )
        else:
            elements = channels
            operator = OperatorSpec("RELU", [a], [])
        values.append(len(tensors))
        operators.append(replace(operator, outputs=[len(tensors)]))
        tensors.append(TensorSpec("y", (1, 1, 1, elements), [0.1]))
    read = {index for operator in operators for index in operator.inputs}
    unread = [index for index in values[1:] if index not in read]
    return write(tensors, operators, outputs=unread[len(unread) // 2 :])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(3, 14))
@example(1412, 13)
def test_never_a_larger_arena_with_scratch_memory(seed: int, count: int) -> None:
    """As TensorFlow Lite Micro measures it; without room for scratch memory every third plan was larger."""
    pytest.importorskip("tflite_micro")
    content = pixels(np.random.default_rng(seed), count)
    plan = plan_offline(content, budget=Budget(work=30_000))
    assert arena_of(with_plan(content, plan)).head <= arena_of(content).head


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(3, 20))
def test_never_larger_whatever_scratch_memory_is_asked_for(seed: int, count: int) -> None:
    """Played: their planner places tensors and scratch memory by size, or scratch memory around our plan."""
    rng = np.random.default_rng(seed)
    content = graph(rng, count)
    plan = plan_offline(content, budget=Budget(work=30_000))
    if not plan.is_smaller:
        return
    tensors = plan.buffers
    pins = dict(enumerate(plan.assignment.offsets))
    for _ in range(8):
        scratch = [
            Buffer(-(-int(rng.integers(1, most + 1)) // 16) * 16, time, time, 16)
            for time, bound in scratch_bounds(read_model(content)).items()
            if (most := 1000 if bound.bytes is None else bound.bytes) and rng.random() < 0.8
        ]
        everything = (*tensors, *scratch)
        order = sorted(range(len(everything)), key=lambda i: (-everything[i].size, -i))
        ours = place_in_order(everything, pins, neighbours(*sections(everything)), order)
        theirs = greedy_offsets(everything)
        assert ours is not None
        assert arena_bytes(everything, ours) <= arena_bytes(everything, theirs)


def test_scratch_memory_that_may_make_a_larger_arena() -> None:
    content = pixels(np.random.default_rng(1412), 13)
    plan = plan_offline(content)
    assert plan.because.endswith("(TRANSPOSE_CONV) asks for an unknown amount of scratch memory")
    assert plan.refused_bytes < plan.greedy_bytes == plan.assignment.arena_bytes
    assert with_plan(content, plan) == content


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


@pytest.mark.parametrize(
    ("network_of", "seed"), [(pixels, 119), (graph, 340), (graph, 514)], ids=["119", "340", "514"]
)
def test_never_larger_than_their_plan(
    network_of: Callable[[np.random.Generator, int], bytes], seed: int
) -> None:
    """Not even where there is no time to search, so that our best is larger."""
    content = network_of(np.random.default_rng(seed), 40)
    buffers = tuple(lifetimes(read_model(content)).values())
    plan = plan_offline(content, budget=Budget(0))
    assert assign_offsets(buffers, budget=Budget(0)).arena_bytes > plan.greedy_bytes
    assert plan.assignment.arena_bytes == plan.greedy_bytes


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
