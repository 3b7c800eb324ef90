# SPDX-License-Identifier: Apache-2.0
"""The import held to torch: what is read wrongly is an internal error that names the first call of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization.fx import _decomposed  # pyright: ignore  # noqa: F401  registers the ops

from sparsec.frontends import exported_reading, load, operators, storage
from sparsec.frontends.call import Call
from sparsec.frontends.exported_reading import ExportedReading
from sparsec.frontends.proof import ReadingError
from sparsec.interpreters.run import interpret
from sparsec.tools.import_check import difference
from tests.frontends.support import export_bytes, scripted_bytes, traced_bytes
from tests.tools.support import Tools, images, net


def nothing(builder: object, call: Call) -> object:
    """An operator that is wrong: it gives what it takes."""
    return call.activation("self", "input")


@pytest.fixture
def break_operator(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    table = cast(dict[str, object], operators.OPERATORS)
    return lambda name: monkeypatch.setitem(table, name, nothing)


def test_a_wrong_operator_is_named(
    tools: Tools, model: Path, break_operator: Callable[[str], None]
) -> None:
    assert tools.sparsec(model, "--emit=nn", "-q").code == 0
    break_operator("aten.relu")
    ended = tools.sparsec(model, "--emit=nn", "-q")
    assert (ended.code, ended.out) == (70, "")
    assert ended.err.startswith(
        f"internal error: the import of {model} is wrong: output 0 differs from torch's by "
    )
    assert (
        "; the first call that they see differently is aten.relu at relu (support.py:" in ended.err
    )
    assert ended.err.count("\n") == 1
    text = Path("sparsec-crash.mlir").read_text()
    assert "nn.conv2d" in text
    assert "sparsec-opt" not in text  # the IR is what is wrong
    assert tools.sparsec(model, "--emit=nn", "-q", "--no-import-check").code == 0


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (lambda: traced_bytes(net(), [images()]), ()),
        (lambda: scripted_bytes(net()), ("--input-shape=1,2,6,6",)),
    ],
    ids=["traced", "scripted"],
)
def test_torchscript(
    tools: Tools,
    write: Callable[[], bytes],
    options: tuple[str, ...],
    break_operator: Callable[[str], None],
) -> None:
    Path("net.pt").write_bytes(write())
    assert tools.sparsec("net.pt", "--emit=nn", "-q", *options).code == 0
    break_operator("aten.relu")
    ended = tools.sparsec("net.pt", "--emit=nn", "-q", *options)
    assert ended.code == 70
    assert "the first call that they see differently is aten.relu at relu_" in ended.err


class Writing(nn.Module):
    """A view and a copy, and what is written into the first of them."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x + 0.5
        kept = y.clone()
        y.flatten(1).relu_()
        return y + 0.0, kept


@pytest.mark.parametrize("write", [export_bytes, traced_bytes])
@pytest.mark.parametrize(("name", "kind"), [("flatten", None), ("clone", storage.Kind.RESHAPE)])
def test_wrong_storage_is_found(
    write: Callable[[nn.Module, list[Tensor]], bytes],
    name: str,
    kind: storage.Kind | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("net.pt").write_bytes(write(Writing(), [torch.randn(3, 2, 2)]))
    loaded = load(Path("net.pt"))
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    if kind is None:
        monkeypatch.setattr(storage, "PERHAPS_VIEWS", storage.PERHAPS_VIEWS - {name})
    else:
        monkeypatch.setitem(cast(dict[str, storage.Kind], storage.VIEWS), name, kind)
    loaded = load(Path("net.pt"))
    assert loaded.proof is not None
    found = difference(loaded.proof, loaded.module)
    assert found is not None
    assert found.startswith(f"output {0 if kind is None else 1} differs")


def test_what_torch_does_not_run_is_a_warning(
    tools: Tools, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(target: str) -> Callable[..., object]:
        raise ReadingError(f"{target} is not run")

    monkeypatch.setattr(exported_reading, "_function", refuse)
    ended = tools.sparsec(model, "--emit=nn")
    assert ended.code == 0
    assert ended.err.splitlines()[0] == (
        f"warning: the import of {model} cannot be checked, as torch does not run it: "
        "torch.ops.aten.conv2d.default is not run"
    )


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.__class__.mro",
        "torch.ops.prims.relu.default",
        "torch.ops.aten.nonsense.default",
        "_operator.attrgetter",
        "os.system",
    ],
)
def test_only_listed_calls_are_made(target: str) -> None:
    node = {"target": target, "inputs": [], "outputs": [{"as_tensor": {"name": "y"}}]}
    signature: dict[str, Any] = {"input_specs": [], "output_specs": []}
    graph = {"graph": {"nodes": [node]}, "signature": signature}
    with pytest.raises(ReadingError):
        ExportedReading(graph, {}, []).results()


def test_torch_keeps_its_threads(model: Path) -> None:
    before = torch.get_num_threads()
    loaded = load(model)
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    assert torch.get_num_threads() == before


def test_other_floats_are_said(tools: Tools) -> None:
    Path("half.pt2").write_bytes(export_bytes(net().half(), [images().half()]))
    ended = tools.sparsec("half.pt2", "--emit=nn")
    assert ended.code == 0
    assert ended.err.splitlines()[0] == (
        "note: half.pt2 has float16 numbers, which are taken as float32"
    )
    assert tools.sparsec("half.pt2", "--emit=nn", "-q").err == ""


class Steep(nn.Module):
    """A step of the first int8 value is a hundred of the second."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(rounded(rounded(x, 1.0) * 50.0, 0.5))


def rounded(x: Tensor, scale: float) -> Tensor:
    """`x` as int8 of that scale, and back."""
    quantized = torch.ops.quantized_decomposed.quantize_per_tensor(
        x, scale, 0, -128, 127, torch.int8
    )
    return torch.ops.quantized_decomposed.dequantize_per_tensor(
        quantized, scale, 0, -128, 127, torch.int8
    )


def test_ties_are_no_difference(break_operator: Callable[[str], None]) -> None:
    """What torch sums in another order falls to the other side of a tie, and every call behind it sees that."""
    ties = torch.tensor([[0.5, 1.5, -1.5], [0.5, -0.5, 0.5]])
    Path("net.pt2").write_bytes(export_bytes(Steep(), [ties + 1e-6]))

    def found() -> str | None:
        loaded = load(Path("net.pt2"))
        assert loaded.proof is not None
        below = [array - np.float32(2e-6) for array in loaded.proof.inputs]
        assert interpret(loaded.module, below)[0][0, 0] == 0
        assert loaded.proof.reading.results()[0][0, 0] == 50
        return difference(replace(loaded.proof, inputs=below), loaded.module)

    assert found() is None
    break_operator("aten.relu")
    apart = found()
    assert apart is not None
    assert "; the first call that they see differently is aten.relu at relu (" in apart
