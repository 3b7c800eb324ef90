# SPDX-License-Identifier: Apache-2.0
"""`arm_convolve_wrapper_s8`: dense convolutions on every core, and linear layers over several rows."""

from collections import Counter
from collections.abc import Mapping
from itertools import product as product_of
from math import gcd

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import cmsis
from sparsec.kernels.cost import Costed, Strips
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops, columns_of, product, rounded
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets import scratch
from sparsec.targets.cpu import Cpu, VectorUnit


class AnyWindow(Costed):
    """`arm_convolve_s8`, to which the function for strips goes without asking the wrapper."""

    function = "arm_convolve_s8"

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", {**any_window(unit, work), **rounded(unit, work, stored)}


class Convolve(Kernel):
    """It picks the variant that suits the shape; what its variants get wrong is legalized before."""

    function = cmsis.ConvolveOp.C_FUNCTION

    def __init__(self) -> None:
        self.strips = Strips("sparsec_convolve_strips_s8", AnyWindow(), point=self)

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format is None and layer.is_full else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.operands

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return scratch.convolve(
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
        path, loops = convolution(unit, work)
        return path, {**loops, **rounded(unit, work, stored)}

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            cmsis.ConvolveOp(
                low.buffer(layer.op.operands[0], layer.input_shape),
                low.reshape(arrays["weights"], layer.weights_shape),
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                low.reshape(output, layer.output_shape),
                low.scratch(self.scratch(layer, low.cpu)),
                layer.requant,
                layer.window,
            )
        )
        return output


def convolution(unit: VectorUnit, work: Workload) -> tuple[str, Loops]:
    """`arm_convolve_wrapper_s8`: the path it takes, and its loops."""
    height, width, outputs = work.outputs
    if work.is_point and work.strides == (1, 1):
        return "point", {"layers": 1} | product(unit, work.pixels, work.columns, outputs)
    if work.is_point:
        rows = product(unit, width, work.columns, outputs, calls=height)
        return "point", {"layers": 1} | rows
    if unit == "mve":
        if work.image[0] == work.kernel[0] == 1 and work.strides[1] * work.image[2] % 4 == 0:
            return "row", helium_row(work)
    return "window", any_window(unit, work)


def any_window(unit: VectorUnit, work: Workload) -> Loops:
    """`arm_convolve_s8`."""
    return helium_window(work) if unit == "mve" else window(unit, work)


def window(unit: VectorUnit, work: Workload) -> Loops:
    """`arm_convolve_s8` for DSP and scalar cores: two windows are gathered, widened and multiplied."""
    channels, outputs = work.image[2], work.outputs[2]
    pixel_pairs, odd_pixel = divmod(work.pixels, 2)
    pairs, odd = divmod(outputs, 2)
    copies = {
        f"taps copied, {part}": round(work.inner_taps * passes)
        for part, passes in copy(channels).items()
    }
    loops = {
        "calls": 1,
        "pixels": work.pixels,
        "kernel rows": work.pixels * work.kernel[0],
        "taps copied": work.inner_taps,
        **copies,
        "taps filled": work.outer_taps,
        "taps filled at the side": work.side_taps,
        "taps filled, channels": work.outer_taps * channels,
        "pixel pairs, output pairs": pixel_pairs * pairs,
        "pixel pairs, odd output": pixel_pairs * odd,
        "odd pixel, outputs": odd_pixel * outputs,
    }
    for part, passes in columns_of(unit, work.columns, 4).items():
        loops |= {
            f"pixels, {part}": work.pixels * passes,
            f"pixel pairs, output pairs, {part}": pixel_pairs * pairs * passes,
            f"pixel pairs, odd output, {part}": pixel_pairs * odd * passes,
            f"odd pixel, outputs, {part}": odd_pixel * outputs * passes,
        }
    return loops


def copy(size: int) -> dict[str, float]:
    """Passes of newlib's `memcpy` of `size` bytes that follow `size` others, in the mean over where they lie.

    It takes 64 and 16 bytes and words; where neither side begins with a word, bytes come first up to one of the target.
    """
    places = range(0, 4, gcd(size, 4))
    total: Counter[str] = Counter()
    for target, source in product_of(places, places):
        apart = target != 0 and source != 0
        if (target != 0 or source != 0) and size < 8:
            total["bytes"] += size if size >= 4 else 0
            total["few bytes"] += size < 4
            continue
        left = size - (4 - target) * apart
        total["aligned"] += apart
        total["sixty-fours"] += left // 64
        total["sixteens"] += left % 64 // 16
        total["words"] += left % 16 // 4
        total["last bytes"] += left % 4 > 0
    parts = ("bytes", "few bytes", "aligned", "sixty-fours", "sixteens", "words", "last bytes")
    return {part: total[part] / len(places) ** 2 for part in parts}


def helium_window(work: Workload) -> Loops:
    """`arm_convolve_s8` for Helium: four windows are gathered and multiplied."""
    vectors = -(-work.image[2] // 16)
    outputs = work.outputs[2]
    loops = {
        "pixels": work.pixels,
        "kernel rows": work.pixels * work.kernel[0],
        "taps copied": work.inner_taps,
        "taps filled": work.outer_taps,
        "taps filled at the side": work.side_taps,
        "taps, vectors": work.pixels * work.taps * vectors,
        **product("mve", work.pixels, work.columns, outputs),
    }
    return loops | {"products": -(-work.pixels // 4), "calls": 1}


def helium_row(work: Workload) -> Loops:
    """`arm_convolve_1_x_n_s8` for Helium: windows over a border one by one, the others as a product."""
    vectors, outputs = -(-work.columns // 16), work.outputs[2]
    inside = work.pixels - work.cut_columns
    return {
        **product("mve", inside, work.columns, outputs),
        "cut windows": work.cut_columns,
        "cut windows, outputs": work.cut_columns * outputs,
        "cut windows, vectors": work.cut_columns * outputs * vectors,
    }
