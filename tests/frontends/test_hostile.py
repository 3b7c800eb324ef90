# SPDX-License-Identifier: Apache-2.0
"""Hostile files of each kind: their code runs under torch's own reader, and never under `load`.

Every payload makes a file. Where torch's reader runs it, the test shows that first, so that a test
whose payload has stopped working fails.
"""

import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sparsec.frontends import FrontendError, load
from tests.frontends.support import export_bytes, scripted_bytes

Edit = Callable[[dict[str, bytes], "Payload"], None]


class Payload:
    """An object whose unpickling makes the file `mark`."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def records(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def torch_saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def edit_json(files: dict[str, bytes], name: str, change: Callable[[Any], None]) -> None:
    value = json.loads(files[name])
    change(value)
    files[name] = json.dumps(value).encode()


def example_inputs(files: dict[str, bytes], payload: Payload) -> None:
    files["archive/data/sample_inputs/model.pt"] = torch_saved([payload])


def weights(files: dict[str, bytes], payload: Payload) -> None:
    def change(config: Any) -> None:
        config["config"]["0.weight"]["use_pickle"] = True

    edit_json(files, "archive/data/weights/model_weights_config.json", change)
    files["archive/data/weights/weight_0"] = torch_saved(payload)


def constants_entry(path: str, use_pickle: bool = True) -> Callable[[Any], None]:
    def change(config: Any) -> None:
        config["config"]["c"] = {
            "path_name": path,
            "is_param": False,
            "use_pickle": use_pickle,
            "tensor_meta": None,
        }

    return change


CONSTANTS = "archive/data/constants/model_constants_config.json"


def constant(files: dict[str, bytes], payload: Payload) -> None:
    edit_json(files, CONSTANTS, constants_entry("tensor_0"))
    files["archive/data/constants/tensor_0"] = torch_saved(payload)


def opaque_object(files: dict[str, bytes], payload: Payload) -> None:
    edit_json(files, CONSTANTS, constants_entry("opaque_obj_0"))
    files["archive/data/constants/opaque_obj_0"] = pickle.dumps(payload)


def legacy_weights(files: dict[str, bytes], payload: Payload) -> None:
    files["archive/data/weights/model.pt"] = torch_saved({"w": payload})
    del files["archive/data/weights/model_weights_config.json"]


def symbolic_size(files: dict[str, bytes], payload: Payload) -> None:
    def change(program: Any) -> None:
        size = program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0]
        code = f"__import__('os').mkdir({str(payload.mark)!r})"
        size["as_expr"]["expr_str"] = code

    edit_json(files, "archive/models/model.json", change)


def run_torch_export(path: Path) -> None:
    with path.open("rb") as file:
        torch.export.load(file)


def run_torch_load(path: Path) -> None:
    torch.load(path, weights_only=False)


def run_torch_jit(path: Path) -> None:
    torch.jit.load(path)


def run_quietly(run: Callable[[Path], None], path: Path) -> None:
    """Let torch read the file and fail as it likes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run(path)
        except Exception as error:
            print(f"torch's reader raised {error!r}")  # shown when the mark is missing


