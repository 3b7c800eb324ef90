# SPDX-License-Identifier: Apache-2.0
"""Islands in float32: the bytes of TensorFlow Lite Micro, what is left of them, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.island_folding import fold_islands
from sparsec.frontends.tflite.model import Array, Model, Tensor
from sparsec.frontends.tflite.reader import read_model
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations
from sparsec.quantization.affine import affine_quantize
from sparsec.run import cmsis_nn
from tests.end_to_end.road import compile_to, expect_exact
from tests.frontends.tflite.support import (
    OperatorSpec,
    TensorSpec,
    differing_bytes,
    oracle,
    samples,
    write,
)

WINDOW = {"Padding": 0, "StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}
SAME, OTHER, COARSE = (0.05, -3), (0.037, 11), (0.2, 100)


def real(name: str, *shape: int, data: Array | None = None) -> TensorSpec:
    return TensorSpec(name, shape, dtype="FLOAT32", data=data)


def byte(name: str, scheme: tuple[float, int], *shape: int) -> TensorSpec:
    return TensorSpec(name, shape, [scheme[0]], scheme[1])


def numbers(name: str, *values: Sequence[int] | int) -> TensorSpec:
    data = np.array(values, np.int32)
    return TensorSpec(name, data.shape, dtype="INT32", data=data)


def dequantize(source: int, target: int) -> OperatorSpec:
    return OperatorSpec("DEQUANTIZE", [source], [target])


def quantize(source: int, target: int) -> OperatorSpec:
    return OperatorSpec("QUANTIZE", [source], [target])


def layers(module: ModuleOp) -> list[str]:
    """The operations of a module that compute."""
    skipped = ("builtin.module", "func.func", "func.return", "qnn.constant")
    return [op.name for op in module.walk() if op.name not in skipped]


def island(
    middle: OperatorSpec,
    shape: Sequence[int],
    extra: Sequence[TensorSpec] = (),
    source: tuple[float, int] = SAME,
    target: tuple[float, int] = SAME,
) -> bytes:
    """x -> DEQUANTIZE -> `middle`, which reads 1 and gives 2 -> QUANTIZE; `extra` from 4 on."""
    tensors = [
        byte("x", source, 1, 4, 6, 3),
        real("f", 1, 4, 6, 3),
        real("g", *shape),
        byte("y", target, *shape),
        *extra,
    ]
    return write(tensors, [dequantize(0, 1), middle, quantize(2, 3)], outputs=[3])


def pool(activation: int) -> OperatorSpec:
    options = {**WINDOW, "FusedActivationFunction": activation}
    return OperatorSpec("MAX_POOL_2D", [1], [2], "Pool2DOptions", options)


HALF = np.array([0.333], np.float32)
LOWEST = np.array([np.finfo(np.float32).min], np.float32)
VECTOR = np.array([-0.21, 0.1, 3.3], np.float32).reshape(1, 1, 1, 3)
SHAPE = (1, 4, 6, 3)
AROUND = numbers("around", [0, 0], [1, 0], [0, 2], [0, 0])
MOVES: dict[str, tuple[OperatorSpec, Sequence[int], Sequence[TensorSpec]]] = {
    "max pool": (pool(0), (1, 2, 3, 3), ()),
    "max pool and relu": (pool(1), (1, 2, 3, 3), ()),
    "max pool and relu6": (pool(3), (1, 2, 3, 3), ()),
    "relu": (OperatorSpec("RELU", [1], [2]), SHAPE, ()),
    "relu6": (OperatorSpec("RELU6", [1], [2]), SHAPE, ()),
    "reshape": (
        OperatorSpec("RESHAPE", [1, 4], [2]),
        (1, 72),
        [numbers("shape", 1, 72)],
    ),
    "transpose": (
        OperatorSpec("TRANSPOSE", [1, 4], [2]),
        (1, 6, 3, 4),
        [numbers("permutation", 0, 2, 3, 1)],
    ),
    "pad": (OperatorSpec("PAD", [1, 4], [2]), (1, 5, 8, 3), [AROUND]),
    "padv2": (
        OperatorSpec("PADV2", [1, 4, 5], [2]),
        (1, 5, 8, 3),
        [AROUND, TensorSpec("value", (), dtype="FLOAT32", data=HALF)],
    ),
    "strided slice": (
        OperatorSpec("STRIDED_SLICE", [1, 4, 5, 6], [2], "StridedSliceOptions", {}),
        (1, 2, 4, 3),
        [numbers("begin", 0, 1, 0, 0), numbers("end", 1, 4, 4, 3), numbers("step", 1, 2, 1, 1)],
    ),
    "reduce max": (
        OperatorSpec("REDUCE_MAX", [1, 4], [2], "ReducerOptions", {"KeepDims": 1}),
        (1, 1, 1, 3),
        [numbers("axes", 1, 2)],
    ),
    "resize": (
        OperatorSpec("RESIZE_NEAREST_NEIGHBOR", [1, 4], [2], "ResizeNearestNeighborOptions", {}),
        (1, 8, 12, 3),
        [numbers("size", 8, 12)],
    ),
    "maximum": (
        OperatorSpec("MAXIMUM", [1, 4], [2]),
        SHAPE,
        [real("limit", 1, 1, 1, 3, data=VECTOR)],
    ),
    "minimum": (
        OperatorSpec("MINIMUM", [4, 1], [2]),
        SHAPE,
        [real("limit", 1, 1, 1, 3, data=VECTOR)],
    ),
}


@pytest.mark.parametrize("target", [SAME, OTHER, COARSE])
@pytest.mark.parametrize("name", MOVES)
def test_no_byte_differs_from_the_oracle(name: str, target: tuple[float, int]) -> None:
    content = island(*MOVES[name], target=target)
    assert differing_bytes(content, 20) == 0


def test_every_byte_under_many_scales() -> None:
    rng = np.random.default_rng(3)
    tensors = [TensorSpec("x", (1, 256), [0.5])]
    operators: list[OperatorSpec] = []
    outputs: list[int] = []
    for _ in range(60):
        # Scales that are multiples of each other make halves.
        s1 = rng.choice([0.25, 0.3, rng.uniform(0.001, 2)])
        s2 = float(np.float32(s1)) * rng.choice([0.5, 1, 2, 4, 8, rng.uniform(0.1, 8)])
        z1, z2 = (int(n) for n in rng.integers(-128, 128, 2))
        base = len(tensors)
        tensors += [
            TensorSpec("a", (1, 256), [s1], z1),
            real("f", 1, 256),
            TensorSpec("b", (1, 256), [s2], z2),
        ]
        operators += [
            OperatorSpec("RESHAPE", [0], [base], "ReshapeOptions", {}),
            dequantize(base, base + 1),
            quantize(base + 1, base + 2),
        ]
        outputs.append(base + 2)
    content = write(tensors, operators, outputs=outputs)
    runtime = pytest.importorskip("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    for index, found in enumerate(interpret(import_tflite(content), [x])):
        assert found.tobytes() == np.array(interpreter.get_output(index)).tobytes()


def test_nothing_is_left_of_an_identity() -> None:
    module = import_tflite(island(*MOVES["max pool"]))
    assert layers(module) == ["qnn.max_pool2d"]


def test_another_scale_leaves_one_table_behind_the_maximum() -> None:
    module = import_tflite(island(*MOVES["max pool and relu"], target=OTHER))
    assert layers(module) == ["qnn.max_pool2d", "qnn.lookup"]


def test_a_bound_that_the_first_scale_does_not_hold_is_applied_in_the_second() -> None:
    module = import_tflite(island(*MOVES["max pool and relu6"], target=OTHER))
    assert layers(module) == ["qnn.lookup", "qnn.max_pool2d"]


def test_lowest_float_as_padding_of_a_maximum() -> None:
    """What a converter writes for the padding of a max pool."""
    tensors = [
        byte("x", SAME, *SHAPE),
        real("f", *SHAPE),
        numbers("around", [0, 0], [1, 1], [1, 1], [0, 0]),
        TensorSpec("value", (), dtype="FLOAT32", data=LOWEST),
        real("g", 1, 6, 8, 3),
        real("h", 1, 3, 4, 3),
        byte("y", OTHER, 1, 3, 4, 3),
    ]
    operators = [
        dequantize(0, 1),
        OperatorSpec("PADV2", [1, 2, 3], [4]),
        OperatorSpec("MAX_POOL_2D", [4], [5], "Pool2DOptions", WINDOW),
        quantize(5, 6),
    ]
    assert differing_bytes(write(tensors, operators), 20) == 0


def branches() -> bytes:
    """Two tensors of different scales, joined in float32, moved on, and quantized in two ways."""
    tensors = [
        byte("a", SAME, 1, 2, 2, 2),
        byte("b", OTHER, 1, 2, 2, 2),
        real("fa", 1, 2, 2, 2),
        real("fb", 1, 2, 2, 2),
        real("both", 1, 2, 2, 4),
        real("flat", 1, 16),
        real("largest", 1, 2, 2, 2),
        byte("y1", COARSE, 1, 16),
        byte("y2", SAME, 1, 2, 2, 4),
        byte("y3", OTHER, 1, 2, 2, 2),
    ]
    operators = [
        dequantize(0, 2),
        dequantize(1, 3),
        OperatorSpec("CONCATENATION", [2, 3], [4], "ConcatenationOptions", {"Axis": 3}),
        OperatorSpec("RESHAPE", [4], [5], "ReshapeOptions", {}),
        OperatorSpec("MAXIMUM", [3, 2], [6]),
        quantize(5, 7),
        quantize(4, 8),
        quantize(6, 9),
    ]
    return write(tensors, operators, inputs=[0, 1], outputs=[7, 8, 9])


def test_joins_of_several_scales() -> None:
    assert differing_bytes(branches(), 40) == 0


def test_a_split_in_two_scales() -> None:
    tensors = [
        byte("x", SAME, *SHAPE),
        real("f", *SHAPE),
        TensorSpec("axis", (), dtype="INT32", data=np.array(2, np.int32)),
        *(real(name, 1, 4, 2, 3) for name in "ghi"),
        byte("k", OTHER, 1, 4, 2, 3),
        byte("l", SAME, 1, 4, 2, 3),
    ]
    operators = [
        dequantize(0, 1),
        OperatorSpec("SPLIT", [2, 1], [3, 4, 5], "SplitOptions", {"NumSplits": 3}),
        quantize(3, 6),
        quantize(5, 7),
    ]
    content = write(tensors, operators, outputs=[6, 7])
    assert differing_bytes(content, 10) == 0


def random_graph(seed: int) -> tuple[list[TensorSpec], list[OperatorSpec], list[int]]:
    """Operators on random int8 and float32 tensors; what is int8 and follows from the inputs is an output."""
    rng = np.random.default_rng(seed)
    schemes = [SAME, OTHER, COARSE, (0.025, -128)]
    shape = (1, 3, 3, 2)

    def scheme() -> tuple[float, int]:
        return schemes[int(rng.integers(len(schemes)))]

    constant = rng.normal(0, 2, shape).astype(np.float32)
    tensors = [byte("a", scheme(), *shape), byte("b", scheme(), *shape)]
    tensors.append(real("c", *shape, data=constant))
    bytes_, reals, fixed = [0, 1], [2], {2}
    operators: list[OperatorSpec] = []
    window = {**WINDOW, "StrideH": 1, "StrideW": 1}
    for index in range(3, 20):
        f, g = (int(n) for n in rng.choice(reals, 2))
        b = int(rng.choice(bytes_))
        kind = int(rng.integers(8)) if 3 < index < 19 else index == 19 and 2
        if kind <= 1:
            operators.append(dequantize(b, index))
        elif kind <= 3:
            operators.append(quantize(reals[-1] if index == 19 else f, index))
        elif kind == 4:
            name = str(rng.choice(["RELU", "RELU6"]))
            operators.append(OperatorSpec(name, [f], [index]))
        elif kind == 5:
            options = {**window, "FusedActivationFunction": int(rng.choice([0, 1, 3]))}
            operators.append(OperatorSpec("MAX_POOL_2D", [f], [index], "Pool2DOptions", options))
        else:
            name = str(rng.choice(["MAXIMUM", "MINIMUM"]))
            operators.append(OperatorSpec(name, [f, g], [index]))
        if fixed.issuperset(operators[-1].inputs):
            fixed.add(index)
        quantized = kind in (2, 3)
        tensors.append(byte(f"t{index}", scheme(), *shape) if quantized else real("f", *shape))
        (bytes_ if quantized else reals).append(index)
    return tensors, operators, [index for index in bytes_[2:] if index not in fixed]


@pytest.mark.parametrize("seed", range(40))
def test_random_islands(seed: int) -> None:
    tensors, operators, outputs = random_graph(seed)
    content = write(tensors, operators, inputs=[0, 1], outputs=outputs)
    assert not any("FLOAT32" in t.dtype for t in used(fold_islands(read_model(content))))
    assert differing_bytes(content, 5) == 0


def test_hostile_islands_are_folded_or_refused() -> None:
    """Operators that read and compute any tensors, in any order."""
    imported = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        tensors, operators, outputs = random_graph(seed)
        for _ in range(int(rng.integers(1, 4))):
            victim = operators[int(rng.integers(len(operators)))]
            anything = [int(n) for n in rng.integers(-1, len(tensors), int(rng.integers(1, 4)))]
            match int(rng.integers(4)):
                case 0:
                    victim.inputs = anything
                case 1:
                    victim.outputs = anything
                case 2:
                    victim.name = str(rng.choice(["SPLIT", "PADV2", "QUANTIZE", "DEQUANTIZE"]))
                case _:
                    first, second = rng.integers(0, len(operators), 2)
                    operators[first], operators[second] = operators[second], operators[first]
        try:
            import_tflite(write(tensors, operators, inputs=[0, 1], outputs=outputs)).verify()
        except FrontendError:
            continue
        imported += 1
    assert 0 < imported < 150


def used(model: Model) -> list[Tensor]:
    """The tensors that the operators of a model compute."""
    return [model.tensors[index] for op in model.operators for index in op.outputs]


def test_a_chain_of_islands(tmp_path: Path) -> None:
    """Also in C: int8 layers before, between and behind the islands."""
    tensors = [
        byte("x", SAME, 1, 4, 4, 2),
        byte("a", OTHER, 1, 4, 4, 2),
        real("f", 1, 4, 4, 2),
        byte("b", OTHER, 1, 4, 4, 2),
        real("g", 1, 4, 4, 2),
        real("h", 1, 2, 2, 2),
        real("i", 1, 8),
        byte("c", COARSE, 1, 8),
        real("j", 1, 8),
        byte("d", SAME, 1, 8),
        byte("y", SAME, 1, 8),
    ]
    operators = [
        OperatorSpec("LEAKY_RELU", [0], [1], "LeakyReluOptions", {"Alpha": 0.3}),
        dequantize(1, 2),
        quantize(2, 3),
        dequantize(3, 4),
        OperatorSpec("MAX_POOL_2D", [4], [5], "Pool2DOptions", WINDOW),
        OperatorSpec("RESHAPE", [5], [6], "ReshapeOptions", {}),
        quantize(6, 7),
        dequantize(7, 8),
        quantize(8, 9),
        OperatorSpec("RELU", [9], [10]),
    ]
    content = write(tensors, operators)
    assert differing_bytes(content, 20) == 0
    expected = ["lookup", "max_pool2d", "reshape", "lookup", "lookup", "lookup"]
    assert layers(import_tflite(content)) == [f"qnn.{name}" for name in expected]
    if cmsis_nn.locate() is None:
        pytest.skip("CMSIS-NN is not there")
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    expect_exact(compile_to(path, "host"), "host", samples(import_tflite(content), 5))


def test_islands_at_float_borders() -> None:
    """Input and output in float32, moved before they are quantized and after they are dequantized."""
    tensors = [
        real("x", 1, 2, 4),
        real("flat", 1, 8),
        byte("a", SAME, 1, 8),
        byte("b", OTHER, 1, 8),
        real("f", 1, 8),
        real("y", 1, 4, 2),
    ]
    operators = [
        OperatorSpec("RESHAPE", [0], [1], "ReshapeOptions", {}),
        quantize(1, 2),
        OperatorSpec("RELU", [2], [3]),
        dequantize(3, 4),
        OperatorSpec("RESHAPE", [4], [5], "ReshapeOptions", {}),
    ]
    content = write(tensors, operators)
    module = import_tflite(content)
    [entry], [result] = entry_quantizations(module)
    assert (entry.zero_point, result.zero_point) == (SAME[1], OTHER[1])
    assert layers(module) == ["qnn.reshape", "qnn.lookup", "qnn.reshape"]
    runtime = pytest.importorskip("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 16)
    x = np.random.default_rng(0).normal(0, 4, (1, 2, 4)).astype(np.float32)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    [y] = interpret(module, [affine_quantize(x, entry.scale, entry.zero_point)])
    found = (y.astype(np.float32) - OTHER[1]) * np.float32(OTHER[0])
    assert found.tobytes() == np.array(interpreter.get_output(0)).tobytes()


def test_a_float_constant_is_quantized_once() -> None:
    tensors = [
        byte("x", SAME, 1, 3),
        real("c", 1, 3, data=np.array([[0.1, -0.1, 0.2]], np.float32)),
        byte("k", SAME, 1, 3),
        byte("y", SAME, 1, 3),
    ]
    operators = [quantize(1, 2), OperatorSpec("MAXIMUM", [0, 2], [3])]
    content = write(tensors, operators)
    assert layers(import_tflite(content)) == ["qnn.maximum"]
    assert differing_bytes(content, 5) == 0


def test_a_constant_output() -> None:
    tensors = [
        byte("x", SAME, 1, 3),
        real("c", 1, 3, data=np.array([[0.1, -0.1, 0.2]], np.float32)),
        byte("k", SAME, 1, 3),
    ]
    content = write(tensors, [quantize(1, 2)])
    x = np.zeros((1, 3), np.int8)
    [found] = interpret(import_tflite(content), [x])
    assert found.tolist() == [[-1, -5, 1]]
    [expected] = oracle(content, [x])
    assert found.tobytes() == expected.tobytes()


def test_a_network_that_is_an_island_gives_what_it_takes() -> None:
    tensors = [byte("x", SAME, 1, 3), real("f", 1, 3), byte("y", SAME, 1, 3)]
    content = write(tensors, [dequantize(0, 1), quantize(1, 2)])
    assert layers(import_tflite(content)) == ["qnn.lookup"]
    assert differing_bytes(content, 5) == 0


def test_models_without_islands_are_left_alone() -> None:
    tensors = [real("x", 1, 3), byte("a", SAME, 1, 3), byte("b", SAME, 1, 3), real("y", 1, 3)]
    operators = [quantize(0, 1), OperatorSpec("RELU", [1], [2]), dequantize(2, 3)]
    model = read_model(write(tensors, operators))
    assert fold_islands(model) is model


def test_other_islands_are_listed() -> None:
    tensors = [
        byte("x", SAME, 1, 4),
        real("f", 1, 4),
        real("g", 1, 4),
        real("h", 1, 4),
        byte("y", SAME, 1, 4),
        real("i", 1, 4),
        byte("z", SAME, 1, 4),
        real("j", 1, 4),
    ]
    operators = [
        dequantize(0, 1),
        OperatorSpec("MAXIMUM", [1, 1], [2]),
        OperatorSpec("EXP", [2], [3]),
        OperatorSpec("RELU", [3], [7]),
        quantize(7, 4),
        OperatorSpec("LOGISTIC", [7], [5]),
        quantize(5, 6),
    ]
    with pytest.raises(FrontendError) as caught:
        import_tflite(write(tensors, operators, outputs=[4, 6]))
    assert str(caught.value) == (
        "the model uses 2 operators that cannot be compiled:\n"
        "  EXP at 'h' (operator 2)\n"
        "  LOGISTIC at 'i' (operator 5): it computes with 'j' in float32"
    )


def test_what_makes_an_island_of_another_type_is_listed() -> None:
    tensors = [
        byte("x", SAME, 1, 4),
        TensorSpec("wide", (1, 4), [0.1], dtype="INT16"),
        real("f", 1, 4),
        real("g", 4, 1),
        byte("y", SAME, 4, 1),
    ]
    operators = [
        OperatorSpec("QUANTIZE", [0], [1]),
        dequantize(1, 2),
        OperatorSpec("RESHAPE", [2], [3], "ReshapeOptions", {}),
        quantize(3, 4),
    ]
    with pytest.raises(FrontendError) as caught:
        import_tflite(write(tensors, operators))
    assert str(caught.value).splitlines()[1:] == [
        "  QUANTIZE at 'wide' (operator 0): 'wide' is int16, and only int8 is supported: "
        "convert the model with full integer quantization"
    ]


def test_other_types_that_are_dequantized_are_listed_where_they_are_read() -> None:
    tensors = [
        byte("x", SAME, 1, 4),
        TensorSpec("half", (1, 4), dtype="FLOAT16", data=np.ones((1, 4), np.float16)),
        real("f", 1, 4),
        real("g", 4, 1),
        byte("y", SAME, 4, 1),
    ]
    reshape = OperatorSpec("RESHAPE", [2], [3], "ReshapeOptions", {})
    with pytest.raises(FrontendError) as caught:
        import_tflite(write(tensors, [dequantize(1, 2), reshape, quantize(3, 4)]))
    assert str(caught.value).splitlines()[1:] == [
        "  QUANTIZE at 'y' (operator 2): it computes with 'g' in float32"
    ]


def test_one_tensor_quantized_in_very_many_ways_is_refused() -> None:
    tensors = [byte("x", SAME, 1, 4), byte("w", OTHER, 1, 4), real("f", 1, 4), real("g", 1, 4)]
    tensors.append(real("h", 1, 4))
    operators = [dequantize(0, 2), dequantize(1, 3), OperatorSpec("MAXIMUM", [2, 3], [4])]
    for index in range(17):
        tensors.append(byte(f"y{index}", (0.01 * (index + 1), 0), 1, 4))
        operators.append(quantize(4, 5 + index))
    with pytest.raises(FrontendError, match="'h' is quantized in more than 16 ways"):
        import_tflite(write(tensors, operators, inputs=[0, 1]))
