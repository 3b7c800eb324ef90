# SPDX-License-Identifier: Apache-2.0
"""TorchScript, traced or scripted, to `nn`: the graph is read with every number known.

The model is not run to import it. Its methods are inlined, and conditions and loops over shapes are
followed, so a scripted model comes out as straight as a traced one.
"""

import re
import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast

import numpy as np
import torch
from xdsl.dialects.builtin import ModuleOp

from sparsec.frontends.archive import Archive
from sparsec.frontends.batch import MIXED, argument, as_taken, in_either_way, own_axis
from sparsec.frontends.builder import Layout
from sparsec.frontends.call import Call, Place
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.importer import MISSING, Importer
from sparsec.frontends.places import base_name, is_of_torch
from sparsec.frontends.proof import Proof
from sparsec.frontends.script_reading import ScriptReading
from sparsec.frontends.script_safety import check_archive
from sparsec.frontends.script_scalars import OF_LISTS, SCALARS, apply
from sparsec.frontends.stand_in import stand_ins
from sparsec.frontends.tensors import Activation, Parameter, Tensor
from sparsec.frontends.weights import array_of_tensor

MAX_STEPS = 100_000
"""Nodes read before a loop is taken to be endless."""


def import_torchscript(
    content: bytes, layout: Layout, shapes: Sequence[Sequence[int]] | None
) -> tuple[ModuleOp, Proof, tuple[str, ...]]:
    """The module in an archive of torch.jit.save, what proves it, and the float types that became float32.

    Raises FrontendError for what cannot be compiled.
    """
    archive = Archive(content)
    check_archive(archive)
    try:
        # With _restore_shapes a traced module tells the shapes it was traced with.
        restore = shapes is None and "traced_inputs.pkl" in archive
        with warnings.catch_warnings():  # that TorchScript is deprecated is not the user's news
            warnings.simplefilter("ignore")
            script = cast(Any, torch.jit.load(BytesIO(content), "cpu", _restore_shapes=restore))
        converted = _float_types(script)
        if converted:
            script.float()
        graph = script.inlined_graph
    except (RuntimeError, AttributeError) as error:
        line = str(error).strip().partition("\n")[0]
        raise FrontendError(f"torch cannot read this TorchScript archive: {line}") from error
    known = _input_shapes(graph, shapes)
    firsts = {shape[0] for shape in known}
    reader = in_either_way(
        lambda whole: _Reader(script, graph, layout, known, whole),
        len(firsts) > 1 or any(len(shape) == 1 and shape != (1,) for shape in known),
    )
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(shape).astype(np.float32) for shape in known]
    taken = as_taken(inputs, reader.input_axes, layout)
    assert taken is not None
    proof = Proof(
        ScriptReading(script, inputs), reader.importer.written, layout, taken, reader.result_axes
    )
    return reader.module, proof, converted


def _float_types(script: Any) -> tuple[str, ...]:
    """The float types other than float32 that a module keeps its tensors in."""
    tensors: list[torch.Tensor] = [*script.parameters(), *script.buffers()]
    types = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return tuple(sorted(str(t).removeprefix("torch.") for t in types - {torch.float32}))


_READ_HERE = {
    *("aten::size", "aten::dim", "aten::is_floating_point", "prim::dtype"),
    *("prim::ListUnpack", "prim::TupleUnpack", "prim::TupleIndex"),
}
"""Operations that give nothing, without a word of their own, where what they read is missing."""


_WITHOUT_EFFECT = ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode")


class _Object:
    """An object that the model makes, for a `with` statement: its class, and its attributes."""

    def __init__(self, kind: str):
        self.kind = kind.rpartition(".")[2]
        self.attributes: dict[str, object] = {}

    def why_not_entered(self) -> str:
        """Why a `with` of it changes what its block computes; empty if it does not."""
        if self.kind in _WITHOUT_EFFECT or self.attributes.get("_enabled") is False:
            return ""
        if self.kind == "autocast":
            return "it computes in another type than float32: export the model outside of torch.autocast"
        return f"a block under {self.kind}"


