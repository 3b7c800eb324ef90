# SPDX-License-Identifier: Apache-2.0
"""Batch normalisations of a program, folded into the layers in front before its ranges are found, or after it was trained
with int8 simulated.

The one rule: a layer takes in a normalisation that alone reads it, with weights of its own. torchao's own folding, before
ranges are found, takes other readers and other calls of the same weights along.

In training it simulates them as  batch_norm(conv(x, fake_quantize(w * f)) / f + b)  with f = gamma / sqrt(variance + epsilon).
It folds these by patterns that it exports anew for each conversion, which takes half a minute; here the calls are followed.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from sparsec.compress.forms import GROUPS_AT, WEIGHTED, is_constant, only_user, operation

ATEN = torch.ops.aten


def complete_batch_norms(module: GraphModule) -> None:
    """Give normalisations without factors and offsets of their own ones and zeros, which torchao asks for.

    Raises ValueError for one that has no means of its own: what it gives for a sample depends on the others.
    """
    for norm in _norms(module):
        _, gamma, beta, mean, variance, *_ = norm.args
        if mean is None or variance is None:
            raise ValueError(
                f"{norm.name} is a batch normalisation with the numbers of its batch: build it with track_running_stats=True"
            )
        like = _value(module, mean)
        for place, given, make in ((1, gamma, torch.ones_like), (2, beta, torch.zeros_like)):
            if given is None:
                with module.graph.inserting_before(norm):
                    value = make(like)
                    constant = module.graph.get_attr(
                        _keep(module, "", f"{norm.name}_{place}", value)
                    )
                    constant.meta["val"] = cast(Node, mean).meta["val"]
                norm.update_arg(place, constant)
    module.recompile()


def fold_in_front(module: GraphModule) -> None:
    """Fold the normalisations of a program that is not trained into the layers that they alone read."""
    graph = module.graph
    for norm in _norms(module):
        layer, numbers = norm.args[0], norm.args[1:5]
        if (
            isinstance(layer, Node)
            and operation(layer) in WEIGHTED
            and len(layer.args) > 1
            and only_user(layer) is norm
            and all(isinstance(each, Node) and is_constant(each) for each in numbers)
            and all(is_constant(each) for each in layer.all_input_nodes[1:])
        ):
            _fold_frozen(module, layer, norm)
            norm.replace_all_uses_with(layer)
            graph.erase_node(norm)
    for node in reversed(list(graph.nodes)):
        if node.op == "get_attr" and not node.users:
            graph.erase_node(node)
    module.recompile()


def _fold_frozen(module: GraphModule, layer: Node, norm: Node) -> None:
    weight = cast(Node, layer.args[1])
    given = cast(list[Any], list(layer.args))
    bias = given[2] if len(given) > 2 else layer.kwargs.get("bias")
    owner = str(weight.target).rpartition(".")[0]
    with torch.no_grad():
        factor, added = _affine(module, norm, bias)
        folded = _scaled(_value(module, weight), factor, layer)
    graph = module.graph
    with graph.inserting_before(layer):
        scaled = graph.get_attr(_keep(module, owner, "folded_weight", folded))
        offset = graph.get_attr(_keep(module, owner, "folded_bias", added))
    scaled.meta["val"] = weight.meta["val"]
    offset.meta["val"] = cast(Node, norm.args[2]).meta["val"]
    layer.args = (given[0], scaled, offset, *given[3:])
    layer.kwargs = {key: value for key, value in layer.kwargs.items() if key != "bias"}


def _scaled(weight: Tensor, factor: Tensor, layer: Node) -> Tensor:
    """The weights of a layer whose output channels are multiplied by `factor`."""
    if WEIGHTED[operation(layer)] == 0:
        return weight * factor.reshape(-1, *[1] * (weight.dim() - 1))
    given = layer.args[GROUPS_AT] if len(layer.args) > GROUPS_AT else layer.kwargs.get("groups", 1)
    groups = cast(int, given)
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    return (parts * factor.reshape(groups, 1, -1, *[1] * (weight.dim() - 2))).reshape(weight.shape)


def _affine(module: GraphModule, norm: Node, bias: object) -> tuple[Tensor, Tensor]:
    """What a normalisation multiplies a layer's sums by, and what it adds in place of its bias."""
    _, gamma, beta, mean, variance, _, _, epsilon, *_ = norm.args
    factor = _value(module, gamma) / torch.sqrt(_value(module, variance) + cast(float, epsilon))
    before = 0.0 if bias is None else _value(module, bias)
    return factor, _value(module, beta) + (before - _value(module, mean)) * factor


