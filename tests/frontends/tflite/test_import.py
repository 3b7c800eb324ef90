# SPDX-License-Identifier: Apache-2.0
"""What is imported besides arithmetic: borders in float32, old files, names, and every refusal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends import FrontendError, load
from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations
from sparsec.ir import qnn
from tests.frontends.tflite.support import (
    OperatorSpec,
    TensorSpec,
    differing_bytes,
    objects,
    packed,
    write,
)

Change = Callable[[list[TensorSpec], list[OperatorSpec]], None]


def tensor(name: str, scale: float = 0.5, zero_point: int = 0) -> TensorSpec:
    return TensorSpec(name, (1, 4), [scale], zero_point)


def relu(source: int, target: int) -> OperatorSpec:
    return OperatorSpec("RELU", [source], [target])


def refusal(content: bytes) -> str:
    with pytest.raises(FrontendError) as caught:
        import_tflite(content)
    return str(caught.value)


def test_float_borders_are_left_out() -> None:
    tensors = [
        TensorSpec("x", (1, 4), dtype="FLOAT32"),
        tensor("x8", 0.25, 3),
        tensor("y8", 0.5, -4),
        TensorSpec("y", (1, 4), dtype="FLOAT32"),
    ]
    operators = [
        OperatorSpec("QUANTIZE", [0], [1]),
        relu(1, 2),
        OperatorSpec("DEQUANTIZE", [2], [3]),
    ]
    module = import_tflite(write(tensors, operators))
    module.verify()
    [source], [target] = entry_quantizations(module)
    assert (source.scale, source.zero_point) == (0.25, 3)
    assert (target.scale, target.zero_point) == (0.5, -4)
    [y] = interpret(module, [np.array([[3, 7, -5, 127]], np.int8)])
    assert y.tolist() == [[-4, -2, -4, 58]]


def test_old_files_have_the_operator_in_a_field_of_one_byte() -> None:
    operator = OperatorSpec("RELU", [0], [1], old_code=True)
    module = import_tflite(write([tensor("x"), tensor("y")], [operator]))
    assert any(isinstance(op, qnn.LookupOp) for op in module.walk())


def test_layers_and_constants_carry_names() -> None:
    tensors = [
        TensorSpec("x", (1, 4), [0.5]),
        TensorSpec("dense/kernel", (2, 4), [0.5], data=np.ones((2, 4), np.int8)),
        TensorSpec("dense/BiasAdd;dense/MatMul", (1, 2), [0.5]),
        TensorSpec("dense/BiasAdd;again", (1, 2), [0.5]),
        TensorSpec("line\nbreak \N{SNOWMAN}*/", (1, 2), [0.5]),
    ]
    operators = [
        OperatorSpec("FULLY_CONNECTED", [0, 1, -1], [2], "FullyConnectedOptions", {}),
        relu(2, 3),
        relu(3, 4),
    ]
    module = import_tflite(write(tensors, operators))
    layers = [str(op.attributes["layer"]) for op in module.walk() if "layer" in op.attributes]
    assert layers == ['"dense/BiasAdd"', '"dense/BiasAdd#1"', '"line?break ?*/"']
    labels = [op.name_in_model for op in module.walk() if isinstance(op, qnn.ConstantOp)]
    assert labels[0] == "dense/kernel"


def test_all_unsupported_operators_are_listed_at_once() -> None:
    tensors = [tensor(name) for name in ("x", "a", "b", "c", "y")]
    operators = [
        OperatorSpec("ELU", [0], [1]),
        relu(1, 2),
        OperatorSpec("ADD", [0, 0], [3]),
        OperatorSpec("CUMSUM", [0, 3], [4]),
    ]
    assert refusal(write(tensors, operators)) == (
        "the model uses 3 operators that cannot be compiled:\n"
        "  ELU at 'a' (operator 0)\n"
        "  ADD at 'c' (operator 2): its options are missing: FusedActivationFunction is not known\n"
        "  CUMSUM at 'y' (operator 3)"
    )


def changed(change: Change) -> bytes:
    tensors = [tensor("x"), tensor("a"), tensor("y")]
    operators = [relu(0, 1), relu(1, 2)]
    change(tensors, operators)
    return write(tensors, operators)


def reversed_order(_: list[TensorSpec], operators: list[OperatorSpec]) -> None:
    operators.reverse()


def cycle(_: list[TensorSpec], operators: list[OperatorSpec]) -> None:
    operators[0] = OperatorSpec("ADD", [0, 2], [1], "AddOptions", {})


def twice(_: list[TensorSpec], operators: list[OperatorSpec]) -> None:
    operators.append(relu(0, 1))


def float_activation(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[1].dtype = "FLOAT32"


def int16_input(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[0].dtype = "INT16"


def dynamic(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[1].signature = (1, -1)


def huge(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[1].shape = (1, 2**20, 2**20)


def short_buffer(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[0].data = np.zeros(3, np.int8)


def no_scale(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[1].scales = ()


def negative_scale(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[1].scales = [-1.0]


def another_shape(tensors: list[TensorSpec], _: list[OperatorSpec]) -> None:
    tensors[1].shape = (1, 5)


def far_tensor(_: list[TensorSpec], operators: list[OperatorSpec]) -> None:
    operators[1] = relu(99, 2)


def unused_output(_: list[TensorSpec], operators: list[OperatorSpec]) -> None:
    operators.pop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (reversed_order, "RELU at 'y' (operator 0): 'a' is read before an operator computes it"),
        (cycle, "ADD at 'a' (operator 0): 'y' is read before an operator computes it"),
        (twice, "another operator computes its result as well"),
        (float_activation, "'a' is float32, and only int8 is supported"),
        (int16_input, "the input of the network: 'x' is int16, and only int8 is supported"),
        (dynamic, "tensor 1 ('a') has a dynamic shape"),
        (huge, "tensor 1 ('a') has a shape too large"),
        (short_buffer, "tensor 0 ('x') needs 4 bytes, not 3"),
        (no_scale, "'a' has 0 scales and 0 zero points"),
        (negative_scale, "'a': scales must be positive and finite"),
        (another_shape, "its result has the shape (1, 4), not (1, 5)"),
        (far_tensor, "reads a tensor that does not exist"),
        (unused_output, "output 'y' is not computed by an operator"),
    ],
)
def test_refusals_say_what_is_wrong(change: Change, message: str) -> None:
    assert message in refusal(changed(change))


def test_several_subgraphs_are_refused() -> None:
    content = write([tensor("x"), tensor("y")], [relu(0, 1)], subgraphs=2)
    assert "has 2 subgraphs and only one is supported" in refusal(content)


def test_load_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(changed(cycle))
    with pytest.raises(FrontendError, match=r"net\.tflite: the model uses 1 operator"):
        load(path)


def test_the_larger_of_two_codes_says_which_operator_it_is() -> None:
    """As the kernels' interpreter reads it: the code in one byte, or the one in four."""
    tensors = [TensorSpec("x", (1, 8), [0.05], 3), TensorSpec("y", (1, 8), [0.05], 3)]
    model = objects(write(tensors, [OperatorSpec("RELU", [0], [1])]))
    model.operatorCodes[0].deprecatedBuiltinCode = 0  # ADD
    model.operatorCodes[0].builtinCode = 19  # RELU
    content = packed(model)
    assert "qnn.lookup" in str(import_tflite(content))
    assert differing_bytes(content) == 0
