# SPDX-License-Identifier: Apache-2.0
"""Blocks under torch.no_grad() and the like are imported as if they were not there."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sparsec.frontends import FrontendError
from tests.frontends.support import (
    assert_same,
    export_bytes,
    load_bytes,
    op_names,
    scripted_bytes,
    traced_bytes,
)


class WithConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)


class Decorated(WithConv):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class NoGrad(WithConv):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 0.5
        with torch.no_grad():
            y = self.conv(y)
        return torch.relu(y)


class Nested(WithConv):
    """Regions within regions, with several results, and an operation in place that leaves one."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        with torch.autocast("cpu", enabled=False):
            z = y + 1.0
            with torch.no_grad():
                w = torch.relu(z)
                w.add_(0.5)
            v = w * 2.0
            y.relu_()
        return v + z, y + w


class Enabled(WithConv):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.conv(x)


@pytest.mark.parametrize("kind", [Decorated, NoGrad, Nested])
@pytest.mark.parametrize("write", [export_bytes, traced_bytes])
def test_as_if_not_there(
    kind: Callable[[], nn.Module],
    write: Callable[[nn.Module, list[Tensor]], bytes],
    tmp_path: Path,
) -> None:
    model, x = kind(), torch.randn(2, 3, 6, 6)
    loaded = load_bytes(write(model, [x]), tmp_path)
    assert_same(loaded, model, [x])
    assert "nn.conv2d" in op_names(loaded)


@pytest.mark.parametrize("kind", [Decorated, NoGrad])
def test_scripted(kind: Callable[[], nn.Module], tmp_path: Path) -> None:
    model, x = kind(), torch.randn(1, 3, 6, 6)
    loaded = load_bytes(scripted_bytes(model), tmp_path, input_shape=[x.shape])
    assert_same(loaded, model, [x])


@pytest.mark.parametrize("how", ["exported", "scripted"])
def test_enabled_autocast_is_refused(how: str, tmp_path: Path) -> None:
    if how == "exported":
        content = export_bytes(Enabled(), [torch.randn(2, 3, 6, 6)])
    else:
        content = scripted_bytes(Enabled())
    with pytest.raises(FrontendError, match=r"export the model outside of torch\.autocast"):
        load_bytes(content, tmp_path, input_shape=[[1, 3, 6, 6]])
