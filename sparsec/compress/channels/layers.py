# SPDX-License-Identifier: Apache-2.0
"""What layers with parameters do to the labels of channels.

The one rule: a layer with weights reads the channels of its input and gives its own, and what holds one number for each
channel follows them.
"""

from typing import Any, cast

import torch
from torch import Tensor

from sparsec.compress.channels.found import Held, Weights, held, layer_name
from sparsec.compress.channels.heads import product
from sparsec.compress.channels.labels import along
from sparsec.compress.channels.trace import Args, Tracer


def convolution(tracer: Tracer, given: Args, spatial: int, transposed: bool) -> Tensor:
    weight, groups = given["weight"], int(given["groups"])
    x = tracer.labels(given["input"])
    if not isinstance(weight, Held) or not weight.is_whole:
        return _computed_weights(tracer, x, given)
    channel = x.ndim - spatial - 1
    name = layer_name(weight.name)
    line = tracer.ties.line(x, channel, f"{name} reads it in several places of one window")
    count = len(line)
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if groups == count > 1 and bool((line != 0).all()):
        rows = line.repeat_interleave(outputs // groups)
        tracer.is_layer(Weights(weight.name, 0, None, groups, rows, line))
        tracer.found.cut(weight, 0, line if transposed else rows, f"weights 0 None {groups}")
    else:
        line, rows = line.reshape(groups, -1), tracer.rows(weight, outputs)
        shared = rows.reshape(groups, -1)
        for group in range(1, groups):
            tracer.ties.tie(line[0], line[group])
            tracer.ties.tie(shared[0], shared[group])
        inputs, axis = (0, 1) if transposed else (1, 0)
        tracer.is_layer(Weights(weight.name, axis, inputs, groups, rows, line.reshape(-1)))
        role = f"weights {axis} {inputs} {groups}"
        tracer.found.cut(weight, axis, shared[0] if transposed else rows, role)
        tracer.found.cut(weight, inputs, line.reshape(-1) if transposed else line[0], role)
    tracer.follow_line([given["bias"]], rows)
    return along(rows, channel, tracer.shape)


def linear(tracer: Tracer, given: Args) -> Tensor:
    weight = given["weight"]
    x = tracer.labels(given["input"])
    if not isinstance(weight, Held) or not weight.is_whole:
        return _computed_weights(tracer, x, given)
    return _product(tracer, x, weight, given["bias"], 0)


def matrix_product(tracer: Tracer, given: Args, first: str = "self", second: str = "other") -> Any:
    """A product with a parameter is a linear layer, one of two activations is not known."""
    x, weight = given[first], given[second]
    if isinstance(weight, Held) and isinstance(x, Tensor) and len(weight.shape) == 2:
        whole = held(weight.name, weight.shape).elements
        for outputs, elements in ((1, whole), (0, whole.t())):
            if torch.equal(elements, weight.elements):
                return _product(tracer, x, weight, given.get("bias"), outputs)
    if (first, second) == ("self", "other"):
        return product(tracer, given)
    return mixes(tracer, given, "a product of two activations reads all channels")


def _product(tracer: Tracer, x: Tensor, weight: Held, bias: object, outputs: int) -> Tensor:
    inputs, count = 1 - outputs, weight.shape[outputs]
    reason = f"{layer_name(weight.name)} reads it along another axis"
    line = tracer.ties.line(x, x.ndim - 1, reason)
    rows, role = tracer.rows(weight, count), f"weights {outputs} {inputs}"
    tracer.is_layer(Weights(weight.name, outputs, inputs, 1, rows, line))
    tracer.found.cut(weight, outputs, rows, role)
    tracer.found.cut(weight, inputs, line, role)
    tracer.follow_line([bias], rows)
    return along(rows, -1, tracer.shape)


def embedding(tracer: Tracer, given: Args) -> Any:
    weight = given["weight"]
    if not isinstance(weight, Held) or not weight.is_whole:
        return mixes(tracer, given, "embedding reads computed weights")
    rows = tracer.rows(weight, weight.shape[1])
    nothing = torch.zeros(0, dtype=torch.int64)
    tracer.is_layer(Weights(weight.name, 1, None, 1, rows, nothing))
    tracer.found.cut(weight, 1, rows, "embedding")
    return along(rows, -1, tracer.shape)


def _computed_weights(tracer: Tracer, x: Tensor, given: Args) -> Tensor:
    tracer.ties.protect(x, "a layer whose weights are computed reads it")
    return cast(Tensor, mixes(tracer, {k: v for k, v in given.items() if k != "input"}, ""))


def mixes(tracer: Tracer, given: Args, reason: str) -> Any:
    for each in given.values():
        tracer.lock(each, reason)
    return tracer.gives(torch.zeros(tracer.shape, dtype=torch.int64))


def batch_norm(tracer: Tracer, given: Args) -> Tensor:
    x = tracer.labels(given["input"])
    line = tracer.ties.line(x, 1, "a batch norm goes over several channels")
    tracer.follow_line(
        [given[name] for name in ("weight", "bias", "running_mean", "running_var")], line
    )
    return along(line, 1, x.shape)


def group_norm(tracer: Tracer, given: Args) -> Any:
    x = tracer.labels(given["input"])
    if given["num_groups"] != x.size(1):
        return mixes(tracer, given, "a group norm goes over several channels")
    line = tracer.ties.line(x, 1, "a group norm goes over several channels")
    tracer.follow_line([given["weight"], given["bias"]], line)
    return along(line, 1, x.shape)


def prelu(tracer: Tracer, given: Args) -> Tensor:
    x = tracer.labels(given["self"])
    weight: Tensor | Held = given["weight"]
    if (weight.elements if isinstance(weight, Held) else weight).numel() == 1:
        tracer.lock(weight, "")
        return x
    line = tracer.ties.line(x, 1, "a prelu goes over several channels")
    tracer.follow_line([weight], line)
    return along(line, 1, x.shape)
