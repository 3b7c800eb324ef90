# SPDX-License-Identifier: Apache-2.0
"""sparsec compress-tflite: what is compressed, that nothing else changes, and that all of it is read back."""

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

from sparsec.formats import Dcsr
from sparsec.frontends import FrontendError
from sparsec.frontends.archive import Kind, kind_of
from sparsec.frontends.tflite import compressed_weights
from sparsec.frontends.tflite.model import Model
from sparsec.frontends.tflite.reader import read_model
from sparsec.frontends.tflite.rewriting import rewritten, writer
from tests.formats.test_unstructured import GOLDEN
from tests.frontends.tflite.support import (
    OperatorSpec,
    TensorSpec,
    differing_bytes,
    objects,
    oracle,
    packed,
    write,
)
from tests.shared_library import link
from tests.tools.support import Tools

Array = np.ndarray[Any, Any]


def sparse(shape: tuple[int, ...], zeros: float, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, shape)
    return (weights * (rng.random(shape) >= zeros)).astype(np.int8)


def constant(name: str, data: Array, axis: int = 0) -> TensorSpec:
    per_channel = data.dtype == np.int8
    return TensorSpec(
        name,
        data.shape,
        [0.01] * (data.shape[0] if per_channel else 1),
        dtype="INT8" if per_channel else "INT32",
        data=data,
        axis=axis,
    )


def network() -> bytes:
    """A 1x1 convolution, one of 3x3 that stays dense, one by weights without zeros, and a linear layer, all but it sparse."""
    image = (1, 4, 4, 64)
    tensors = [
        TensorSpec("in", image, [0.02], 3),
        constant("point", sparse((64, 1, 1, 64), 0.9, 1)),
        TensorSpec("a", image, [0.05], -2),
        constant("window", sparse((64, 3, 3, 64), 0.9, 2)),
        TensorSpec("b", image, [0.05], 1),
        constant("full", sparse((64, 1, 1, 64), 0, 3)),
        TensorSpec("c", image, [0.5], 0),
        constant("linear", sparse((12, 1024), 0.8, 4)),
        TensorSpec("out", (1, 12), [0.9], 5),
    ]
    tensors[7].scales = [0.01]
    window = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    operators = [
        OperatorSpec("CONV_2D", [0, 1, -1], [2], "Conv2DOptions", window, old_code=True),
        OperatorSpec("CONV_2D", [2, 3, -1], [4], "Conv2DOptions", window),
        OperatorSpec("CONV_2D", [4, 5, -1], [6], "Conv2DOptions", window),
        OperatorSpec("FULLY_CONNECTED", [6, 7, -1], [8], "FullyConnectedOptions"),
    ]
    return write(tensors, operators)


def assert_same(left: Model, right: Model) -> None:
    """The same network, constants too."""
    assert left.operators == right.operators
    assert (left.inputs, left.outputs) == (right.inputs, right.outputs)
    for one, other in zip(left.tensors, right.tensors, strict=True):
        assert (one.name, one.dtype, one.shape) == (other.name, other.dtype, other.shape)
        for mine, its in ((one.data, other.data), (one.scales, other.scales)):
            np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("method", ["dcsr", "rle"])
def test_what_is_sparse_is_compressed_and_read_back(method: str) -> None:
    content = network()
    dense, untouched = rewritten(content, "none")
    small, layers = rewritten(content, method)
    assert [each.candidate.tensor.name for each in layers] == ["point", "full", "linear"]
    assert [each.is_compressed for each in layers] == [True, False, True]
    assert not any(each.is_compressed for each in untouched)
    saved = sum(each.candidate.weights.size - each.stored_bytes for each in layers)
    assert 0 <= len(dense) - len(small) - saved < 100
    for file in (dense, small):
        assert_same(read_model(content), read_model(file))
    # What was compressed is expanded to the very bytes, and compressed again to the very bytes.
    assert rewritten(small, "none")[0] == dense
    assert rewritten(small, method)[0] == small
    assert rewritten(dense, method)[0] == small


def test_dense_files_run_in_tensorflow_lite_micro() -> None:
    content = network()
    small, _ = rewritten(content, "dcsr")
    dense, _ = rewritten(small, "none")
    samples = [np.random.default_rng(5).integers(-128, 128, (3, 4, 4, 64)).astype(np.int8)]
    np.testing.assert_array_equal(oracle(dense, samples), oracle(content, samples))
    assert differing_bytes(dense, 3) == 0


def test_data_is_aligned() -> None:
    """Kernels read words from where the file lies; the schema asks for 16 bytes."""
    file, _ = rewritten(network(), "dcsr")
    seen = 0
    for tensor in read_model(rewritten(file, "none")[0]).tensors:
        if tensor.data is not None:
            place = rewritten(network(), "none")[0].find(tensor.data.tobytes())
            assert place > 0 and place % 16 == 0
            seen += 1
    assert seen == 4


def test_weights_with_other_readers_stay() -> None:
    """Of two tensors in one buffer, and where the weights are the data of another operator."""
    model = objects(network())
    tensors = model.subgraphs[0].tensors
    tensors[5].buffer = tensors[1].buffer
    _, layers = rewritten(packed(model), "dcsr")
    assert [each.is_compressed for each in layers] == [False, False, True]
    point = constant("point", sparse((64, 64), 0.9, 1))
    point.scales = [0.01]
    tensors = [point, TensorSpec("out", (64, 64), [0.02], 1)]
    added = OperatorSpec("ADD", [0, 0], [1], "AddOptions")
    assert rewritten(write(tensors, [added], ()), "dcsr")[1] == []


