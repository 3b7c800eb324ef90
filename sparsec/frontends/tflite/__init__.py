# SPDX-License-Identifier: Apache-2.0
"""int8 models of TensorFlow Lite to `qnn`, with the arithmetic of TensorFlow Lite Micro's reference kernels.

The one rule: a file becomes plain, checked data (`reader`) before anything is made of it.
"""

from sparsec.frontends.tflite.importer import import_tflite

__all__ = ["import_tflite"]
