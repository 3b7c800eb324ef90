# SPDX-License-Identifier: Apache-2.0
"""How much each weight of a layer matters, as a number that is not negative.

`magnitude` is |w|, `l2` w^2, `taylor` |w * gradient| (Molchanov et al. 2019, "Importance Estimation for Neural Network
Pruning"; gradients must have been computed), `bn-scale` |w| times the factor of the batch norm behind (Liu et al. 2017,
"Learning Efficient Convolutional Networks through Network Slimming"), `geometric-median` the distance of an output
channel's weights to all others' (He et al. 2019, "Filter Pruning via Geometric Median"): what is like others can go. `lamp`
is w^2 as a part of the sum of squares of the weights of its layer that are not smaller (Lee et al. 2021, "Layer-Adaptive
Sparsity for the Magnitude-based Pruning"): magnitude within a layer, and comparable between layers behind batch norms,
whose magnitudes say nothing, so that no layer is emptied.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from sparsec.compress.layers import Layer, modules_of
from sparsec.pruning.patterns import Array

Importance: TypeAlias = Callable[[Layer, nn.Module], Tensor | Array]
"""A function of a layer and its model: a tensor of the shape of the weights, or [outputs] for whole rows."""


def _weights(layer: Layer) -> Tensor:
    """As float64: squares of small float16 are 0."""
    return layer.weight.detach().double()


def magnitude(layer: Layer, model: nn.Module) -> Tensor:
    """|w|."""
    return _weights(layer).abs()


def l2(layer: Layer, model: nn.Module) -> Tensor:
    """w^2."""
    return _weights(layer).square()


def taylor(layer: Layer, model: nn.Module) -> Tensor:
    """|w * gradient|. Raises ValueError without a gradient."""
    gradient = layer.weight.grad
    if gradient is None:
        raise ValueError(
            f"importance taylor needs gradients and {layer.name} has none: call backward() on a loss before"
        )
    return (_weights(layer) * gradient.double()).abs()


def lamp(layer: Layer, model: nn.Module) -> Tensor:
    """w^2 over the sum of w^2 of the weights of the layer that are at least as large."""
    squares = _weights(layer).square().reshape(-1)
    order = torch.sort(squares, stable=True).indices
    ordered = squares[order]
    left = ordered.flip(0).cumsum(0).flip(0)
    scores = torch.zeros_like(squares)
    scores[order] = ordered / left.clamp_min(torch.finfo(torch.float64).tiny)
    return scores.reshape(layer.weight.shape)


def bn_scale(layer: Layer, model: nn.Module) -> Tensor:
    """|w| times what the batch norm behind the layer multiplies it by. Raises ValueError without a batch norm."""
    modules = modules_of(model)
    names = list(modules)
    following = names[names.index(layer.name) + 1 :] if layer.name in modules else []
    norm = next((modules[name] for name in following if not list(modules[name].children())), None)
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_var is None:
        raise ValueError(f"importance bn-scale needs a batch norm right behind {layer.name}")
    factor = norm.running_var.double().add(norm.eps).rsqrt()
    if norm.weight is not None:  # pyright: ignore[reportUnnecessaryComparison]
        factor = factor * norm.weight.detach().double().abs()
    return _weights(layer).abs() * factor.reshape(-1, *[1] * (layer.weight.ndim - 1))


def geometric_median(layer: Layer, model: nn.Module) -> Array:
    """[outputs]: the sum of the distances of its weights to those of all others."""
    rows = torch.from_numpy(layer.matrix(layer.weight)).double()
    return torch.cdist(rows, rows).sum(1).numpy()


IMPORTANCES: Mapping[str, Importance] = {
    "magnitude": magnitude,
    "l2": l2,
    "lamp": lamp,
    "taylor": taylor,
    "bn-scale": bn_scale,
    "geometric-median": geometric_median,
}


def importance_of(layer: Layer, model: nn.Module, by: str | Importance) -> Array:
    """How much each weight matters, as the matrix [rows, columns] of the compiler.

    Raises ValueError where `by` is no name of IMPORTANCES or does not fit the layer.
    """
    if isinstance(by, str) and by not in IMPORTANCES:
        raise ValueError(f"there is no importance '{by}', known: {', '.join(IMPORTANCES)}")
    found = (IMPORTANCES[by] if isinstance(by, str) else by)(layer, model)
    tensor = found if isinstance(found, Tensor) else torch.from_numpy(np.asarray(found))
    if tensor.shape == layer.weight.shape:
        matrix = layer.matrix(tensor)
    elif tensor.ndim == 1:
        rows, columns = layer.matrix(layer.weight).shape
        if len(tensor) != rows:
            raise ValueError(
                f"the importance of {layer.name} has {len(tensor)} rows instead of {rows}"
            )
        matrix = np.repeat(tensor.detach().cpu().double().numpy()[:, np.newaxis], columns, axis=1)
    else:
        raise ValueError(
            f"the importance of {layer.name} has the shape {list(tensor.shape)} instead of {list(layer.weight.shape)}"
        )
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise ValueError(
            f"the importance of {layer.name} has numbers that are negative, infinite or none"
        )
    return matrix.astype(np.float64)
