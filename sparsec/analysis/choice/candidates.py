"""All ways to store and run each layer with weights on a core: plain data read from `qnn`.

The rule: a candidate counts what its kernel lays out, byte for byte, and nothing is dropped without a reason.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np

from sparsec.analysis.choice.dense_kernels import FOUR_ROWS, PER_CHANNEL, PER_TENSOR, dense_kernel
from sparsec.analysis.choice.sparse_kernels import (
    KERNELS,
    SparseKernel,
    decoder_function,
    kernel_for,
)
from sparsec.analysis.choice.sparse_layer import SparseLayer, sparse_layer
from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.formats.fc_layouts import DenseLayout
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.sparse import format_of
from sparsec.quantization.int8 import fold_input_zero_point
from sparsec.recipe.recipe import DENSE
from sparsec.targets.cost import Cost, kernel_cost
from sparsec.targets.cpu import Cpu
from sparsec.targets.stored import Stored, stored_for_decoder
from sparsec.targets.workload import LayerKind, Workload

Array: TypeAlias = np.ndarray[Any, Any]
Constants: TypeAlias = dict[bytes, int]
"""The bytes of arrays in flash, by what they hold: equal arrays are stored once."""


def label_of(encoding: SparseFormat | None) -> str:
    """A format as recipes write it; None is dense."""
    return DENSE if encoding is None else encoding.label


@dataclass(frozen=True)
class Candidate:
    """One way to run one layer.

    `kernel` is the C function, `decoder` the one that runs before it, if any. `arrays` gives all that it reads,
    `scratch` is the bytes of its scratch memory. `cost` is None where nothing was measured on the core.
    """

    format: SparseFormat | None
    kernel: str
    arrays: Callable[[], Iterable[Array]] = field(repr=False, compare=False)
    scratch: int
    cost: Cost | None
    decoder: str | None = None

    @cached_property
    def constants(self) -> Constants:
        """All arrays that the layer reads. Only who asks for bytes has them laid out and compared."""
        return constants_of(self.arrays())

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


def bytes_of(constants: Iterable[Constants]) -> int:
    """Flash of constants of which equal ones are stored once."""
    return sum({key: size for each in constants for key, size in each.items()}.values())


def candidates(
    op: qnn.WeightedOp,
    cpu: Cpu,
    formats: Iterable[SparseFormat] = COMMON_FORMATS,
    left_out: Callable[[SparseLayer, SparseFormat], bool] = lambda layer, encoding: False,
) -> Iterator[Candidate | Refusal]:
    """Dense first, then `formats`, each a candidate or why it is none, but for those that are `left_out`.

    Weights that have a format already have no other candidate; a layer whose arrays are computed has a dense one.
    """
    layer = sparse_layer(op)
    encoding = format_of(op.weights.type)
    if encoding is None:
        yield dense_candidate(op, layer, cpu)
    if layer is None:
        return
    for each in formats if encoding is None else (encoding,):
        if not left_out(layer, each):
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
        calls = [(kernel.function, kernel.stored(encoding, layer))]
    except ValueError as error:
        return Refusal(encoding, str(error))
    decoder = decoder_function(encoding) if kernel.decodes else None
    if decoder is not None:
        components = layer.components(encoding)
        calls.append((decoder, stored_for_decoder(encoding, components, layer.matrix)))
    cost = _cost(cpu, calls, workload_of(layer))
    memory = kernel.scratch(layer)
    return Candidate(encoding, kernel.function, lambda: arrays, memory, cost, decoder)


def dense_candidate(op: qnn.WeightedOp, layer: SparseLayer | None, cpu: Cpu) -> Candidate:
    """`op` with dense weights; `layer` is what `sparse_layer` makes of it."""
    kernel, memory = dense_kernel(op, cpu.vector_unit, cpu.cmsis_nn)
    if layer is None:
        return Candidate(None, kernel, tuple, memory, None)
    cost = _cost(cpu, [(kernel, Stored())], workload_of(layer))
    return Candidate(None, kernel, lambda: dense_arrays(op, layer, kernel), memory, cost)


def least_cost(kernel: SparseKernel, layer: SparseLayer, cpu: Cpu) -> Cost | None:
    """What `layer` takes by `kernel` at least, however its weights are stored; None where that is not known."""
    try:
        cost = _cost(cpu, [(kernel.function, kernel.least(layer))], workload_of(layer))
    except ValueError:
        return None
    if cost is None or not kernel.decodes:
        return cost
    return Cost(cost.instructions + 1, cost.cycles + 1)  # no decoder takes less


def dense_arrays(op: qnn.WeightedOp, layer: SparseLayer, kernel: str) -> list[Array]:
    """What the C function `kernel` reads of `op`, whose arrays are constant."""
    arrays = [constant_array(value) for value in op.operands[1:]]
    weights, bias, *numbers = [array for array in arrays if array is not None]
    if kernel == PER_TENSOR:  # its multiplier is a number in a struct
        return [weights, bias]
    if kernel in (PER_CHANNEL, FOUR_ROWS):
        try:
            bias = fold_input_zero_point(weights, bias, op.requant.data.input_zp)
            if kernel == FOUR_ROWS:
                return [*DenseLayout().pack(layer.matrix, layer.numbers).values()]
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


def _cost(cpu: Cpu, calls: Sequence[tuple[str, Stored]], workload: Workload) -> Cost | None:
    """What calls of functions on what is stored cost, None if that of one is not known."""
    try:
        costs = [
            kernel_cost(cpu.name, function, workload, stored.entries, stored.blocks, stored.zeros)
            for function, stored in calls
        ]
    except ValueError:
        return None
    return Cost(sum(c.instructions for c in costs), sum(c.cycles for c in costs))
