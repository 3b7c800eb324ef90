# SPDX-License-Identifier: Apache-2.0
"""A way to run a layer: a kernel, what its weights are stored as, and what decodes them, in front of it or a few rows at a
time."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.kernels.cost import Cost, Costed, cost_of
from sparsec.kernels.decoders import Decoder, least_decoding
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.planes import FromChannelMajor, ToChannelMajor
from sparsec.kernels.stored import NOTHING, Stored
from sparsec.layouts import PLAIN
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class Way:
    """`format` is None where weights are dense and where there are none."""

    kernel: Kernel
    format: SparseFormat | None = None
    decoder: Decoder | None = None

    @property
    def layout(self) -> str:
        """How the weights lie in flash: what is decoded lies there as its format says."""
        return self.kernel.layout if self.decoder is None else PLAIN

    @property
    def _decoder_in_front(self) -> Decoder | None:
        return None if self.kernel.decodes else self.decoder

    def arrays(self, layer: Layer) -> Arrays:
        """All that is read from flash. ValueError where the weights cannot be laid out so."""
        return self.kernel.lay_out(layer, self.format)

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        """Bytes of memory that is needed while the layer runs: scratch and decoded weights."""
        in_front = self._decoder_in_front
        decoded = 0 if in_front is None else in_front.decoded_bytes(layer)
        return self.kernel.scratch(layer, cpu) + decoded

    def laid_out(self, layer: Layer) -> int:
        """Bytes more than the input and the output in NHWC, where their layouts are others: of the kernel, or of a
        conversion beside it."""
        read, left = self.kernel.reads(layer), self.kernel.leaves(layer)
        if read is None or left is None:
            return 0
        input, output = prod(layer.input_shape), prod(layer.output_shape)
        inside, outside = read.bytes(layer.input_shape), left.bytes(layer.output_shape)
        return max(input + inside, inside + outside, outside + output) - input - output

    def conversions(self, layer: Layer) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The C functions in front of the kernel and behind it, where its neighbours read and leave NHWC."""
        in_front = () if self.kernel.reads(layer) is None else (ToChannelMajor.function,)
        return in_front, () if self.kernel.leaves(layer) is None else (FromChannelMajor.function,)

    def _converting(self, layer: Layer) -> list[tuple[Costed, Stored]]:
        both = {each.function: each for each in (ToChannelMajor(), FromChannelMajor())}
        in_front, behind = self.conversions(layer)
        return [(both[function], NOTHING) for function in (*in_front, *behind)]

    def cost(self, layer: Layer, cpu: Cpu) -> Cost | None:
        """What it takes; None where that is not known. ValueError where the weights cannot be laid out so."""
        calls: list[tuple[Costed, Stored]] = [(self.kernel, self.kernel.stored(layer, self.format))]
        calls += self._converting(layer)
        if self.decoder is not None:
            assert self.format is not None
            calls.append((self.decoder, self.decoder.stored(layer, self.format)))
        return _sum(calls, layer, cpu)

    def least_cost(self, layer: Layer, cpu: Cpu) -> Cost | None:
        """What it takes at least, told without laying the weights out; None where that is not known."""
        try:
            calls = [(self.kernel, self.kernel.least(layer)), *self._converting(layer)]
            cost = _sum(calls, layer, cpu)
        except ValueError:
            return None
        if cost is None or self.decoder is None:
            return cost
        weights = int(np.count_nonzero(layer.matrix))
        return cost + least_decoding(cpu.name, len(layer.matrix), weights)

    def build(self, low: Lowering, layer: Layer) -> SSAValue:
        """Insert the calls; the output of the layer. ValueError where the weights cannot be laid out so."""
        arrays = low.constants(self.arrays(layer)) if layer.has_weights else {}
        if (decoder := self._decoder_in_front) is not None:
            assert self.format is not None
            arrays = decoder.build(low, layer, self.format, arrays)
        return self.kernel.build(low, layer, arrays)


def _sum(calls: Iterable[tuple[Costed, Stored]], layer: Layer, cpu: Cpu) -> Cost | None:
    try:
        costs = [cost_of(each, cpu.name, layer.workload, stored) for each, stored in calls]
    except ValueError:
        return None
    return sum(costs, Cost(0, 0)).under(cpu.gathers)
