# SPDX-License-Identifier: Apache-2.0
"""Programs of torch.export.save to `nn`, read from the archive's own JSON.

torch's reader is not used: it unpickles example inputs and constants and evaluates the text of
symbolic sizes. Here a size that is not a number is only ever the batch, and the batch is 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from xdsl.dialects.builtin import ModuleOp, f32

from sparsec.frontends.batch import MIXED, argument, in_either_way
from sparsec.frontends.builder import Layout
from sparsec.frontends.call import Call, Place
from sparsec.frontends.errors import FrontendError, UnsupportedModelError
from sparsec.frontends.exported_inputs import INTEGERS, Batch, Inputs, numbers
from sparsec.frontends.exported_program import Archived, malformed, read_program
from sparsec.frontends.exported_reading import ExportedReading
from sparsec.frontends.importer import MISSING, Importer, tensor_named, tensors_in
from sparsec.frontends.places import place_of
from sparsec.frontends.proof import Proof
from sparsec.frontends.stand_in import stand_in
from sparsec.frontends.storage import PERHAPS_VIEWS, VIEWS
from sparsec.frontends.tensors import Activation, Array, Parameter, Tensor
from sparsec.frontends.weights import (
    FLOATS,
    Json,
    dtype_name,
)
from sparsec.ir.shapes import element_type

FLOAT32, BOOL = 7, 12

REGIONS = {
    "torch.ops.higher_order.wrap_with_set_grad_enabled",
    "torch.ops.higher_order.wrap_with_autocast",
}
"""What wraps calls in a graph of their own."""

KEEPS_INTEGERS = {
    *(f"aten.{name}" for name in (*VIEWS, *PERHAPS_VIEWS)),
    *("aten.clone", "aten._to_copy", "aten.cat", "aten.stack", "aten.flip", "aten.index_select"),
    *("aten.amax", "aten.amin", "aten.max_pool2d", "aten.upsample_nearest2d"),
}
"""Operations that give the integers that they take, and no others."""

MEMORY_FORMATS = {1: 0, 2: 2, 3: 3, 4: 1}
"""torch's own number of an order of elements, as TorchScript has it, by that of the schema."""


def scalar_type(code: int) -> int:
    """torch's own number of a type, as TorchScript has it, for that of the schema."""
    return 15 if code == 13 else code - 1  # bfloat16 came late


@dataclass(frozen=True)
class Exported:
    """What an archive of torch.export.save holds: a module, example inputs if there are any, what proves it.

    `converted` names the float types that became float32.
    """

    module: ModuleOp
    examples: list[Array] | None
    proof: Proof
    converted: tuple[str, ...]


def import_exported(content: bytes, layout: Layout) -> Exported:
    """The model in an archive of torch.export.save. Raises FrontendError for what cannot be compiled."""
    program = read_program(content)
    graph_module, constants, inputs = program.graph_module, program.constants, program.inputs
    with malformed():
        reader = _read(program, layout)
        given = inputs.examples(program.sample_inputs)
    run = inputs.to_run(given)
    taken = inputs.as_taken(run, reader.batch, layout)
    assert taken is not None
    alone = inputs.first(run, reader.batch) if inputs.is_open else None
    proof = Proof(
        ExportedReading(graph_module, constants, run),
        reader.importer.written,
        layout,
        taken,
        reader.result_axes,
        None if alone is None else ExportedReading(graph_module, constants, alone),
    )
    examples = None if given is None else inputs.as_taken(given, reader.batch, layout)
    converted = tuple(dtype_name(code) for code in sorted(program.types - {FLOAT32}))
    return Exported(reader.module, examples, proof, converted)


def _read(program: Archived, layout: Layout) -> "_Reader":
    """The graph of a program, whatever its batch is. Raises FrontendError."""
    graph_module, constants, inputs = program.graph_module, program.constants, program.inputs
    try:
        return in_either_way(
            lambda whole: _Reader(
                graph_module, constants, layout, inputs, inputs.batch(whole), set(program.types)
            ),
            inputs.are_whole,
        )
    except UnsupportedModelError as error:
        if inputs.no_batch is None:
            raise
        raise FrontendError(inputs.no_batch) from error


