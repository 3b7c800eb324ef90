# SPDX-License-Identifier: Apache-2.0
"""Files that are broken or written to break something: one line, exit code 2, and soon."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sparsec.tools.parsing import MAX_ELEMENTS
from tests.tools.support import Tools
from tests.tools.test_bad_input import fails

FUNCTION = "func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {{ {} func.return %y : tensor<1x4xi8> }}"

TEXTS = {
    "use before definition": (
        FUNCTION.format(
            "%y = qnn.reshape %z : tensor<1x4xi8> -> tensor<1x4xi8>\n"
            "%z = qnn.reshape %x : tensor<1x4xi8> -> tensor<1x4xi8>"
        ),
        "'qnn.reshape' uses a value before it is defined",
    ),
    "absurd integers": (
        FUNCTION.format('%y = "test.op"() {a = dense<1> : tensor<2xi2147483647>} : () -> ()'),
        "'i2147483647' is no type of integers",
    ),
    "absurd constant": (
        FUNCTION.format(f"%w = qnn.constant dense<1> : tensor<{2 * MAX_ELEMENTS}xi8>"),
        "a constant of more than",
    ),
    "unknown symbol": (
        "func.func @main(%arena : memref<8xi8>) { %y = memref.get_global @nobody : memref<4xi8> func.return }",
        "there is no constant 'nobody' of type memref<4xi8>",
    ),
    "control characters": ("\x1b[31mred", "not valid IR"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text(tools: Tools, elsewhere: Path, name: str) -> None:
    text, part = TEXTS[name]
    Path("net.mlir").write_text(text)
    ended = tools.sparsec("net.mlir", "-q", "-o", "out")
    fails(ended, part)
    assert "\x1b" not in ended.err
    assert [path.name for path in Path().iterdir()] == ["net.mlir"]


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/archive_format", "pt2")
        archive.writestr("net/models/model.json", bytes(80 << 20))
    return stream.getvalue()


def test_a_zip_bomb_is_not_inflated(tools: Tools, elsewhere: Path) -> None:
    Path("net.pt2").write_bytes(bomb())
    fails(tools.sparsec("net.pt2", "-q"), "inflates to 83,886,083", "100 times its size")


def arrays_of(kind: str) -> bytes:
    stream = io.BytesIO()
    match kind:
        case "objects":
            np.save(stream, np.array([{}]), allow_pickle=True)
        case "text":
            np.save(stream, np.array(["a"]))
        case "header":
            return b"\x93NUMPY\x01\x00\x06\x00{'a':("
        case "huge":
            np.save(stream, np.zeros(1, np.int8))
            return (
                stream.getvalue()
                .replace(b"(1,), }      ", b"(1<<40,), }  ")
                .replace(b"1<<40", b"9" * 5)
            )
        case "zip":
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr("a.npy", b"nothing")
        case _:
            pass
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["objects", "text", "header", "huge", "zip", "empty"])
def test_arrays(tools: Tools, model: Path, elsewhere: Path, kind: str) -> None:
    Path("x.npz").write_bytes(arrays_of(kind))
    fails(tools.sparsec(model, "-q", "--calibrate=x.npz", "-o", "out"), "x.npz: it ")
    assert not Path("out").exists()


PLANNED: dict[str, tuple[str, str, str]] = {
    "an absurd arena": (r"memref<(?!100x)\d{3}xi8>", "memref<99999999999xi8>", "takes more than"),
    "an output that is not there": (
        "sparsec.output = 0",
        "sparsec.output = 127",
        "no sparsec.output 127",
    ),
    "no offset": ("{offset = ", "{onset = ", "lacks its offset"),
    "no inputs": ("sparsec.inputs", "sparsec.ins", "sparsec.inputs is not there"),
    "another place": ("{offset = ", "{offset = 1", "does not lie where it is said to"),
    "a string without an end": ('op = "linear"', 'op = "linear', "this string has no end"),
    "rows without an end": (r"0, 0, 262144, 0\]>", "0, 0, 255, 0]>", "ends before its last row"),
}


@pytest.mark.parametrize("name", PLANNED)
def test_broken_plans(
    tools: Tools, texts: dict[str, Path], elsewhere: Path, cmsis: Path, name: str
) -> None:
    old, new, message = PLANNED[name]
    text = texts["kernels"].read_text()
    broken = re.sub(old, new, text)
    assert broken != text
    Path("net.mlir").write_text(broken)
    ended = tools.sparsec("net.mlir", "-q", "-o", "out")
    assert ended.code == 2
    assert message in ended.err and ended.err.count("\n") == 1


def test_a_shift_that_int32_does_not_have(
    tools: Tools, texts: dict[str, Path], elsewhere: Path
) -> None:
    text = texts["qnn"].read_text()
    constants = re.findall(r"requant\(%\w+, %(\w+)\)", text)
    broken = re.sub(rf"(%{constants[-1]} = qnn.constant .*?dense<)[^>]*>", r"\g<1>-77>", text)
    assert broken != text
    Path("net.mlir").write_text(broken)
    ended = tools.sparsec("net.mlir", "-q", "-o", "out")
    assert ended.code == 2
    assert "a requantization shift must lie in [-31, 30], got -77" in ended.err


def test_overlong_names_are_not_echoed(tools: Tools, elsewhere: Path) -> None:
    ended = tools.sparsec("x" * 300 + "y" * 3000, "-q")
    assert ended.code == 2
    assert len(ended.err) < 500 and "xxx...yyy" in ended.err
