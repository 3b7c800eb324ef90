# SPDX-License-Identifier: Apache-2.0
"""What a function and its return mean.

xDSL has the same, in a package whose import takes longer than compiling a small network.
"""

from typing import Any

from xdsl.dialects import func
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    ReturnedValues,
    TerminatorValue,
    impl_callable,
    impl_terminator,
    register_impls,
)


@register_impls
class FuncFunctions(InterpreterFunctions):
    """A network is one function that nothing calls."""

    @impl_terminator(func.ReturnOp)
    def return_(
        self, _: Interpreter, op: func.ReturnOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()

    @impl_callable(func.FuncOp)
    def function(self, interpreter: Interpreter, op: func.FuncOp, args: tuple[Any, ...]):
        return interpreter.run_ssacfg_region(op.body, args, op.sym_name.data)
