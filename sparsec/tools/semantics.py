# SPDX-License-Identifier: Apache-2.0
"""`--verify-semantics`: interpret the module before and after each pass and compare.

From `qnn` on every output byte must stay the same. Between float levels rounding may differ by a
small part of the largest output. Passes whose purpose is to round (`quantize`, `fold-qdq`) keep
every layer within the bound that follows from its scales (`rounding.py`), and are reported with the
difference they make; `correct-biases`, which makes up for that, changes biases alone. The inputs are those that calibrate the network.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument
from xdsl.passes import ModulePass

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.analysis.values.ranges import range_of
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import (
    dequantized,
    entry_quantizations,
    main_function,
    quantized,
)
from sparsec.ir.attributes import RESULT
from sparsec.ir.constant import numpy_type
from sparsec.ir.level import Level, level_of
from sparsec.ir.shapes import element_type, shape_of
from sparsec.passes.calibrate import check_inputs, input_names, main_of, read_inputs
from sparsec.quantization.scheme import Quantization
from sparsec.tools.rounding import SemanticsError, check_biases, check_fold, check_quantize

Array: TypeAlias = np.ndarray[Any, Any]

FLOAT_TOLERANCE = 1e-4
"""Largest difference between float levels, as a part of the largest output."""

REQUANTIZING = ("correct-biases", "quantize", "fold-qdq")
"""The passes whose purpose is to round, or to make up for it."""


SAMPLES = 3
"""How many of the calibration inputs are interpreted at every step."""


class SemanticsCheck:
    """Compares the outputs of a module on `samples`, one array [1, ..] for each input, from pass to pass.

    The inputs are float32 for a module at `nn`, which may become int8 on the way, else int8; integers stay.
    """

    def __init__(self, samples: Sequence[Sequence[Array]]):
        self.samples = samples
        self.reference: list[list[Array]] | None = None
        self.output_quantizations: list[Quantization] = []
        self.before: ModuleOp | None = None
        self.level: Level | None = None

    def callback(
        self, previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
    ) -> None:
        """Called with the pass that ran; raises SemanticsError if it broke the network."""
        floats = self.samples
        level, self.level = self.level, level_of(module)
        if level is Level.NN and self.level is not Level.NN:
            of_inputs, self.output_quantizations = entry_quantizations(module)
            self.samples = [quantized(sample, of_inputs) for sample in floats]
        if previous is not None and self.before is not None:
            self.check_rounding(previous.name, module, floats)
        outputs = [interpret(module, sample) for sample in self.samples]
        if self.reference is not None and previous is not None:
            for index in range(len(outputs[0])):
                before, after = (
                    np.stack([sample[index].reshape(-1) for sample in each])
                    for each in (self.reference, outputs)
                )
                self.compare(previous.name, index, before, after)
        self.reference = outputs
        rounds = next is not None and next.name in REQUANTIZING and level_of(module) is Level.NN
        self.before = module.clone() if rounds else None

    def check_rounding(
        self, name: str, module: ModuleOp, floats: Sequence[Sequence[Array]]
    ) -> None:
        """Raises SemanticsError unless the pass `name` moved every value by no more than its scale allows."""
        assert self.before is not None
        for sample, int8 in zip(floats, self.samples, strict=True):
            if name == "correct-biases":
                check_biases(self.before, module)
            elif name == "quantize":
                check_quantize(self.before, module, sample)
            elif level_of(module) is not Level.NN:
                check_fold(self.before, module, sample, int8)

    def compare(self, name: str, index: int, before: Array, after: Array) -> None:
        """Raises SemanticsError unless pass `name` kept output `index`."""
        exact = before.dtype == np.int8 or name not in REQUANTIZING
        if before.dtype.kind == "i" and exact:
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
                f"{difference:.3g} (largest value {scale:.3g}), each layer by what its scale allows",
                file=sys.stderr,
            )
        elif not difference <= FLOAT_TOLERANCE * max(scale, 1e-6):
            raise SemanticsError(
                f"pass {name} changed output {index} by {difference:.3g}, "
                f"the largest value is {scale:.3g}"
            )


def calibration_samples(
    module: ModuleOp, file: str, layout: Literal["nchw", "nhwc"]
) -> list[list[Array]]:
    """The first inputs that the data in `file` calibrates `module` with. Raises PassFailedException as `calibrate` does."""
    main = main_of(module)
    arrays = check_inputs(main, read_inputs(Path(file), input_names(main), layout))
    return [[array[n : n + 1] for array in arrays] for n in range(min(SAMPLES, len(arrays[0])))]


def random_inputs(module: ModuleOp, seed: int = 0) -> list[Array]:
    """Inputs for `main` of `module`: float32 at `nn`, from the measured range where there is one, else any integers.

    The same for the same seed.
    """
    random = np.random.default_rng(seed)
    wanted = list(zip(input_shapes(module), input_types(module), strict=True))
    if level_of(module) is not Level.NN:
        return [random_integers(random, *each) for each in wanted]
    ranges = [range_of(argument) for argument in main_function(module).args]
    return [
        random_integers(random, shape, dtype)
        if dtype != np.float32
        else random.standard_normal(shape, np.float32)
        if known is None
        else random.uniform(*known, shape).astype(np.float32)
        for (shape, dtype), known in zip(wanted, ranges, strict=True)
    ]


def random_integers(
    random: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any]
) -> Array:
    """Any bytes, or small indices."""
    low, high = (0, 128) if dtype == np.int32 else (np.iinfo(dtype).min, np.iinfo(dtype).max + 1)
    return random.integers(low, high, shape, dtype)


def input_types(module: ModuleOp) -> list[np.dtype[Any]]:
    """The numpy types of the inputs of `main`, at any level."""
    planned = planned_function(module)
    if planned is not None:
        return [place.dtype for place in planned.inputs]
    return [numpy_type(element_type(argument.type)) for argument in _inputs(module)]


def input_shapes(module: ModuleOp) -> list[tuple[int, ...]]:
    """The shapes of the inputs of `main`, at any level."""
    planned = planned_function(module)
    if planned is not None:
        return [place.shape for place in planned.inputs]
    return [shape_of(argument.type) for argument in _inputs(module)]


def _inputs(module: ModuleOp) -> list[BlockArgument]:
    """The arguments of `main` that are inputs."""
    main = main_function(module)
    attributes = main.arg_attrs or [None] * len(main.args)
    return [
        argument
        for argument, entries in zip(main.args, attributes, strict=True)
        if entries is None or RESULT not in entries.data
    ]
