"""`--verify-semantics`: interpret the module before and after each pass and compare.

From `qnn` on every output byte must stay the same. Between float levels rounding may differ by a
small part of the largest output. Passes that change what is computed (`quantize`, `fold-qdq`) are
reported with the difference they make.
"""

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from sparsec.analysis.memory.memory_plan import RESULT, planned_function
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import (
    dequantized,
    entry_quantizations,
    main_function,
    quantized,
)
from sparsec.ir.level import Level, level_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.scheme import Quantization

Array: TypeAlias = np.ndarray[Any, Any]

FLOAT_TOLERANCE = 1e-4
"""Largest difference between float levels, as a part of the largest output."""

REQUANTIZING = ("quantize", "fold-qdq")
"""The passes whose purpose is to round."""


class SemanticsError(Exception):
    """A pass changed what the network computes."""


class SemanticsCheck:
    """Compares the outputs of a module on `inputs`, one array [1, ..] each, from pass to pass.

    The inputs are float32 for a module at `nn`, which may become int8 on the way, else int8.
    """

    def __init__(self, inputs: Sequence[Array]):
        self.inputs = inputs
        self.reference: list[Array] | None = None
        self.output_quantizations: list[Quantization] = []

    def callback(
        self, previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
    ) -> None:
        """Called with the pass that ran; raises SemanticsError if it broke the network."""
        if self.inputs[0].dtype != np.int8 and level_of(module) is not Level.NN:
            of_inputs, self.output_quantizations = entry_quantizations(module)
            self.inputs = quantized(self.inputs, of_inputs)
        outputs = interpret(module, self.inputs)
        if self.reference is not None and previous is not None:
            for index, (before, after) in enumerate(zip(self.reference, outputs, strict=True)):
                self.compare(previous.name, index, before, after)
        self.reference = outputs

    def compare(self, name: str, index: int, before: Array, after: Array) -> None:
        """Raises SemanticsError unless pass `name` kept output `index`."""
        if before.dtype == np.int8:
            wrong = int(np.count_nonzero(before.reshape(-1) != after.reshape(-1)))
            if wrong:
                raise SemanticsError(
                    f"pass {name} changed {wrong} of {before.size} bytes of output {index}"
                )
            return
        if after.dtype == np.int8:
            (after,) = dequantized([after], [self.output_quantizations[index]])
        difference = float(np.abs(before - after).max(initial=0.0))
        scale = float(np.abs(before).max(initial=0.0))
        if name in REQUANTIZING:
            print(
                f"verify-semantics: {name} changed output {index} by at most "
                f"{difference:.3g} (largest value {scale:.3g})",
                file=sys.stderr,
            )
        elif not difference <= FLOAT_TOLERANCE * max(scale, 1e-6):
            raise SemanticsError(
                f"pass {name} changed output {index} by {difference:.3g}, "
                f"the largest value is {scale:.3g}"
            )


def random_inputs(module: ModuleOp, seed: int = 0) -> list[Array]:
    """Inputs for `main` of `module`, normally distributed float32 at `nn`, else any int8.

    The same for the same seed.
    """
    random = np.random.default_rng(seed)
    shapes = input_shapes(module)
    if level_of(module) is Level.NN:
        return [random.standard_normal(shape).astype(np.float32) for shape in shapes]
    return [random.integers(-128, 128, shape, np.int8) for shape in shapes]


def input_shapes(module: ModuleOp) -> list[tuple[int, ...]]:
    """The shapes of the inputs of `main`, at any level."""
    planned = planned_function(module)
    if planned is not None:
        return [place.shape for place in planned.inputs]
    main = main_function(module)
    attributes = main.arg_attrs or [None] * len(main.args)
    return [
        shape_of(argument.type)
        for argument, entries in zip(main.args, attributes, strict=True)
        if entries is None or RESULT not in entries.data
    ]
