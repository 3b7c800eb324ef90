# SPDX-License-Identifier: Apache-2.0
"""Float islands: what a model computes in float32 between DEQUANTIZE and QUANTIZE, found.

    DEQUANTIZE -> max, clamp or moved data -> QUANTIZE

A dequantized byte that is quantized again is a function of that byte. Both steps are monotone, so
they commute with a maximum as they do with moving data: an island can run on int8.

The one rule: an operator belongs to an island only where the bytes are those of TensorFlow Lite Micro.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.model import ABSENT, Model, Operator, Tensor
from sparsec.quantization.affine import affine_dequantize, affine_quantize
from sparsec.quantization.scheme import Quantization

MOVERS: Mapping[str, tuple[int, ...] | None] = {
    "MAX_POOL_2D": (0,),
    "MAXIMUM": (0, 1),
    "MINIMUM": (0, 1),
    "REDUCE_MAX": (0,),
    "REDUCE_MIN": (0,),
    "RELU": (0,),
    "RELU6": (0,),
    "RELU_N1_TO_1": (0,),
    "RESHAPE": (0,),
    "SQUEEZE": (0,),
    "EXPAND_DIMS": (0,),
    "TRANSPOSE": (0,),
    "PAD": (0,),
    "PADV2": (0, 2),
    "CONCATENATION": None,
    "SPLIT": (1,),
    "SPLIT_V": (0,),
    "STRIDED_SLICE": (0,),
    "SLICE": (0,),
    "RESIZE_NEAREST_NEIGHBOR": (0,),
}
"""Operators whose results are values of their inputs, or bounds; and which inputs that are, None for all."""

_NO_ACTIVATION, _RELU = 0, 1


@dataclass(frozen=True)
class Moved:
    """How an operator of an island is made in int8: the positions of its values, and its bounds."""

    positions: tuple[int, ...]
    exact_bounds: bool
    """Whether its bounds are exact in every quantization: 0 is, 6 is not."""


def _moved(operator: Operator) -> Moved | None:
    """None for an operator that is not of this kind."""
    if operator.name not in MOVERS or ABSENT in operator.outputs:
        return None
    positions = MOVERS[operator.name]
    if positions is None:
        positions = tuple(range(len(operator.inputs)))
    given = tuple(p for p in positions if p < len(operator.inputs) and operator.inputs[p] >= 0)
    if given != positions and (operator.name != "PADV2" or given[:1] != (0,)):
        return None
    activation = operator.options.get("FusedActivationFunction", _NO_ACTIVATION)
    bounded = operator.name in ("RELU6", "RELU_N1_TO_1")
    return Moved(given, not bounded and activation in (_NO_ACTIVATION, _RELU))


def _int8(tensor: Tensor) -> Quantization | None:
    """How an int8 tensor is quantized, None for what is no activation in int8."""
    try:
        return tensor.quantization
    except UnsupportedError:
        return None


class Islands:
    """The islands of `model`: its operators by index, its tensors by index."""

    def __init__(self, model: Model):
        self.model = model
        self.inputs = frozenset(model.inputs)
        makers = Counter(index for operator in model.operators for index in operator.outputs)
        self.computed = {
            index for index, count in makers.items() if count == 1 and self.is_computed(index)
        }
        self.foldable: set[int] = set()
        """Float tensors that int8 can stand for."""
        self.kept: dict[int, Quantization] = {}
        """The quantization in which int8 then holds every value without loss, if there is one."""
        self.entries: set[int] = set()
        """Operators that dequantize what can stay int8."""
        self.exits: dict[int, Quantization] = {}
        """Operators that quantize what can be int8 already, and to what."""
        self.movers: dict[int, Moved] = {}
        """Operators between them."""
        for tensor in model.tensors:
            if tensor.dtype == "FLOAT32" and self.is_given(tensor):
                self.foldable.add(tensor.index)
        for operator in model.operators:
            self.look_at(operator)

    def is_computed(self, index: int) -> bool:
        """Whether an operator may compute a tensor."""
        given = index == ABSENT or index in self.inputs
        return not given and self.model.tensors[index].data is None

    def is_given(self, tensor: Tensor) -> bool:
        """Whether a float tensor is an input of the network, or a constant without NaN."""
        if tensor.data is None:
            return tensor.index in self.inputs
        return not np.isnan(tensor.data).any()

    def look_at(self, operator: Operator) -> None:
        """Find out whether `operator` belongs to an island; those it reads from come before it."""
        if not self.computed.issuperset(operator.outputs):
            return
        if operator.name in ("DEQUANTIZE", "QUANTIZE"):
            if len(operator.inputs) == len(operator.outputs) == 1 and operator.inputs[0] != ABSENT:
                self.look_at_conversion(operator)
            return
        moved = _moved(operator)
        if moved is None or any(self.model.tensors[i].dtype != "FLOAT32" for i in operator.outputs):
            return
        sources = [operator.inputs[position] for position in moved.positions]
        if not self.foldable.issuperset(sources):
            return
        self.movers[operator.index] = moved
        self.foldable.update(operator.outputs)
        found = {self.kept[index] for index in sources if index in self.kept}
        if len(found) == 1 and moved.exact_bounds:
            [quantization] = found
            if all(i in self.kept or self.is_exact(i, quantization) for i in sources):
                self.kept.update(dict.fromkeys(operator.outputs, quantization))

    def look_at_conversion(self, operator: Operator) -> None:
        """An operator from int8 to float32, or from float32 to int8."""
        source, target = (self.model.tensors[i] for i in (*operator.inputs, *operator.outputs))
        if source.shape != target.shape:
            return
        if operator.name == "DEQUANTIZE":
            quantization = _int8(source)
            if quantization is not None and target.dtype == "FLOAT32":
                self.entries.add(operator.index)
                self.foldable.add(target.index)
                self.kept[target.index] = quantization
            return
        quantization = _int8(target)
        # What is quantized at an input of the network is taken from there by the importer.
        if (
            quantization is not None
            and source.index in self.foldable
            and source.index not in self.inputs
        ):
            self.exits[operator.index] = quantization

    def is_exact(self, index: int, quantization: Quantization) -> bool:
        """Whether a tensor is a constant that `quantization` holds without loss."""
        data = self.model.tensors[index].data
        if data is None:
            return False
        scheme = quantization.scale, quantization.zero_point
        return bool(np.all(affine_dequantize(affine_quantize(data, *scheme), *scheme) == data))
