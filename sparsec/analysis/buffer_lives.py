"""When the buffers of a bufferized function are live, and how many bytes that is at most.

Inputs are live from the start to their last use, results from their first write to the end. A view is its buffer.
"""

from collections.abc import Collection, Mapping
from itertools import accumulate

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Operation, SSAValue

from sparsec.analysis.memory_plan import RESULT
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.views import memory_of


def peak_bytes(
    function: func.FuncOp,
    part_of: Mapping[SSAValue, SSAValue] | None = None,
    without: Collection[Operation] = (),
) -> int:
    """The most bytes that are live at once; no output lies over an input.

    `part_of` maps buffers to others that would contain them, `without` are calls that would go.
    """
    inside: Mapping[SSAValue, SSAValue] = {} if part_of is None else part_of
    arguments = list(function.body.block.args)
    attributes = [a.data for a in function.arg_attrs or ()] or [{} for _ in arguments]
    results = {
        argument
        for argument, of in zip(arguments, attributes, strict=True)
        if isinstance(of.get(RESULT), UnitAttr)
    }
    lives: dict[SSAValue, tuple[int, int]] = {
        argument: (0, 0) for argument in arguments if argument not in results
    }
    calls = [op for op in function.body.block.ops if isinstance(op, KernelOp) and op not in without]
    for time, op in enumerate(calls, 1):
        for value in map(memory_of, op.operands):
            memory = inside.get(value, value)
            if memory in lives or memory in results or isinstance(memory.owner, memref.AllocOp):
                lives[memory] = (lives.get(memory, (time, time))[0], time)
    changes = [0] * (len(calls) + 3)
    for memory, (first, last) in lives.items():
        changes[first] += byte_count(memory.type)
        changes[(len(calls) + 1 if memory in results else last) + 1] -= byte_count(memory.type)
    return max(accumulate(changes))