class _Module:
    """A module of the model, and its path."""

    def __init__(self, module: Any, path: str):
        self.module = module
        self.path = path

    def attribute(self, name: str) -> object:
        """An attribute: a module, a tensor as a Parameter, or a Python value."""
        path = f"{self.path}.{name}" if self.path else name
        value: object = getattr(self.module, name)
        if isinstance(value, torch.nn.Module):
            return _Module(value, path)
        return _imported(value, path)

    def keeps_row_by_row(self, name: str) -> bool:
        """Whether the elements of an attribute that is a tensor lie row by row."""
        return cast(torch.Tensor, getattr(self.module, name)).is_contiguous()


def _imported(value: object, name: str) -> object:
    """A value of torch: tensors as Parameters, lists item by item."""
    if isinstance(value, torch.Tensor):
        array = array_of_tensor(value, name)
        if array.ndim == 0 and array.dtype.kind in "fi":  # a number, whose type does not promote
            array = array.astype(np.float32)
        return Parameter(name, array)
    if isinstance(value, list | tuple):
        return [_imported(item, name) for item in cast(Sequence[object], value)]
    return value


def _input_shapes(graph: Any, given: Sequence[Sequence[int]] | None) -> list[tuple[int, ...]]:
    """The shapes of the model's inputs, as the user says or as they were recorded."""
    inputs = list(graph.inputs())[1:]
    names = ", ".join(value.debugName().partition(".")[0] for value in inputs)
    if given is None:
        sizes = [_recorded_sizes(value) for value in inputs]
        if not all(sizes):
            raise FrontendError(
                f"this TorchScript archive does not tell the shape of its inputs ({names}): "
                "give --input-shape, for example 1,3,32,32"
            )
    else:
        sizes = [tuple(shape) for shape in given]
        if len(sizes) != len(inputs):
            raise FrontendError(
                f"the model has {len(inputs)} inputs ({names}), and --input-shape gives "
                f"{len(sizes)} shapes"
            )
    shapes = [shape for shape in sizes if shape]
    if not shapes or any(min(shape) < 1 for shape in shapes):
        raise FrontendError("an input has no element: give --input-shape, for example 1,3,32,32")
    return shapes


