# SPDX-License-Identifier: Apache-2.0
"""The names of all discardable attributes: what passes, tools and reports tell one another through the IR.

Of a module, as far as nothing else is said. Each is written and read in few places; none changes what an operation
computes.
"""

LAYER = "layer"
"""Of an operation: the module path that it came from (`ir/layer.py` reads and writes it)."""

OP = "op"
"""Of a kernel: the operation of `qnn` it computes, without the prefix."""

RANGE = "nn.range"
"""Of an operation or an argument: the (lowest, highest) value that calibration saw."""

QUANTIZATION = "qnn.quantization"
"""Of an argument or result of a function: its quantization."""

NAME = "sparsec.name"
"""The network's name in C."""

TARGET = "sparsec.target"
"""The processor that the kernels were chosen for."""

CMSIS_NN = "sparsec.cmsis_nn"
"""The release of CMSIS-NN that the kernels were chosen for, where it is not the packaged one."""

TFLITE = "sparsec.tflite"
"""The network came from TensorFlow Lite."""

RECIPE = "sparsec.recipe"
"""A recipe, as text."""

CHOICE = "sparsec.choice"
"""The record of `select-sparse-formats`."""

KERNEL = "sparsec.kernel"
"""Of a layer: the C function that was chosen to run it, where that is not the first that could."""

MOVED = "sparsec.moved"
"""Of a layer: what passes did to the rows and columns of its weights, a list of texts (`ir/moved.py`)."""

SCRATCH_LIMIT = "sparsec.scratch_limit"
"""Of a layer: the most bytes of scratch memory that it may have, decoded weights included."""

REMOVED = "sparsec.removed"
"""The record of `eliminate-dead-channels`."""

LIVE_BYTES = "sparsec.live_bytes"
"""The most bytes of activations live at once, with dead channels and without."""

RESULT = "sparsec.result"
"""Of an argument of a function whose memory is not planned yet: it holds a result."""

INPUTS = "sparsec.inputs"
OUTPUTS = "sparsec.outputs"
"""Of the first argument of a planned function: the places of inputs and results, in order."""

INPUT = "sparsec.input"
OUTPUT = "sparsec.output"
"""Of a view: the number of the input or result that it shows."""

MEMORY = "sparsec.memory"
CAPACITY = "sparsec.capacity"
MEMORY_LOWER_BOUND = "sparsec.lower_bound"
CALLER = "sparsec.caller"
"""Of an argument: the fields of `Memory`, as far as they say something. A constant has the first one if it is copied to a
memory."""

ARENA_LOWER_BOUND = "sparsec.arena_lower_bound"
"""Bytes that no plan can go below, of all memories for what lies in each."""

ARENA_LIVE_BYTES = "sparsec.arena_live_bytes"
"""The largest live set, below which no plan goes whose buffers all lie apart."""
