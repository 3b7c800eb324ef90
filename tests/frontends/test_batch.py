# SPDX-License-Identifier: Apache-2.0
"""Where a model has its batch: in front, behind the first axis, or nowhere."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsec.frontends import FrontendError, Loaded
from sparsec.interpreters.run import interpret
from sparsec.tools.compilation import compile_model
from sparsec.tools.errors import UserError
from sparsec.tools.import_check import difference, mixes_samples
from sparsec.tools.sparsec import parser
from tests.frontends.support import (
    export_bytes,
    load_bytes,
    saved_program,
    scripted_bytes,
    traced_bytes,
)

OPEN = {0: torch.export.Dim("batch")}


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Signal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.max_pool1d(F.relu(self.conv(x)), 2)
        return self.fc(F.avg_pool1d(y, 4).squeeze(-1))


class Image(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(F.avg_pool2d(F.relu(self.conv(x)), 2), 2)


def check(loaded: Loaded, model: nn.Module, inputs: Sequence[Tensor]) -> None:
    """What torch gives for the inputs as they are is what `main` gives for one sample of them."""
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    with torch.no_grad():
        outputs = model(*inputs)
    wants = cast(Sequence[Tensor], outputs if isinstance(outputs, tuple) else (outputs,))
    gots = interpret(loaded.module, [value.numpy()[np.newaxis] for value in inputs])
    for want, got in zip(wants, gots, strict=True):
        np.testing.assert_allclose(got, want.numpy()[np.newaxis], rtol=1e-4, atol=1e-5)


UNBATCHED: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "vector": (nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)), (16,)),
    "vector_only": (nn.ReLU(), (16,)),
    "signal": (Signal(), (3, 10)),
    "image": (Image(), (3, 8, 8)),
    "rows": (Function(lambda x: F.relu(x.transpose(0, 1)).flatten()), (5, 4)),
}


@pytest.mark.parametrize("name", UNBATCHED)
@pytest.mark.parametrize("how", ["exported", "decomposed", "traced", "scripted"])
def test_without_a_batch(name: str, how: str, tmp_path: Path) -> None:
    model, shape = UNBATCHED[name]
    x = torch.randn(*shape)
    match how:
        case "traced":
            loaded = load_bytes(traced_bytes(model, [x]), tmp_path)
        case "scripted":
            if isinstance(model, Function):
                pytest.skip("a lambda has no TorchScript")
            loaded = load_bytes(scripted_bytes(model), tmp_path, input_shape=[shape])
        case _:
            content = export_bytes(model, [x], dynamic=False, decompose=how == "decomposed")
            loaded = load_bytes(content, tmp_path)
            assert loaded.examples is not None
            assert loaded.examples[0].shape == (1, *shape)
    check(loaded, model.eval(), [x])


def test_nhwc_without_a_batch(tmp_path: Path) -> None:
    model, x = Image().eval(), torch.randn(3, 8, 8)
    content = export_bytes(model, [x], dynamic=False)
    loaded = load_bytes(content, tmp_path, input_layout="nhwc")
    assert loaded.examples is not None
    (got,) = interpret(loaded.module, loaded.examples)
    with torch.no_grad():
        want = model(x).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(got[0], want, rtol=1e-4, atol=1e-5)


def exported(model: nn.Module, inputs: Sequence[Tensor], shapes: Any) -> bytes:
    return saved_program(
        torch.export.export(model.eval(), tuple(inputs), dynamic_shapes=tuple(shapes))
    )


def test_batch_behind_time(tmp_path: Path) -> None:
    linear = nn.Linear(4, 3)
    model = Function(lambda x: F.relu(linear(x)))
    x = torch.randn(5, 6, 4)
    batch = {1: torch.export.Dim("batch")}
    loaded = load_bytes(exported(model, [x], [batch]), tmp_path)
    assert loaded.examples is not None
    assert loaded.examples[0].shape == (6, 5, 4)
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    (got,) = interpret(loaded.module, loaded.examples)
    with torch.no_grad():
        want = model(x)
    np.testing.assert_allclose(got, want.numpy().transpose(1, 0, 2), rtol=1e-4, atol=1e-5)


def test_batch_behind_two_axes(tmp_path: Path) -> None:
    linear = nn.Linear(4, 3)
    model = Function(lambda x: F.relu(linear(x.permute(2, 0, 1))).permute(1, 2, 0))
    x = torch.randn(5, 4, 6)
    loaded = load_bytes(exported(model, [x], [{2: torch.export.Dim("batch")}]), tmp_path)
    assert loaded.examples is not None and loaded.proof is not None
    assert loaded.examples[0].shape == (6, 5, 4)
    assert difference(loaded.proof, loaded.module) is None
    assert not mixes_samples(loaded.proof)
    (got,) = interpret(loaded.module, loaded.examples)
    with torch.no_grad():
        want = model(x)
    np.testing.assert_allclose(got, want.numpy().transpose(2, 0, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        nn.Conv1d(4, 4, 3, padding=1),
        nn.Softmax(1),
        Function(lambda x: torch.roll(x, 1, 1)),
    ],
    ids=["convolution", "softmax", "roll"],
)
def test_a_length_that_is_open_is_no_batch(model: nn.Module, tmp_path: Path) -> None:
    """The layer has the same shape with one element as with many, and another meaning."""
    path = tmp_path / "net.pt2"
    path.write_bytes(exported(model, [torch.randn(4, 16)], [{1: torch.export.Dim("length")}]))
    with pytest.raises(UserError, match="for one index of its dynamic dimension depends on others"):
        compile_model(parser().parse_args([str(path), "-q"]), "nn")


def test_rows_of_every_sample(tmp_path: Path) -> None:
    """What puts the batch and another axis into one for a layer, and apart behind it."""
    linear = nn.Linear(4, 3)
    model = Function(lambda x: linear(x.reshape(-1, 4)).reshape(x.shape[0], -1, 3))
    x = torch.randn(3, 5, 4)
    for content in (exported(model, [x], [OPEN]), export_bytes(model, [x], dynamic=False)):
        loaded = load_bytes(content, tmp_path)
        assert loaded.examples is not None
        (got,) = interpret(loaded.module, loaded.examples)
        with torch.no_grad():
            want = model(x)
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-5)


class Offset(nn.Module):
    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        return x + offsets.reshape(1, 5, 4)


def test_an_input_that_is_the_same_for_all(tmp_path: Path) -> None:
    model = Offset()
    inputs = [torch.randn(3, 5, 4), torch.randn(5, 4)]
    loaded = load_bytes(exported(model, inputs, [OPEN, None]), tmp_path)
    assert loaded.examples is not None
    assert [array.shape for array in loaded.examples] == [(3, 5, 4), (3, 5, 4)]
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None


MIXING: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten": lambda x: x.flatten(0),
    "maximum": lambda x: x.flatten(0).relu() + 1.0,
}


@pytest.mark.parametrize("name", MIXING)
def test_mixed_samples_are_refused(name: str, tmp_path: Path) -> None:
    content = exported(Function(MIXING[name]), [torch.randn(3, 5, 4)], [OPEN])
    with pytest.raises(FrontendError, match=r"\(test_batch\.py:\d+: .*\): it mixes the batch"):
        load_bytes(content, tmp_path)


class Constants(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)
        self.register_buffer("anchors", torch.arange(8.0).view(2, 4))
        self.register_buffer("row", torch.arange(4.0).view(1, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.fc(x), self.get_buffer("anchors"), self.get_buffer("row"), x


def test_results_that_are_constants_or_inputs(tmp_path: Path) -> None:
    model, x = Constants(), torch.randn(6, 8)
    loaded = load_bytes(exported(model, [x], [OPEN]), tmp_path)
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    _, anchors, row, same = interpret(loaded.module, [x.numpy()])
    assert anchors.shape == (6, 2, 4)
    np.testing.assert_array_equal(anchors[5], np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(row, np.tile(np.arange(4.0), (6, 1)))
    np.testing.assert_array_equal(same, x.numpy())
