# SPDX-License-Identifier: Apache-2.0
"""`arm_depthwise_conv_wrapper_s8`: dense depthwise convolutions on every core."""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import cmsis
from sparsec.kernels.cost import Strips
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops, rounded
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets import scratch
from sparsec.targets.cpu import Cpu, VectorUnit

HELIUM_CHANNELS = 124
"""CMSIS-NN's CH_IN_BLOCK_MVE: channels that its depthwise code for Helium takes at once."""


class DepthwiseConv(Kernel):
    """It picks the variant that suits the shape; what its variants get wrong is legalized before."""

    function = cmsis.DepthwiseConvOp.C_FUNCTION

    def __init__(self) -> None:
        self.strips = Strips("sparsec_depthwise_conv_strips_s8", self)

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format is None and layer.kind == "depthwise_conv2d" else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.operands

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return scratch.depthwise_convolve(
            cpu.vector_unit,
            layer.window,
            layer.input_shape,
            layer.weights_shape,
            cpu.cmsis_nn,
        )

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return Stored(left=layer.shifted_by(1))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        path, loops = depthwise(unit, work)
        return path, {**loops, **rounded(unit, work, stored)}

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            cmsis.DepthwiseConvOp(
                low.buffer(layer.op.operands[0]),
                arrays["weights"],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                output,
                low.scratch(self.scratch(layer, low.cpu)),
                layer.requant,
                layer.window,
            )
        )
        return output


def depthwise(unit: VectorUnit, work: Workload) -> tuple[str, Loops]:
    """`arm_depthwise_conv_wrapper_s8`: the path it takes, and its loops."""
    multiplier = work.outputs[2] // work.image[2]
    if multiplier == 1:
        if unit == "mve":
            return "blocks", helium_depthwise(work)
        if work.kernel == (3, 3) and max(work.padding[:2]) <= 1:
            return "3x3", three_by_three(work)
        if unit == "dsp":
            return "window", depthwise_window(work)
    if multiplier % 4 == 0:
        return "multiplier", by_channel(work, 4)
    return "any", by_channel(work, 1)


def by_channel(work: Workload, together: int) -> dict[str, int]:
    """`arm_depthwise_conv_s8`, which goes through the window for each `together` outputs."""
    groups = work.outputs[2] // together
    return {
        "calls": 1,
        "pixels": work.pixels,
        "inputs": work.pixels * work.image[2],
        "channels": work.pixels * groups,
        "channels, rows": groups * work.kernel_rows * work.outputs[1],
        "channels, taps": groups * work.inner_taps,
    }


def three_by_three(work: Workload) -> Loops:
    """`arm_depthwise_conv_3x3_s8`."""
    rest = work.outputs[2] % 4
    return by_channel(work, 4) | {
        "last channels": work.pixels * rest,
        "last channels, rows": rest * work.kernel_rows * work.outputs[1],
        "last channels, taps": rest * work.inner_taps,
    }


def depthwise_window(work: Workload) -> Loops:
    """`arm_depthwise_conv_s8_opt` for DSP cores: the window is gathered and widened first."""
    fours, ones = divmod(work.outputs[2], 4)
    pairs, odd = divmod(work.taps, 2)
    return {
        "calls": 1,
        "pixels": work.pixels,
        "taps copied": work.inner_taps,
        "kernel rows": work.kernel_rows * work.outputs[1],
        "taps copied, fours": work.inner_taps * fours,
        "taps copied, last channels": work.inner_taps * ones,
        "rows filled": work.cut_ends * work.outputs[1],
        "taps filled": work.side_taps,
        "taps filled, channels": work.outer_taps * work.outputs[2],
        "fours": work.pixels * fours,
        "fours, tap pairs": work.pixels * fours * pairs,
        "fours, odd tap": work.pixels * fours * odd,
        "last channels": work.pixels * ones,
        "last channels, taps": work.pixels * ones * work.taps,
    }


def helium_depthwise(work: Workload) -> Loops:
    """`arm_depthwise_conv_s8_opt` for Helium: four windows of up to 124 channels at once."""
    whole, rest = divmod(work.outputs[2], HELIUM_CHANNELS)
    blocks = [HELIUM_CHANNELS] * whole + [rest] * (rest > 0)
    fours = sum(-(-channels // 4) for channels in blocks)
    vectors = sum(-(-channels // 16) for channels in blocks)
    windows, ones = divmod(work.pixels, 4)
    return {
        "calls": 1,
        "pixels": work.pixels * len(blocks),
        "kernel rows": work.pixels * work.kernel[0] * len(blocks),
        "taps copied": work.inner_taps * len(blocks),
        "taps filled": work.outer_taps * len(blocks),
        "taps filled at the side": work.side_taps * len(blocks),
        "taps, vectors": work.pixels * work.taps * vectors,
        "four windows": windows * len(blocks),
        "four windows, fours": windows * fours,
        "four windows, fours, taps": windows * fours * work.taps,
        "one window, fours": ones * fours,
        "one window, fours, taps": ones * fours * work.taps,
    }
