# SPDX-License-Identifier: Apache-2.0
"""Archives of torch.export.save: entries, batches, examples, names, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.func import FuncOp

from sparsec.frontends import FrontendError, load
from sparsec.interpreters.run import interpret
from sparsec.ir import nn as nn_dialect
from sparsec.tools.import_check import difference
from tests.frontends.support import (
    assert_same,
    expected,
    export_bytes,
    load_bytes,
    op_names,
    traced_bytes,
)

EXAMPLES = Path(__file__).parents[2] / "examples"


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(x)) + 1.0


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.head = nn.Linear(4 * 6 * 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.block(x), 1))


def main_of(loaded_module: object) -> FuncOp:
    (main,) = (op for op in getattr(loaded_module, "ops") if isinstance(op, FuncOp))  # noqa: B009
    return main


def test_module_examples_and_names(tmp_path: Path) -> None:
    model, x = Net(), torch.randn(3, 3, 6, 5)
    loaded = load_bytes(export_bytes(model, [x]), tmp_path, name="my-net.pt")
    assert_same(loaded, model, [x])
    assert loaded.module.attributes["sparsec.name"] == StringAttr("my_net")
    assert loaded.examples is not None
    np.testing.assert_array_equal(loaded.examples[0], x.numpy())
    layers = {
        op.name: op.attributes["layer"]
        for op in loaded.module.walk()
        if op.name.startswith("nn.") and "layer" in op.attributes
    }
    assert layers["nn.conv2d"] == StringAttr("block.conv")
    assert layers["nn.clamp"] == StringAttr("block.relu")
    assert layers["nn.add"] == StringAttr("block.add")
    assert layers["nn.linear"] == StringAttr("head")
    labels = [
        op.name_in_model for op in loaded.module.walk() if isinstance(op, nn_dialect.ConstantOp)
    ]
    assert {"block.conv.weight", "block.conv.bias", "head.weight", "head.bias"} <= set(labels)


def test_nhwc_entry(tmp_path: Path) -> None:
    model, x = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 6, 5)
    loaded = load_bytes(export_bytes(model, [x]), tmp_path, input_layout="nhwc")
    assert op_names(loaded) == ["nn.conv2d"]
    assert loaded.examples is not None
    assert loaded.examples[0].shape == (2, 6, 5, 3)
    (got,) = interpret(loaded.module, loaded.examples)
    (want,) = expected(model, [x])
    np.testing.assert_allclose(got, want.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


def test_one_transpose_serves_all_uses(tmp_path: Path) -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.a(x) + self.b(x), x.mean((2, 3))

    x = torch.randn(2, 3, 6, 5)
    loaded = load_bytes(export_bytes(Branches(), [x]), tmp_path)
    assert op_names(loaded).count("nn.transpose") == 2  # one in, one out


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(4, 3)

        def forward(self, image: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
            y = self.conv(image)
            return y, self.fc(features) + y.mean((2, 3))

    model, inputs = Both(), [torch.randn(2, 2, 5, 5), torch.randn(2, 4)]
    loaded = load_bytes(export_bytes(model, inputs), tmp_path)
    assert_same(loaded, model, inputs)
    assert [value.name_hint for value in main_of(loaded.module).args] == ["image", "features"]
    assert loaded.examples is not None
    assert [array.shape for array in loaded.examples] == [(2, 2, 5, 5), (2, 4)]


WITH_FIXED_BATCH: list[Callable[[Tensor], Tensor]] = [
    lambda x: x.view(x.shape[0], -1).relu(),
    lambda x: x.view(4, -1).relu(),
    lambda x: x.reshape(4, 2, 15).mean(2),
    lambda x: x.flatten(1).relu().reshape(-1, 2, 3, 5),
]


@pytest.mark.parametrize("function", WITH_FIXED_BATCH)
def test_fixed_batch_becomes_one(function: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    x = torch.randn(4, 2, 3, 5)
    loaded = load_bytes(export_bytes(Model(), [x], dynamic=False), tmp_path)
    assert_same(loaded, Model(), [x])


def test_in_place_operations_reach_every_use(tmp_path: Path) -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x + 0.5
            z = nn.functional.dropout(y, training=False)
            F.relu_(z)  # changes y too: without training a dropout is y itself
            return y * 2.0

    x = torch.randn(2, 7)
    loaded = load_bytes(export_bytes(InPlace(), [x]), tmp_path)
    assert_same(loaded, InPlace(), [x])


class Refused(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(FrontendError) as caught:
        load_bytes(content, folder)
    return str(caught.value)


def test_all_unsupported_operations_are_listed(tmp_path: Path) -> None:
    class Rounded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.round(x, decimals=2)

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(Rounded(), Refused(torch.lgamma))

        def forward(self, x: Tensor) -> Tensor:
            y = torch.logcumsumexp(self.block(x), 1)
            return torch.i0(y)

    message = refusal(export_bytes(Odd(), [torch.randn(2, 4, 5, 5)]), tmp_path)
    first, *lines = message.splitlines()
    assert first.endswith("model.pt: the model uses 4 operations that cannot be compiled:")
    assert re.fullmatch(
        r"  aten.round at block\.0\.round_1 \(test_exported\.py:\d+: return torch.*\): "
        r"its argument 'decimals' is not supported",
        lines[0],
    )
    assert lines[1].startswith("  aten.lgamma at block.1.lgamma (test_exported.py:")
    assert lines[2].startswith("  aten.logcumsumexp at logcumsumexp (test_exported.py:")
    assert lines[3].startswith("  aten.i0 at i0 (test_exported.py:")
    assert len(lines) == 4


UNSUPPORTED: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override"),
    (
        lambda x: F.interpolate(x, size=3, mode="bilinear", align_corners=True, antialias=True),
        "anti-aliasing with aligned corners",
    ),
    (lambda x: F.pad(x, (0, 0, 0, 0, 0, 0, 1, 0)), "padding of the batch"),
    (lambda x: x[:, [0, 1], :, [1, 0]], "it indexes axes that are not beside each other"),
    (lambda x: x.roll(1), "only a roll along named axes"),
    (lambda x: x.repeat_interleave(2), "only a repetition along a named axis"),
    (lambda x: F.dropout(x, training=True), "call model.eval()"),
    (lambda x: x.flatten(0), "mixes the batch with other dimensions"),
    (lambda x: torch.cat([x, x], 0), "a concatenation of batches"),
    (lambda x: x.to(torch.float64), "a conversion to a type other than float32"),
]


@pytest.mark.parametrize(("function", "reason"), UNSUPPORTED)
def test_unsupported_arguments(
    function: Callable[[Tensor], Tensor], reason: str, tmp_path: Path
) -> None:
    content = export_bytes(Refused(function), [torch.randn(3, 4, 5, 5)])
    message = refusal(content, tmp_path)
    assert reason in message
    assert "test_exported.py:" in message


def test_training_mode(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    program = torch.export.export(model.train(), (torch.randn(4, 3),))
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    with pytest.raises(FrontendError, match="call model.eval\\(\\) before the export"):
        load(path)


def test_dynamic_dimension_other_than_the_batch(tmp_path: Path) -> None:
    program = torch.export.export(
        nn.Conv2d(3, 4, 3),
        (torch.randn(2, 3, 8, 8),),
        dynamic_shapes=({3: torch.export.Dim.AUTO},),
    )
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    with pytest.raises(FrontendError, match="dimension 3 of input 'input' is dynamic"):
        load(path)


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_complex_numbers(tmp_path: Path) -> None:
    model, x = nn.Linear(3, 2).to(torch.complex64), torch.randn(2, 3).to(torch.complex64)
    message = refusal(export_bytes(model, [x]), tmp_path)
    assert "is complex64, where float32 is needed" in message


class Casting(nn.Module):
    """Converts to the type that its weights have, which is none here."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.fc = nn.Linear(3, 2).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.to(self.fc.weight.dtype)).relu()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("input_type", [torch.float32, None])