def check(content: bytes, folder: Path, mark: Path, run: Callable[[Path], None]) -> str:
    """The payload's file must appear under torch's reader, and must not under `load`."""
    path = folder / "hostile.pt2"
    path.write_bytes(content)
    run_quietly(run, path)
    assert mark.exists(), "the payload does not work, so this test shows nothing"
    mark.rmdir() if mark.is_dir() else mark.unlink()
    with pytest.raises(FrontendError) as caught:
        load(path)
    assert not mark.exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (example_inputs, "example inputs cannot be read without unpickling objects"),
        (weights, "parameter '0.weight' cannot be read without unpickling objects"),
        (constant, "parameter 'c' cannot be read without unpickling objects"),
        (opaque_object, "constant 'c' is a pickled object"),
        (legacy_weights, "has no 'data/weights/model_weights_config.json'"),
    ],
)
def test_pickles_in_an_exported_program(edit: Edit, message: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    files = records(export_bytes(nn.Sequential(nn.Linear(3, 2)), [torch.randn(2, 3)]))
    edit(files, Payload(mark))
    assert message in check(archive_of(files), tmp_path, mark, run_torch_export)


def test_expression_in_an_exported_program(tmp_path: Path) -> None:
    """torch evaluates the text of a symbolic size; here it is compared, and never evaluated."""
    mark = tmp_path / "mark"
    files = records(export_bytes(nn.Sequential(nn.Linear(3, 2)), [torch.randn(2, 3)]))
    symbolic_size(files, Payload(mark))
    assert "mixes the batch" in check(archive_of(files), tmp_path, mark, run_torch_export)


def test_custom_object_in_an_exported_program(tmp_path: Path) -> None:
    """A ScriptObject is unpickled by torch's C++ reader, `__setstate__` and all."""
    files = records(export_bytes(nn.Linear(3, 2), [torch.randn(2, 3)]))
    edit_json(files, CONSTANTS, constants_entry("custom_obj_0"))
    files["archive/data/constants/custom_obj_0"] = b"anything"
    path = tmp_path / "model.pt2"
    path.write_bytes(archive_of(files))
    with pytest.raises(FrontendError, match="constant 'c' is a pickled object"):
        load(path)


def test_weights_outside_their_record(tmp_path: Path) -> None:
    files = records(export_bytes(nn.Linear(3, 2), [torch.randn(2, 3)]))

    def change(config: Any) -> None:
        config["config"]["weight"]["tensor_meta"]["strides"][0]["as_int"] = 1 << 20

    edit_json(files, "archive/data/weights/model_weights_config.json", change)
    path = tmp_path / "model.pt2"
    path.write_bytes(archive_of(files))
    with pytest.raises(FrontendError, match="parameter 'weight' reaches outside its data"):
        load(path)


def zip_pickle(payload: Payload) -> bytes:
    return torch_saved(payload)


def legacy_pickle(payload: Payload) -> bytes:
    stream = io.BytesIO()
    torch.save(payload, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def bare_pickle(payload: Payload) -> bytes:
    return pickle.dumps(payload)


def run_pickle(path: Path) -> None:
    pickle.loads(path.read_bytes())


@pytest.mark.parametrize(
    ("write", "run"),
    [
        (zip_pickle, run_torch_load),
        (legacy_pickle, run_torch_load),
        (bare_pickle, run_pickle),
    ],
)
def test_pickles(
    write: Callable[[Payload], bytes], run: Callable[[Path], None], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    message = check(write(Payload(mark)), tmp_path, mark, run)
    assert "this is a pickled object (posix.mkdir)" in message
    assert "--trust-pickle" in message


class Scripted(nn.Module):
    def forward(self, x: torch.Tensor, n: int = 3) -> torch.Tensor:
        return x + n


def with_default(code: str, mark: Path) -> str:
    call = f'int(torch.size(torch.from_file("{mark}", True, 1), 0))'
    assert "n: int=3" in code
    return code.replace("n: int=3", f"n: int={call}")


def test_default_of_an_argument_in_torchscript(tmp_path: Path) -> None:
    """torch evaluates defaults as it reads the code, and TorchScript can make files."""
    mark = tmp_path / "mark"
    files = records(scripted_bytes(Scripted()))
    (name,) = (name for name in files if name.endswith(".py"))
    files[name] = with_default(files[name].decode(), mark).encode()
    message = check(archive_of(files), tmp_path, mark, run_torch_jit)
    assert "code that would run while it is read" in message


@pytest.mark.parametrize("word", ["torch.ones", "torch.size"])
def test_any_call_in_a_default_is_refused(word: str, tmp_path: Path) -> None:
    """Not only the operations that are known to make files."""
    files = records(scripted_bytes(Scripted()))
    (name,) = (name for name in files if name.endswith(".py"))
    files[name] = files[name].replace(b"n: int=3", f"n: int={word}([1])".encode())
    path = tmp_path / "model.pt"
    path.write_bytes(archive_of(files))
    with pytest.raises(FrontendError, match="code that would run while it is read"):
        load(path)


class Stateful(nn.Module):
    def __init__(self, mark: str):
        super().__init__()
        self.mark = mark
        self.value = torch.zeros(1)
        self.training = False

    @torch.jit.export
    def __getstate__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> tuple[str, torch.Tensor, bool]:
        return (self.mark, self.value, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, torch.Tensor, bool]) -> None:
        self.mark = state[0]
        self.value = torch.from_file(state[0], True, 1, dtype=torch.float32)
        self.training = state[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.value


def test_setstate_in_torchscript(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = scripted_bytes(Stateful(str(mark)))
    message = check(content, tmp_path, mark, run_torch_jit)
    assert "code that would run while it is read" in message


def test_a_trusted_pickle_is_unpickled(tmp_path: Path) -> None:
    """The flag does what it says; so the refusals above are due to its absence."""
    mark = tmp_path / "mark"
    path = tmp_path / "model.pt"
    path.write_bytes(zip_pickle(Payload(mark)))
    with pytest.raises(FrontendError, match="not a torch.nn.Module"):
        load(path, trust_pickle=True)
    assert mark.exists()


class Joined(nn.Module):
    def __init__(self, join: Callable[[list[torch.Tensor], int], torch.Tensor]):
        super().__init__()
        self.join = join

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join([x, x.relu()], 1)


@pytest.mark.parametrize(
    ("model", "rank"), [(nn.Softmax(1), 2), (Joined(torch.cat), 2), (Joined(torch.stack), 3)]
)
def test_an_axis_far_out_of_range_is_not_taken_modulo(
    model: nn.Module, rank: int, tmp_path: Path
) -> None:
    files = records(export_bytes(model, [torch.randn(2, 3)]))
    (name,) = (each for each in files if each.endswith("models/model.json"))
    content = files[name].decode()
    edited = content.replace('"as_int": 1}', '"as_int": 3001}')
    assert edited != content
    files[name] = edited.encode()
    path = tmp_path / "net.pt2"
    path.write_bytes(archive_of(files))
    with pytest.raises(FrontendError, match=f"a tensor of {rank} dimensions has no dimension 3001"):
        load(path)
