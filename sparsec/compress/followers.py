# SPDX-License-Identifier: Apache-2.0
"""What adds something to the outputs of a layer: its bias, and bias and mean of the batch norm that alone reads them.

The rule: with zeros in all of them an output without weights is zero, in training and after it, and nothing is named that
another layer reads too. The factor of a norm stays: zeros that it multiplies are zeros, and training with int8 divides by it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, fx, nn

from sparsec.compress.layers import Layer, modules_of
from sparsec.quiet import only_our_messages


def followers_of(model: nn.Module, layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """For the weights of each layer the parameters and buffers behind it, one number for each output.

    A program says them. Of a module torch traces which norm reads what; where it cannot, they are the biases.
    """
    known = {layer.parameter: layer.followers for layer in layers if layer.followers is not None}
    if len(known) == len(layers):
        return known
    traced = _of_module(model)
    return {**{layer.parameter: traced[id(layer.weight)] for layer in layers}, **known}


def tensor_of(model: nn.Module, name: str) -> Tensor:
    """A parameter or buffer."""
    owner, _, leaf = name.rpartition(".")
    return cast(Tensor, getattr(model.get_submodule(owner), leaf))


def zeros_held(model: nn.Module, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Masks of the zeros that the layers have: false where a weight is zero, and where what is behind an output is zero
    too that has no other weights."""
    masks = {layer.parameter: layer.weight.detach() != 0 for layer in layers}
    alive = {
        layer.parameter: torch.from_numpy(layer.matrix(masks[layer.parameter]).any(axis=1))
        for layer in layers
    }
    hollow = [layer for layer in layers if not bool(alive[layer.parameter].all())]
    for weights, names in followers_of(model, hollow).items():
        zero = [tensor_of(model, name).detach().cpu() == 0 for name in names]
        stays = alive[weights] | ~torch.stack(zero).all(0) if zero else alive[weights]
        if zero and not bool(stays.all()):
            masks.update(dict.fromkeys(names, stays))
    return masks


def _of_module(model: nn.Module) -> dict[int, tuple[str, ...]]:
    """By the identity of weights."""
    modules = modules_of(model)
    groups: dict[int, list[str]] = defaultdict(list)
    holders: dict[int, set[str]] = defaultdict(set)
    for name, module in modules.items():
        for parameter in module.parameters(recurse=False):
            holders[id(parameter)].add(name)
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            groups[id(module.weight)].append(name)
    norms = _norms(model, modules)
    found: dict[int, tuple[str, ...]] = {}
    for weights, names in groups.items():
        members = {*names, *(norm for name in names for norm in norms.get(name, ()))}
        behind = [(name, "bias") for name in names]
        behind += [
            (name, word) for name in members - set(names) for word in ("bias", "running_mean")
        ]
        found[weights] = tuple(
            f"{name}.{word}".removeprefix(".")
            for name, word in sorted(behind)
            if (value := getattr(modules[name], word, None)) is not None
            and holders[id(value)] <= members
        )
    return found


def _norms(model: nn.Module, modules: Mapping[str, nn.Module]) -> dict[str, list[str]]:
    """For each module the batch norms that alone read what it gives, and read nothing else."""
    try:
        with only_our_messages():
            graph = fx.Tracer().trace(model)
    except Exception:  # a model may do anything in its forward
        return {}
    reads: dict[str, set[str]] = defaultdict(set)
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(
            modules.get(str(node.target)), nn.BatchNorm1d | nn.BatchNorm2d
        ):
            continue
        (read, *_) = node.all_input_nodes
        alone = read.op == "call_module" and len(read.users) == 1
        reads[str(node.target)].add(str(read.target) if alone else "")
    found: dict[str, list[str]] = defaultdict(list)
    for norm, layers in reads.items():
        for layer in layers if len(layers) == 1 else ():
            found[layer].append(norm)
    return cast(dict[str, list[str]], found)
