# SPDX-License-Identifier: Apache-2.0
"""Networks at the edge: no operation, inputs that nobody reads, constant results, no axis for samples."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from tests.frontends.support import export_bytes
from tests.frontends.tflite.support import OperatorSpec, TensorSpec, oracle, write
from tests.tools.support import Tools

pytestmark = pytest.mark.builds


@pytest.fixture(autouse=True)
def compiler(cmsis: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc not installed")


class Identity(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Unread(nn.Module):
    """An input that nobody reads, and a result that is a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)
        self.register_buffer("anchors", torch.arange(8.0).view(2, 4))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return self.fc(x), self.get_buffer("anchors")


class Vector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.fc(x))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], bool]] = {
    "identity": (Identity, [(6, 3, 4, 4)], True),
    "unread": (Unread, [(6, 8), (6, 5)], True),
    "vector": (Vector, [(8,)], False),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_torch(tools: Tools, name: str) -> None:
    build, shapes, dynamic = NETWORKS[name]
    torch.manual_seed(0)
    model, inputs = build().eval(), [torch.randn(*shape) for shape in shapes]
    Path("net.pt2").write_bytes(export_bytes(model, inputs, dynamic=dynamic))
    files: list[str] = []
    for index, value in enumerate(inputs):
        np.save(f"x{index}.npy", value.numpy())
        files.append(f"--input=x{index}.npy")
    ended = tools.sparsec("run", "net.pt2", "--on=host", "-q", "--json", *files)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["mismatches"] == 0
    assert found["samples"] == (len(inputs[0]) if dynamic else 1)
    printed = tools.sparsec("run", "net.pt2", "--on=host", "-q", *files).out.splitlines()
    with torch.no_grad():
        outputs = model(*inputs)
    first = cast(Tensor, outputs[0] if isinstance(outputs, tuple) else outputs)
    want = (first[0] if dynamic else first).numpy().reshape(-1)[:16]
    got = np.array([float(word) for word in printed[0].partition(": ")[2].split() if word != ".."])
    np.testing.assert_allclose(got, want, atol=0.02 * np.abs(want).max())


def int8(name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> TensorSpec:
    return TensorSpec(name, shape, [scale], zero_point)


def passing_through() -> bytes:
    """Results that are an input and a constant, beside one that is computed."""
    constant = TensorSpec("k", (1, 8), [0.1], 0, data=np.arange(8, dtype=np.int8))
    tensors = [int8("x", (1, 8), 0.05, 0), int8("y", (1, 8), 0.06, 3), constant]
    return write(tensors, [OperatorSpec("QUANTIZE", [0], [1])], [0], [1, 0, 2])


def rows() -> bytes:
    """A layer over three rows, of an input without an axis for samples."""
    random = np.random.default_rng(0)
    tensors = [
        int8("x", (3, 16), 0.05, -5),
        TensorSpec("w", (5, 16), [0.01], data=random.integers(-99, 99, (5, 16), np.int8)),
        TensorSpec("b", (5,), [0.0005], dtype="INT32", data=np.zeros(5, np.int32)),
        int8("y", (3, 5), 0.3, 2),
    ]
    operator = OperatorSpec("FULLY_CONNECTED", [0, 1, 2], [3], "FullyConnectedOptions")
    return write(tensors, [operator])


def vector() -> bytes:
    tensors = [int8("x", (16,), 0.05, -5), int8("y", (16,), 0.06, 3)]
    return write(tensors, [OperatorSpec("QUANTIZE", [0], [1])])


@pytest.mark.parametrize(
    ("content", "shape"),
    [(passing_through(), (1, 8)), (rows(), (3, 16)), (vector(), (16,))],
    ids=["passing_through", "rows", "vector"],
)
def test_tflite(tools: Tools, content: bytes, shape: tuple[int, ...]) -> None:
    Path("net.tflite").write_bytes(content)
    x = np.random.default_rng(1).integers(-128, 128, shape, np.int8)
    np.save("x.npy", x[np.newaxis] if shape[0] != 1 else x)
    ended = tools.sparsec("run", "net.tflite", "--on=host", "-q", "--json", "--input=x.npy")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["mismatches"] == 0
    module = import_tflite(content)
    ours = interpret(module, [x])
    theirs = oracle(content, [x[np.newaxis] if shape[0] != 1 else x])
    for output, mine, its in zip(found["outputs"], ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.reshape(-1), its.reshape(-1))
        np.testing.assert_array_equal(np.array(output).reshape(-1), its.reshape(-1))


def test_random_inputs_have_an_axis_for_samples(tools: Tools) -> None:
    Path("net.tflite").write_bytes(rows())
    found = json.loads(tools.sparsec("run", "net.tflite", "--on=host", "-q", "--json").out)
    assert (found["samples"], found["mismatches"]) == (1, 0)
    assert np.array(found["outputs"][0]).shape == (1, 3, 5)


def test_names_of_files_with_control_characters(tools: Tools, elsewhere: Path) -> None:
    content = export_bytes(Vector(), [torch.rand(4, 8)])
    Path("a\x1b[31m\nb.pt2").write_bytes(content)
    ended = tools.sparsec("a\x1b[31m\nb.pt2", "--emit=qnn")
    assert ended.code == 0
    assert ended.err == (
        "warning: no --calibrate given, calibrating with the 4 example inputs of a?[31m?b.pt2\n"
    )
    Path("a\rb.pt2").write_bytes(content)
    ended = tools.sparsec("a\rb.pt2", "--emit=qnn", "-q")
    assert ended.code == 2
    assert ended.err == (
        "error: a?b.pt2: calibration data cannot be in a file with such a line break in its name: rename it\n"
    )
