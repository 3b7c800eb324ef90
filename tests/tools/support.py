# SPDX-License-Identifier: Apache-2.0
"""Calling the tools in this process, and a small model for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from sparsec.tools import sparsec, sparsec_opt


@dataclass(frozen=True)
class Ended:
    """How a call of a tool ended."""

    code: int
    out: str
    err: str


class Tools:
    """Calls tools as a shell would, without a new process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self.capsys = capsys

    def call(self, main: Callable[[Sequence[str]], None], *arguments: object) -> Ended:
        """The exit code and what was printed."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, out, err)

    def sparsec(self, *arguments: object) -> Ended:
        """What `sparsec ARGUMENTS` does."""
        return self.call(sparsec.main, *arguments)

    def opt(self, *arguments: object) -> Ended:
        """What `sparsec-opt ARGUMENTS` does."""
        return self.call(sparsec_opt.main, *arguments)


class Net(nn.Module):
    """A convolution and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.fc = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).flatten(1))


class TwoInputs(nn.Module):
    """A sum of two inputs and a linear layer of it; gives both."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        total = x + y
        return total, self.fc(total)


def net(seed: int = 0) -> Net:
    """A net whose weights follow from `seed`."""
    torch.manual_seed(seed)
    return Net().eval()


SHAPE = (2, 6, 6)


def images(count: int = 4, seed: int = 1) -> Tensor:
    """Inputs of `Net`."""
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed))
