# SPDX-License-Identifier: Apache-2.0
"""What the analyses of channels say holds for the interpreter, element by element."""

from typing import Any, TypeAlias

import numpy as np
from hypothesis import given, note, settings
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import Operation, SSAValue

from sparsec.analysis.values.dead_channels import dead_channels, read_elements
from sparsec.analysis.values.intervals import intervals
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Pool
from tests.end_to_end.building import Builder
from tests.end_to_end.road import extreme_and_random
from tests.passes.dead_networks import planted_modules
from tests.shown import Shown

Array: TypeAlias = np.ndarray[Any, Any]


def values_for(module: ModuleOp, inputs: list[Array]) -> dict[SSAValue, Array]:
    """Every activation for one input."""
    seen: dict[SSAValue, Array] = {}

    def listen(op: Operation, results: Any) -> None:
        seen.update(zip(op.results, results, strict=False))

    interpret(module, inputs, listener=listen)
    return seen


def samples_of(module: ModuleOp, random: int) -> list[list[Array]]:
    shapes = [shape_of(type) for type in main_function(module).function_type.inputs]
    arrays = extreme_and_random(shapes, random=random, seed=1)
    return [[array[i : i + 1] for array in arrays] for i in range(len(arrays[0]))]


@settings(
    max_examples=60,
)
@given(planted_modules())
def test_every_value_lies_in_its_interval(module: ModuleOp):
    note(Shown(module))
    known = intervals(main_function(module).body.block)
    for inputs in samples_of(module, random=6):
        for value, array in values_for(module, inputs).items():
            if value in known:
                assert (known[value].low <= array).all() and (array <= known[value].high).all()


@settings(
    max_examples=60,
)
@given(planted_modules())
def test_unread_inputs_change_nothing(module: ModuleOp):
    note(Shown(module))
    (argument,) = main_function(module).args[:1]
    read = read_elements(main_function(module).body.block)[argument]
    for inputs in samples_of(module, random=2):
        changed = [np.where(read, inputs[0], ~inputs[0]), *inputs[1:]]
        for old, new in zip(interpret(module, inputs), interpret(module, changed), strict=True):
            np.testing.assert_array_equal(new, old)


def test_a_channel_is_dead_if_none_of_its_elements_is_read():
    read = np.zeros((1, 2, 2, 3), np.bool_)
    read[0, 1, 0, 2] = True
    assert dead_channels(read).tolist() == [True, True, False]


def test_a_pool_reads_what_its_windows_cover():
    net = Builder()
    x = net.input((1, 4, 5, 2))
    pool = Pool((2, 2), kernel=(2, 2))
    y = net.layer(qnn.MaxPool2dOp(x, pool, Requant(), TensorType(i8, (1, 2, 2, 2))))
    module = net.module([y])
    read = read_elements(main_function(module).body.block)[x]
    expected = np.ones((1, 4, 5, 2), np.bool_)
    expected[:, :, 4] = False
    np.testing.assert_array_equal(read, expected)
