# SPDX-License-Identifier: Apache-2.0
"""Small TensorFlow Lite files, written with the schema's own builders, and TensorFlow Lite Micro to run them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import flatbuffers
import numpy as np
import pytest
import tflite
from xdsl.dialects.builtin import ModuleOp

from examples import mlperf
from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.model import Array
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations, main_function
from sparsec.ir.shapes import shape_of

SCHEMA = cast(Any, tflite)
NETWORKS = tuple(mlperf.SOURCES)


@dataclass
class TensorSpec:
    """A tensor to write; `scales` empty means no quantization, `data` None a computed one."""

    name: str
    shape: Sequence[int]
    scales: Sequence[float] = ()
    zero_point: int = 0
    dtype: str = "INT8"
    data: Array | None = None
    axis: int = 0
    signature: Sequence[int] = ()


@dataclass
class OperatorSpec:
    """An operator to write; `kind` is the name of its options table, "" for none."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    kind: str = ""
    options: Mapping[str, float] = field(default_factory=dict[str, float])
    old_code: bool = False
    """Whether the code stands in the field of one byte only, as in old files."""


Spec = tuple[Sequence[TensorSpec], OperatorSpec]


def write(
    tensors: Sequence[TensorSpec],
    operators: Sequence[OperatorSpec],
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] | None = None,
    subgraphs: int = 1,
) -> bytes:
    """The bytes of a model; by default the last tensor is its output."""
    b: Any = flatbuffers.Builder(1024)
    buffers = [_table(b, "Buffer")]
    tensor_tables: list[int] = []
    for spec in tensors:
        position = 0
        if spec.data is not None:
            data = b.CreateNumpyVector(np.frombuffer(spec.data.tobytes(), np.uint8))
            position = len(buffers)
            buffers.append(_table(b, "Buffer", Data=data))
        quantization = _quantization(b, spec)
        fields: dict[str, int] = {
            "Shape": b.CreateNumpyVector(np.array(spec.shape, np.int32)),
            "Name": b.CreateString(spec.name),
            "Type": getattr(SCHEMA.TensorType, spec.dtype),
            "Buffer": position,
            "Quantization": quantization,
        }
        if spec.signature:
            fields["ShapeSignature"] = b.CreateNumpyVector(np.array(spec.signature, np.int32))
        tensor_tables.append(_table(b, "Tensor", **fields))
    codes: list[int] = []
    operator_tables: list[int] = []
    for index, spec in enumerate(operators):
        number = getattr(SCHEMA.BuiltinOperator, spec.name)
        code = {"DeprecatedBuiltinCode": min(number, 127)}
        if not spec.old_code:
            code["BuiltinCode"] = number
        codes.append(_table(b, "OperatorCode", **code))
        fields = {
            "OpcodeIndex": index,
            "Inputs": b.CreateNumpyVector(np.array(spec.inputs, np.int32)),
            "Outputs": b.CreateNumpyVector(np.array(spec.outputs, np.int32)),
        }
        if spec.kind:
            fields["BuiltinOptions"] = _table(b, spec.kind, **spec.options)
            fields["BuiltinOptionsType"] = getattr(SCHEMA.BuiltinOptions, spec.kind)
        operator_tables.append(_table(b, "Operator", **fields))
    outputs = [len(tensors) - 1] if outputs is None else outputs
    subgraph = _table(
        b,
        "SubGraph",
        Tensors=_vector(b, tensor_tables),
        Inputs=b.CreateNumpyVector(np.array(inputs, np.int32)),
        Outputs=b.CreateNumpyVector(np.array(outputs, np.int32)),
        Operators=_vector(b, operator_tables),
    )
    model = _table(
        b,
        "Model",
        Version=3,
        OperatorCodes=_vector(b, codes),
        Subgraphs=_vector(b, [subgraph] * subgraphs),
        Buffers=_vector(b, buffers),
    )
    b.Finish(model, b"TFL3")
    return bytes(b.Output())


