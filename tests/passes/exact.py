# SPDX-License-Identifier: Apache-2.0
"""Applying passes that must not change one byte."""

from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from tests.end_to_end.road import extreme_and_random

Array: TypeAlias = np.ndarray[Any, Any]


def results(module: ModuleOp, random: int = 4) -> list[Array]:
    """The results for extreme and random inputs, one after the other: a constant has batch 1."""
    shapes = [shape_of(type) for type in main_function(module).function_type.inputs]
    inputs = extreme_and_random(shapes, random=random, seed=0)
    return [
        result
        for i in range(len(inputs[0]))
        for result in interpret(module, [array[i : i + 1] for array in inputs])
    ]


def apply_exactly(module: ModuleOp, module_pass: ModulePass) -> ModuleOp:
    """`module` after a pass, which keeps every byte and does nothing the second time."""
    before = results(module)
    module_pass.apply(Context(), module)
    module.verify()
    for old, new in zip(before, results(module), strict=True):
        np.testing.assert_array_equal(new, old, strict=True)
    once = str(module)
    module_pass.apply(Context(), module)
    assert str(module) == once
    return module


def names(module: ModuleOp) -> list[str]:
    """The operations of `main` without their dialect, constants and the return left out."""
    ops = main_function(module).body.block.ops
    return [op.name.removeprefix("qnn.") for op in ops if op.results and not is_constant(op)]


def is_constant(op: Any) -> bool:
    return isinstance(op, qnn.ConstantOp)
