# SPDX-License-Identifier: Apache-2.0
"""Running a module of any level on arrays."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues
from xdsl.ir import Attribute, Operation

from sparsec.interpreters.calling import call_main
from sparsec.interpreters.decode import DecodeFunctions
from sparsec.interpreters.depthwise_3x3 import Depthwise3x3Functions
from sparsec.interpreters.depthwise_lanes import DepthwiseLanesFunctions
from sparsec.interpreters.elementwise import ElementwiseFunctions
from sparsec.interpreters.func import FuncFunctions
from sparsec.interpreters.fused import FusedFunctions
from sparsec.interpreters.kernels import KernelFunctions, MemoryFunctions
from sparsec.interpreters.matmul import MatmulFunctions
from sparsec.interpreters.movement import MovementFunctions
from sparsec.interpreters.nn import NN_FUNCTIONS
from sparsec.interpreters.normalize import NormalizeFunctions
from sparsec.interpreters.planes import PlanesFunctions
from sparsec.interpreters.qnn import QnnFunctions
from sparsec.interpreters.quads import QuadFunctions
from sparsec.interpreters.reduce import ReduceFunctions
from sparsec.interpreters.resample import ResampleFunctions
from sparsec.interpreters.signature import main_function
from sparsec.interpreters.sparse_depthwise import SparseDepthwiseFunctions
from sparsec.interpreters.sparse_fc import SparseFcFunctions
from sparsec.interpreters.strips import StripsFunctions
from sparsec.interpreters.transpose_conv import TransposeConvFunctions
from sparsec.ir import nn, qnn
from sparsec.ir.shapes import shape_of

Array: TypeAlias = np.ndarray[Any, Any]
Listen: TypeAlias = Callable[[Operation, Sequence[Array]], None]

FUNCTIONS: tuple[type[InterpreterFunctions], ...] = (
    FuncFunctions,
    *NN_FUNCTIONS,
    QnnFunctions,
    MemoryFunctions,
    KernelFunctions,
    ElementwiseFunctions,
    MatmulFunctions,
    MovementFunctions,
    NormalizeFunctions,
    ResampleFunctions,
    ReduceFunctions,
    TransposeConvFunctions,
    SparseDepthwiseFunctions,
    Depthwise3x3Functions,
    QuadFunctions,
    DepthwiseLanesFunctions,
    SparseFcFunctions,
    StripsFunctions,
    FusedFunctions,
    PlanesFunctions,
    DecodeFunctions,
)
"""What the operations of each level mean."""


class _Listener(Interpreter.Listener):
    def __init__(self, listen: Listen):
        self.listen = listen

    def did_interpret_op(self, op: Operation, results: PythonValues) -> None:
        self.listen(op, results)


def interpret(
    module: ModuleOp, inputs: Sequence[Array], *, listener: Listen | None = None
) -> list[Array]:
    """The results of `main` of `module` on `inputs`, one array for each argument.

    `listener` sees every operation with its results, in the order they are computed. At the level
    of `nn` and `qnn` inputs may hold N samples, and so do the results then: those of type 1x.. as
    [N, ..], another as N of them, [N, *its shape].
    """
    main = main_function(module)
    samples = _samples(main, inputs)
    if samples is None:
        return _interpret_once(module, inputs, listener)
    if not _mixes_samples(main):
        results = _interpret_once(module, inputs, listener)
        return [
            _of_each(samples, array, type)
            for array, type in zip(results, main.function_type.outputs, strict=True)
        ]
    computed: dict[Operation, list[Sequence[Array]]] = {}

    def gather(op: Operation, results: Sequence[Array]) -> None:
        computed.setdefault(op, []).append(results)

    given = list(zip(inputs, main.function_type.inputs, strict=True))
    outputs = [
        _interpret_once(module, [_sample(n, *each) for each in given], listener and gather)
        for n in range(samples)
    ]
    for op, results in computed.items():
        assert listener is not None
        listener(op, results[0] if _is_constant(op) else _stacked(results))
    return _stacked(outputs)


def _is_tensor(type: Attribute) -> bool:
    return isinstance(type, TensorType)


def _samples(main: FuncOp, inputs: Sequence[Array]) -> int | None:
    """How many samples `inputs` hold, None if they are those of the types."""
    # Below `qnn` buffers or the arena stand there instead, and take one sample.
    for array, type in zip(inputs, main.function_type.inputs, strict=False):
        if _is_tensor(type) and array.shape != shape_of(type):
            return len(array)
    return None


def _sample(n: int, array: Array, type: Attribute) -> Array:
    """The n-th of the samples that an input of `type` holds."""
    return array[n : n + 1] if shape_of(type)[:1] == (1,) else array[n]


def _of_each(samples: int, array: Array, type: Attribute) -> Array:
    """A result of `type` for so many samples, which is a constant if there is but one."""
    if shape_of(type)[:1] != (1,):
        return np.stack([array] * samples)
    return array if len(array) == samples else np.repeat(array, samples, axis=0)


def _is_constant(op: Operation) -> bool:
    """Whether `op` gives a constant, stored in int8 or not, which is the same for all samples."""
    if isinstance(op, nn.DequantizeOp):
        return isinstance(op.input.owner, nn.ConstantOp)
    return isinstance(op, nn.ConstantOp | qnn.ConstantOp)


def _mixes_samples(main: FuncOp) -> bool:
    """Whether the first axis of some activation is not that of the samples."""
    if any(shape_of(type)[:1] != (1,) for type in main.function_type.inputs):
        return True
    for op in main.body.block.ops:
        if _is_constant(op):
            continue
        if isinstance(op, nn.TransposeOp | qnn.TransposeOp) and op.permutation.get_values()[0] != 0:
            return True
        types = [value.type for value in op.results if _is_tensor(value.type)]
        if any(shape_of(type)[:1] != (1,) for type in types):
            return True
    return False


def _stacked(samples: Sequence[Sequence[Array]]) -> list[Array]:
    """For each result, that of all samples in one array."""
    return [
        np.concatenate(arrays) if arrays[0].shape[:1] == (1,) else np.stack(arrays)
        for arrays in zip(*samples, strict=True)
    ]


def _interpret_once(
    module: ModuleOp, inputs: Sequence[Array], listener: Listen | None
) -> list[Array]:
    return call_main(interpreter_of(module, listener), module, inputs)


def interpreter_of(module: ModuleOp, listener: Listen | None = None) -> Interpreter:
    """What runs single operations of `module`, or calls its functions."""
    listeners = () if listener is None else (_Listener(listener),)
    interpreter = Interpreter(module, listeners=listeners)
    for functions in FUNCTIONS:
        interpreter.register_implementations(functions())
    return interpreter
