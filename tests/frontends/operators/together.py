# SPDX-License-Identifier: Apache-2.0
"""Many operators of torch in one model, so that all of a group cost one export and one build."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from xdsl.dialects.builtin import ModuleOp

from sparsec import pipelines
from sparsec.passes.calibrate import calibrate
from sparsec.pipelines import PipelineOptions
from sparsec.quantization.observers import MinMaxObserver
from sparsec.tools.compilation import run_passes
from sparsec.tools.registry import context
from tests.frontends.support import Array

Function: TypeAlias = Callable[[Tensor], Tensor]

STEP = 0.5
"""Of the inputs, which int8 holds without error."""


class Together(nn.Module):
    """What each function gives for the one input, in order."""

    def __init__(self, functions: Mapping[str, Function]):
        super().__init__()
        self.functions = list(functions.values())
        # What is a module has parameters, which torch wants to know.
        self.layers = nn.ModuleList(f for f in self.functions if isinstance(f, nn.Module))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(function(x) for function in self.functions)


def on_the_grid(*shape: int, seed: int = 0) -> Tensor:
    """Inputs that are multiples of STEP, with the lowest and the highest that int8 holds in each sample."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-128, 128, shape, generator=generator).float()
    x.view(shape[0], -1)[:, 0], x.view(shape[0], -1)[:, -1] = -128, 127
    return x * STEP


def int8_form(module: ModuleOp, inputs: Sequence[Array]) -> ModuleOp:
    """An imported network in int8, calibrated on `inputs`; `module` is changed."""
    options = PipelineOptions()
    run_passes(context(), module, pipelines.nn(options), (), verify_each=True)
    calibrate(module, inputs, MinMaxObserver)
    run_passes(context(), module, pipelines.qnn(options), (), verify_each=True)
    return module
