# SPDX-License-Identifier: Apache-2.0
"""A quantized program in int8 arithmetic and as torch runs it, with float32 between quantize and dequantize.

Their outputs are the same numbers or neighbours: torch rounds sums of real numbers, int8 arithmetic multiplies by
whole numbers of 31 bits.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sparsec.frontends import FrontendError, run_program
from sparsec.interpreters.signature import quantized
from sparsec.ir.borders import converts_as_tflite
from sparsec.passes.calibrate import outputs_of
from sparsec.quiet import only_our_messages
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser, add_model_options

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """How far the int8 outputs of some samples are from torch's.

    `largest` is in steps of the outputs; indices, which have none, are only counted.
    """

    samples: int
    compared: int
    differing: int
    largest: int

    @property
    def share(self) -> float:
        """Of the outputs that differ."""
        return self.differing / self.compared


def compile_quantized(model: str | Path, *options: str) -> Compilation:
    """A quantized program at the level of `qnn`; `options` are those of `sparsec MODEL`. Raises UserError."""
    parser = Parser(prog="sparsec", allow_abbrev=False)
    add_model_options(parser)
    args = argparse.Namespace(quiet=True)
    parser.parse_args([str(model), *options], args)
    return compile_model(args, "qnn")


def compare_with_torch(model: str | Path, inputs: Sequence[Array], *options: str) -> Comparison:
    """Run the quantized program `model`, a .pt2 file, on inputs [N, ..] by the interpreter of int8 and by torch.

    `options` are those of `sparsec MODEL`. Raises UserError where it cannot be run or compiled.
    """
    compilation = compile_quantized(model, *options)
    assert compilation.quantized is not None
    as_tflite = converts_as_tflite(compilation.quantized)
    given = quantized(inputs, compilation.inputs, as_tflite)
    int8 = outputs_of(compilation.quantized, given)
    try:
        with only_our_messages():
            real = run_program(Path(model), inputs)
    except FrontendError as error:
        raise UserError(str(error)) from error
    torchs = quantized(real, compilation.outputs, as_tflite)
    apart = [
        np.abs(ours.astype(np.int64) - theirs.reshape(ours.shape).astype(np.int64))
        for ours, theirs in zip(int8, torchs, strict=True)
    ]
    steps = [each for each, ours in zip(apart, int8, strict=True) if ours.dtype == np.int8]
    return Comparison(
        len(inputs[0]),
        sum(each.size for each in apart),
        sum(int(np.count_nonzero(each)) for each in apart),
        max((int(each.max()) for each in steps), default=0),
    )
