# SPDX-License-Identifier: Apache-2.0
"""Programs of torch.export.save to `nn`, read from the archive's own JSON.

torch's reader is not used: it unpickles example inputs and constants and evaluates the text of
symbolic sizes. Here a size that is not a number is only ever the batch, and the batch is 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from xdsl.dialects.builtin import ModuleOp

from sparsec.frontends.archive import Archive
from sparsec.frontends.builder import Layout, entry_order
from sparsec.frontends.call import Call
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.exported_reading import ExportedReading
from sparsec.frontends.importer import MISSING, Importer, tensor_named
from sparsec.frontends.places import place_of
from sparsec.frontends.proof import Proof
from sparsec.frontends.tensors import Activation, Array, Parameter
from sparsec.frontends.weights import (
    Json,
    array_of_tensor,
    dtype_name,
    load_weights_only,
    read_constants,
    read_json,
)

SCHEMA_MAJOR = 8
FLOAT32 = 7
SAMPLES = 2
"""How many samples torch runs a program on whose batch is open: a batch that is mixed up shows with two."""

REGIONS = {
    "torch.ops.higher_order.wrap_with_set_grad_enabled",
    "torch.ops.higher_order.wrap_with_autocast",
}
"""What wraps calls in a graph of their own."""


def import_exported(content: bytes, layout: Layout) -> tuple[ModuleOp, list[Array] | None, Proof]:
    """The module and the example inputs in an archive of torch.export.save, and what proves it."""
    archive = Archive(content)
    models = [name for name in archive.names if name.startswith("models/")]
    if len(models) != 1 or not models[0].endswith(".json"):
        raise FrontendError(f"the archive holds {len(models)} models: export one alone")
    name = models[0].removeprefix("models/").removesuffix(".json")
    program = read_json(archive, models[0])
    try:
        major = program["schema_version"]["major"]
        if major != SCHEMA_MAJOR:
            raise FrontendError(
                f"the program has schema version {major} instead of {SCHEMA_MAJOR}: "
                "export the model again with PyTorch 2.13"
            )
        constants = {
            **read_constants(archive, "data/weights/", name),
            **read_constants(archive, "data/constants/", name),
        }
        reader = _Reader(program["graph_module"], constants, layout)
        module = reader.read()
        given = reader.examples(archive.read(f"data/sample_inputs/{name}.pt"))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise FrontendError(
            f"the program in the archive is malformed ({type(error).__name__}: {error}): "
            "export the model again with PyTorch 2.13"
        ) from error
    reading = ExportedReading(program["graph_module"], constants, reader.inputs_to_run(given))
    proof = Proof(reading, reader.importer.written, layout)
    return module, None if given is None else reader.as_taken(given), proof


class _Reader:
    """One graph of the schema of torch.export, `graph_module` in its JSON."""

    def __init__(self, graph_module: Json, constants: Mapping[str, Array], layout: Layout):
        self.graph: Json = graph_module["graph"]
        self.signature: Json = graph_module["signature"]
        self.constants = constants
        self.layout: Layout = layout
        self.importer = Importer(layout)
        self.scope = ""
        self.inputs: list[tuple[str, tuple[int, ...]]] = []
        self.batch = 1
        self.batches: set[int | str] = set()

    def read(self) -> ModuleOp:
        """The module. Raises FrontendError for what cannot be compiled."""
        self._read_inputs()
        self._read_nodes()
        self.importer.check()
        values = self.importer.values
        return self.importer.finish([tensor_named(values, name) for name in self._output_names()])

    def _read_inputs(self) -> None:
        users: list[str] = []
        for spec in self.signature["input_specs"]:
            ((kind, content),) = spec.items()
            match kind:
                case "user_input":
                    argument: Json = content["arg"]
                    if "as_tensor" in argument:
                        users.append(argument["as_tensor"]["name"])
                case "parameter" | "buffer" | "tensor_constant":
                    source = content[f"{kind}_name"]
                    if source in self.constants:
                        value = Parameter(source, self.constants[source])
                        self.importer.values[content["arg"]["name"]] = value
                case "custom_obj":
                    raise FrontendError(
                        f"constant '{content['custom_obj_name']}' is a custom object: "
                        "export the model without custom objects"
                    )
                case _:
                    pass  # constants of Python and tokens are no tensors
        shapes = {name: self._input_shape(name) for name in users}
        self.batches = {shape[0] for shape in shapes.values()}
        fixed = sorted(size for size in self.batches if isinstance(size, int))
        if len(fixed) > 1:
            raise FrontendError(
                f"the inputs have different first dimensions ({', '.join(map(str, fixed))}): "
                "every input needs the batch as its first dimension"
            )
        self.batch = fixed[0] if fixed else 1
        for name, (_, *sizes) in shapes.items():
            known = (1, *(size for size in sizes if isinstance(size, int)))
            self.inputs.append((name, known))
            self.importer.values[name] = self.importer.builder.argument(name, known)
            self._note_strides(name)
        if not users:
            raise FrontendError("the model has no tensor as input")

    def _input_shape(self, name: str) -> tuple[int | str, ...]:
        """The shape of an input, of which only the batch may be an expression."""
        meta: Json = self.graph["tensor_values"][name]
        if meta["dtype"] != FLOAT32:
            raise FrontendError(
                f"input '{name}' is {dtype_name(meta['dtype'])}, where float32 is needed: "
                "export the model after model.float(), with a float32 input"
            )
        sizes = _sizes(meta)
        if not sizes:
            raise FrontendError(f"input '{name}' is a scalar: it needs a batch dimension")
        for axis, size in enumerate(sizes):
            if axis > 0 and isinstance(size, str):
                raise FrontendError(
                    f"dimension {axis} of input '{name}' is dynamic, and only the batch "
                    "(dimension 0) may be: export the model with a fixed size there"
                )
        return sizes

    def _read_nodes(self) -> None:
        for node in self.graph["nodes"]:
            if node["target"] in REGIONS:
                self._read_region(node)
            else:
                self._read_node(node)

    def _read_region(self, node: Json) -> None:
        """Calls under `torch.no_grad()` and the like, in a graph of their own, as if they stood in this one."""
        arguments = [argument["arg"] for argument in node["inputs"]]
        at = next(i for i, argument in enumerate(arguments) if "as_graph" in argument)
        if "autocast" in node["target"] and arguments[at - 2].get("as_bool") is not False:
            self.importer.refuse(
                self._call(node),
                "it computes in another type than float32: export the model outside of torch.autocast",
            )
            return
        region, outer, scope = arguments[at]["as_graph"], self.graph, self.scope
        given = [self._argument(argument) for argument in arguments[at + 1 :]]
        self.graph, self.scope = region["graph"], f"{scope}{region['name']}."
        for inner, value in zip(self.graph["inputs"], given, strict=True):
            self.importer.values[self.scope + str(_name_of(inner))] = value
        self._read_nodes()
        results = [self._argument(output) for output in self.graph["outputs"]]
        self.graph, self.scope = outer, scope
        for name, result in zip(_output_names(node), results, strict=True):
            self.importer.values[f"{scope}{name}"] = result

    def _call(self, node: Json) -> Call:
        name = _operation(node["target"])
        return Call(
            name,
            {
                argument["name"] or f"{i}": self._argument(argument["arg"])
                for i, argument in enumerate(node["inputs"])
            },
            place_of(node.get("metadata", {}), node.get("name") or name.rpartition(".")[2]),
            self.batch,
        )

    def _read_node(self, node: Json) -> None:
        outputs = list(_output_names(node))
        call = self._call(node)
        result = self.importer.run(call)
        results = cast(list[object], result) if isinstance(result, list) else [result]
        for output, value in zip(outputs, results, strict=False):
            if output is not None:
                self.importer.name(self.scope + output, call, self._agreed(call, output, value))
                self._note_strides(output)
        for output in outputs[len(results) :]:
            if output is not None:
                self.importer.values[self.scope + output] = MISSING

    def _agreed(self, call: Call, name: str, value: object) -> object:
        """`value` if its shape is the exported one but for the batch; else a problem is noted."""
        meta = self.graph["tensor_values"].get(name)
        if not isinstance(value, Activation) or meta is None:
            return value
        first, *rest = _sizes(meta) or (1,)
        if first in self.batches and (1, *rest) == self.importer.storages.shape(value):
            return value
        self.importer.refuse(call, "it mixes the batch with other dimensions")
        return MISSING

    def _note_strides(self, name: str) -> None:
        """Tell the importer how torch keeps the elements of a tensor, where the file says so."""
        value = self.importer.values[self.scope + name]
        meta = self.graph["tensor_values"].get(name)
        if isinstance(value, Activation | Parameter) and meta is not None:
            self.importer.storages.note_contiguous(value, _is_contiguous(meta))

    def _argument(self, argument: Json) -> object:
        """An argument of a call, names replaced by what they stand for."""
        ((kind, value),) = argument.items()
        values = self.importer.values
        match kind:
            case "as_none":
                return None
            case "as_tensor":
                return values.get(self.scope + value["name"], MISSING)
            case "as_tensors":
                return [values.get(self.scope + item["name"], MISSING) for item in value]
            case "as_optional_tensor":
                return self._argument(value)
            case "as_sym_int" | "as_sym_float" | "as_sym_bool":
                return self._number(value)
            case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
                return [self._number(item) for item in value]
            case _:
                return value

    def _number(self, value: Json) -> object:
        ((kind, content),) = value.items()
        if kind != "as_name":
            return content
        return self.importer.values.get(self.scope + content, MISSING)

    def _output_names(self) -> Iterator[str]:
        for spec in self.signature["output_specs"]:
            ((kind, content),) = spec.items()
            if kind == "buffer_mutation":
                raise FrontendError(
                    f"the model changes its buffer '{content['buffer_name']}' as it runs: "
                    "call model.eval() before the export"
                )
            if kind != "user_output" or "as_tensor" not in content["arg"]:
                raise FrontendError("the model returns something other than tensors")
            yield content["arg"]["as_tensor"]["name"]

    def examples(self, data: bytes) -> list[torch.Tensor] | None:
        """The example inputs, float32 [N, ..], or None if they do not fit the inputs."""
        if not data:
            return None
        leaves = list(_leaves(load_weights_only(data, "the file's example inputs")))
        if len(leaves) != len(self.inputs):
            return None
        for leaf, (_, shape) in zip(leaves, self.inputs, strict=True):
            if leaf.dtype != torch.float32 or leaf.ndim == 0 or leaf.shape[1:] != shape[1:]:
                return None
        return leaves

    def as_taken(self, examples: Sequence[torch.Tensor]) -> list[Array]:
        """Example inputs in the layout that the entry takes."""
        arrays: list[Array] = []
        for leaf, (name, _) in zip(examples, self.inputs, strict=True):
            array = array_of_tensor(leaf, f"example of input '{name}'")
            order = entry_order(array.ndim, self.layout)
            arrays.append(np.ascontiguousarray(array.transpose(order)))
        return arrays

    def inputs_to_run(self, examples: Sequence[torch.Tensor] | None) -> list[torch.Tensor]:
        """Inputs that torch is to run the program on: the first examples, or random ones."""
        fixed = any(isinstance(size, int) for size in self.batches)
        count = self.batch if fixed else SAMPLES
        if examples is not None and min(map(len, examples)) >= (count if fixed else 1):
            return [leaf[:count] for leaf in examples]
        random = torch.Generator().manual_seed(0)
        return [torch.randn(count, *shape[1:], generator=random) for _, shape in self.inputs]


def _leaves(value: object) -> Iterator[torch.Tensor]:
    """The tensors in nested containers, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in cast(dict[object, object], value).values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in cast(Sequence[object], value):
            yield from _leaves(item)


