# SPDX-License-Identifier: Apache-2.0
"""Convolutions all constants of which are one stream: how their calls are built."""

from abc import ABC
from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.ir.rt.packed import PackedConvolutionOp
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering


class StreamedConvolution(Kernel, ABC):
    """A kernel whose call is an `operation`; it lays out the stream as `rows`, and needs scratch memory."""

    operation: type[PackedConvolutionOp]

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        memory = low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        low.call(
            self.operation(
                low.buffer(layer.op.operands[0], layer.input_shape),
                arrays["rows"],
                low.reshape(output, layer.output_shape),
                memory,
                layer.requant,
                layer.window,
                layer.kernel_size,
            )
        )
        return output
