# SPDX-License-Identifier: Apache-2.0
"""Batch normalisations out of a program that was trained with int8 simulated, into the convolutions in front.

torchao simulates them as  batch_norm(conv(x, fake_quantize(w * f)) / f + b)  with f = gamma / sqrt(variance + epsilon).
It folds them by patterns that it exports anew for each conversion, which takes half a minute; here the calls are followed.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

ATEN = torch.ops.aten


def fold_batch_norms(module: GraphModule) -> None:
    """Fold what torchao prepared. Others stay as they are."""
    graph = module.graph
    for norm in list(graph.nodes):
        if norm.op == "call_function" and norm.target == ATEN.batch_norm.default:
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
    _, gamma, beta, mean, variance, _, _, epsilon, *_ = norm.args
    with torch.no_grad():
        factor = _value(module, gamma) / torch.sqrt(_value(module, variance) + cast(float, epsilon))
        folded = _value(module, weight) * factor.reshape(cast(list[int], shape))
        before = 0.0 if bias is None else _value(module, bias)
        added = _value(module, beta) + (before - _value(module, mean)) * factor
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
