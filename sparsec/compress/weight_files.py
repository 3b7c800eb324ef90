# SPDX-License-Identifier: Apache-2.0
"""Modules from files of FPGAI's layouts, and the files that FPGAI itself would write of a module.

The one rule: layers are the convolutions and linear layers of a module in the order in which it has them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sparsec.layouts.weight_files import (
    Rescaling,
    Shape,
    StoredLayer,
    fpgai_bytes,
    fpgai_scale,
    real_values,
)

Layer = nn.Conv1d | nn.Conv2d | nn.Linear


def layers_of(model: nn.Module) -> list[Layer]:
    """The layers that files have."""
    return [each for each in model.modules() if isinstance(each, Layer)]


def shapes_of(model: nn.Module) -> list[Shape]:
    """The shapes of their weights, which the files do not tell."""
    return [tuple(layer.weight.shape) for layer in layers_of(model)]


def load_stored(
    model: nn.Module, stored: Sequence[StoredLayer], rescalings: Sequence[Rescaling]
) -> None:
    """Give the layers of `model` the real numbers that files stand for. Raises ValueError where they do not fit."""
    layers = layers_of(model)
    if not len(layers) == len(stored) == len(rescalings):
        raise ValueError(
            f"the model has {len(layers)} layers, the files have {len(stored)} and {len(rescalings)} lines of scales"
        )
    for number, (layer, each, rescaling) in enumerate(
        zip(layers, stored, rescalings, strict=True), 1
    ):
        if each.weights.shape != tuple(layer.weight.shape):
            raise ValueError(
                f"layer {number} of the files is {list(each.weights.shape)}, of the model {list(layer.weight.shape)}"
            )
        weights, biases = real_values(each, rescaling)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights))
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(biases))
            elif biases.any():
                raise ValueError(f"layer {number} of the files has biases, that of the model none")


def as_fpgai(model: nn.Module) -> tuple[list[StoredLayer], list[Rescaling]]:
    """What FPGAI makes of a model whose activations lie in [0, 1]: bytes per tensor, and its own choice of scales."""
    stored: list[StoredLayer] = []
    rescalings: list[Rescaling] = []
    for layer in layers_of(model):
        weights, scale, zero_point = fpgai_bytes(layer.weight.detach().double().numpy())
        rescaling = Rescaling(*fpgai_scale(scale), zero_point)
        bias = np.zeros(len(weights)) if layer.bias is None else layer.bias.detach().numpy()
        biases = np.round(bias * 255 / rescaling.factor).astype(np.int32)
        stored.append(StoredLayer(weights, biases))
        rescalings.append(rescaling)
    return stored, rescalings