class _Reader:
    """One graph of the schema of torch.export, `graph_module` in its JSON, read to its end.

    `module` is what came of it, `result_axes` where each of its results has the batch. Raises
    FrontendError for what cannot be compiled.
    """

    def __init__(
        self,
        graph_module: Json,
        constants: Mapping[str, Array],
        layout: Layout,
        inputs: Inputs,
        batch: Batch,
        float_types: set[int],
    ):
        self.graph: Json = graph_module["graph"]
        self.signature: Json = graph_module["signature"]
        self.constants = constants
        self.importer = Importer(layout)
        self.scope = ""
        self.batch = batch
        self.float_types = float_types
        self.of_batch: set[Tensor] = set()
        """The tensors that have the batch, or are computed from one that has."""
        self._read_constants()
        self._read_inputs(inputs)
        self._read_nodes()
        self.importer.check()
        names = list(self._output_names())
        self.result_axes = [self._result_axis(name) for name in names]
        results = [tensor_named(self.importer.values, name) for name in names]
        self.module = self.importer.finish(results, self.result_axes)

    def _read_constants(self) -> None:
        for spec in self.signature["input_specs"]:
            ((kind, content),) = spec.items()
            match kind:
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

    def _read_inputs(self, inputs: Inputs) -> None:
        for name, sizes in inputs.sizes.items():
            axis = self.batch.axis(sizes)
            shape, kind = self.batch.shape(sizes), inputs.kinds[name]
            value = argument(self.importer.builder, name, shape, axis, kind)
            self.importer.values[name] = value
            if self.batch.has(sizes):
                self.of_batch.add(value)
            self._note_strides(name)

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
            place_of(node.get("metadata", {}), str(node.get("name") or name.rpartition(".")[2])),
            self.batch.fixed,
        )

    def _read_node(self, node: Json) -> None:
        outputs = list(_output_names(node))
        call = self._call(node)
        result = self.importer.run(call)
        if result is MISSING:
            self._stand_in(outputs)
            return
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
        if not isinstance(value, Activation | Parameter):
            return value
        held, meta = self.importer.storages.value(value), self.graph["tensor_values"].get(name)
        taken = list(tensors_in(call.arguments.values()))
        of_batch = any(tensor in self.of_batch for tensor in taken)
        if not taken and meta is not None:  # torch.zeros(x.shape[0], 8), to be written into
            of_batch = self.batch.has(numbers(meta["sizes"]))
        if of_batch:
            self.of_batch.add(value)
        if not isinstance(held, Activation) or meta is None:
            return value
        if self.batch.agrees(numbers(meta["sizes"]), held.shape, of_batch):
            # Rows of a table and what is quantized have integers of their own.
            as_reals = meta["dtype"] in INTEGERS and element_type(held.ssa.type) == f32
            if as_reals and call.name not in KEEPS_INTEGERS:
                self.importer.refuse(call, "it computes with integers: use .float() before it")
            return value
        self.importer.refuse(call, MIXED)
        return stand_in(self.batch.now(numbers(meta["sizes"])))

    def _stand_in(self, names: Sequence[str | None]) -> None:
        """Let the rest of the program be looked at, though what gives these values cannot be imported."""
        for name in filter(None, names):
            value: object = MISSING
            meta = self.graph["tensor_values"].get(name)
            if meta is not None and meta["dtype"] in {*FLOATS, BOOL}:
                sizes = numbers(meta["sizes"])
                value = stand_in(self.batch.now(sizes))
                if self.batch.has(sizes):
                    self.of_batch.add(value)
            self.importer.values[self.scope + name] = value

    def _result_axis(self, name: str) -> int | None:
        """Where a result has the batch; a result that has none, though computed from it, is refused."""
        sizes, value = (
            numbers(self.graph["tensor_values"][name]["sizes"]),
            self.importer.values[name],
        )
        axis = self.batch.axis(sizes)
        if value in self.of_batch and axis is None:
            call = self.importer.calls.get(name, Call("output", {}, Place("")))
            self.importer.refuse(call, MIXED)
        return axis

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
            case "as_optional_tensors":
                return [self._argument(item) for item in value]
            case "as_tensors":
                return [values.get(self.scope + item["name"], MISSING) for item in value]
            case "as_optional_tensor":
                return self._argument(value)
            case "as_float":  # infinity stands there as text
                return float(value)
            case "as_floats":
                return [float(item) for item in value]
            case "as_sym_int" | "as_sym_float" | "as_sym_bool":
                return self._number(value)
            case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
                return [self._number(item) for item in value]
            case "as_scalar_type":
                # What the model computes in is float32 here, whatever it was.
                return scalar_type(FLOAT32 if value in self.float_types else value)
            case "as_memory_format":
                return MEMORY_FORMATS.get(value, value)
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
            if kind == "user_input_mutation":
                continue  # what the caller's own tensor becomes: the entry is given a copy
            if kind != "user_output" or "as_tensor" not in content["arg"]:
                raise FrontendError("the model returns something other than tensors")
            yield content["arg"]["as_tensor"]["name"]


def _is_contiguous(meta: Json) -> bool:
    """Whether the elements of a tensor lie row by row; the first axis is the batch, of which there may be several."""
    expected = 1
    axes = list(zip(numbers(meta["sizes"]), numbers(meta["strides"]), strict=True))
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
