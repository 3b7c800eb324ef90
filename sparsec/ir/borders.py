# SPDX-License-Identifier: Apache-2.0
"""How real numbers become the int8 inputs of a network: a mark of its module.

The one rule: a network of TensorFlow Lite converts as its operators QUANTIZE and DEQUANTIZE do, halves
away from zero; any other as PyTorch does, halves to even.
"""

from xdsl.dialects.builtin import ModuleOp, UnitAttr

from sparsec.ir.attributes import TFLITE


def mark_as_tflite(module: ModuleOp) -> None:
    """Say that the network came from TensorFlow Lite."""
    module.attributes[TFLITE] = UnitAttr()


def converts_as_tflite(module: ModuleOp) -> bool:
    """Whether the network came from TensorFlow Lite."""
    return TFLITE in module.attributes
