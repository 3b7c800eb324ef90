# SPDX-License-Identifier: Apache-2.0
"""How `main` is called at each level: with tensors, with buffers, or with memories."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter

from sparsec.analysis.memory.memory_plan import PlannedFunction, planned_function
from sparsec.interpreters.kernels import GARBAGE, see_as
from sparsec.ir.attributes import RESULT
from sparsec.ir.kernel import byte_count

Array: TypeAlias = np.ndarray[Any, Any]


def call_main(interpreter: Interpreter, module: ModuleOp, inputs: Sequence[Array]) -> list[Array]:
    """The results of `main`. Memory it is not given holds garbage."""
    planned = planned_function(module)
    if planned is not None:
        return _call_in_memories(interpreter, planned, inputs)
    main = next(op for op in module.ops if isinstance(op, func.FuncOp))
    buffers = [
        see_as(np.full(byte_count(argument.type), GARBAGE, np.int8), argument.type)
        for argument, attributes in zip(main.args, main.arg_attrs or (), strict=False)
        if RESULT in attributes.data
    ]
    # A kernel may write to its input, which is not the caller's then.
    copies = [array.copy() for array in inputs] if buffers else inputs
    results = interpreter.call_op("main", (*copies, *buffers))
    return buffers or list(results)


def _call_in_memories(
    interpreter: Interpreter, planned: PlannedFunction, inputs: Sequence[Array]
) -> list[Array]:
    memories = {each.name: np.full(each.bytes, GARBAGE, np.int8) for each in planned.memories}
    for place, array in zip(planned.inputs, inputs, strict=True):
        bytes = np.ascontiguousarray(array).reshape(-1).view(np.int8)
        memories[place.memory][place.offset : place.offset + place.bytes] = bytes
    interpreter.call_op(planned.function.sym_name.data, tuple(memories.values()))
    return [
        memories[place.memory][place.offset : place.offset + place.bytes]
        .copy()
        .view(place.dtype)
        .reshape(place.shape)
        for place in planned.outputs
    ]
