# SPDX-License-Identifier: Apache-2.0
"""Learning from the network that was not pruned: from its outputs, and from features on the way.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; features as in Romero et al. 2015, "FitNets".
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsec.compress.data import checksum_of
from sparsec.compress.layers import modules_of, no_such_layer


@dataclass(frozen=True, eq=False)
class Distillation:
    """`weight` times the divergence of softened outputs from those of `teacher` is added to the loss, and
    `feature_weight` times the mean squared difference of what the modules `features` give in both."""

    teacher: nn.Module
    weight: float = 1.0
    temperature: float = 4.0
    features: Sequence[str] = field(default=())
    feature_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.weight < 0 or self.feature_weight < 0:
            raise ValueError("distillation takes weights of at least 0 and a temperature above 0")

    @property
    def identity(self) -> list[Any]:
        """What it is, for a checkpoint: the teacher's weights by their checksum."""
        numbers = self.weight, self.temperature, self.feature_weight
        return [checksum_of(self.teacher.state_dict().values()), *numbers, *self.features]


def softened(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The divergence of softened outputs [N, classes], scaled so that gradients do not depend on the temperature."""
    return functional.kl_div(
        functional.log_softmax(student / temperature, 1),
        functional.log_softmax(teacher / temperature, 1),
        reduction="batchmean",
        log_target=True,
    ) * (temperature**2)


class _Features:
    """What modules gave, as a forward hook; of the student only in training, not where it is tested."""

    def __init__(self, training: bool):
        self._training = training
        self._seen: list[Tensor] = []

    def __call__(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        if module.training == self._training:
            self._seen.append(output)

    def taken(self) -> list[Tensor]:
        """All of the last forward."""
        seen, self._seen = self._seen, []
        return seen


@contextmanager
def distilling(
    student: nn.Module, how: Distillation | None, device: torch.device
) -> Generator[Callable[[Tensor, Tensor], Tensor | None]]:
    """What is to be added to the loss of inputs and what the student gave for them.

    Raises ValueError where one of the two has no module of a name in `features`.
    """
    if how is None:
        yield lambda x, output: None
        return
    ours, theirs = _Features(training=True), _Features(training=False)
    handles = [
        _module(model, name).register_forward_hook(features)
        for model, features in ((student, ours), (how.teacher, theirs))
        for name in how.features
    ]
    how.teacher.to(device).eval()

    def extra(x: Tensor, output: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = how.teacher(x)
        value = how.weight * softened(output, wanted, how.temperature)
        for got, given in zip(ours.taken(), theirs.taken(), strict=True):
            value = value + how.feature_weight * functional.mse_loss(got, given)
        return value

    try:
        yield extra
    finally:
        for handle in handles:
            handle.remove()


def _module(model: nn.Module, name: str) -> nn.Module:
    modules = modules_of(model)
    if name not in modules:
        raise ValueError(no_such_layer(name, [each for each in modules if each]))
    return modules[name]