class _Reader:
    """Walks a graph of TorchScript to its end; values are named by their debug names, unique in a graph.

    `module` is what came of it. The inputs have `shapes`, their batch in front unless the model is
    read as a `whole`.
    """

    def __init__(
        self,
        script: Any,
        graph: Any,
        layout: Layout,
        shapes: Sequence[tuple[int, ...]],
        whole: bool,
    ):
        self.script = script
        self.importer = Importer(layout)
        self.values = self.importer.values
        self.batch = 1 if whole else shapes[0][0]
        self.steps = 0
        self.input_axes = [own_axis(shape) if whole else 0 for shape in shapes]
        model, *inputs = graph.inputs()
        self.values[model.debugName()] = _Module(script, "")
        for value, shape, axis in zip(inputs, shapes, self.input_axes, strict=True):
            name: str = value.debugName()
            known = shape if whole else (1, *shape[1:])
            self.values[name] = argument(self.importer.builder, name.partition(".")[0], known, axis)
        self._read_block(graph)
        self.importer.check()
        results = self._results(graph)
        self.result_axes = [own_axis(self.importer.storages.shape(result)) for result in results]
        if self.batch > 1 and None in self.result_axes:
            self.importer.refuse(Call("output", {}, Place("")), MIXED)
        self.module = self.importer.finish(results, self.result_axes)

    def _results(self, graph: Any) -> list[Tensor]:
        results = [self._value(output) for output in graph.outputs()]
        if len(results) == 1 and isinstance(results[0], list):
            results = cast(list[object], results[0])
        if not all(isinstance(result, Activation | Parameter) for result in results):
            raise FrontendError(
                "the model returns something other than tensors: return tensors from forward()"
            )
        return cast(list[Tensor], results)

    def _read_block(self, block: Any) -> None:
        for node in block.nodes():
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise FrontendError("the model loops for too long: use torch.export.save instead")
            results = self._read_node(node)
            for index, output in enumerate(node.outputs()):
                self.values[output.debugName()] = (
                    results[index] if index < len(results) else MISSING
                )

    def _value(self, value: Any) -> object:
        return self.values.get(value.debugName(), MISSING)

    def _read_node(self, node: Any) -> Sequence[object]:
        """What a node gives, one object for each of its outputs."""
        kind: str = node.kind()
        inputs = [self._value(value) for value in node.inputs()]
        match kind:
            case "prim::Constant":
                return [_constant(node)]
            case "prim::CreateObject":
                return [_Object(str(node.output().type()))]
            case "prim::SetAttr" if isinstance(inputs[0], _Object):
                inputs[0].attributes[node.s("name")] = inputs[1]
                return []
            case "prim::Enter" | "prim::Exit" if isinstance(inputs[0], _Object):
                if kind == "prim::Enter" and (reason := inputs[0].why_not_entered()):
                    self.importer.refuse(_call(node, [], self.batch), reason)
                return [None]
            case "prim::GetAttr":
                (owner,) = inputs
                if isinstance(owner, _Object):
                    return [owner.attributes.get(node.s("name"), MISSING)]
                if not isinstance(owner, _Module):
                    return [MISSING]
                value = owner.attribute(node.s("name"))
                if isinstance(value, Parameter):
                    lies = owner.keeps_row_by_row(node.s("name"))
                    self.importer.storages.add(value, contiguous=lies, owner=value.name)
                return [value]
            case "prim::ListConstruct" | "prim::TupleConstruct":
                return [inputs]
            case "prim::ListUnpack" | "prim::TupleUnpack" if isinstance(inputs[0], list):
                return cast(list[object], inputs[0])
            case "prim::TupleIndex" if isinstance(inputs[0], list):
                return [apply("aten::__getitem__", inputs)]
            case "prim::If":
                return self._read_condition(node, inputs[0])
            case "prim::Loop":
                return self._read_loop(node, inputs)
            case "prim::RaiseException":
                raise FrontendError(f"the model raises an exception for this input: {inputs[0]}")
            case "aten::get_autocast_dtype" | "aten::is_grad_enabled":
                return [MISSING]  # only asked for by what sets it
            case "aten::size" | "aten::dim" | "aten::is_floating_point" | "prim::dtype":
                if isinstance(inputs[0], Activation | Parameter):
                    return [_fact(kind, self.importer.storages.shape(inputs[0]), inputs)]
            case _:
                pass
        if MISSING in inputs and (kind in SCALARS or kind in _READ_HERE):
            return [MISSING] * node.outputsSize()
        of_list = kind in OF_LISTS and isinstance(inputs[0], list)
        if kind in SCALARS and (of_list or not any(map(_holds_tensor, inputs))):
            try:
                return [apply(kind, inputs)]
            except ValueError as error:
                self.importer.refuse(_call(node, inputs, self.batch), str(error))
                return [MISSING] * node.outputsSize()
        call = _call(node, inputs, self.batch)
        result = self.importer.run(call)
        if result is MISSING:
            return _results(node, stand_ins(self.importer.with_values(call)))
        results = _results(node, result)
        for output, value in zip(node.outputs(), results, strict=False):
            self.importer.name(output.debugName(), call, value)
        return [*results, *[MISSING] * (node.outputsSize() - len(results))]

    def _read_condition(self, node: Any, condition: object) -> Sequence[object]:
        if not isinstance(condition, bool | int):
            if condition is not MISSING:
                call = _call(node, [condition], self.batch)
                self.importer.refuse(call, "a condition on the values of a tensor")
            return [MISSING] * node.outputsSize()
        block = list(node.blocks())[0 if condition else 1]
        self._read_block(block)
        return [self._value(output) for output in block.outputs()]

    def _read_loop(self, node: Any, inputs: list[object]) -> Sequence[object]:
        trips, going, *carried = inputs
        (block,) = node.blocks()
        index = 0
        while isinstance(trips, int) and isinstance(going, bool) and going and index < trips:
            for parameter, value in zip(block.inputs(), [index, *carried], strict=True):
                self.values[parameter.debugName()] = value
            self._read_block(block)
            going, *carried = (self._value(output) for output in block.outputs())
            index += 1
        if trips is MISSING or going is MISSING:
            return [MISSING] * node.outputsSize()
        if not isinstance(trips, int) or not isinstance(going, bool):
            self.importer.refuse(_call(node, [], self.batch), "a loop over the values of a tensor")
            return [MISSING] * node.outputsSize()
        return carried