def test_the_layout_of_the_published_tool() -> None:
    """By field: dCSR's own encoder gives these numbers, and marks the other format so."""
    values, table = compressed_weights.compressed(GOLDEN, "dcsr")
    assert (values.tolist(), table.nnze) == ([*range(1, 18), -1, -2, 0, -3], 21)
    assert table.lists["row_offsets"].tolist() == [7, -6]
    values, table = compressed_weights.compressed(GOLDEN, "rle")
    assert values.tolist() == [*range(1, 18), -1, 0, -2, 0, 0, -3]
    assert table.lists["delta_indices"].tolist() == [
        3,
        36,
        86,
        41,
        39,
        22,
        53,
        51,
        34,
        253,
        255,
        32,
    ]
    assert (table.lists["row_offsets"].tolist(), table.lists["bitmaps"].tolist()) == (
        [17, 6],
        [222, 173, 222, 173],
    )


def test_files_without_the_four_letters_are_read() -> None:
    """As dCSR's tool leaves them out."""
    model: Any = objects(network())
    builder: Any = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder))
    content = bytes(builder.Output())
    assert content[4:8] != b"TFL3"
    assert kind_of(content) is Kind.TFLITE
    assert_same(read_model(network()), read_model(content))
    for cut in (1, 8, 20):
        with pytest.raises(FrontendError):
            kind_of(content[:cut])


def test_damaged_tables_are_refused() -> None:
    small = bytearray(rewritten(network(), "dcsr")[0])
    minimums = compressed_weights.compressed(sparse((64, 1, 1, 64), 0.9, 1), "dcsr")[1]
    place = small.find(minimums.lists["group_minimums"].tobytes())
    assert place > 0
    small[place] = 100
    with pytest.raises(FrontendError, match="compressed weights of tensor 1 .'point'.: row 0 of"):
        read_model(bytes(small))


def test_damage_outside_of_the_network_is_refused() -> None:
    """In what is copied and never looked at, here the description."""
    model: Any = objects(network())
    model.description = "what it is"
    builder: Any = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = bytearray(builder.Output())
    root = writer().Model.GetRootAs(content, 0)._tab
    place = root.Pos + root.Offset(4 + 2 * 3)
    content[place : place + 4] = (2**31 - 1).to_bytes(4, "little")
    read_model(bytes(content))
    with pytest.raises(FrontendError, match="an offset or length in it makes no sense"):
        rewritten(bytes(content), "none")


def test_command(tools: Tools) -> None:
    Path("kws.tflite").write_bytes(network())
    words = ("-o", "small.tflite", "-c", "model.cc", "--numpy", "vectors")
    ended = tools.sparsec("compress-tflite", "kws.tflite", *words)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[-1] for line in ended.out.splitlines()[2:5]] == ["dcsr", "dense", "dcsr"]
    small = Path("small.tflite").read_bytes()
    assert small == rewritten(network(), "dcsr")[0]
    assert f"file       {len(small):,} B ({len(network()):,} B before)" in ended.out

    # The array is C++, and holds the file.
    source = Path("model.cc").read_text()
    numbers = source.split("{\n")[1].split("}")[0].replace("\n", " ").split(",")
    assert bytes(int(number, 16) for number in numbers if number.strip()) == small
    subprocess.run(["g++", "-std=c++17", "-Wall", "-Werror", "-c", "model.cc"], check=True)

    # A vector is C, and holds the matrix, dense and compressed.
    names = sorted(path.name for path in Path("vectors").iterdir())
    assert names == [
        f"{name}.{ending}" for name in ("1_point", "5_full", "7_linear") for ending in ("c", "npy")
    ]
    matrix = np.load("vectors/1_point.npy")
    np.testing.assert_array_equal(matrix, sparse((64, 64), 0.9, 1))
    library = ctypes.CDLL(
        str(link([Path("vectors/1_point.c")], ["-Wall"], Path("vector.so").resolve()))
    )
    stored = Dcsr().pack(matrix)
    for name, expected in (("reference", matrix), ("minimums", stored["group_minimums"])):
        flat = expected.reshape(-1)
        found = (np.ctypeslib.as_ctypes_type(flat.dtype) * flat.size).in_dll(library, name)
        np.testing.assert_array_equal(np.array(found), flat)


def test_json_and_the_way_back(tools: Tools) -> None:
    Path("kws.tflite").write_bytes(network())
    tools.sparsec("compress-tflite", "kws.tflite", "-m", "rle", "-o", "small.tflite", "-q")
    ended = tools.sparsec("compress-tflite", "small.tflite", "-m", "none", "-o", "b", "--json")
    found = json.loads(ended.out)
    assert (found["schema_version"], found["method"]) == (1, "none")
    assert {each["format"] for each in found["tensors"]} == {"dense"}
    assert Path("b").read_bytes() == rewritten(network(), "none")[0]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("no.tflite",), "no.tflite: no such file"),
        (("text.tflite",), "text.tflite: this is a text file"),
        (("kws.tflite", "--numpy", "kws.tflite"), "cannot make the folder kws.tflite: File exists"),
        (("kws.tflite", "-m", "gzip"), "choose from"),
        (("kws.tflite", "-o", "nowhere/x.tflite"), "cannot write nowhere/x.tflite"),
    ],
)
def test_mistakes(words: tuple[str, ...], line: str, tools: Tools) -> None:
    Path("kws.tflite").write_bytes(network())
    Path("text.tflite").write_text("hello\n")
    ended = tools.sparsec("compress-tflite", *words)
    assert ended.code == 2
    assert line in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_without_the_package(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    Path("kws.tflite").write_bytes(network())
    ended = tools.sparsec("compress-tflite", "kws.tflite")
    assert (ended.code, ended.out) == (2, "")
    assert "pip install sparsec[litert]" in ended.err
