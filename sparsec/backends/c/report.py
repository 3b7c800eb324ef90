# SPDX-License-Identifier: Apache-2.0
"""What a network costs, layer by layer, counted on the final IR: the content of report.json.

A multiply-accumulate that reads padding counts like any other; an effective one is by a weight that
is not zero. The weight bytes of a layer are those of its weight tensor; the flash bytes of the
network are those of all its constants, biases, multipliers and tables included, and of its code: that of the generated
function and of all that it reaches, by `kernels/code.py`, as an image has it that is linked with `--gc-sections`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.ir import SSAValue

from sparsec.analysis.choice.choice_record import Record, record_of
from sparsec.analysis.memory.memory_plan import PlannedFunction
from sparsec.analysis.memory.plan_view import PlanView, peak_facts, plan_view
from sparsec.analysis.values.removed_channels import REASONS, live_bytes_of, records_of
from sparsec.backends.c.memory_report import (
    describe_constants,
    describe_memories,
    describe_places,
)
from sparsec.formats import Block, Delta8
from sparsec.ir import cmsis, rt
from sparsec.ir.attributes import ARENA_LIVE_BYTES, ARENA_LOWER_BOUND, INPUT, OP, TARGET
from sparsec.ir.cmsis.convolution import ConvolutionOp
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import KernelOp, byte_count, element_count
from sparsec.ir.layer import layer_name
from sparsec.ir.rt.decode import DecodeOp
from sparsec.ir.rt.delta8 import Delta8ConvolutionOp
from sparsec.ir.rt.packed import FullPackedConvolutionOp, PackedConvolutionOp
from sparsec.ir.rt.quads import ConvolveBlocksOp, QuadConvolutionOp
from sparsec.ir.rt.sparse_fc import SparseFullyConnectedOp
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.ir.views import memory_of
from sparsec.kernels.code import code_of, passed
from sparsec.layouts import (
    NO_LAYOUT,
    PLAIN,
    depthwise_3x3,
    depthwise_lanes,
    depthwise_rows,
    packed_rows,
    quads,
)
from sparsec.layouts.depthwise_3x3 import unpack_depthwise_3x3
from sparsec.layouts.depthwise_lanes import unpack_depthwise_lanes
from sparsec.layouts.depthwise_rows import unpack_depthwise
from sparsec.layouts.packed_rows import unpack_layer

SCHEMA_VERSION = 2
"""It grows where a field goes or means something else; new fields leave it."""

Array: TypeAlias = np.ndarray[Any, Any]
Constants: TypeAlias = Mapping[str, Array]
"""The globals of a module, by symbol."""


@dataclass(frozen=True)
class Layer:
    """One kernel call. `format` says what is stored, `layout` how it lies in flash; a layer without weights has `none` of
    both and the density 1."""

    name: str
    op: str
    kernel: str
    format: str
    layout: str
    density: float
    macs: int
    macs_effective: int
    weight_bytes_dense: int
    weight_bytes_stored: int
    scratch_bytes: int
    predicted_instructions: int | None = None
    predicted_cycles: int | None = None


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
    """The content of report.json. Raises ValueError when the module does not say its target.

    `activation_bytes_before` and `_after` are the most bytes of activations live at once with dead channels and
    without, scratch memory and overlaps aside; None if no channel was removed.
    """
    target, bound = module.attributes.get(TARGET), module.attributes.get(ARENA_LOWER_BOUND)
    if not isinstance(target, StringAttr) or not isinstance(bound, IntegerAttr):
        raise ValueError(
            f"the module lacks {TARGET} or {ARENA_LOWER_BOUND}: compile it from an int8 network"
        )
    chosen, live = record_of(module), module.attributes.get(ARENA_LIVE_BYTES)
    layers = predicted([describe(op, constants) for op in planned.kernels], chosen)
    stored = sum(array.nbytes for array in constants.values())
    code = code_of(target.data).bytes(
        name for op in planned.kernels for name in (op.C_FUNCTION, *map(passed, op.callbacks()))
    )
    removed = live_bytes_of(module)
    view = plan_view(planned, bound.value.data)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "target": target.data,
        "entry": f"{name}_invoke",
        "header": f"{name}.h",
        "arena_bytes": planned.arena_bytes,
        "arena_lower_bound_bytes": bound.value.data,
        "arena_live_bytes": live.value.data if isinstance(live, IntegerAttr) else None,
        "activation_bytes_before": None if removed is None else removed[0],
        "activation_bytes_after": None if removed is None else removed[1],
        "arena_status": "optimal" if planned.arena_bytes == bound.value.data else "feasible",
        "arena_peak": next(map(peak_facts, view.peaks), None),
        "objective": None if chosen is None else chosen.objective,
        "flash_budget_bytes": None if chosen is None else chosen.flash,
        "ram_budget_bytes": None if chosen is None else chosen.ram,
        "smaller": None if chosen is None else describe_smaller(chosen),
        "memories": describe_memories(module, planned),
        "constants": describe_constants(module),
        "inputs": describe_places("input", planned),
        "input_moves": describe_moves(planned, view),
        "outputs": describe_places("output", planned),
        "flash_weight_bytes_dense": stored + saved_bytes(planned, constants),
        "flash_weight_bytes_stored": stored,
        "flash_code_bytes": code,
        "flash_bytes": stored + code,
        "macs": sum(layer.macs for layer in layers),
        "macs_effective": sum(layer.macs_effective for layer in layers),
        "layers": [asdict(layer) for layer in layers],
        "removed": describe_removed(module),
    }


TO_CHANNELS_LAST = (0, 2, 3, 1)


def describe_moves(planned: PlannedFunction, view: PlanView) -> dict[str, Any] | None:
    """What puts images into the order of NHWC at the entry: the bytes it moves, and those that are live at no other call."""
    inputs = {each.result for each in planned.views if INPUT in each.attributes}
    moves = {
        call: element_count(op.output.type)
        for call, op in enumerate(planned.kernels)
        if isinstance(op, rt.TransposeOp)
        and op.input in inputs
        and op.permutation.get_values() == TO_CHANNELS_LAST
    }
    if not moves:
        return None
    others = [call for call in range(len(view.calls)) if call not in moves]
    saved = 0
    for memory in view.memories:
        peak, rest = (
            max((view.live_bytes(memory, call) for call in calls), default=0)
            for calls in (range(len(view.calls)), others)
        )
        saved += peak - rest
    return {"bytes_moved": sum(moves.values()), "arena_bytes": saved}


def describe_smaller(chosen: Record) -> dict[str, Any] | None:
    """Which objective takes less flash, where the one that was chosen for takes more than dense weights do."""
    smaller = chosen.smaller
    if smaller is None:
        return None
    more = 100 * (smaller.cycles / max(smaller.chosen_cycles, 1) - 1)
    return {
        "objective": "balanced",
        "flash_bytes_saved": smaller.saved,
        "flash_bytes_saved_dense": smaller.dense_saves,
        "estimated_cycles_more_percent": round(more, 1),
    }


def predicted(layers: Sequence[Layer], chosen: Record | None) -> list[Layer]:
    """`layers` with what was predicted of those with weights when their formats were chosen.

    `chosen` has them in their order too; without it nothing is known.
    """
    waiting = [] if chosen is None else list(chosen.layers)
    found: list[Layer] = []
    for layer in layers:
        noted = next(
            (n for n in waiting if (n.layer, n.kernel) == (layer.name, layer.kernel)), None
        )
        if noted is not None:
            waiting.remove(noted)
            layer = replace(
                layer,
                predicted_instructions=noted.instructions,
                predicted_cycles=noted.cycles,
            )
        found.append(layer)
    return found


def describe_removed(module: ModuleOp) -> list[dict[str, Any]]:
    """For each layer that lost weights: its dead channels by reason, weights and MACs (before, after).

    Channels are counted as they were in the model; a layer may have vanished as a whole.
    """
    return [
        {"layer": name}
        | {reason: list(record.get(reason, ())) for reason in REASONS}
        | {key: list(record[key]) for key in ("weights", "macs")}
        for name, record in records_of(module).items()
    ]


def saved_bytes(planned: PlannedFunction, constants: Constants) -> int:
    """Bytes that sparse storage saves; weights that layers share count once."""
    savings: dict[str, int] = {}
    for op in planned.kernels:
        if isinstance(op, Delta8ConvolutionOp | rt.FullyConnectedDelta8Op):
            layer = describe(op, constants)
            savings[delta8_symbol(op)] = layer.weight_bytes_dense - layer.weight_bytes_stored
        elif isinstance(op, rt.FullyConnectedDecodedOp | rt.FullyConnectedDcsrOp):
            layer = describe(op, constants)
            savings[symbol(op.arrays[0])] = layer.weight_bytes_dense - layer.weight_bytes_stored
        elif isinstance(
            op, SparseFullyConnectedOp | PackedConvolutionOp | rt.DepthwiseConvolve3x3Op
        ):
            layer = describe(op, constants)
            savings[symbol(op.rows)] = layer.weight_bytes_dense - layer.weight_bytes_stored
    return sum(savings.values())


def describe(op: KernelOp, constants: Constants) -> Layer:
    """What one call costs."""
    if isinstance(op, DecodeOp):
        return describe_decoder(op, constants)
    if isinstance(op, rt.PointDepthwiseOp):
        return describe_fused(op, constants)
    weights = describe_weights(op, constants)
    original = op.attributes.get(OP)
    scratch: SSAValue | None = getattr(op, "scratch", None)
    return Layer(
        name=layer_name(op),
        op=original.data if isinstance(original, StringAttr) else op.name,
        kernel=op.C_FUNCTION,
        format="none" if weights is None else weights.format,
        layout=NO_LAYOUT if weights is None else weights.layout,
        density=1.0 if weights is None else weights.nonzero / weights.count,
        macs=0 if weights is None else weights.positions * weights.count,
        macs_effective=0 if weights is None else weights.positions * weights.nonzero,
        weight_bytes_dense=0 if weights is None else weights.count,
        weight_bytes_stored=0 if weights is None else weights.stored_bytes,
        scratch_bytes=0 if scratch is None else element_count(scratch.type),
    )


def describe_decoder(op: DecodeOp, constants: Constants) -> Layer:
    """A call that decodes weights, which count as those of the call that multiplies by them."""
    weights = decoded_weights(op, constants)
    original = op.attributes.get(OP)
    return Layer(
        name=layer_name(op),
        op=original.data if isinstance(original, StringAttr) else op.name,
        kernel=op.C_FUNCTION,
        format=op.encoding.data.label,
        layout=PLAIN,
        density=int(np.count_nonzero(weights)) / weights.size,
        macs=0,
        macs_effective=0,
        weight_bytes_dense=0,
        weight_bytes_stored=0,
        scratch_bytes=sum(byte_count(value.type) for value in op.written()),
    )


def describe_fused(op: rt.PointDepthwiseOp, constants: Constants) -> Layer:
    """A call that does two layers, which it is counted as."""
    _, height, width, _ = op.between
    rows, columns, _ = image_shape(op.output.type)
    layers = (
        (constants[symbol(op.point_weights)], height * width),
        (constants[symbol(op.weights)], rows * columns),
    )
    count = sum(weights.size for weights, _ in layers)
    original = op.attributes.get(OP)
    return Layer(
        name=layer_name(op),
        op=original.data if isinstance(original, StringAttr) else op.name,
        kernel=op.C_FUNCTION,
        format="dense",
        layout=PLAIN,
        density=sum(int(np.count_nonzero(weights)) for weights, _ in layers) / count,
        macs=sum(weights.size * positions for weights, positions in layers),
        macs_effective=sum(int(np.count_nonzero(w)) * positions for w, positions in layers),
        weight_bytes_dense=count,
        weight_bytes_stored=count,
        scratch_bytes=byte_count(op.scratch.type),
    )


@dataclass(frozen=True)
class Weights:
    """The weights of a layer, all of which are used at each of `positions` output positions, or input
    positions of a transposed convolution."""

    format: str
    count: int
    nonzero: int
    stored_bytes: int
    positions: int
    layout: str = PLAIN


def describe_weights(op: KernelOp, constants: Constants) -> Weights | None:
    """What is stored of the weights of a call, None when it has none."""
    match op:
        case (
            ConvolutionOp()
            | cmsis.FullyConnectedOp()
            | rt.FullyConnectedPerChannelOp()
            | rt.TransposeConvOp()
        ):
            array = constants[symbol(op.weights)]
            format, count, stored = "dense", array.size, array.nbytes
        case Delta8ConvolutionOp() | rt.FullyConnectedDelta8Op():
            count, decoder = delta8_weights(op), decoder_behind(op)
            if decoder is not None:
                array, format = decoded_weights(decoder, constants), decoder.encoding.data.label
                arrays = (constants[symbol(value)] for value in decoder.arrays.values())
                stored = sum(array.nbytes for array in arrays)
            else:
                array, format = constants[symbol(op.entries)][1::2], Delta8.name
                stored = 2 * array.nbytes + constants[symbol(op.counts)].nbytes
        case rt.FullyConnectedDcsrOp():
            stored_as = {name: constants[symbol(value)] for name, value in op.components.items()}
            array, format = op.FORMAT.unpack(stored_as, op.matrix_shape), op.FORMAT.label
            count, stored = array.size, sum(each.nbytes for each in stored_as.values())
        case rt.FullyConnectedDecodedOp():
            stored_as = {name: constants[symbol(value)] for name, value in op.components.items()}
            array, format = (
                op.encoding.data.unpack(stored_as, op.matrix_shape),
                op.encoding.data.label,
            )
            count, stored = array.size, sum(each.nbytes for each in stored_as.values())
        case SparseFullyConnectedOp():
            return sparse_fc_weights(op, constants)
        case FullPackedConvolutionOp():
            return packed_weights(op, constants)
        case rt.DepthwiseConvolveDelta8Op():
            return depthwise_weights(op, constants)
        case QuadConvolutionOp():
            return quad_weights(op, constants)
        case rt.DepthwiseConvolve3x3Op():
            return depthwise_3x3_weights(op, constants)
        case rt.DepthwiseConvolveLanesOp():
            return depthwise_lanes_weights(op, constants)
        case _:
            return None
    if isinstance(op, rt.TransposeConvOp):
        positions = prod(image_shape(op.input.type)[:2])
    else:
        positions = element_count(op.output.type) // element_count(op.bias.type)
    return Weights(format, count, int(np.count_nonzero(array)), stored, positions)


def sparse_fc_weights(op: SparseFullyConnectedOp, constants: Constants) -> Weights:
    """`rows` does not count: it is the bias, the multiplier and the shift that every layer has."""
    arrays = {name: constants[symbol(value)] for name, value in op.arrays.items()}
    weights, _ = op.LAYOUT.unpack(arrays, op.matrix_shape)
    stored = sum(array.nbytes for name, array in arrays.items() if name != "rows")
    nonzeros = int(np.count_nonzero(weights))
    return Weights(op.FORMAT, weights.size, nonzeros, stored, 1, op.LAYOUT.name)


def packed_weights(op: FullPackedConvolutionOp, constants: Constants) -> Weights:
    """`rows` less the bias, the multiplier and the shift that every layer has."""
    rows = constants[symbol(op.rows)]
    height, width, channels = image_shape(op.output.type)
    weights = unpack_layer(rows, channels, op.window.data, op.slab).weights
    stored = rows.nbytes - 12 * channels
    nonzeros = int(np.count_nonzero(weights))
    return Weights(Delta8.name, weights.size, nonzeros, stored, height * width, packed_rows.NAME)


def depthwise_weights(op: rt.DepthwiseConvolveDelta8Op, constants: Constants) -> Weights:
    """`rows` less the bias, the multiplier and the shift that every layer has."""
    rows = constants[symbol(op.rows)]
    height, width, channels = image_shape(op.output.type)
    weights = unpack_depthwise(rows, channels, op.window.data, op.plane).weights
    stored = rows.nbytes - 12 * channels
    nonzeros = int(np.count_nonzero(weights))
    return Weights(Delta8.name, weights.size, nonzeros, stored, height * width, depthwise_rows.NAME)


def depthwise_3x3_weights(op: rt.DepthwiseConvolve3x3Op, constants: Constants) -> Weights:
    """`rows` likewise."""
    rows = constants[symbol(op.rows)]
    height, width, channels = op.images[1]
    weights = unpack_depthwise_3x3(rows, channels).weights
    stored = rows.nbytes - 12 * channels
    nonzeros = int(np.count_nonzero(weights))
    return Weights("dense", weights.size, nonzeros, stored, height * width, depthwise_3x3.NAME)


def quad_weights(op: QuadConvolutionOp, constants: Constants) -> Weights:
    """`rows` likewise."""
    rows = constants[symbol(op.rows)]
    height, width, channels = image_shape(op.output.type)
    weights = op.layer_of(rows).weights
    blocks = isinstance(op, ConvolveBlocksOp)
    return Weights(
        Block(1, op.SIZE).label if blocks else "dense",
        weights.size,
        int(np.count_nonzero(weights)),
        rows.nbytes - 12 * channels,
        height * width,
        quads.BLOCKS if blocks else quads.RUNS,
    )


def depthwise_lanes_weights(op: rt.DepthwiseConvolveLanesOp, constants: Constants) -> Weights:
    """`rows` likewise."""
    rows = constants[symbol(op.rows)]
    height, width, channels = image_shape(op.output.type)
    weights = unpack_depthwise_lanes(rows, op.kernel_size, channels).weights
    stored = rows.nbytes - 12 * channels
    nonzeros = int(np.count_nonzero(weights))
    return Weights("dense", weights.size, nonzeros, stored, height * width, depthwise_lanes.NAME)


def delta8_weights(op: Delta8ConvolutionOp | rt.FullyConnectedDelta8Op) -> int:
    """How many weights the layer has, zeros included."""
    outputs = element_count(op.bias.type)
    if isinstance(op, Delta8ConvolutionOp):
        return outputs * prod(op.kernel_size) * shape_of(op.input.type)[3]
    return outputs * element_count(op.input.type)


def decoder_behind(op: Delta8ConvolutionOp | rt.FullyConnectedDelta8Op) -> DecodeOp | None:
    """The call that writes the weights of `op`, None when they are constants."""
    users = (use.operation for use in memory_of(op.entries).uses)
    return next((user for user in users if isinstance(user, DecodeOp)), None)


def decoded_weights(op: DecodeOp, constants: Constants) -> Array:
    """The weights, int8 [rows, columns]."""
    arrays = {name: constants[symbol(value)] for name, value in op.arrays.items()}
    return op.encoding.data.unpack(arrays, op.matrix_shape)


def delta8_symbol(op: Delta8ConvolutionOp | rt.FullyConnectedDelta8Op) -> str:
    """The name of the first global in which the weights of `op` are stored."""
    decoder = decoder_behind(op)
    return symbol(op.entries if decoder is None else next(iter(decoder.arrays.values())))


def symbol(buffer: SSAValue) -> str:
    """The name of the global behind `buffer`."""
    owner = memory_of(buffer).owner
    assert isinstance(owner, GetGlobalOp)
    return owner.name_.string_value()
