# SPDX-License-Identifier: Apache-2.0
"""Heads of attention and hidden units of linear layers, taken out of transformers.

The one rule: the smaller network computes what the original does without the heads and units that are gone, which is shown
on the spot (`channels.graph`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsec.compress.attention import split_attention
from sparsec.compress.channels.choice import local
from sparsec.compress.channels.graph import ChannelGraph, Group
from sparsec.compress.channels.prune import Pruned, open_channels
from sparsec.compress.data import Batch
from sparsec.compress.layers import layers_of, modules_of
from sparsec.pruning.masks import check_ratio
from sparsec.pruning.patterns import Array

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

BATCHES = 8
"""So many are looked at."""


def prune_transformer(
    model: nn.Module,
    inputs: Sequence[Tensor] | Tensor,
    heads: float,
    hidden: float | None = None,
    batches: Iterable[Batch] | None = None,
    *,
    loss: Loss = functional.cross_entropy,
    group_size: int | None = None,
    target: str = "cortex-m4",
) -> Pruned:
    """Take a share `heads` of the heads of each attention and a share `hidden`, by default as much, of the units between two
    linear layers out of `model`, in place.

    `inputs` are [N, ..] for each argument. With `batches` that goes whose absence changes the loss least, to first order, as
    PaddleSlim's TransformerPrune and DynaBERT (Hou et al. 2020) have it: of a head |sum of w * gradient| over what reads it,
    of a unit that and the same of its own weights, summed over batches; without them what has the smallest weights.
    `nn.MultiheadAttention` becomes a `SplitAttention`. The units left are a multiple of `group_size`, by default of what the
    kernels of `target` take at a time; one head stays in any case.

    Raises ValueError, and leaves `model` as it was, where there is nothing of the kind or it cannot go.
    """
    hidden = heads if hidden is None else hidden
    check_ratio(heads)
    check_ratio(hidden)
    torchs = {
        name: module
        for name, module in modules_of(model).items()
        if isinstance(module, nn.MultiheadAttention)
    }
    split_attention(model)
    try:
        return _pruned(model, inputs, heads, hidden, batches, loss, group_size, target)
    except ValueError:
        for name, module in torchs.items():
            if name:
                model.set_submodule(name, module)
        raise


def _pruned(
    model: nn.Module,
    inputs: Sequence[Tensor] | Tensor,
    heads: float,
    hidden: float,
    batches: Iterable[Batch] | None,
    loss: Loss,
    group_size: int | None,
    target: str,
) -> Pruned:
    graph = ChannelGraph(model, inputs)
    of_heads = [group for group in graph.groups if graph.is_of_heads(group)]
    of_units = [group for group in graph.groups if _is_hidden(graph, group)]
    wanted = [*of_heads, *of_units]
    if not wanted:
        raise ValueError(
            "the model has no attention by heads and no unit between two linear layers that could go"
        )
    names = [name for group in wanted for name in group.layers]
    found = open_channels(graph, names, group_size=group_size, target=target)
    if batches is not None:
        worth = _worth_of_loss(graph, found.groups, batches, loss)
        choices = zip(found.choices, worth, strict=True)
        found = replace(found, choices=tuple(replace(each, worth=w) for each, w in choices))
    ratios = [heads if group in of_heads else hidden for group in found.groups]
    return found.remove(local(found.choices, ratios))


def _is_hidden(graph: ChannelGraph, group: Group) -> bool:
    """Whether linear layers alone give the channels of a group, and read them."""
    linear = {layer.name for layer in layers_of(graph.model) if layer.operation == "linear"}
    return (
        group.protected is None
        and not graph.is_of_heads(group)
        and bool(group.consumers)
        and linear.issuperset(group.layers)
        and linear.issuperset(group.consumers)
    )


def _worth_of_loss(
    graph: ChannelGraph, groups: Sequence[Group], batches: Iterable[Batch], loss: Loss
) -> list[Array]:
    """How much the loss would change without each channel of the groups, to first order, summed over some batches."""
    worth = [np.zeros(group.size) for group in groups]
    modes = [(each, each.training) for each in graph.model.modules()]
    before = {name: each.grad for name, each in graph.model.named_parameters()}
    seen = False
    try:
        graph.model.eval()
        for x, labels in islice(batches, BATCHES):
            graph.model.zero_grad(set_to_none=True)
            loss(graph.model(x), labels).backward()
            for group, total in zip(groups, worth, strict=True):
                total += _change(graph, group)
            seen = True
    finally:
        for each, mode in modes:
            each.training = mode
        for name, each in graph.model.named_parameters():
            each.grad = before[name]
    if not seen:
        raise ValueError("there is no batch to tell by what matters")
    return worth


def _change(graph: ChannelGraph, group: Group) -> Array:
    """By the gradients of one batch."""
    read = _along_channels(graph, group, group.consumers, inputs=True)
    if graph.is_of_heads(group):
        return np.abs(read)
    return np.abs(read) + np.abs(_along_channels(graph, group, group.layers, inputs=False))


def _along_channels(
    graph: ChannelGraph, group: Group, layers: Sequence[str], *, inputs: bool
) -> Array:
    """The sums of weight * gradient of each channel over what reads it, or over its own rows and biases."""
    tensors = dict(graph.model.named_parameters())
    found = np.zeros(group.size)
    for layer in layers:
        weights = graph.weights[layer]
        axis = weights.inputs if inputs else weights.outputs
        assert axis is not None
        sums = _product(tensors[weights.parameter]).movedim(axis, 0).flatten(1).sum(1)
        bias = tensors.get(f"{layer}.bias")
        if not inputs and bias is not None:
            sums = sums + _product(bias)
        for index, channel in enumerate(group.channels):
            places = (
                graph.reads(layer, [channel.number])
                if inputs
                else list(channel.rows.get(layer, ()))
            )
            found[index] += float(sums[places].sum())
    return found


def _product(tensor: Tensor) -> Tensor:
    """In double precision, 0 without a gradient."""
    values = tensor.detach().double()
    return torch.zeros_like(values) if tensor.grad is None else values * tensor.grad.double()
