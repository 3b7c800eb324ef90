# SPDX-License-Identifier: Apache-2.0
"""`sparsec analyze MODEL`: what a network costs, layer by layer, and what of it is zero or dead.

Layers are counted as they are in int8 before the lossless passes; the arena is that of the compiled
network. A multiply-accumulate that reads padding counts like any other.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil, lgamma, log, log2, prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Operation, SSAValue

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.analysis.values.removed_channels import (
    REASONS,
    Record,
    RemovedChannels,
    live_bytes_of,
    records_of,
)
from sparsec.backends.c.report import constants_of
from sparsec.formats import COMMON_FORMATS
from sparsec.frontends.errors import UnsupportedModelError
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.attributes import ARENA_LOWER_BOUND, REMOVED
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.ir.sparse import matrix_shape
from sparsec.kernels.code import code_of
from sparsec.kernels.library import has_sparse_kernel
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.console import print_table, progress
from sparsec.tools.emission import check_budgets
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser, add_model_options, hides_progress

SCHEMA_VERSION = 2
DENSE, BOUND = "dense", "entropy_bound"
EXAMPLES = """\
columns:
  zero MACs      multiplications by a weight that is zero
  smallest B     bytes of the weights in the smallest format that holds them; --json has all formats
  bound B        entropy of the places of the zeros and of the other weights, were all equally likely
  dead channels  removed by the compiler without changing a byte of any output, with the reason

examples:
  sparsec analyze vww_96_int8.tflite
  sparsec analyze lenet.pt --target=cortex-m55 --json
