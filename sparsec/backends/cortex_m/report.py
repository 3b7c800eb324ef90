"""What a network costs, layer by layer, counted on the final IR: the content of report.json.

A multiply-accumulate that reads padding counts like any other; an effective one is by a weight that
is not zero. The weight bytes of a layer are those of its weight tensor; the flash bytes of the
network are those of all its constants, biases, multipliers and tables included.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.ir import SSAValue

from sparsec.analysis.memory_plan import Place, PlannedFunction
from sparsec.backends.cortex_m.convert_qnn_to_kernels import TARGET
from sparsec.backends.cortex_m.lowering import OP, layer_name
from sparsec.formats import Delta8
from sparsec.ir import cmsis, rt
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import KernelOp, element_count
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import memory_of
from sparsec.passes.plan_memory import LOWER_BOUND

SCHEMA_VERSION = 1

Array: TypeAlias = np.ndarray[Any, Any]
Constants: TypeAlias = Mapping[str, Array]
"""The globals of a module, by symbol."""


@dataclass(frozen=True)
class Layer:
    """One kernel call. Of a layer without weights, `format` and `density` are None."""

    name: str
    op: str
    kernel: str
    format: str | None
    density: float | None
    macs: int
    macs_effective: int
    weight_bytes_dense: int
    weight_bytes_stored: int
    scratch_bytes: int


def constants_of(module: ModuleOp) -> dict[str, Array]:
    """The globals of `module`, in their order."""
    found: dict[str, Array] = {}
    for op in module.ops:
        if isinstance(op, GlobalOp):
            assert isinstance(op.initial_value, DenseIntOrFPElementsAttr)
            found[op.sym_name.data] = array_of(op.initial_value)
    return found


def report(
    module: ModuleOp, planned: PlannedFunction, name: str, constants: Constants
) -> dict[str, Any]:
    """The content of report.json."""
    target, bound = module.attributes.get(TARGET), module.attributes.get(LOWER_BOUND)
    assert isinstance(target, StringAttr) and isinstance(bound, IntegerAttr)
    layers = [describe(op, constants) for op in planned.kernels]
    stored = sum(array.nbytes for array in constants.values())
    weights = weight_bytes(planned, constants)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "target": target.data,
        "entry": f"{name}_invoke",
        "header": f"{name}.h",
        "arena_bytes": planned.arena_bytes,
        "arena_lower_bound_bytes": bound.value.data,
        "inputs": describe_places("input", planned.inputs),
        "outputs": describe_places("output", planned.outputs),
        "flash_weight_bytes_dense": stored + weights,
        "flash_weight_bytes_stored": stored,
        "macs": sum(layer.macs for layer in layers),
        "macs_effective": sum(layer.macs_effective for layer in layers),
        "layers": [asdict(layer) for layer in layers],
    }


def weight_bytes(planned: PlannedFunction, constants: Constants) -> int:
    """The bytes that storing weights sparse saves; weights shared by layers count once."""
    savings: dict[str, int] = {}
    for op in planned.kernels:
        if isinstance(op, rt.ConvolveDelta8Op | rt.FullyConnectedDelta8Op):
            layer = describe(op, constants)
            savings[symbol(op.entries)] = layer.weight_bytes_dense - layer.weight_bytes_stored
    return sum(savings.values())


def describe_places(what: str, places: tuple[Place, ...]) -> list[dict[str, Any]]:
    """Inputs or outputs: `input`, or `input0`, `input1` if there are several."""
    return [
        {
            "name": what if len(places) == 1 else f"{what}{number}",
            "offset": place.offset,
            "bytes": place.bytes,
            "shape": list(place.shape),
            "scale": None if place.quantization is None else place.quantization.scale,
            "zero_point": None if place.quantization is None else place.quantization.zero_point,
        }
        for number, place in enumerate(places)
    ]


def describe(op: KernelOp, constants: Constants) -> Layer:
    """What one call costs."""
    scratch: SSAValue | None = getattr(op, "scratch", None)
    original = op.attributes.get(OP)
    format: str | None = None
    density: float | None = None
    macs = effective = dense = stored = 0
    match op:
        case cmsis.ConvolutionOp() | cmsis.FullyConnectedOp() | rt.FullyConnectedPerChannelOp():
            weights = constants[symbol(op.weights)]
            format, dense, stored = "dense", weights.nbytes, weights.nbytes
            nonzero = int(np.count_nonzero(weights))
        case rt.ConvolveDelta8Op() | rt.FullyConnectedDelta8Op():
            entries = constants[symbol(op.entries)]
            dense = delta8_weights(op)
            format, stored = Delta8.name, entries.nbytes + constants[symbol(op.counts)].nbytes
            nonzero = int(np.count_nonzero(entries[1::2]))
        case _:
            nonzero = 0
    if format is not None:
        bias, output = op.operands[0], op.operands[0]
        bias, output = getattr(op, "bias"), getattr(op, "output")
        positions = element_count(output.type) // element_count(bias.type)
        density, macs, effective = nonzero / dense, positions * dense, positions * nonzero
    return Layer(
        name=layer_name(op),
        op=original.data if isinstance(original, StringAttr) else op.name,
        kernel=op.C_FUNCTION,
        format=format,
        density=density,
        macs=macs,
        macs_effective=effective,
        weight_bytes_dense=dense,
        weight_bytes_stored=stored,
        scratch_bytes=0 if scratch is None else element_count(scratch.type),
    )


def delta8_weights(op: rt.ConvolveDelta8Op | rt.FullyConnectedDelta8Op) -> int:
    """How many weights the layer has, zeros included."""
    outputs = element_count(op.bias.type)
    if isinstance(op, rt.ConvolveDelta8Op):
        return outputs * prod(op.kernel_size) * shape_of(op.input.type)[3]
    return outputs * element_count(op.input.type)


def symbol(buffer: SSAValue) -> str:
    """The name of the global behind `buffer`."""
    owner = memory_of(buffer).owner
    assert isinstance(owner, GetGlobalOp)
    return owner.name_.string_value()
