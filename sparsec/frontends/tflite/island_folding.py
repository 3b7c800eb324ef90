# SPDX-License-Identifier: Apache-2.0
"""Float islands done in int8, before the importer sees the model.

A chain of DEQUANTIZE and QUANTIZE is a table of 256 entries, on this or that side of what lies
between them. A table that is the identity is left out.

The one rule: what is not part of an island stays as it is, for the importer to take or refuse.

What commutes with both, as a maximum does, needs one table in the place of DEQUANTIZE and QUANTIZE. The module then carries
`sparsec.tflite`, so that real inputs are rounded as the file's own QUANTIZE would.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite.islands import Islands
from sparsec.frontends.tflite.model import Array, Model, Operator
from sparsec.quantization.affine import BYTES, affine_dequantize, affine_quantize
from sparsec.quantization.scheme import Quantization

TABLE = "DEQUANTIZE and QUANTIZE"
"""The name of the operator that stands for both; the schema has none of this name."""

_MOST_SCALES = 16
"""Ways to quantize one float tensor; only a hostile file has more."""


def fold_islands(model: Model) -> Model:
    """`model` with its float islands in int8; the same model if there are none.

    Raises FrontendError where one tensor is quantized in too many ways.
    """
    return _Folding(model).run()


def table_of(source: Quantization, target: Quantization) -> Array:
    """int8 [256]: the byte of `target` for each byte of `source`."""
    real = affine_dequantize(BYTES, source.scale, source.zero_point)
    return affine_quantize(real, target.scale, target.zero_point)


class _Folding:
    """One model on its way."""

    def __init__(self, model: Model):
        self.model = model
        self.islands = Islands(model)
        self.tensors = list(model.tensors)
        self.operators: list[Operator] = []
        self.wanted: dict[int, list[Quantization]] = {}
        """The quantizations in which a float tensor is asked for."""
        self.float_wanted: set[int] = set()
        """Tensors that operators outside of islands read."""
        self.stored: dict[tuple[int, Quantization], int] = {}
        """The int8 tensor that stands for a float tensor."""
        self.aliases: dict[int, int] = {}
        """The int8 tensor that takes the place of another."""

    def run(self) -> Model:
        """First all readers ask for what they need, back to front; then operators are written."""
        model = self.model
        returned = self.want_outputs()
        for operator in reversed(model.operators):
            self.want_inputs(operator)
        if not self.wanted:
            return model
        for index in dict.fromkeys(model.inputs):
            for quantization in self.wanted.get(index, ()):
                self.add("QUANTIZE", index, self.stand_in(index, quantization))
        for operator in model.operators:
            self.rewrite(operator)
        for index in returned:
            self.add("DEQUANTIZE", self.value(index, self.islands.kept[index]), index)
        outputs = tuple(self.aliases.get(index, index) for index in model.outputs)
        return Model(tuple(self.tensors), tuple(self.operators), model.inputs, outputs)

    def want_outputs(self) -> list[int]:
        """The outputs of the network that are moved in float32: they are dequantized last."""
        moved = {
            i for op in self.model.operators if op.index in self.islands.movers for i in op.outputs
        }
        returned = [
            i for i in dict.fromkeys(self.model.outputs) if i in moved and i in self.islands.kept
        ]
        for index in returned:
            self.want(index, self.islands.kept[index])
        self.float_wanted.update(set(self.model.outputs) - set(returned))
        return returned

    def want(self, index: int, quantization: Quantization) -> None:
        """Ask for a float tensor in int8."""
        wanted = self.wanted.setdefault(index, [])
        if quantization in wanted:
            return
        if len(wanted) == _MOST_SCALES:
            raise FrontendError(
                f"{self.model.tensors[index].title} is quantized in more than {_MOST_SCALES} ways"
            )
        wanted.append(quantization)

    def want_inputs(self, operator: Operator) -> None:
        """Ask for what `operator` reads, once all its readers have asked for what it computes."""
        if operator.index in self.islands.exits:
            [source] = operator.inputs
            self.want(source, self.islands.kept.get(source, self.islands.exits[operator.index]))
            return
        for position, quantization in product(*self.asked(operator)):
            self.want(operator.inputs[position], quantization)
        if operator.index not in self.islands.movers or self.float_wanted.intersection(
            operator.outputs
        ):
            self.float_wanted.update(operator.inputs)

    def asked(self, operator: Operator) -> tuple[Sequence[int], Sequence[Quantization]]:
        """The positions of the values that `operator` moves, and the quantizations in which it does."""
        moved = self.islands.movers.get(operator.index)
        if moved is None:
            return (), ()
        wanted = (q for index in operator.outputs for q in self.wanted.get(index, ()))
        return moved.positions, list(dict.fromkeys(wanted))

    def rewrite(self, operator: Operator) -> None:
        """Append what `operator` becomes: its forms in int8, itself, or nothing."""
        if operator.index in self.islands.exits:
            self.leave(operator)
            return
        if operator.index in self.islands.entries:
            self.enter(operator)
        positions, wanted = self.asked(operator)
        for quantization in wanted:
            inputs = [self.aliases.get(index, index) for index in operator.inputs]
            for position in positions:
                inputs[position] = self.value(operator.inputs[position], quantization)
            outputs = tuple(self.stand_in(index, quantization) for index in operator.outputs)
            self.operators.append(replace(operator, inputs=tuple(inputs), outputs=outputs))
        dissolved = operator.index in self.islands.entries or operator.index in self.islands.movers
        if not dissolved or self.float_wanted.intersection(operator.outputs):
            inputs = [self.aliases.get(index, index) for index in operator.inputs]
            self.operators.append(replace(operator, inputs=tuple(inputs)))

    def enter(self, operator: Operator) -> None:
        """Take a dequantized tensor in each quantization that is asked for."""
        [source], [result] = operator.inputs, operator.outputs
        source = self.aliases.get(source, source)
        for quantization in self.wanted.get(result, ()):
            if quantization == self.islands.kept[result]:
                self.stored[result, quantization] = source
            else:
                self.add(TABLE, source, self.stand_in(result, quantization))

    def leave(self, operator: Operator) -> None:
        """Let int8 take the place of a quantized tensor, by a table where the scales differ."""
        [source], [target] = operator.inputs, operator.outputs
        quantization = self.islands.exits[operator.index]
        kept = self.islands.kept.get(source, quantization)
        value = self.value(source, kept)
        # What the network gives must be computed by an operator.
        given = value in self.islands.inputs or self.tensors[value].data is not None
        if kept == quantization and not (given and target in self.model.outputs):
            self.aliases[target] = value
        else:
            self.add(TABLE, value, target)

    def value(self, index: int, quantization: Quantization) -> int:
        """The int8 tensor that stands for a float tensor in `quantization`."""
        if (index, quantization) not in self.stored:
            data = self.model.tensors[index].data
            assert data is not None, "what is not constant was stored where it is computed"
            made = self.stand_in(index, quantization)
            stored = affine_quantize(data, quantization.scale, quantization.zero_point)
            self.tensors[made] = replace(self.tensors[made], data=stored)
        return self.stored[index, quantization]

    def stand_in(self, index: int, quantization: Quantization) -> int:
        """A new int8 tensor in the place of a float tensor."""
        made = replace(
            self.model.tensors[index],
            index=len(self.tensors),
            dtype="INT8",
            data=None,
            scales=np.array(quantization.scales, np.float32),
            zero_points=np.array([quantization.zero_point], np.int64),
        )
        self.tensors.append(made)
        self.stored[index, quantization] = made.index
        return made.index

    def add(self, name: str, source: int, target: int) -> None:
        """Append an operator that the model does not have."""
        index = len(self.model.operators) + len(self.operators)
        self.operators.append(Operator(index, name, (source,), (target,)))
