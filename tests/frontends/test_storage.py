# SPDX-License-Identifier: Apache-2.0
"""Operations in place against torch: they reach all that shares memory with what they write, and no copy."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsec.frontends import FrontendError
from sparsec.frontends.storage import PERHAPS_VIEWS, VIEWS
from tests.frontends.support import (
    assert_same,
    export_bytes,
    load_bytes,
    op_names,
    scripted_bytes,
    traced_bytes,
)

SHAPE = (1, 3, 2, 4)
VIEWED = {
    "flatten": "y.flatten(1)",
    "view": "y.view(y.size(0), 3, 8)",
    "view_same": "y.view(y.size(0), 3, 2, 4)",
    "reshape": "y.reshape(y.size(0), 6, 4)",
    "permute": "y.permute(0, 2, 3, 1)",
    "transpose": "y.transpose(1, 2)",
    "squeeze": "y.unsqueeze(1).squeeze(1)",
    "unsqueeze": "y.unsqueeze(2)",
    "slice": "y[:, :]",
    "part": "y[:, 1:, :, 1:3]",
    "steps": "y[:, ::2]",
    "movedim": "y.movedim(1, 3)",
    "swapaxes": "y.swapaxes(1, 2)",
    "mT": "y.mT",
    "narrow": "y.narrow(3, 1, 2)",
    "select": "y[:, -1]",
    "chunk": "y.chunk(2, 1)[0]",
    "split": "torch.split(y, [1, 2], 1)[1]",
    "unbind": "y.unbind(2)[1]",
    "part_of_moved": "y.transpose(1, 3)[:, 1:3].unsqueeze(1)",
    "chain": "y.transpose(1, 3).unsqueeze(1).squeeze(1).detach()",
}
COPIED = {
    "clone": "y.clone()",
    "cat": "torch.cat([y])",
    "stack": "torch.stack([y], 2)",
    "flip": "y.flip(2)",
    "roll": "y.roll(1, 3)",
    "shuffle": "torch.channel_shuffle(y, 3)",
    "pad": "F.pad(y, [0, 0])",
    "pool": "F.adaptive_avg_pool2d(y, [2, 4])",
    "to": "y.to(torch.float32, copy=True)",
    "moved": "y.permute(0, 2, 3, 1).clone().unsqueeze(1)",
}
WRITES = {
    "relu": "F.relu_({})",
    "add": "{}.add_(0.5)",
    "mul": "{}.mul_(-2.0)",
    "plus": "{} += 0.25",
    "clamp": "{}.clamp_(-0.5, 0.5)",
    "zero": "{}.zero_()",
    "out": "torch.add({0}, 1.0, out={0})",
}


def source_of(shown: dict[str, str], written: str) -> str:
    """A model that, for each pair of a view and a write, gives y and the view after the write."""
    lines: list[str] = []
    results: list[str] = []
    for n, (view, write) in enumerate((v, w) for v in shown.values() for w in WRITES.values()):
        lines += [f"y = x * {n % 5 + 1}.0", f"v = {view}"]
        name = "y" if written == "base" else "v"
        lines += [write.format(name), f"a{n}, b{n} = y + 0.0, v + 0.0"]
        results += [f"a{n}, b{n}"]
    body = "\n        ".join([*lines, f"return {', '.join(results)}"])
    head = "import torch\nimport torch.nn.functional as F\n\n\nclass Model(torch.nn.Module):"
    return f"{head}\n    def forward(self, x: torch.Tensor):\n        {body}\n"


def model_of(source: str, folder: Path) -> nn.Module:
    """The class `Model` of a file, as torch.jit.script wants to read it."""
    (folder / "written.py").write_text(source)
    spec = importlib.util.spec_from_file_location("written", folder / "written.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Callable[[], nn.Module], module.Model)()


@pytest.mark.parametrize("how", ["exported", "traced", "scripted"])
@pytest.mark.parametrize(
    ("shown", "written"), [(VIEWED, "base"), (VIEWED, "view"), (COPIED, "base"), (COPIED, "view")]
)
def test_every_write(how: str, shown: dict[str, str], written: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = model_of(source_of(shown, written), tmp_path), torch.randn(2, *SHAPE[1:])
    match how:
        case "exported":
            loaded = load_bytes(export_bytes(model, [x]), tmp_path)
        case "traced":
            # torch forgets the shapes of a model with an operation on a part, its result in the part.
            loaded = load_bytes(traced_bytes(model, [x]), tmp_path, input_shape=[SHAPE])
        case _:
            loaded = load_bytes(scripted_bytes(model), tmp_path, input_shape=[SHAPE])
    assert_same(loaded, model, [x])


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], object]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(x)


def written_before_its_view_is_read(x: Tensor) -> object:
    y = x + 0.5
    v = y.flatten(1).view(-1, 3, 8)
    w = v.transpose(1, 2)
    y.relu_()
    w.add_(-1.0)
    y.mul_(2.0)
    return w, v, y


def turned_in_place(x: Tensor) -> object:
    y = x + 0.5
    v = y.view(-1, 24)
    y.unsqueeze_(1).transpose_(2, 4)
    y.relu_()
    return v, y, y.size(2) * v


def input_written(x: Tensor) -> object:
    v = x.flatten(1)
    F.relu_(x)
    return v + 1.0, x


ONES = torch.ones(24)


def copied_into(x: Tensor) -> object:
    y = torch.empty_like(x)
    y.copy_(x * 2.0)
    z = y.clone()
    z.fill_(3.0)
    y.flatten(1).copy_(ONES)
    return z + x, y + x


@pytest.mark.parametrize(
    "function",
    [written_before_its_view_is_read, turned_in_place, input_written, copied_into],
)
@pytest.mark.parametrize("write", [export_bytes, traced_bytes])
def test_sequences(
    function: Callable[[Tensor], object],
    write: Callable[[nn.Module, list[Tensor]], bytes],
    tmp_path: Path,
) -> None:
    model, x = Function(function), torch.randn(2, *SHAPE[1:])
    assert_same(load_bytes(write(model, [x]), tmp_path), model, [x])


def test_a_copy_costs_nothing(tmp_path: Path) -> None:
    model = Function(lambda x: x.clone().flatten(1).detach() + 1.0)
    loaded = load_bytes(export_bytes(model, [torch.randn(2, 3, 4)]), tmp_path)
    assert op_names(loaded) == ["nn.reshape", "nn.add"]


def moved_and_flattened(x: Tensor) -> object:
    y = x + 0.5
    v = y.transpose(1, 2).flatten(1)  # a copy, as the elements lie in another order
    y.relu_()
    return v


def channels_last(x: Tensor) -> object:
    y = x + 0.5
    v = y.contiguous(memory_format=torch.channels_last)
    v.relu_()
    return y


@pytest.mark.parametrize("function", [moved_and_flattened, channels_last])
def test_what_cannot_be_known(function: Callable[[Tensor], object], tmp_path: Path) -> None:
    model = Function(function)
    with pytest.raises(FrontendError) as caught:
        load_bytes(export_bytes(model, [torch.randn(2, 3, 4, 4)]), tmp_path)
    line = str(caught.value).splitlines()[1]
    assert line.startswith("  output: it reads what aten.relu_ (test_storage.py:")
    assert line.endswith("copy with .clone() or use no operation in place")


def test_elements_in_another_order(tmp_path: Path) -> None:
    """A network in channels-last order: the flattened value is a copy, which the file tells."""
    model = Function(moved_and_kept)
    x = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    with pytest.raises(FrontendError, match="may have changed in place"):
        load_bytes(export_bytes(model, [x]), tmp_path)


def moved_and_kept(x: Tensor) -> Tensor:
    y = x + 0.5
    v = y.flatten(1)
    y.relu_()
    return v


def gathered(x: Tensor) -> Tensor:
    """Parts put into a tensor that is made for as many samples as there are."""
    y = torch.zeros(x.shape[0], 5, 4)
    y[:, :3] = x * 2
    y[:, 3:] = x[:, 1:] - 1
    return y + 0.5


def test_a_tensor_of_the_batch_is_filled(tmp_path: Path) -> None:
    model, x = Function(gathered), torch.randn(3, 3, 4)
    assert_same(load_bytes(export_bytes(model, [x]), tmp_path), model, [x])


class Counting(nn.Module):
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add_(1.0)
        return x + self.seen


def test_the_model_changes_itself(tmp_path: Path) -> None:
    x = torch.randn(2, 3)
    for content in (export_bytes(Counting(), [x]), scripted_bytes(Counting())):
        with pytest.raises(FrontendError, match="it changes 'seen' of the model as it runs"):
            load_bytes(content, tmp_path, input_shape=[[1, 3]])


X = torch.randn(2, 4, 3, 3)
CALLS: dict[str, Callable[[], object]] = {
    "view": lambda: X.view(2, 36),
    "_unsafe_view": lambda: torch.ops.aten._unsafe_view(X, [2, 36]),
    "view_as": lambda: X.view_as(X),
    "unflatten": lambda: cast(Tensor, X.unflatten(1, (2, 2))),
    "squeeze": lambda: X.squeeze(),
    "unsqueeze": lambda: X.unsqueeze(0),
    "alias": lambda: torch.ops.aten.alias(X),
    "detach": lambda: X.detach(),
    "lift_fresh": lambda: torch.ops.aten.lift_fresh(X),
    "positive": lambda: +X,
    "real": lambda: torch.real(X),
    "dropout": lambda: torch.dropout(X, 0.5, False),
    "feature_dropout": lambda: torch.feature_dropout(X, 0.5, False),
    "alpha_dropout": lambda: torch.alpha_dropout(X, 0.5, False),
    "feature_alpha_dropout": lambda: torch.feature_alpha_dropout(X, 0.5, False),
    "permute": lambda: X.permute(0, 2, 3, 1),
    "transpose": lambda: X.transpose(0, 1),
    "swapaxes": lambda: X.swapaxes(0, 1),
    "swapdims": lambda: X.swapdims(0, 1),
    "movedim": lambda: X.movedim(1, 2),
    "moveaxis": lambda: X.moveaxis(1, 2),
    "t": lambda: X[0, 0].t(),
    "numpy_T": lambda: X[0, 0].T,
    "mT": lambda: X.mT,
    "select": lambda: X.select(1, 2),
    "slice": lambda: X[:, 1:],
    "narrow": lambda: X.narrow(1, 1, 2),
    "diagonal": lambda: X.diagonal(0, 2, 3),
    "unfold": lambda: X.unfold(2, 2, 1),
    "chunk": lambda: X.chunk(2, 1)[1],
    "split": lambda: cast(list[Tensor], X.split(2, 1))[1],
    "split_with_sizes": lambda: X.split_with_sizes([1, 3], 1)[1],
    "unbind": lambda: X.unbind(1)[1],
    "tensor_split": lambda: X.tensor_split(2, 1)[1],
    "unsafe_chunk": lambda: X.unsafe_chunk(2, 1)[1],
    "unsafe_split": lambda: X.unsafe_split(2, 1)[1],
    "unsafe_split_with_sizes": lambda: X.unsafe_split_with_sizes([1, 3], 1)[1],
    "expand": lambda: X.expand(5, -1, -1, -1, -1),
    "expand_as": lambda: X.expand_as(X),
    "broadcast_to": lambda: X.broadcast_to(X.shape),
    "reshape": lambda: X.reshape(2, 36),
    "reshape_as": lambda: X.reshape_as(X),
    "flatten": lambda: X.flatten(1),
    "ravel": lambda: X.ravel(),
    "contiguous": lambda: X.contiguous(),
    "to": lambda: X.to(torch.float32),
    "type_as": lambda: X.type_as(X),
}


@pytest.mark.parametrize("name", [*VIEWS, *sorted(PERHAPS_VIEWS)])
def test_what_the_tables_call_a_view_shares_memory_in_torch(name: str) -> None:
    result = cast(Tensor, CALLS[name]())
    assert result.untyped_storage().data_ptr() == X.untyped_storage().data_ptr()


COPIES: dict[str, Callable[[], object]] = {
    "native_dropout": lambda: torch.native_dropout(X, 0.5, False)[0],
    "pad": lambda: F.pad(X, (0, 0)),
    "cat": lambda: torch.cat([X]),
    "stack": lambda: torch.stack([X]),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(X, 3),
    "repeat": lambda: X.repeat(1, 1, 1, 1),
    "channel_shuffle": lambda: torch.channel_shuffle(X, 1),
    "pixel_shuffle": lambda: torch.pixel_shuffle(X, 1),
    "upsample_nearest2d": lambda: F.interpolate(X, size=3),
    "max_pool2d": lambda: F.max_pool2d(X, 1),
    "roll": lambda: X.roll(0, 0),
    "flip": lambda: X.flip([]),
    "clone": lambda: X.clone(),
    "_to_copy": lambda: torch.ops.aten._to_copy(X),
    "lift_fresh_copy": lambda: torch.ops.aten.lift_fresh_copy(X),
}


@pytest.mark.parametrize("name", COPIES)
def test_an_identity_in_neither_table_is_a_copy_in_torch(name: str) -> None:
    assert name not in VIEWS
    assert name not in PERHAPS_VIEWS
    result = cast(Tensor, COPIES[name]())
    assert result.untyped_storage().data_ptr() != X.untyped_storage().data_ptr()
