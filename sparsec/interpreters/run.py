"""Running a module of any level on arrays."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues
from xdsl.ir import Operation

from sparsec.interpreters.calling import call_main
from sparsec.interpreters.elementwise import ElementwiseFunctions
from sparsec.interpreters.func import FuncFunctions
from sparsec.interpreters.kernels import KernelFunctions, MemoryFunctions
from sparsec.interpreters.movement import MovementFunctions
from sparsec.interpreters.nn import NnFunctions
from sparsec.interpreters.qnn import QnnFunctions
from sparsec.interpreters.sparse_fc import SparseFcFunctions
from sparsec.interpreters.transpose_conv import TransposeConvFunctions

Array: TypeAlias = np.ndarray[Any, Any]
Listen: TypeAlias = Callable[[Operation, Sequence[Array]], None]

FUNCTIONS: tuple[type[InterpreterFunctions], ...] = (
    FuncFunctions,
    NnFunctions,
    QnnFunctions,
    MemoryFunctions,
    KernelFunctions,
    ElementwiseFunctions,
    MovementFunctions,
    TransposeConvFunctions,
    SparseFcFunctions,
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
    of `nn` and `qnn` an input of type 1x.. may hold N samples, [N, ..].
    """
    listeners = () if listener is None else (_Listener(listener),)
    interpreter = Interpreter(module, listeners=listeners)
    for functions in FUNCTIONS:
        interpreter.register_implementations(functions())
    return call_main(interpreter, module, inputs)