def side_by_side(*specs: Spec) -> bytes:
    """Operators side by side: every tensor that is not constant or computed is an input."""
    tensors: list[TensorSpec] = []
    operators: list[OperatorSpec] = []
    for own, operator in specs:
        first = len(tensors)
        tensors += own
        inputs, outputs = (
            [first + i for i in found] for found in (operator.inputs, operator.outputs)
        )
        operators.append(replace(operator, inputs=inputs, outputs=outputs))
    inputs = [i for op in operators for i in op.inputs if tensors[i].data is None]
    return write(tensors, operators, inputs, [i for op in operators for i in op.outputs])


def _table(b: Any, kind: str, **fields: float) -> int:
    getattr(SCHEMA, f"{kind}Start")(b)
    for name, value in fields.items():
        getattr(SCHEMA, f"{kind}Add{name}")(b, value)
    return getattr(SCHEMA, f"{kind}End")(b)


def _vector(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _quantization(b: Any, spec: TensorSpec) -> int:
    scales = np.array(spec.scales, np.float32)
    zero_points = np.full(len(spec.scales), spec.zero_point, np.int64)
    return _table(
        b,
        "QuantizationParameters",
        Scale=b.CreateNumpyVector(scales),
        ZeroPoint=b.CreateNumpyVector(zero_points),
        QuantizedDimension=spec.axis,
    )


def schema() -> Any:
    """The schema with objects that hold all of a file, newer than the package `tflite`."""
    return pytest.importorskip("tflite_micro.tensorflow.lite.micro.python.schema_py_generated")


def objects(content: bytes) -> Any:
    """All of a file as objects that can be changed."""
    return schema().ModelT.InitFromObj(schema().Model.GetRootAs(content, 0))


def packed(model: Any) -> bytes:
    """The file of such objects."""
    builder: Any = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def network(name: str) -> bytes:
    """A network of MLPerf Tiny; skips the test where it is not there."""
    path = mlperf.find(name)
    if path is None:
        pytest.skip(f"{name}.tflite is not there: CONTRIBUTING.md says where to get it")
    return path.read_bytes()


def oracle(content: bytes, inputs: Sequence[Array]) -> list[Array]:
    """What TensorFlow Lite Micro gives for each sample of `inputs`, one array [N, ..] for each output."""
    runtime = pytest.importorskip("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 21)
    types = main_function(import_tflite(content)).function_type
    one = [shape_of(type)[:1] == (1,) for type in types.inputs]
    outputs: list[list[Array]] = [[] for _ in types.outputs]
    for sample in range(len(inputs[0])):
        for index, array in enumerate(inputs):
            interpreter.set_input(
                array[sample : sample + 1] if one[index] else array[sample], index
            )
        interpreter.invoke()
        for index, gathered in enumerate(outputs):
            gathered.append(np.array(interpreter.get_output(index)))
    return [
        np.concatenate(samples) if len(samples[0]) == 1 else np.stack(samples)
        for samples in outputs
    ]


def samples(module: ModuleOp, count: int, seed: int = 0) -> list[Array]:
    """`count` random inputs, then all -128, all 127 and all zero point, one array for each argument."""
    rng = np.random.default_rng(seed)
    quantizations, _ = entry_quantizations(module)
    found: list[Array] = []
    for argument, quantization in zip(main_function(module).args, quantizations, strict=True):
        shape = shape_of(argument.type)[1:]
        constant = [np.full((1, *shape), n) for n in (-128, 127, quantization.zero_point)]
        random = rng.integers(-128, 128, (count, *shape))
        found.append(np.concatenate([random, *constant]).astype(np.int8))
    return found


def differing_bytes(content: bytes, count: int = 100) -> int:
    """In how many bytes our interpreter and TensorFlow Lite Micro differ over `count` + 3 inputs."""
    module = import_tflite(content)
    module.verify()
    inputs = samples(module, count)
    ours = interpret(module, inputs)
    theirs = oracle(content, inputs)
    return sum(
        int(np.count_nonzero(mine.reshape(its.shape) != its))
        for mine, its in zip(ours, theirs, strict=True)
    )