def test_other_floats_become_float32(
    dtype: torch.dtype, input_type: torch.dtype | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model, x = Casting(dtype), torch.randn(2, 3).to(dtype).to(input_type or dtype)
    loaded = load_bytes(export_bytes(model, [x]), tmp_path)
    assert loaded.converted == (str(dtype).removeprefix("torch."),)
    assert loaded.examples is not None
    assert loaded.examples[0].dtype == np.float32
    (got,) = interpret(loaded.module, [x.float().numpy()])
    with torch.no_grad():
        want = model.float()(x.float()).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None


def test_integer_input(tmp_path: Path) -> None:
    message = refusal(export_bytes(nn.ReLU(), [torch.ones(2, 3, dtype=torch.int64)]), tmp_path)
    assert "aten.relu at relu" in message
    assert message.endswith("it computes with integers, which only pick rows of a table")


class OfBytes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x + 1).float() / 255


def test_arithmetic_on_bytes(tmp_path: Path) -> None:
    message = refusal(export_bytes(OfBytes(), [torch.ones(2, 3, dtype=torch.uint8)]), tmp_path)
    assert len(message.splitlines()) == 2
    assert message.endswith("it computes with integers: use .float() before it")


def test_other_integers(tmp_path: Path) -> None:
    message = refusal(export_bytes(nn.ReLU(), [torch.ones(2, 3, dtype=torch.int16)]), tmp_path)
    assert "input 'input' is int16, where float32 is needed" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_are_not_finite(value: float, tmp_path: Path) -> None:
    linear = nn.Linear(3, 2)
    linear.weight.data[1, 2] = value
    model = nn.Sequential(linear)
    message = refusal(export_bytes(model, [torch.randn(2, 3)]), tmp_path)
    assert "parameter '0.weight' holds NaN or infinite values" in message
    assert len(message.splitlines()) == 1