def _sizes(meta: Json) -> tuple[int | str, ...]:
    """The sizes of a tensor; an expression is only ever compared as text, never evaluated."""
    return _numbers(meta["sizes"])


def _numbers(values: Sequence[Json]) -> tuple[int | str, ...]:
    return tuple(
        int(value["as_int"]) if "as_int" in value else str(value["as_expr"]["expr_str"])
        for value in values
    )


def _is_contiguous(meta: Json) -> bool:
    """Whether the elements of a tensor lie row by row; the first axis is the batch, of which there may be several."""
    expected = 1
    axes = list(zip(_sizes(meta), _numbers(meta["strides"]), strict=True))
    for axis, (size, stride) in reversed(list(enumerate(axes))):
        if stride != expected and (axis == 0 or size != 1):
            return False
        expected *= size if isinstance(size, int) else 1
    return True


def _output_names(node: Json) -> Iterator[str | None]:
    """The names of what a node gives, those of a list one by one."""
    for output in cast(list[Json], node["outputs"]):
        ((_, content),) = output.items()
        for item in cast(list[object], content if isinstance(content, list) else [content]):
            yield _name_of({"": item})


def _name_of(value: Json) -> str | None:
    """The name of a value, None for what has none."""
    ((_, content),) = value.items()
    named = cast(dict[str, Any], content if isinstance(content, dict) else {})
    return named.get("name") or named.get("as_name")


def _operation(target: str) -> str:
    """`torch.ops.aten.conv2d.default` as `aten.conv2d`."""
    if not target.startswith("torch.ops."):
        return target
    return ".".join(target.split(".")[2:4])
