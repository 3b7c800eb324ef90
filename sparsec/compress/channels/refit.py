# SPDX-License-Identifier: Apache-2.0
"""Least squares on points of feature maps: weights of what reads channels that go, so that it gives nearly what it gave.

The one rule: layers are fitted in the order in which they run, each to what it gave in the original network, from what
it reads in the network as pruned and fitted so far (He, Zhang and Sun 2017, "Channel Pruning for Accelerating Very Deep
Neural Networks"); what is found is the smallest change of the weights.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from sparsec.compress.channels.cut import CONVOLUTIONS, Kept, outputs_of, without
from sparsec.compress.channels.found import Weights

Sampled: TypeAlias = tuple[Tensor, Tensor]
"""What a layer read, [points, groups, columns], and gave, [points, groups, outputs], in double precision."""


@dataclass(frozen=True)
class Refit:
    """How far a layer is from what it gave, as the share of the variance over the points."""

    points: int
    before: float
    """With the channels gone and the other weights as they were."""
    after: float
    """With the weights found."""


def refit(
    model: nn.Module,
    inputs: Sequence[Tensor],
    layers: Mapping[str, Weights],
    columns: Kept,
    points: int,
    seed: int,
) -> tuple[dict[str, Tensor], dict[str, Refit]]:
    """New weights and biases by name, and how well they do by layer, for `layers` in the order in which they run, which
    are to read no more than `columns` of their weights.

    `points` places are drawn of each map. Convolutions and linear layers that are called once are fitted, others left.
    """
    if points < 1:
        raise ValueError(f"the points for each feature map are at least 1, not {points}")
    stays = {
        layer: columns[each.parameter][1]
        for layer, each in layers.items()
        if each.inputs == 1 and each.parameter in columns and _module(model, layer) is not None
    }
    wanted = _sampled(model, inputs, list(stays), points, seed)
    work = without(model, columns)
    found: dict[str, Tensor] = {}
    refits: dict[str, Refit] = {}
    for layer, mask in stays.items():
        module, read = _module(work, layer), _sampled(work, inputs, [layer], points, seed)
        if module is None or layer not in wanted or layer not in read:
            continue
        refits[layer] = _fit(module, mask, read[layer][0], wanted[layer][1])
        names = {id(tensor): name for name, tensor in work.named_parameters()}
        for tensor in (module.weight, module.bias):
            if tensor is not None:
                found[names[id(tensor)]] = tensor.detach().clone()
    return found, refits


Fitted: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear


def _module(model: nn.Module, layer: str) -> Fitted | None:
    try:
        module = model.get_submodule(layer)
    except AttributeError:  # a parameter by itself
        return None
    kinds = (*CONVOLUTIONS[:3], nn.Linear)
    return module if isinstance(module, kinds) else None


def _fit(module: Fitted, stays: Tensor, x: Tensor, wanted: Tensor) -> Refit:
    """Changes the weights of `module` where they stay."""
    groups, outputs = x.shape[1], wanted.shape[2]
    weight = module.weight.detach().double().reshape(groups, outputs, -1)
    taps = weight.shape[2] // len(stays)
    columns = stays.repeat_interleave(taps).to(x.device)
    bias = (
        None if module.bias is None else module.bias.detach().double().reshape(groups, 1, outputs)
    )
    given = torch.einsum("pgc,goc->gpo", x[:, :, columns], weight[:, :, columns])
    missing = wanted.transpose(0, 1) - given - (0 if bias is None else bias)
    read = x[:, :, columns].transpose(0, 1)
    if bias is not None:
        read = torch.cat([read, torch.ones_like(read[:, :, :1])], 2)
    solved = cast(Any, torch.linalg).lstsq(read.cpu(), missing.cpu(), driver="gelsd")
    change = cast(Tensor, solved.solution).to(x.device)
    left = missing - read @ change
    weight[:, :, columns] += change[:, : int(columns.sum())].transpose(1, 2)
    with torch.no_grad():
        module.weight.copy_(weight.reshape(module.weight.shape))
        if bias is not None and module.bias is not None:
            module.bias.copy_((bias + change[:, -1:]).reshape(module.bias.shape))
    spread = (wanted - wanted.mean(0, keepdim=True)).square().sum().clamp_min(1e-30)
    before, after = (float(each.square().sum() / spread) for each in (missing, left))
    return Refit(len(x), before, after)


def _sampled(
    model: nn.Module, inputs: Sequence[Tensor], layers: Sequence[str], points: int, seed: int
) -> dict[str, Sampled]:
    """What layers that are called once read and give at points that are the same for the same layer and seed."""
    found: dict[str, list[Sampled]] = {layer: [] for layer in layers}

    def hook(layer: str) -> Callable[[Fitted, tuple[Tensor, ...], Tensor], None]:
        def sample(module: Fitted, given: tuple[Tensor, ...], output: Tensor) -> None:
            found[layer].append(_at_points(module, given[0], output, points, seed))

        return sample

    handles = [
        module.register_forward_hook(hook(layer))
        for layer in layers
        if (module := _module(model, layer)) is not None
    ]
    try:
        outputs_of(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {layer: each[0] for layer, each in found.items() if len(each) == 1}


def _at_points(module: Fitted, x: Tensor, output: Tensor, points: int, seed: int) -> Sampled:
    if isinstance(module, nn.Linear):
        groups = 1
        read, gave = (each.reshape(len(each), -1, each.shape[-1]) for each in (x, output))
    else:
        groups = module.groups
        columns = module.weight[0].numel()
        patches = copy.deepcopy(module)
        identity = torch.eye(columns, dtype=x.dtype, device=x.device)
        patches.weight = nn.Parameter(
            identity.reshape(columns, *module.weight.shape[1:]).repeat(
                groups, *[1] * (module.weight.ndim - 1)
            )
        )
        patches.bias = None
        read, gave = (each.flatten(2).transpose(1, 2) for each in (patches.forward(x), output))
    random = torch.Generator().manual_seed(seed)
    many = gave.shape[1]
    at = torch.stack([torch.randperm(many, generator=random)[:points] for _ in range(len(gave))])
    images = torch.arange(len(gave))[:, None]
    read, gave = (each[images, at].double() for each in (read, gave))
    return (
        read.reshape(-1, groups, read.shape[-1] // groups),
        gave.reshape(-1, groups, gave.shape[-1] // groups),
    )
