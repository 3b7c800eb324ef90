"""All ways to store and run each layer with weights on a core: plain data read from `qnn`.

The rule: a candidate counts what its kernel lays out, byte for byte, and nothing is dropped without a reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sparsec.analysis.sparse_kernels import KERNELS, decoder_function, kernel_for
from sparsec.analysis.sparse_layer import SparseLayer, sparse_layer
from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import format_of
from sparsec.quantization.int8 import fold_input_zero_point
from sparsec.recipe.recipe import DENSE
from sparsec.targets import scratch
from sparsec.targets.cost import Cost, kernel_cost
from sparsec.targets.cpu import Cpu, VectorUnit
from sparsec.targets.workload import LayerKind, Workload

PER_TENSOR = "arm_fully_connected_s8"
PER_CHANNEL = "sparsec_fully_connected_per_channel_s8"

Array: TypeAlias = np.ndarray[Any, Any]
Constants: TypeAlias = dict[bytes, int]
"""The bytes of arrays in flash, by what they hold: equal arrays are stored once."""


def label_of(encoding: SparseFormat | None) -> str:
    """A format as recipes write it; None is dense."""
    return DENSE if encoding is None else encoding.label


@dataclass(frozen=True)
class Candidate:
    """One way to run one layer.

    `kernel` is the C function, `decoder` the one that runs before it, if any. `constants` are all arrays that it reads, `scratch` the bytes of its scratch memory.
    `cost` is None where nothing was measured on the core.
    """

    format: SparseFormat | None
    kernel: str
    constants: Constants
    scratch: int
    cost: Cost | None
    decoder: str | None = None

    @property
    def label(self) -> str:
        """The format as recipes write it."""
        return label_of(self.format)

    @property
    def bytes(self) -> int:
        """Flash of all constants of the layer."""
        return sum(self.constants.values())


@dataclass(frozen=True)
class Refusal:
    """Why weights cannot be stored in a format; `has_kernel` tells whether others of such a layer could."""

    format: SparseFormat | None
    reason: str
    has_kernel: bool = True

    @property
    def label(self) -> str:
        """The format as recipes write it."""
        return label_of(self.format)


def constants_of(arrays: Iterable[Array]) -> Constants:
    """Arrays by their shape, type and elements."""
    found: Constants = {}
    for array in arrays:
        header = f"{array.dtype.str} {array.shape} ".encode()
        found[sha256(header + np.ascontiguousarray(array).tobytes()).digest()] = array.nbytes
    return found


def candidates(
    op: qnn.WeightedOp, cpu: Cpu, formats: Iterable[SparseFormat] = COMMON_FORMATS
) -> Iterator[Candidate | Refusal]:
    """Dense first, then `formats`, each a candidate or why it is none.

    Weights that have a format already have no other candidate; a layer whose arrays are computed has a dense one.
    """
    layer = sparse_layer(op)
    encoding = format_of(op.weights.type)
    if encoding is None:
        yield dense_candidate(op, cpu)
    if layer is not None:
        for each in formats if encoding is None else (encoding,):
            yield sparse_candidate(layer, each, cpu)


def sparse_candidate(layer: SparseLayer, encoding: SparseFormat, cpu: Cpu) -> Candidate | Refusal:
    """`layer` stored as `encoding`."""
    kernel = kernel_for(encoding, layer, cpu.vector_unit)
    if kernel is None:
        on_others = any(k.takes(encoding, layer) for k in KERNELS)
        where = f"on {cpu.name}" if on_others else f"for qnn.{layer.kind} of this shape"
        return Refusal(encoding, f"no kernel {where}", has_kernel=False)
    try:
        arrays = kernel.lay_out(encoding, layer)
        entries = kernel.entries(encoding, layer)
    except ValueError as error:
        return Refusal(encoding, str(error))
    decoder = decoder_function(encoding) if kernel.decodes else None
    functions = [kernel.function, *([] if decoder is None else [decoder])]
    cost = _cost(cpu, functions, workload_of(layer), entries)
    constants = constants_of(arrays)
    return Candidate(encoding, kernel.function, constants, kernel.scratch(layer), cost, decoder)


def dense_candidate(op: qnn.WeightedOp, cpu: Cpu) -> Candidate:
    """`op` with dense weights."""
    kernel, memory = dense_kernel(op, cpu.vector_unit)
    layer = sparse_layer(op)
    if layer is None:
        return Candidate(None, kernel, {}, memory, None)
    cost = _cost(cpu, [kernel], workload_of(layer), 0)
    return Candidate(None, kernel, constants_of(dense_arrays(op, kernel)), memory, cost)


def dense_kernel(op: qnn.WeightedOp, unit: VectorUnit) -> tuple[str, int]:
    """The C function that runs `op` dense, and the bytes of its scratch memory."""
    input, weights = shape_of(op.input.type), shape_of(op.weights.type)
    match op:
        case qnn.Conv2dOp():
            size = scratch.convolve(unit, op.window.data, input, weights)
            return "arm_convolve_wrapper_s8", size
        case qnn.DepthwiseConv2dOp():
            size = scratch.depthwise_convolve(unit, op.window.data, input, weights)
            return "arm_depthwise_conv_wrapper_s8", size
        case qnn.TransposeConv2dOp():
            return "sparsec_transpose_conv_s8", 0
        case _ if shape_of(op.multiplier.type) == (1,) and unit != "mve":
            return PER_TENSOR, 0
        case _ if prod(input[:-1]) == 1:
            return PER_CHANNEL, 0
        case _:
            return "arm_convolve_wrapper_s8", 0


def dense_arrays(op: qnn.WeightedOp, kernel: str) -> list[Array]:
    """What the C function `kernel` reads of `op`, whose arrays are constant."""
    arrays = [constant_array(value) for value in op.operands[1:]]
    weights, bias, *numbers = [array for array in arrays if array is not None]
    if kernel == PER_TENSOR:  # its multiplier is a number in a struct
        return [weights, bias]
    if kernel == PER_CHANNEL:
        try:
            bias = fold_input_zero_point(weights, bias, op.requant.data.input_zp)
        except ValueError:
            pass  # lowering refuses it
    return [weights, bias, *(np.broadcast_to(array, len(bias)) for array in numbers)]


def workload_of(layer: SparseLayer) -> Workload:
    """The shape of a layer as its cost sees it."""
    kinds: dict[str, LayerKind] = {
        "conv2d": "convolution",
        "transpose_conv2d": "convolution",
        "depthwise_conv2d": "depthwise",
    }
    kind = kinds.get(layer.kind, "fully-connected" if layer.pixels == 1 else "convolution")
    data = layer.data
    return Workload(
        kind, data.input_size, layer.kernel_size, layer.window.strides, data.output_size
    )


def _cost(cpu: Cpu, functions: Sequence[str], workload: Workload, entries: int) -> Cost | None:
    """What calls of all `functions` cost, None if that of one is not known."""
    try:
        costs = [kernel_cost(cpu.name, function, workload, entries) for function in functions]
    except ValueError:
        return None
    return Cost(sum(c.instructions for c in costs), sum(c.cycles for c in costs))
