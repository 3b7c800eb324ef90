# SPDX-License-Identifier: Apache-2.0
"""What a kernel has to say of itself.

A kernel operation in `ir` says what a *call* is: C function, arguments, what it writes, how far it may overlap. A kernel
says what a *layer* would need before there is a call. The rule: all that is known of one C function for a layer is
asked of its class, and `library.py` is the one place that knows the classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.kernels.cost import Costed, Strips
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import NOTHING, Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts import PLAIN
from sparsec.layouts.activations import Layout
from sparsec.planning.overlap import Geometry, Overlap, apart
from sparsec.targets.cpu import Cpu, VectorUnit

EVERY_UNIT: tuple[VectorUnit, ...] = ("scalar", "dsp", "mve")

NOT_MINE = ""
"""The answer of `Kernel.takes` to layers of another kind and to formats that the kernel has nothing to do with."""


class Kernel(Costed, ABC):
    """One C function that runs a layer, on cores with one of `units`.

    `layout` names how it wants the weights in flash. `strips` does the same strip by strip, if there is such a function.
    `reads_decoded`: a decoder may write the weights that it reads, as `delta8`, to memory in front of it. `decodes`: it calls
    a decoder itself.
    """

    units: tuple[VectorUnit, ...] = EVERY_UNIT
    layout: str = PLAIN
    strips: Strips | None = None
    reads_decoded: bool = False
    decodes: bool = False

    @abstractmethod
    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        """None if it runs `layer` with weights stored as `format` (None: dense), else why not, or `NOT_MINE`."""

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        """All that it reads from flash, proven. ValueError where the weights have no such layout."""
        return {}

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        """What is stored of the weights, padding included, which costs depend on. ValueError as `lay_out`."""
        return NOTHING

    def least(self, layer: Layer) -> Stored:
        """The least that `stored` can be in any format, told without laying one out."""
        return NOTHING

    def reads(self, layer: Layer) -> Layout:
        """How it wants the input to lie, if nobody chose."""
        return None

    def leaves(self, layer: Layer) -> Layout:
        """How it leaves the output, if nobody chose."""
        return None

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        """Bytes of scratch memory."""
        return 0

    def overlap(self, layer: Layer) -> Overlap:
        """How the output may lie over the dying input, at most: by the smallest strips, if there are some."""
        image, outputs = layer.input_size, layer.output_size
        if self.strips is None:
            return apart(outputs[0] * outputs[1] * outputs[2], image[0] * image[1] * image[2])
        geometry = Geometry(image, outputs, layer.window, layer.kernel_size)
        return geometry.overlap(min(geometry.rows, 2) if geometry.is_pixelwise else 1)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        raise ValueError(f"there is no cost of {self.function}")

    @abstractmethod
    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        """Insert the call; its output. `arrays` are the buffers of what `lay_out` gave."""
