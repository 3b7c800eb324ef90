# SPDX-License-Identifier: Apache-2.0
"""A `.tflite` with operators that cannot be compiled: all are listed, exit code 2, nothing is written."""

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.tflite.support import OperatorSpec, TensorSpec, write
from tests.tools.support import Tools

LIST = """\
error: odd.tflite: the model uses 4 operators that cannot be compiled:
  ELU at 'block/a' (operator 0)
  ADD at 'sum' (operator 2): its options are missing: FusedActivationFunction is not known
  EXP at 'island' (operator 4)
  CUSTOM '' at tensor 8 (operator 6)
"""


def content() -> bytes:
    """Two operators that are not known, one that lacks its options, and one in float32."""
    int8 = ["x", "block/a", "b", "sum", "y"]
    tensors = [TensorSpec(name, (1, 4), (0.1,)) for name in int8]
    tensors += [TensorSpec(name, (1, 4), dtype="FLOAT32") for name in ("real", "island")]
    tensors += [TensorSpec(name, (1, 4), (0.1,)) for name in ("z", "")]
    operators = [
        OperatorSpec("ELU", [0], [1]),
        OperatorSpec("RELU", [0], [2]),
        OperatorSpec("ADD", [2, 0], [3]),
        OperatorSpec("DEQUANTIZE", [2], [5]),
        OperatorSpec("EXP", [5], [6]),
        OperatorSpec("QUANTIZE", [6], [7]),
        OperatorSpec("CUSTOM", [0], [8]),
        OperatorSpec("RELU", [1], [4]),
    ]
    return write(tensors, operators, outputs=[3, 4, 7, 8])


@pytest.mark.parametrize("command", [["-o", "c"], ["--emit=qnn"], ["--int8-io"]])
def test_all_unsupported_operators_are_listed_at_once(command: list[str], tools: Tools) -> None:
    Path("odd.tflite").write_bytes(content())
    ended = tools.sparsec("odd.tflite", *command)
    assert (ended.code, ended.out, ended.err) == (2, "", LIST)
    assert [path.name for path in Path().iterdir()] == ["odd.tflite"]


def test_the_other_commands_say_the_same(tools: Tools) -> None:
    Path("odd.tflite").write_bytes(content())
    np.save("x.npy", np.zeros((1, 4), np.float32))
    for arguments in (["analyze", "odd.tflite"], ["run", "odd.tflite", "--input=x.npy"]):
        assert tools.sparsec(*arguments).err.startswith(LIST.splitlines()[0])


def test_an_axis_far_out_of_range_is_not_taken_modulo(tools: Tools) -> None:
    tensors = [
        TensorSpec("x", (1, 3, 3, 2), (0.1,)),
        TensorSpec("axes", (2,), dtype="INT32", data=np.array([1, 2 + (209 << 16)], np.int32)),
        TensorSpec("y", (1, 2), (0.1,)),
    ]
    mean = OperatorSpec("MEAN", [0, 1], [2], "ReducerOptions", {"KeepDims": False})
    Path("odd.tflite").write_bytes(write(tensors, [mean]))
    ended = tools.sparsec("odd.tflite", "--emit=qnn")
    assert ended.code == 2
    assert "its axis 13697026 does not exist" in ended.err
