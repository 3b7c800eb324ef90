# SPDX-License-Identifier: Apache-2.0
"""`--emit=weights-txt` and `weights-bin`: the int8 weights as files of FPGAI's layouts, and a JSON with exact scales.

Weights are their int8 numbers plus 128, in torch's order OIHW or OI, layers in the order in which they run.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from sparsec.ir import qnn
from sparsec.ir.attributes import MOVED
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.layouts.weight_files import (
    Rescaling,
    StoredLayer,
    binary_of,
    own_rescaling,
    rescalings_text,
    text_of,
)
from sparsec.tools.compilation import Compilation
from sparsec.tools.errors import UserError

Array: TypeAlias = np.ndarray[Any, Any]
SCHEMA_VERSION = 1
ZERO_POINT = 128
"""Of bytes that are int8 plus 128."""


@dataclass(frozen=True, eq=False)
class ExportedLayer:
    """A layer with weights as it is written."""

    stored: StoredLayer
    rescaling: Rescaling
    facts: dict[str, Any]


def exported(module: ModuleOp) -> list[ExportedLayer]:
    """The layers with weights of int8 IR, in order. UserError where one has a factor that no file can hold."""
    return [_exported(op) for op in module.walk() if isinstance(op, qnn.WeightedOp)]


def _exported(op: qnn.WeightedOp) -> ExportedLayer:
    weights, bias, multiplier, shift = (
        array
        for operand in (op.weights, op.bias, op.multiplier, op.shift)
        if (array := constant_array(operand)) is not None
    )
    weights = in_torchs_order(op, weights)
    factors = multiplier.astype(np.float64) * 2.0 ** (shift.astype(np.float64) - 31)
    mean = math.exp(float(np.log(np.maximum(factors, 2.0**-31)).mean()))
    requant = op.requant.data
    layer = layer_of(op)
    try:
        rescaling = own_rescaling(mean, ZERO_POINT)
    except ValueError as error:
        raise UserError(f"{layer}: {error}") from error
    facts: dict[str, Any] = {
        "layer": layer,
        "operation": op.name.removeprefix("qnn."),
        "shape": list(weights.shape),
        "weight_zero_point": ZERO_POINT,
        "input_zero_point": requant.input_zp + 128,
        "output_zero_point": requant.output_zp + 128,
        "clamp": [bound + 128 for bound in requant.clamp],
        "multipliers": multiplier.tolist(),
        "shifts": shift.tolist(),
        "factors": factors.tolist(),
    }
    stored = (weights.astype(np.int16) + ZERO_POINT).astype(np.uint8)
    return ExportedLayer(StoredLayer(stored, bias.astype(np.int32)), rescaling, facts)


def in_torchs_order(op: qnn.WeightedOp, weights: Array) -> Array:
    """OIHW or OI, with the columns of a linear layer behind an image where the model has them."""
    if isinstance(op, qnn.DepthwiseConv2dOp):
        return weights.transpose(3, 0, 1, 2)
    if weights.ndim == 4:
        return weights.transpose(0, 3, 1, 2)
    source = op.input.owner
    if MOVED in op.attributes and isinstance(source, qnn.ReshapeOp):
        _, *image, channels = shape_of(source.input.type)
        if math.prod(image) * channels == weights.shape[1]:
            pixels: Array = weights.reshape(len(weights), math.prod(image), channels)
            return pixels.transpose(0, 2, 1).reshape(weights.shape)
    return weights


def weight_files(compilation: Compilation, kind: str) -> dict[str, bytes]:
    """The files by name. UserError where there is nothing to write."""
    module = compilation.quantized or compilation.module
    layers = exported(module)
    if not layers:
        raise UserError(f"{compilation.name} has no layers with weights")
    name, stored = compilation.name, [layer.stored for layer in layers]
    files: dict[str, bytes] = {}
    if kind == "weights-txt":
        files[f"{name}_weight.txt"] = text_of(stored).encode()
    else:
        files[f"{name}_weight.bin"], files[f"{name}_bias.bin"] = binary_of(stored)
    files[f"{name}_quant.txt"] = rescalings_text(layer.rescaling for layer in layers).encode()
    facts = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "inputs": [_scheme(each) for each in compilation.inputs],
        "outputs": [_scheme(each) for each in compilation.outputs],
        "layers": [
            {
                **layer.facts,
                "quant_line": [layer.rescaling.scale, layer.rescaling.shift, ZERO_POINT],
                "quant_line_error": largest_error(layer),
            }
            for layer in layers
        ],
    }
    files[f"{name}_scales.json"] = (json.dumps(facts, indent=1) + "\n").encode()
    return files


def largest_error(layer: ExportedLayer) -> float:
    """How far the one factor of the quant line is from that of a channel, as a share of it."""
    factors = [factor for factor in layer.facts["factors"] if factor > 0]
    return max((abs(layer.rescaling.factor - each) / each for each in factors), default=0.0)


def _scheme(quantization: Any) -> dict[str, Any]:
    return {"scale": quantization.scale, "zero_point": quantization.zero_point + 128}


def write_weights(args: argparse.Namespace, compilation: Compilation) -> None:
    """Write the files to the folder `-o`, by default that of the network's name; all of them or none."""
    files = weight_files(compilation, args.emit)
    folder = args.output or Path(f"{compilation.name}-weights")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".weights-") as staging:
            for name, content in files.items():
                Path(staging, name).write_bytes(content)
            for name in files:
                Path(staging, name).replace(folder / name)
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; name another directory with -o"
        ) from error
    if not args.quiet:
        for name in _listed(files):
            print(name)
        print(f"written to {folder}")


def _listed(files: dict[str, bytes]) -> Iterator[str]:
    for name, content in files.items():
        yield f"{name:<30} {len(content):>9,} B"