def test_shipped_example() -> None:
    loaded = load(EXAMPLES / "mnist/model.pt")
    loaded.module.verify()
    assert loaded.examples is not None
    assert loaded.examples[0].shape[0] > 1


def test_import_of_the_package_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys, sparsec.frontends; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Three(nn.Module):
    """Three operations that are refused for an argument, each behind the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(8, 8, 3)
        self.b = nn.Conv2d(8, 8, 3)
        self.c = nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.a(x), 2, divisor_override=3)
        x = F.dropout(torch.relu(self.b(x)), training=True)
        return F.avg_pool2d(self.c(torch.logcumsumexp(x, 1)), 2, divisor_override=5)


@pytest.mark.parametrize("write", [export_bytes, traced_bytes])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_what_is_refused_for_an_argument_hides_nothing_behind_it(
    write: Callable[[nn.Module, list[Tensor]], bytes], tmp_path: Path
) -> None:
    message = refusal(write(Three(), [torch.randn(2, 8, 24, 24)]), tmp_path)
    first, *lines = message.splitlines()
    assert first.endswith("the model uses 4 operations that cannot be compiled:")
    for line, start in zip(
        lines,
        ("aten.avg_pool2d", "aten.dropout", "aten.logcumsumexp", "aten.avg_pool2d"),
        strict=True,
    ):
        assert re.match(rf"  {re.escape(start)} at \S+ \(test_exported\.py:\d+", line)
    assert "call model.eval() before the export" in lines[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
def test_types_of_the_schema_are_not_those_of_torchscript(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    """A number of one is that of another type in the other."""
    model, x = Refused(lambda x: x.to(dtype).to(torch.float32)), torch.randn(2, 3)
    for write in (export_bytes, traced_bytes):
        message = refusal(write(model, [x]), tmp_path)
        assert "a conversion to a type other than float32" in message
