# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs in float32: the generated header converts as TensorFlow Lite Micro does."""

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.model import Array
from sparsec.interpreters.signature import entry_quantizations, quantized
from sparsec.ir.borders import converts_as_tflite
from sparsec.quantization.scheme import Quantization
from sparsec.run import cmsis_nn
from sparsec.tools.compilation import read_ir
from sparsec.tools.inputs import read_input
from sparsec.tools.registry import context
from sparsec.tools.sparsec import main
from tests.end_to_end.road import Compiled, compile_to, run
from tests.frontends.tflite.support import OperatorSpec, TensorSpec, write

SIZE = 2048
SCHEMES = [((0.5, -3), (0.25, 11)), ((0.1, 0), (0.3, -128)), ((0.0173, 127), (2.5, 5))]
STRICT = ["gcc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]


def network(source: tuple[float, int], target: tuple[float, int]) -> bytes:
    """float32 -> QUANTIZE -> QUANTIZE to another scale -> DEQUANTIZE -> float32."""
    tensors = [
        TensorSpec("x", (1, SIZE), dtype="FLOAT32"),
        TensorSpec("x8", (1, SIZE), [source[0]], source[1]),
        TensorSpec("y8", (1, SIZE), [target[0]], target[1]),
        TensorSpec("y", (1, SIZE), dtype="FLOAT32"),
    ]
    operators = [
        OperatorSpec("QUANTIZE", [0], [1]),
        OperatorSpec("QUANTIZE", [1], [2]),
        OperatorSpec("DEQUANTIZE", [2], [3]),
    ]
    return write(tensors, operators)


def values(scale: float, zero_point: int) -> Array:
    """float32 [1, SIZE]: halves with both neighbours, ordinary and large values."""
    rng = np.random.default_rng(0)
    step = np.float32(scale)
    halves = ((np.arange(-300, 300) - zero_point + 0.5).astype(np.float32)) * step
    near = [np.nextafter(halves, np.float32(side)) for side in (-1e9, 1e9)]
    large = np.array([-(2.0**30), 2.0**30, -0.0], np.float32) * step
    found = np.concatenate([halves, *near, large])
    ordinary = rng.normal(0, 60 * scale, SIZE - found.size)
    return np.concatenate([found, ordinary]).astype(np.float32)[np.newaxis]


def compiled(content: bytes, folder: Path, *options: str) -> Compiled:
    if cmsis_nn.locate() is None:
        pytest.skip("CMSIS-NN is not there")
    path = folder / "net.tflite"
    path.write_bytes(content)
    return compile_to(path, "host", *options)


def helpers(header: str, folder: Path) -> Any:
    """The functions of a header, for whole arrays."""
    (folder / "net.h").write_text(header)
    (folder / "c.c").write_text(
        '#include "net.h"\n'
        "void q(const float *x, int8_t *y, int32_t n);\n"
        "void d(const int8_t *x, float *y, int32_t n);\n"
        "void q(const float *x, int8_t *y, int32_t n)\n"
        "{ for (int32_t i = 0; i < n; i++) { y[i] = net_quantize_input(x[i]); } }\n"
        "void d(const int8_t *x, float *y, int32_t n)\n"
        "{ for (int32_t i = 0; i < n; i++) { y[i] = net_dequantize_output(x[i]); } }\n"
    )
    subprocess.run([*STRICT, "-shared", "-fPIC", "c.c", "-o", "c.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "c.so"))


def converted(function: Any, source: Array, dtype: Any) -> Array:
    source = np.ascontiguousarray(source)
    result = np.zeros(source.shape, dtype)
    function(ctypes.c_void_p(source.ctypes.data), ctypes.c_void_p(result.ctypes.data), source.size)
    return result


@pytest.mark.parametrize(("source", "target"), SCHEMES)
def test_float_in_and_out_are_those_of_the_oracle(
    source: tuple[float, int], target: tuple[float, int], tmp_path: Path
) -> None:
    content = network(source, target)
    x = values(*source)
    runtime = pytest.importorskip("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 16)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    expected: Array = np.array(interpreter.get_output(0))

    network_c = compiled(content, tmp_path)
    library = helpers(network_c.files["net.h"], tmp_path)
    x8 = converted(library.q, x, np.int8)
    [y8] = run(network_c, "host", [x8])
    y = converted(library.d, y8, np.float32)
    assert y.tobytes() == expected.tobytes()

    # What `sparsec run` and `sparsec diff` make of float32 is the same.
    entry, _ = entry_quantizations(import_tflite(content))
    assert np.array_equal(quantized([x], entry, as_tflite=True)[0], x8)
    assert not np.array_equal(quantized([x], entry)[0], x8)


def test_every_byte_is_dequantized_exactly(tmp_path: Path) -> None:
    source, target = SCHEMES[1]
    library = helpers(compiled(network(source, target), tmp_path).files["net.h"], tmp_path)
    x = np.arange(-128, 128).astype(np.int8)
    expected = (x.astype(np.float32) - np.float32(target[1])) * np.float32(target[0])
    assert converted(library.d, x, np.float32).tobytes() == expected.tobytes()


def test_what_no_byte_stands_for_saturates(tmp_path: Path) -> None:
    library = helpers(compiled(network(*SCHEMES[0]), tmp_path).files["net.h"], tmp_path)
    x = np.array([np.nan, -np.inf, -3e38, 3e38, np.inf], np.float32)
    assert converted(library.q, x, np.int8).tolist() == [-128, -128, -128, 127, 127]


def test_int8_io_leaves_the_conversions_out(tmp_path: Path) -> None:
    content = network(*SCHEMES[0])
    with_them = compiled(content, tmp_path).files
    without = compiled(content, tmp_path, "--int8-io").files
    assert "net_quantize_input" in with_them["net.h"]
    assert "net_dequantize_output" in with_them["net.h"]
    assert "float" not in without["net.h"]
    assert "NET_INPUT_SCALE" in without["net.h"]
    changed = {name for name in with_them if with_them[name] != without[name]}
    assert changed == {"net.h", "report.json"}  # which has the digest of net.h


def test_the_rule_of_the_file_survives_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(network(*SCHEMES[0]))
    with pytest.raises(SystemExit) as ended:
        main(["net.tflite", "--emit=qnn", "-o", "net.mlir"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert converts_as_tflite(read_ir(context(), "net.mlir"))
    again = compile_to(Path("net.mlir"), "host").files["net.h"]
    assert again == compile_to(Path("net.tflite"), "host").files["net.h"]
    assert "halves away from zero" in again


def test_the_option_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "--int8-io" in shown and "sparsec kws.tflite --int8-io" in shown


def test_samples_in_a_file_are_quantized_by_the_same_rule(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.25, -0.25, 0.75]], np.float32))
    file, scheme = str(tmp_path / "x.npy"), Quantization((0.5,), 0)
    assert read_input(file, (1, 3), scheme, True).tolist() == [[1, -1, 2]]
    assert read_input(file, (1, 3), scheme, False).tolist() == [[0, 0, 2]]