def _results(node: Any, given: object) -> list[object]:
    """What a node gives, of which one of several outputs gives a list."""
    several = node.outputsSize() > 1 and isinstance(given, list)
    return cast(list[object], given) if several else [given]


def _constant(node: Any) -> object:
    output = node.output()
    if str(output.type()) == "Function":
        return MISSING  # the name of a function that has been inlined
    return _imported(output.toIValue(), f"constant_{output.debugName()}")


def _fact(kind: str, shape: tuple[int, ...], inputs: list[object]) -> object:
    """What a node asks of a tensor of a shape: its shape, its rank or its type."""
    match kind:
        case "aten::size" if len(inputs) > 1:
            return shape[cast(int, inputs[1])]
        case "aten::size":
            return list(shape)
        case "aten::dim":
            return len(shape)
        case "prim::dtype":
            return 6  # TorchScript's number of float32
        case _:
            return True


def _holds_tensor(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_holds_tensor, cast(list[object], value)))
    return isinstance(value, Activation | Parameter | _Module) or value is MISSING


def _recorded_sizes(value: Any) -> tuple[int, ...] | None:
    type = value.type()
    if not isinstance(type, torch.TensorType):
        return None
    sizes = cast(list[int | None] | None, type.sizes())
    known = [size for size in sizes or [] if size is not None]
    return tuple(known) if sizes and len(known) == len(sizes) else None


def _call(node: Any, inputs: list[object], batch: int) -> Call:
    """The call that a node is."""
    schema: str = node.schema()
    names = [str(i) for i in range(len(inputs))]
    if schema != "(no schema)":
        parse = cast(Any, torch._C.parse_schema)  # pyright: ignore[reportPrivateUsage]
        names = [argument.name for argument in parse(schema).arguments]
    name = node.kind().replace("::", ".")
    arguments = dict(zip(names, inputs, strict=False))
    outputs = list(node.outputs())
    result = outputs[0].debugName() if outputs else ""
    return Call(name, arguments, Place(_layer(name, arguments, result), _source(node)), batch)


def _layer(name: str, arguments: dict[str, object], result: str) -> str:
    """The path of the module that owns the call's parameters, else a name made from the call's."""
    for value in arguments.values():
        if isinstance(value, Parameter) and "." in value.name:
            return value.name.rpartition(".")[0]
    return f"{name.rpartition('.')[2]}_{re.sub('[^0-9A-Za-z]+', '_', result)}"


_TRACED = re.compile(r"^(?P<file>[^\n()]+)\((?P<line>\d+)\): ", re.MULTILINE)
_SCRIPTED = re.compile(r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)


def _source(node: Any) -> str:
    """`file:line` of the innermost frame outside torch, or nothing."""
    text = cast(str, node.sourceRange()).partition("\nSerialized")[0]
    for frame in [*_TRACED.finditer(text), *_SCRIPTED.finditer(text)]:
        if not is_of_torch(frame["file"]):
            return f"{base_name(frame['file'])}:{frame['line']}"
    return ""
