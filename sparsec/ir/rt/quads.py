# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` for Helium convolutions that take four pixels at a time: `rows` is a stream of `layouts/quads.py`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition

from sparsec.ir.kernel import CArgument
from sparsec.ir.rt.packed import PackedConvolutionOp
from sparsec.ir.shapes import image_shape
from sparsec.layouts.quads import QuadRows, Windows, unpack_blocks, unpack_runs
from sparsec.planning.overlap import Overlap


class QuadConvolutionOp(PackedConvolutionOp, ABC):
    """A convolution whose windows are read where they lie."""

    @property
    def windows(self) -> Windows:
        """Where they lie."""
        height, width, _ = image_shape(self.output.type, "output")
        return Windows(
            self.window.data, image_shape(self.input.type), (height, width), self.kernel_size
        )

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        return self.windows.overlap(self.channels[1])

    @abstractmethod
    def layer_of(self, rows: NDArray[np.int32]) -> QuadRows:
        """What the array `rows` says. ValueError where it is no stream of this layer."""


@irdl_op_definition
class ConvolveRunsOp(QuadConvolutionOp):
    """`sparsec_convolve_runs_s8`, of dense weights."""

    name = "rt.convolve_runs_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_runs_s8"

    @property
    def scratch_bytes(self) -> int:
        return self.windows.scratch_of_runs(self.channels[1])

    @property
    def runs(self) -> int:
        """Those of a row of weights."""
        windows = self.windows
        return 1 if windows.packs(self.channels[1]) else windows.runs[0]

    def layer_of(self, rows: NDArray[np.int32]) -> QuadRows:
        height, width = self.kernel_size
        inputs, outputs = self.channels
        return unpack_runs(rows, outputs, height * width * inputs, self.runs)

    def c_arguments(self) -> Sequence[CArgument]:
        *front, rows, output_dims, output = super().c_arguments()
        return (*front, int(self.windows.packs(self.channels[1])), rows, output_dims, output)


class ConvolveBlocksOp(QuadConvolutionOp, ABC):
    """A convolution by blocks of `SIZE` neighbouring weights."""

    SIZE: ClassVar[int]

    @property
    def scratch_bytes(self) -> int:
        return self.windows.scratch_of_blocks(self.SIZE)

    def layer_of(self, rows: NDArray[np.int32]) -> QuadRows:
        return unpack_blocks(rows, self.channels[1], self.windows, self.SIZE)


@irdl_op_definition
class Convolve1x16Op(ConvolveBlocksOp):
    """`sparsec_convolve_1x16_s8`."""

    name = "rt.convolve_1x16_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_1x16_s8"
    SIZE: ClassVar[int] = 16


@irdl_op_definition
class Convolve1x4Op(ConvolveBlocksOp):
    """`sparsec_convolve_1x4_s8`."""

    name = "rt.convolve_1x4_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_1x4_s8"
    SIZE: ClassVar[int] = 4