"""


@dataclass(frozen=True)
class Layer:
    """One operation. `weight_bytes` is by storage, None where it cannot hold the weights or where
    sparse weights are not supported at all; `smallest` of them is dense or a format.

    `weights_left` and `macs_left` remain when dead channels are gone; `dead_channels` is by reason,
    and `removed` says which they are.
    Without weights the density is None.
    """

    name: str
    op: str
    output_shape: tuple[int, ...]
    macs: int = 0
    zero_macs: int = 0
    weights: int = 0
    nonzero_weights: int = 0
    density: float | None = None
    weight_bytes: dict[str, int | None] = field(default_factory=dict[str, int | None])
    smallest_format: str | None = None
    smallest_bytes: int = 0
    dead_channels: dict[str, int] = field(default_factory=dict[str, int])
    removed: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    weights_left: int = 0
    macs_left: int = 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec analyze",
        description="Print what each layer of a model costs: MACs, zeros, dead channels, bytes of "
        "its weights in each storage format, and the arena. Writes nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    result.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object; of a model that is refused, what of it is unsupported",
    )
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def entropy_bound(count: int, nonzero: int) -> int:
    """The entropy in bytes of `count` int8 weights of which any `nonzero` are not zero.

    log2 C(count, nonzero) bits for their places and log2 255 for each value, so at most `count`
    bytes. A format can only be smaller where the places or the values have structure.
    """
    places = lgamma(count + 1) - lgamma(nonzero + 1) - lgamma(count - nonzero + 1)
    bits = nonzero * log2(255) + places / log(2)
    return ceil(bits / 8 - 1e-9)  # what the logarithms may be off


def weight_bytes(op: qnn.WeightedOp, weights: np.ndarray[Any, Any]) -> dict[str, int | None]:
    """The bytes of the weights of `op` dense, in each format, and the bound."""
    found: dict[str, int | None] = {DENSE: weights.nbytes}
    for storage in COMMON_FORMATS:
        found[storage.label] = None
        if has_sparse_kernel(op):
            try:
                axis = -1 if isinstance(op, qnn.DepthwiseConv2dOp) else 0
                rows = np.moveaxis(weights, axis, 0)
                matrix = rows.reshape(matrix_shape(op.weights.type, axis))
                found[storage.label] = storage.stored_bytes(matrix)
            except ValueError:
                pass  # a matrix that the format cannot hold
    found[BOUND] = entropy_bound(weights.size, int(np.count_nonzero(weights)))
    return found


def describe(op: Operation, name: str, removed: Record) -> Layer:
    """What `op`, which has one result, costs; `removed` is its part of the record of the pass."""
    shape = shape_of(op.results[0].type)
    weights = constant_array(op.weights) if isinstance(op, qnn.WeightedOp) else None
    if weights is None or not isinstance(op, qnn.WeightedOp):
        return Layer(name, op.name, shape)
    nonzero = int(np.count_nonzero(weights))
    if isinstance(op, qnn.TransposeConv2dOp):  # each pixel of its input meets all weights
        positions = prod(image_shape(op.input.type)[:2])
    else:
        positions = prod(shape) // prod(shape_of(op.bias.type))
    dead = {reason: removed[reason] for reason in REASONS if reason in removed}
    stored = weight_bytes(op, weights)
    sizes = {name: size for name, size in stored.items() if name != BOUND and size is not None}
    smallest = min(sizes, key=sizes.__getitem__)
    return Layer(
        name=name,
        op=op.name,
        output_shape=shape,
        macs=positions * weights.size,
        zero_macs=positions * (weights.size - nonzero),
        weights=weights.size,
        nonzero_weights=nonzero,
        density=nonzero / weights.size,
        weight_bytes=stored,
        smallest_format=smallest,
        smallest_bytes=sizes[smallest],
        dead_channels={reason: len(channels) for reason, channels in dead.items()},
        removed=dead,
        weights_left=removed["weights"][1] if removed else weights.size,
        macs_left=removed["macs"][1] if removed else positions * weights.size,
    )


def removed_channels(before: ModuleOp, after: ModuleOp) -> dict[str, Record]:
    """By layer, what `eliminate-dead-channels` noted on the way from `before` to `after`."""
    record = after.attributes.get(REMOVED)
    # Text of a network that went through the pass before carries that record.
    if record == before.attributes.get(REMOVED):
        return {}
    return records_of(after)


def totals(layers: Sequence[Layer], shared: Sequence[bool]) -> dict[str, Any]:
    """Sums over the layers. Weights count once: `shared` marks layers whose weights came before.

    In the sum of a format, a layer that it does not hold is dense.
    """
    own = [layer for layer, again in zip(layers, shared, strict=True) if not again]
    weights = sum(layer.weights for layer in own)
    nonzero = sum(layer.nonzero_weights for layer in own)
    return {
        "macs": sum(layer.macs for layer in layers),
        "zero_macs": sum(layer.zero_macs for layer in layers),
        "weights": weights,
        "nonzero_weights": nonzero,
        "density": nonzero / weights if weights else None,
        "weight_bytes": {storage: stored_bytes(own, storage) for storage in storages()},
        "smallest_bytes": sum(layer.smallest_bytes for layer in own),
        "dead_channels": sum(sum(layer.dead_channels.values()) for layer in layers),
        "weights_left": sum(layer.weights_left for layer in own),
        "macs_left": sum(layer.macs_left for layer in layers),
    }


def storages() -> tuple[str, ...]:
    """The keys of `weight_bytes`."""
    return (DENSE, *(storage.label for storage in COMMON_FORMATS), BOUND)


def stored_bytes(layers: Sequence[Layer], storage: str) -> int:
    """The bytes of all weights in `storage`, dense where it is not available."""
    total = 0
    for layer in layers:
        stored = layer.weight_bytes.get(storage)
        total += layer.weights if stored is None else stored
    return total


def analyze(compilation: Compilation) -> dict[str, Any]:
    """The content of --json. UserError for a network that is at `kernels` already."""
    network, compiled = compilation.quantized, compilation.module
    if network is None:
        raise UserError("sparsec analyze reads the int8 network: give a model, nn or qnn IR")
    planned, bound = planned_function(compiled), compiled.attributes.get(ARENA_LOWER_BOUND)
    assert planned is not None and isinstance(bound, IntegerAttr)
    block = main_function(network).body.block
    removed = removed_channels(network, compiled)
    names = {op: record.name for op, record in RemovedChannels(block).records.items()}
    layers: list[Layer] = []
    shared: list[bool] = []
    seen: set[SSAValue] = set()
    for op in block.ops:
        if not op.results or isinstance(op, qnn.ConstantOp):
            continue
        name = layer_of(op)
        shared.append(isinstance(op, qnn.WeightedOp) and op.weights in seen)
        if isinstance(op, qnn.WeightedOp):
            name = names[op]
            seen.add(op.weights)
        layers.append(describe(op, name, removed.get(name, {})))
    live = live_bytes_of(compiled)
    constants = sum(array.nbytes for array in constants_of(compiled).values())
    code = code_of(compilation.cpu.name).bytes(op.C_FUNCTION for op in planned.kernels)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": compilation.name,
        "target": compilation.cpu.name,
        "unsupported": [],
        "arena_bytes": planned.arena_bytes,
        "arena_lower_bound_bytes": bound.value.data,
        "activation_bytes_before": None if live is None else live[0],
        "activation_bytes_after": None if live is None else live[1],
        "flash_weight_bytes_stored": constants,
        "flash_code_bytes": code,
        "flash_bytes": constants + code,
        "total": totals(layers, shared),
        "layers": [asdict(layer) for layer in layers],
    }


def unsupported(error: UserError) -> tuple[str, ...]:
    """The operations for which a model was refused; empty if it was for something else."""
    cause = error.__cause__
    while cause is not None and not isinstance(cause, UnsupportedModelError):
        cause = cause.__cause__
    return () if cause is None else cause.operations


def row(layer: Mapping[str, Any], first: Sequence[str]) -> list[object]:
    """The cells of a layer or of the total, after those of `first`."""
    dead = layer["dead_channels"]
    if isinstance(dead, dict):
        dead = ", ".join(
            f"{n} {reason.replace('_', ' ')}" for reason, n in layer["dead_channels"].items()
        )
    density = layer["density"]
    stored = layer["weight_bytes"]
    return [
        *first,
        layer["macs"],
        layer["zero_macs"],
        "" if density is None else f"{density:.3f}",
        stored.get(DENSE),
        layer.get("smallest_format") or "",
        layer["smallest_bytes"] if stored else None,
        stored.get(BOUND),
        dead,
        layer["weights_left"],
        layer["macs_left"],
    ]


def print_report(report: Mapping[str, Any]) -> None:
    """The table and what holds for the whole network."""
    total = report["total"]
    rows = [
        row(layer, (layer["name"], layer["op"], "x".join(map(str, layer["output_shape"]))))
        for layer in report["layers"]
    ]
    rows.append(row(total, ("total", "", "")))
    columns = ["layer", "op", "output", "MACs", "zero MACs", "density", "dense B"]
    columns += ["smallest", "smallest B", "bound B", "dead channels"]
    columns += ["weights left", "MACs left"]
    print_table(f"{report['name']} for {report['target']}", columns, rows)
    print(
        f"zeros        {share(total['weights'] - total['nonzero_weights'], total['weights'])} "
        f"of the weights, {share(total['zero_macs'], total['macs'])} of the MACs"
    )
    print(
        f"dead         without dead channels {total['weights_left']:,} of {total['weights']:,} "
        f"weights and {total['macs_left']:,} of {total['macs']:,} MACs are left"
    )
    print(
        f"flash        {report['flash_bytes']:,} B as compiled, {report['flash_weight_bytes_stored']:,} B of them constants"
    )
    print(
        f"arena        {report['arena_bytes']:,} B in RAM as compiled "
        f"(no plan needs less than {report['arena_lower_bound_bytes']:,} B)"
    )
    before, after = report["activation_bytes_before"], report["activation_bytes_after"]
    if before is not None:
        print(
            f"activations  at most {after:,} B live at once, {before:,} B with dead channels "
            "(scratch memory and overlaps aside)"
        )


def share(part: int, whole: int) -> str:
    """A part of a whole in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def main(arguments: Sequence[str]) -> int:
    """`sparsec analyze`."""
    args = parser().parse_args(arguments)
    with progress(hides_progress(args)) as report_progress:
        try:
            compilation = compile_model(args, "kernels", report_progress)
        except UserError as error:
            if args.json and (refused := unsupported(error)):
                print(json.dumps({"schema_version": SCHEMA_VERSION, "unsupported": refused}))
            raise
        report = {} if args.print_pipeline else analyze(compilation)
    if args.print_pipeline:
        print(compilation.pipeline)
        return 0
    check_budgets(args, report)
    if args.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0
