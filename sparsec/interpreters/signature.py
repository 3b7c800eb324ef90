# SPDX-License-Identifier: Apache-2.0
"""What the entry of a quantized module takes and gives, in real numbers."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp

from sparsec.ir.attributes import QUANTIZATION
from sparsec.ir.quantization import QuantizationAttr
from sparsec.quantization.affine import affine_quantize
from sparsec.quantization.ranges import dequantize, quantize
from sparsec.quantization.scheme import Quantization

Array: TypeAlias = np.ndarray[Any, Any]


def main_function(module: ModuleOp) -> func.FuncOp:
    """The entry of a module. Raises ValueError when there is none."""
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.sym_name.data == "main":
            return op
    raise ValueError("the module has no function called 'main'")


def _quantizations(attributes: ArrayAttr[DictionaryAttr] | None) -> list[Quantization]:
    found: list[Quantization] = []
    for entry in attributes or ():
        attribute = entry.data.get(QUANTIZATION)
        if isinstance(attribute, QuantizationAttr):
            found.append(attribute.data)
    return found


def entry_quantizations(module: ModuleOp) -> tuple[list[Quantization], list[Quantization]]:
    """Those of the arguments and of the results; empty above `qnn`."""
    main = main_function(module)
    return _quantizations(main.arg_attrs), _quantizations(main.res_attrs)


def quantized(
    arrays: Sequence[Array], quantizations: Sequence[Quantization], as_tflite: bool = False
) -> list[Array]:
    """Float arrays as int8, by TensorFlow Lite's rule for halves if `as_tflite`; integers stay what they are."""
    rule = affine_quantize if as_tflite else quantize
    return [
        rule(array, q.scale, q.zero_point) if array.dtype.kind == "f" else array
        for array, q in zip(arrays, quantizations, strict=True)
    ]


def dequantized(arrays: Sequence[Array], quantizations: Sequence[Quantization]) -> list[Array]:
    """Int8 arrays as real numbers; other integers stay what they are."""
    return [
        dequantize(array, q.scale, q.zero_point) if array.dtype == np.int8 else array
        for array, q in zip(arrays, quantizations, strict=True)
    ]
