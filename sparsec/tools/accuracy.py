# SPDX-License-Identifier: Apache-2.0
"""How good the int8 network is: against the float one, on the inputs that calibrated it, layer by layer.

The outputs are the device's own, byte for byte. Of a layer two errors are told: what it adds, with
the inputs it really gets, and what has come together behind it. Both are signal-to-noise ratios:
10 * log10(sum(x^2) / sum((x - y)^2)) over all samples.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from sparsec.analysis.values.ranges import range_of
from sparsec.interpreters.run import interpret, interpreter_of
from sparsec.interpreters.signature import dequantized, entry_quantizations, quantized
from sparsec.ir import nn
from sparsec.ir.layer import layer_of
from sparsec.passes.calibrate import (
    check_inputs,
    input_names,
    main_of,
    read_inputs,
    samples_at_once,
)
from sparsec.passes.quantize import is_real
from sparsec.tools.rounding import block_of, is_constant, layers_of, values_of

Array: TypeAlias = np.ndarray[Any, Any]

SAMPLES = 8
"""How many of the calibration inputs are looked at: the ratio is a mean over all of their elements."""

LEAST_DB = 10.0
"""Of an output that is of use: below it a third of the signal is noise."""

NOISE_DB = -300.0
"""Of noise where there is no signal: report.json knows no infinity."""

ROUNDS = ("correct-biases", "quantize")
"""The passes in front of which the network is the float one."""

SMALLEST_RANGE = 2.0**-23 * 255 / 4
"""Of what is smaller, two bits are lost: no step of int8 is below 2^-23."""


@dataclass(frozen=True)
class OutputAccuracy:
    """An output of the network; `same_arg_max` is a share of the samples, None of a single value."""

    snr_db: float | None
    """None where nothing differs."""
    same_arg_max: float | None
    same_numbers: float | None = None
    """Of an output of indices the share that is as in float; None of other ones."""


@dataclass(frozen=True)
class LayerAccuracy:
    """A layer: the error it adds, the error so far, and how it uses the 256 numbers of int8."""

    layer: str
    added_snr_db: float | None
    snr_db: float | None
    range_used: float
    """From the lowest to the highest number that occurs, as a share of 256."""
    saturated: float
    """The share of values at the lowest or highest number."""


@dataclass(frozen=True)
class Accuracy:
    """What `samples` inputs tell."""

    samples: int
    outputs: tuple[OutputAccuracy, ...]
    layers: tuple[LayerAccuracy, ...]

    @property
    def worst(self) -> LayerAccuracy | None:
        """The layer that adds the most error; None where none adds any."""
        adding = [layer for layer in self.layers if layer.added_snr_db is not None]
        return min(adding, key=lambda layer: layer.added_snr_db or 0.0, default=None)

    @property
    def facts(self) -> dict[str, Any]:
        """For report.json."""
        return asdict(self)

    @property
    def doubts(self) -> list[str]:
        """What speaks against the int8 network, a sentence each."""
        return [
            f"output {number} is at {output.snr_db:.1f} dB of float, so int8 does not hold what this network computes: "
            "sparsec accuracy --layers says which layer costs how much, and which options help"
            for number, output in enumerate(self.outputs)
            if output.snr_db is not None and output.snr_db < LEAST_DB
        ]

    @property
    def text(self) -> str:
        """One line: `34.1 dB, arg max as in float for 1.00 of 8 samples; least exact layer: fc2 (38.0 dB)`."""
        parts = [
            f"indices as in float for {output.same_numbers:.2f}"
            if output.same_numbers is not None
            else (f"{output.snr_db:.1f} dB" if output.snr_db is not None else "exact")
            + (
                f", arg max as in float for {output.same_arg_max:.2f}"
                if output.same_arg_max is not None
                else ""
            )
            for output in self.outputs
        ]
        text = f"{'; '.join(parts)} of {self.samples} calibration samples"
        if (worst := self.worst) is not None:
            text += f"; least exact layer: {worst.layer} ({worst.added_snr_db:.1f} dB)"
        return text


def doubts(real: ModuleOp) -> list[str]:
    """What speaks against the calibration of `real`, a network with measured ranges, a sentence each."""
    found: list[str] = []
    for name, argument in zip(input_names(main_of(real)), main_of(real).args, strict=True):
        measured = range_of(argument)
        if measured is not None and measured[0] == measured[1]:
            found.append(
                f"the calibration data is {measured[0]:g} everywhere in input {name}, so the scales of int8 mean nothing: "
                "give real inputs by --calibrate"
            )
    for op in [] if found else layers_of(real):
        measured = range_of(op.results[0]) if op.results else None
        if measured is not None and 0 < max(map(abs, measured)) < SMALLEST_RANGE:
            found.append(
                f"layer {layer_of(op)} gives values within {max(map(abs, measured)):.3g}, smaller than int8 can scale: "
                "calibrate with other inputs or rescale the layer"
            )
    return found


class AccuracyWatch:
    """Keeps the network in front of `quantize` and behind it as the passes run, then measures."""

    def __init__(self) -> None:
        self.real: ModuleOp | None = None
        self.paired: ModuleOp | None = None
        self.doubts: list[str] = []

    def callback(
        self, previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
    ) -> None:
        """Called with the pass that ran."""
        if next is not None and next.name in ROUNDS and self.real is None:
            self.real = module.clone()
            self.doubts = doubts(self.real)
        if previous is not None and previous.name == "quantize":
            self.paired = module.clone()

    def measure(
        self, int8: ModuleOp, file: str, layout: Literal["nchw", "nhwc"]
    ) -> Accuracy | None:
        """How `int8`, the network at `qnn`, does on the first calibration inputs in `file`; None if it never was in float."""
        if self.real is None or self.paired is None:
            return None
        main = main_of(self.real)
        arrays = check_inputs(main, read_inputs(Path(file), input_names(main), layout))
        count = min(SAMPLES, len(arrays[0]), samples_at_once(main))
        inputs = [array[:count] for array in arrays]
        return accuracy(self.real, self.paired, int8, inputs)


def accuracy(real: ModuleOp, paired: ModuleOp, int8: ModuleOp, inputs: Sequence[Array]) -> Accuracy:
    """`int8` and `paired`, the same network at `qnn` and between pairs of quantize and dequantize, against `real`.

    `inputs` are float32 [N, ..]. Layers of `real` and `paired` stand in the same order.
    """
    of_inputs, of_outputs = entry_quantizations(int8)
    got = dequantized(interpret(int8, quantized(inputs, of_inputs)), of_outputs)
    before, after = values_of(real, inputs), values_of(paired, inputs)
    terminator = block_of(real).last_op
    assert terminator is not None
    outputs = tuple(
        output_accuracy(
            np.broadcast_to(before[value], array.shape), array
        )  # constants are one for all
        for value, array in zip(terminator.operands, got, strict=True)
    )
    interpreter = interpreter_of(real)
    layers: list[LayerAccuracy] = []
    for old, new in zip(layers_of(real), layers_of(paired), strict=True):
        if not new.results or not is_real(new.results[0]):
            continue
        operands = tuple(
            before[was] if is_constant(was) else after[value]
            for was, value in zip(old.operands, new.operands, strict=True)
        )
        [fresh] = interpreter.run_op(old, operands)
        stored, rounded = rounded_result(new.results[0], after)
        layers.append(
            LayerAccuracy(
                layer_of(new),
                snr(fresh, rounded),
                snr(before[old.results[0]], rounded),
                (int(stored.max()) - int(stored.min()) + 1) / 256,
                int(np.count_nonzero((stored == -128) | (stored == 127))) / stored.size,
            )
        )
    return Accuracy(len(inputs[0]), outputs, tuple(layers))


def rounded_result(value: SSAValue, values: dict[SSAValue, Array]) -> tuple[Array, Array]:
    """The int8 numbers of a layer's result, and what they stand for."""
    for use in value.uses:
        quantize = use.operation
        if isinstance(quantize, nn.QuantizeOp):
            for other in quantize.result.uses:
                if isinstance(other.operation, nn.DequantizeOp):
                    return values[quantize.result], values[other.operation.result]
    raise ValueError("a layer's result is not quantized")


def output_accuracy(expected: Array, got: Array) -> OutputAccuracy:
    """One output, [N, ..] in real numbers."""
    rows = [array.reshape(len(array), -1) for array in (expected, got)]
    if expected.dtype.kind != "f":
        equal = int(np.count_nonzero(expected == got)) / expected.size
        return OutputAccuracy(None, None, equal)
    same = None
    if rows[0].shape[1] > 1:
        best, found = (array.argmax(axis=1) for array in rows)
        same = int(np.count_nonzero(best == found)) / len(best)
    return OutputAccuracy(snr(*rows), same)


def snr(expected: Array, got: Array) -> float | None:
    """Signal-to-noise ratio in dB; None where nothing differs.

    Infinite values, as of a division by what rounds to 0, are not compared: int8 gives the largest it has.
    """
    finite = np.isfinite(expected)
    signal = expected[finite].astype(np.float64)
    noise = float(np.sum((signal - got[finite]) ** 2))
    power = float(np.sum(signal**2))
    if noise == 0.0:
        return None
    return max(10 * math.log10(power / noise), NOISE_DB) if power > 0 else NOISE_DB