def hide_batch_norms(module: GraphModule) -> None:
    """Keep normalisations out of torchao's sight, until `show_batch_norms`: it folds by what it finds, and looks for long."""
    for norm in _norms(module):
        norm.target = _hidden


def show_batch_norms(module: GraphModule) -> None:
    """What `hide_batch_norms` hid."""
    for node in module.graph.nodes:
        if node.target is _hidden:
            node.target = ATEN.batch_norm.default
    module.recompile()


def _hidden(*arguments: object) -> Tensor:
    return ATEN.batch_norm.default(*arguments)


def _norms(module: GraphModule) -> list[Node]:
    return [node for node in module.graph.nodes if _calls(node, ATEN.batch_norm.default)]


def fold_batch_norms(module: GraphModule) -> None:
    """Fold what torchao prepared. Others stay as they are."""
    graph = module.graph
    for norm in _norms(module):
        _fold(module, norm)
    for node in reversed(list(graph.nodes)):
        counter = node.op == "call_function" and node.target == ATEN.add_.Tensor
        if not node.users and (counter or node.op in ("get_attr", "call_function")):
            graph.erase_node(node)
    module.recompile()


def _fold(module: GraphModule, norm: Node) -> None:
    divided, bias = cast(Node, norm.args[0]), None
    if _calls(divided, ATEN.add.Tensor):
        bias = cast(Node, cast(Node, divided.args[1]).args[0])
        divided = cast(Node, divided.args[0])
    if not _calls(divided, ATEN.div.Tensor):
        return
    layer = cast(Node, divided.args[0])
    simulated = cast(Node, layer.args[1]) if len(layer.args) > 1 else None
    if not isinstance(simulated, Node) or simulated.op != "call_module":
        return
    scaled = simulated.all_input_nodes[0]
    if not _calls(scaled, ATEN.mul.Tensor):
        return
    weight, shape = cast(Node, scaled.args[0]), cast(Node, scaled.args[1]).args[1]
    with torch.no_grad():
        factor, added = _affine(module, norm, bias)
        folded = _value(module, weight) * factor.reshape(cast(list[int], shape))
    owner = str(weight.target).rpartition(".")[0]
    graph = module.graph
    with graph.inserting_before(simulated):
        simulated.args = (graph.get_attr(_keep(module, owner, "folded_weight", folded)),)
    with graph.inserting_before(layer):
        place = graph.get_attr(_keep(module, owner, "folded_bias", added))
    layer.args = (*layer.args[:1], simulated, place, *layer.args[3:])
    norm.replace_all_uses_with(layer)


def _calls(node: Node, function: Callable[..., Any]) -> bool:
    return node.op == "call_function" and node.target == function


def _value(module: GraphModule, node: object) -> Tensor:
    """A parameter or buffer."""
    owner, _, name = str(cast(Node, node).target).rpartition(".")
    return cast(Tensor, getattr(module.get_submodule(owner), name))


def _keep(module: GraphModule, owner: str, name: str, value: Tensor) -> str:
    """Store a constant beside the parameters of a layer; returns its path."""
    place = module.get_submodule(owner)
    free = name
    while hasattr(place, free):
        free += "_"  # a layer that is called twice
    place.register_buffer(free, value)
    return f"{owner}.{free}" if owner else free
