# SPDX-License-Identifier: Apache-2.0
"""The layers with weights that a program of torch.export calls, and what stands around them.

The one rule: parameters and calls are told by their names in the JSON of the archive; nothing is run.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

from sparsec.frontends.weights import Json

KEEPS_ORDER = {
    *("relu", "relu_", "relu6", "relu6_", "hardtanh", "hardtanh_", "clamp", "dropout", "dropout_"),
    *(
        "clone",
        "contiguous",
        "leaky_relu",
        "leaky_relu_",
        "sigmoid",
        "tanh",
        "gelu",
        "silu",
        "silu_",
    ),
    *("hardswish", "hardswish_", "elu", "alias", "detach", "batch_norm", "_to_copy"),
}
"""Operations that leave each element where it is."""

FLATTENS = {"flatten", "view", "reshape", "_unsafe_view"}

WEIGHTED = {"conv1d", "conv2d", "linear", "conv_transpose1d", "conv_transpose2d"}

NORMS = {"batch_norm", "_native_batch_norm_legit_no_training"}


@dataclass(frozen=True)
class Weighted:
    """A layer with weights as a program calls it: the name of the weights, and the operation of aten.

    `image` is what a linear layer reads flattened, (C, H, W) or (C, T), None where it reads no image. `followers` are the
    parameters and buffers that add something to each of its outputs and that nothing else reads: its bias, and bias and
    running mean of a batch norm that alone reads what it gives.
    """

    weights: str
    operation: str
    groups: int
    image: tuple[int, ...] | None
    followers: tuple[str, ...] = ()
    reads: tuple[int | None, ...] = ()
    gives: tuple[int | None, ...] = ()
    """Sizes of what it reads and gives, None for what is open."""
    stride: int = 1
    """Along the last axis."""


def weighted_calls(graph: Json, signature: Json) -> list[Weighted]:
    """The calls of layers whose weights are parameters, in their order."""
    names, buffers = (
        {
            cast(str | None, spec[kind]["arg"]["name"]): str(spec[kind][f"{kind}_name"])
            for spec in signature["input_specs"]
            if kind in spec
        }
        for kind in ("parameter", "buffer")
    )
    nodes = {_result(node): node for node in graph["nodes"]}
    found: list[Weighted] = []
    calls: dict[str, list[Json]] = defaultdict(list)
    for node in graph["nodes"]:
        operation = _operation(node)
        if operation not in WEIGHTED:
            continue
        arguments = _arguments(node)
        weights = names.get(_tensor(arguments["weight"]))
        if weights is None:
            continue
        groups = int(arguments.get("groups", {"as_int": 1}).get("as_int", 1))
        image = _image(graph, nodes, arguments) if operation == "linear" else None
        calls[weights].append(node)
        strides: list[int] = arguments.get("stride", {}).get("as_ints") or [1]
        found.append(
            Weighted(
                weights,
                operation,
                groups,
                image,
                reads=tuple(sizes_of(graph, _tensor(arguments["input"]))),
                gives=tuple(sizes_of(graph, _result(node))),
                stride=strides[-1],
            )
        )
    readers = _readers(graph, signature)
    followers = {
        each: _followers(graph, {**names, **buffers}, readers, calls[each]) for each in calls
    }
    return [replace(each, followers=followers[each.weights]) for each in found]


def unread_parameters(graph: Json, signature: Json) -> set[str]:
    """The names of parameters that no call reads, such as the other names of weights that are tied."""
    readers = _readers(graph, signature)
    return {
        str(spec["parameter"]["parameter_name"])
        for spec in signature["input_specs"]
        if "parameter" in spec and spec["parameter"]["arg"]["name"] not in readers
    }


def _readers(graph: Json, signature: Json) -> Mapping[str, list[Json | None]]:
    """The calls that read a tensor, by its name; None stands for the results."""
    found: dict[str, list[Json | None]] = defaultdict(list)
    for node in graph["nodes"]:
        for name in _names(node["inputs"]):
            found[name].append(node)
    for name in _names(signature["output_specs"]):
        found[name].append(None)
    return found


def _followers(
    graph: Json,
    names: Mapping[str | None, str],
    readers: Mapping[str, list[Json | None]],
    calls: Sequence[Json],
) -> tuple[str, ...]:
    """See `Weighted`, of all calls with the same weights."""
    norms: list[Json] = []
    for call in calls:
        result = _result(call)
        reading = readers[result] if result is not None else []
        norm = reading[0] if len(reading) == 1 else None
        by_channel = _operation(call) != "linear" or len(sizes_of(graph, result)) == 2
        if norm is not None and _operation(norm) in NORMS and by_channel:
            norms.append(norm)
    own = [*calls, *norms]
    read = [_tensor(_arguments(call).get("bias", {})) for call in calls]
    read += [
        _tensor(_arguments(norm).get(word, {}))
        for norm in norms
        for word in ("bias", "running_mean")
    ]
    return tuple(
        dict.fromkeys(
            names[name]
            for name in read
            if name is not None
            and name in names
            and all(any(by is each for each in own) for by in readers[name])
        )
    )


def _image(
    graph: Json, nodes: Mapping[str | None, Json], arguments: Mapping[str, Json]
) -> tuple[int, ...] | None:
    """The image whose elements a linear layer reads in a row, behind operations that keep their order."""
    name = _tensor(arguments["input"])
    while name is not None:
        node = nodes.get(name)
        if node is None or not node["inputs"]:
            return None
        before = _tensor(node["inputs"][0]["arg"])
        operation = _operation(node)
        if operation in FLATTENS:
            return _flattened(sizes_of(graph, before), sizes_of(graph, name))
        if operation not in KEEPS_ORDER:
            return None
        name = before
    return None


def sizes_of(graph: Json, name: str | None) -> list[int | None]:
    """The sizes of a tensor, None for what is no number."""
    meta: Json = graph["tensor_values"][name]
    return [size.get("as_int") for size in meta["sizes"]]


def _flattened(image: Sequence[int | None], row: Sequence[int | None]) -> tuple[int, ...] | None:
    """(C, H, W) or (C, T) if a row holds just the elements of a sample of such an image."""
    inner = [size for size in image[1:] if size is not None]
    if len(row) != 2 or len(image) < 3 or len(inner) != len(image) - 1 or row[1] != prod(inner):
        return None
    return tuple(inner)


def _operation(node: Json) -> str:
    target: str = node["target"]
    return target.removeprefix("torch.ops.aten.").partition(".")[0] if "aten" in target else ""


def _arguments(node: Json) -> dict[str, Json]:
    return {each["name"]: each["arg"] for each in node["inputs"]}


def _names(content: object) -> Iterator[str]:
    """Of all tensors in a piece of JSON."""
    if isinstance(content, dict):
        for key, value in cast(Json, content).items():
            if key == "as_tensor":
                yield str(value["name"])
            elif key == "as_tensors":
                yield from (str(each["name"]) for each in value)
            else:
                yield from _names(value)
    elif isinstance(content, list):
        for value in cast(list[object], content):
            yield from _names(value)


def _tensor(argument: Json) -> str | None:
    found: Any = argument.get("as_tensor")
    return str(cast(Json, found)["name"]) if isinstance(found, dict) else None


def _result(node: Json) -> str | None:
    outputs = node["outputs"]
    return _tensor(outputs[0]) if outputs else None
