# SPDX-License-Identifier: Apache-2.0
"""Files that are no models: one line that says what they are and what to do."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sparsec.frontends import FrontendError, load
from tests.frontends.support import export_bytes, load_bytes, traced_bytes


def zip_of(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"archive/{name}", content)
    return stream.getvalue()


def saved(value: object, *, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def numpy_file() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def truncated_program() -> bytes:
    content = export_bytes(nn.Linear(3, 2), [torch.randn(2, 3)])
    return content[: len(content) // 2]


def corrupted_program() -> bytes:
    content = bytearray(export_bytes(nn.Linear(3, 2), [torch.randn(2, 3)]))
    at = content.index(b'"graph_module"')
    content[at : at + 4] = b"\0\0\0\0"
    return bytes(content)


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"import torch\nprint('hello')\n", "this is a text file"),
    "unicode": (lambda: "Modèle".encode() * 2000, "this is a text file"),
    "noise": (lambda: bytes(range(255, 128, -1)) * 9, "this is not a model of PyTorch"),
    "truncated": (truncated_program, "the zip archive is truncated or damaged"),
    "corrupted": (corrupted_program, "'models/model.json' in the archive is damaged"),
    "zip_of_something": (lambda: zip_of(readme=b"hello"), "this zip archive is not a model"),
    "gzip": (lambda: gzip.compress(b"hello"), "this is a gzip archive, not a model of PyTorch"),
    "numpy": (numpy_file, "this is a numpy array, not a model of PyTorch"),
    "tflite": (
        lambda: b"\x1c\0\0\0TFL3" + bytes(64),
        "this is a TensorFlow Lite file of version 0, only version 3 is known",
    ),
    "not_json": (
        lambda: zip_of(archive_format=b"pt2", **{"models/model.json": b"[[["}),
        "'models/model.json' in the archive is not JSON",
    ),
    "not_a_program": (
        lambda: zip_of(archive_format=b"pt2", **{"models/model.json": b"{}"}),
        "the program in the archive is malformed",
    ),
    "old_program": (
        lambda: zip_of(**{"serialized_exported_program.json": b"{}"}),
        "was written by PyTorch 2.7 or older",
    ),
    "compiled_package": (
        lambda: zip_of(archive_format=b"pt2"),
        "holds a compiled package without its exported program",
    ),
    "module": (lambda: saved(nn.ReLU()), "this is a pickled object (torch.nn.modules"),
    "legacy_module": (
        lambda: saved(nn.ReLU(), legacy=True),
        "this is a pickled object (torch.nn.modules",
    ),
    "damaged_pickle": (lambda: b"\x80\x02cposix", "the pickle is truncated or damaged"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line(name: str, tmp_path: Path) -> None:
    write, message = CASES[name]
    with pytest.raises(FrontendError) as caught:
        load_bytes(write(), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'model.pt'}: ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match="nothing.pt: no such file"):
        load(tmp_path / "nothing.pt")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match="this is a directory"):
        load(tmp_path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("trust", [False, True])
def test_state_dict(legacy: bool, trust: bool, tmp_path: Path) -> None:
    content = saved(nn.Linear(3, 2).state_dict(), legacy=legacy)
    with pytest.raises(FrontendError) as caught:
        load_bytes(content, tmp_path, trust_pickle=trust, input_shape=[[1, 3]])
    first, *lines = str(caught.value).splitlines()
    assert "this is a state_dict" in first
    assert lines == [
        '  model.load_state_dict(torch.load("model.pt", weights_only=True))',
        "  program = torch.export.export(model.eval(), (example_input,))",
        '  torch.export.save(program, "model.pt2")',
    ]


@pytest.mark.parametrize("name", ["model.pt", "model.pt2", "model.zip", "model"])
def test_the_extension_does_not_matter(name: str, tmp_path: Path) -> None:
    inputs = [torch.randn(2, 3)]
    for content in (
        export_bytes(nn.Linear(3, 2), inputs),
        traced_bytes(nn.Linear(3, 2), inputs),
    ):
        assert load_bytes(content, tmp_path, name=name).module.attributes


def test_pickled_module(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    loaded = load_bytes(saved(model), tmp_path, trust_pickle=True, input_shape=[[4, 3]])
    assert loaded.examples is None
    with pytest.raises(FrontendError, match="give --input-shape"):
        load_bytes(saved(model), tmp_path, trust_pickle=True)
    with pytest.raises(FrontendError, match="cannot export the model for --input-shape 4,5: "):
        load_bytes(saved(model), tmp_path, trust_pickle=True, input_shape=[[4, 5]])
    with pytest.raises(FrontendError, match="this is a dict with a model at 'net': save the model"):
        load_bytes(saved({"net": model, "epoch": 3}), tmp_path, trust_pickle=True)
    half = load_bytes(saved(model.half()), tmp_path, trust_pickle=True, input_shape=[[4, 3]])
    assert half.converted == loaded.converted + ("float16",)
