# SPDX-License-Identifier: Apache-2.0
"""A program of torch.export.save run by torch, call by call, to hold the importer to.

The one rule: only calls of aten and of quantization are made, with the arguments that the archive
has; nothing is unpickled and no text is evaluated.
"""

import operator
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import torch

from sparsec.frontends.affine import AFFINE
from sparsec.frontends.proof import ReadingError
from sparsec.frontends.running import running
from sparsec.frontends.tensors import Array
from sparsec.frontends.weights import Json

_CALL = re.compile(r"torch\.ops\.(aten|quantized_decomposed)\.([A-Za-z]\w*|_[A-Za-z]\w*)\.(\w+)")

_FORBIDDEN = {"from_file", "set_", "set"}
"""Operations of aten that reach files or memory that is not the model's; the importer has none of them."""

_NUMBERS = {
    f"_operator.{name}": cast(Callable[..., object], getattr(operator, name))
    for name in (
        *("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "getitem"),
    )
}

_DTYPES = {
    **{1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64},
    # All floats are read as float32, and so they are here.
    **dict.fromkeys((6, 7, 8, 13), torch.float32),
    12: torch.bool,
}
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


class ExportedReading:
    """One graph of the schema of torch.export, `graph_module` in its JSON, on `inputs`."""

    def __init__(
        self, graph_module: Json, constants: Mapping[str, Array], inputs: Sequence[torch.Tensor]
    ):
        self._graph: Json = graph_module["graph"]
        self._signature: Json = graph_module["signature"]
        self._constants = constants
        self._inputs = inputs

    def results(self) -> list[Array]:
        """What torch gives for the results that a user sees."""
        values = self._given()
        for _ in self._run(values):
            pass
        return [_array(values[name]) for name in self._result_names()]

    def values(self) -> Iterator[tuple[str, Array]]:
        """What each call gives as it is made."""
        for name, value in self._run(self._given()):
            if isinstance(value, torch.Tensor):
                yield name, _array(value.clone())

    def _given(self) -> dict[str, object]:
        """The tensors that the graph starts from, by its names."""
        values: dict[str, object] = {}
        inputs = iter(self._inputs)
        for spec in self._signature["input_specs"]:
            ((kind, content),) = spec.items()
            match kind:
                case "user_input" if "as_tensor" in content["arg"]:
                    values[content["arg"]["as_tensor"]["name"]] = next(inputs).clone()
                case "parameter" | "buffer" | "tensor_constant":
                    array = self._constants.get(content[f"{kind}_name"])
                    if array is not None:
                        values[content["arg"]["name"]] = torch.tensor(array)
                case _:
                    pass
        return values

    def _result_names(self) -> Iterator[str]:
        for spec in self._signature["output_specs"]:
            ((kind, content),) = spec.items()
            if kind == "user_output" and "as_tensor" in content["arg"]:
                yield content["arg"]["as_tensor"]["name"]

    def _run(self, values: dict[str, object]) -> Iterator[tuple[str, object]]:
        """Make every call, and name what it gives. Raises ReadingError."""
        with running():
            yield from run_graph(self._graph, values)


def run_graph(graph: Json, values: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Make the calls of a graph on `values`, where what they give is put too."""
    for node in graph["nodes"]:
        if node["target"].startswith("torch.ops.higher_order."):
            result = yield from _run_region(node, values)
        else:
            result = _make_call(node, values)
        several = isinstance(result, list | tuple)
        given = cast(Sequence[object], result) if several else [result]
        for name, value in zip(_names(node), given, strict=False):
            if name is not None:
                values[name] = value
                yield name, value


def _run_region(
    node: Json, values: Mapping[str, object]
) -> Generator[tuple[str, object], None, list[object]]:
    """Make the calls in a graph within the graph, and give its results; their names are its own."""
    arguments = [argument["arg"] for argument in node["inputs"]]
    flags = [argument.get("as_bool") for argument in arguments]
    match node["target"].rpartition(".")[2], flags:
        case "wrap_with_set_grad_enabled", [_, None, *_]:
            place = 1
        case "wrap_with_autocast", [_, _, False, _, None, *_]:
            place = 4
        case _:
            raise ReadingError(f"{node['target']} is not run")
    graph: Json = arguments[place]["as_graph"]["graph"]
    operands = [_value(argument, values) for argument in arguments[place + 1 :]]
    inner = {
        name: operand
        for names, operand in zip(graph["inputs"], operands, strict=True)
        for name in _names({"outputs": [names]})
        if name is not None
    }
    for name, value in run_graph(graph, inner):
        yield f"{arguments[place]['as_graph']['name']}.{name}", value
    return [_value(output, inner) for output in graph["outputs"]]


def _make_call(node: Json, values: Mapping[str, object]) -> object:
    function = _function(node["target"])
    positional: list[object] = []
    named: dict[str, object] = {}
    for argument in node["inputs"]:
        value = _value(argument["arg"], values)
        if argument["kind"] == 2:
            named[argument["name"]] = value
        else:
            positional.append(value)
    try:
        return function(*positional, **named)
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadingError(f"{node['target']}: {line}") from error


def _function(target: str) -> Callable[..., object]:
    """What a call calls. Raises ReadingError for what is not on the list."""
    if target in _NUMBERS:
        return _NUMBERS[target]
    if target in AFFINE:
        return AFFINE[target]
    match = _CALL.fullmatch(target)
    if match is None or match[2] in _FORBIDDEN:
        raise ReadingError(f"{target} is not run")
    if match[1] == "quantized_decomposed":
        import_module("torch.ao.quantization.fx._decomposed")  # makes torch know them
    namespace = cast(object, getattr(torch.ops, match[1]))
    overload: object = getattr(getattr(namespace, match[2], None), match[3], None)
    if not isinstance(overload, torch._ops.OpOverload):  # pyright: ignore[reportPrivateUsage]
        raise ReadingError(f"this torch has no {target}")
    return cast(Callable[..., object], overload)


def _value(argument: Json, values: Mapping[str, object]) -> object:
    """An argument as torch takes it."""
    ((kind, content),) = argument.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return values[content["name"]]
        case "as_tensors":
            return [values[item["name"]] for item in content]
        case "as_optional_tensor":
            return _value(content, values)
        case "as_optional_tensors":
            return [_value(item, values) for item in content]
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return _number(content, values)
        case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
            return [_number(item, values) for item in content]
        case "as_scalar_type":
            return _DTYPES[content]
        case "as_memory_format":
            return _MEMORY_FORMATS[content]
        case "as_layout":
            return torch.strided
        case "as_device":
            return torch.device("cpu")
        case "as_float":  # infinity stands there as text
            return float(content)
        case "as_floats":
            return [float(item) for item in content]
        case "as_int" | "as_bool" | "as_string":
            return content
        case "as_ints" | "as_bools" | "as_strings":
            return content
        case _:
            raise ReadingError(f"an argument of kind {kind} is not read")


def _number(content: Json, values: Mapping[str, object]) -> object:
    ((kind, value),) = content.items()
    return values[value] if kind == "as_name" else value


def _names(node: Json) -> Iterator[str | None]:
    """The names of what a call gives, those of a list one by one."""
    for output in node["outputs"]:
        ((_, content),) = output.items()
        for item in cast(list[Any], content if isinstance(content, list) else [content]):
            named = cast(dict[str, str], item if isinstance(item, dict) else {})
            yield named.get("name") or named.get("as_name")


def _array(value: object) -> Array:
    return cast(torch.Tensor, value).detach().numpy()
