"""How often the loops of CMSIS-NN's kernels run for a shape: what their costs are sums of.

Each function follows the C code of one path (CMSIS-NN's Source/); the names are the rows of costs.json. The rule: the
path is chosen as CMSIS-NN's wrappers choose it.
"""

from collections.abc import Mapping
from typing import TypeAlias

from sparsec.targets.cpu import VectorUnit
from sparsec.targets.workload import Workload

Loops: TypeAlias = Mapping[str, int]
"""Passes of each loop."""

HELIUM_CHANNELS = 124
"""CMSIS-NN's CH_IN_BLOCK_MVE: channels that its depthwise code for Helium takes at once."""


def convolution(unit: VectorUnit, work: Workload) -> tuple[str, Loops]:
    """`arm_convolve_wrapper_s8`: the path it takes, and its loops."""
    height, width, outputs = work.outputs
    if work.is_point and work.strides == (1, 1):
        return "point", product(unit, work.pixels, work.columns, outputs)
    if work.is_point:
        return "point", product(unit, width, work.columns, outputs, calls=height)
    if unit == "mve":
        if work.image[0] == work.kernel[0] == 1 and work.strides[1] * work.image[2] % 4 == 0:
            return "row", helium_row(work)
    return "window", any_window(unit, work)


def any_window(unit: VectorUnit, work: Workload) -> Loops:
    """`arm_convolve_s8`."""
    return helium_window(work) if unit == "mve" else window(unit, work)


def product(
    unit: VectorUnit, rows: int, columns: int, outputs: int, calls: int = 1
) -> dict[str, int]:
    """`arm_nn_mat_mult_nt_t_s8` of an input [rows, columns], `calls` times."""
    loops: dict[str, int] = {"calls": 1}
    if unit == "mve":
        vectors = -(-columns // 16)
        fours, ones = divmod(rows, 4)
        loops |= {
            "four rows, vectors": fours * outputs * vectors,
            "four rows, outputs": fours * outputs,
            "four rows": fours,
            "one row, vectors": ones * outputs * vectors,
            "one row, outputs": ones * outputs,
            "one row, last outputs": ones * (outputs % 4),
            "one row": ones,
        }
    else:
        pairs, odd = divmod(outputs, 2)
        loops |= {
            "output pairs": pairs,
            "output pairs, weights summed": pairs * columns,
            "odd output": odd * rows,
            "odd output, columns": odd * rows * columns,
        }
        for name, times in (("two rows", rows // 2), ("odd row", rows % 2)):
            loops[name] = pairs * times
            for part, passes in _columns(unit, columns, 16).items():
                loops[f"{name}, {part}"] = pairs * times * passes
    return {name: calls * passes for name, passes in loops.items()}


def window(unit: VectorUnit, work: Workload) -> Loops:
    """`arm_convolve_s8` for DSP and scalar cores: two windows are gathered, widened and multiplied."""
    channels, outputs = work.image[2], work.outputs[2]
    pixel_pairs, odd_pixel = divmod(work.pixels, 2)
    pairs, odd = divmod(outputs, 2)
    words, bytes_ = divmod(channels, 4)
    aligned = channels % 4 == 0
    loops = {
        "calls": 1,
        "pixels": work.pixels,
        "kernel rows": work.pixels * work.kernel[0],
        "taps copied": work.inner_taps,
        "taps copied, words": work.inner_taps * words * aligned,
        "taps copied unaligned": work.inner_taps * (not aligned),
        "taps copied unaligned, words": work.inner_taps * words * (not aligned),
        "taps copied unaligned, bytes": work.inner_taps * bytes_ * (not aligned),
        "taps filled": work.outer_taps,
        "taps filled, channels": work.outer_taps * channels,
        "pixel pairs, output pairs": pixel_pairs * pairs,
        "pixel pairs, odd output": pixel_pairs * odd,
        "odd pixel, outputs": odd_pixel * outputs,
    }
    for part, passes in _columns(unit, work.columns, 4).items():
        loops |= {
            f"pixels, {part}": work.pixels * passes,
            f"pixel pairs, output pairs, {part}": pixel_pairs * pairs * passes,
            f"pixel pairs, odd output, {part}": pixel_pairs * odd * passes,
            f"odd pixel, outputs, {part}": odd_pixel * outputs * passes,
        }
    return loops


def _columns(unit: VectorUnit, columns: int, most: int) -> dict[str, int]:
    """Passes over columns, which DSP code takes 16 or 4 at a time and then one by one."""
    if unit == "scalar":
        return {"columns": columns}
    parts = {"fours": columns % most // 4, "last columns": columns % 4}
    if most == 4:
        return parts | {"fours": columns // 4}
    return {"sixteens": columns // 16} | parts


def helium_window(work: Workload) -> Loops:
    """`arm_convolve_s8` for Helium: four windows are gathered and multiplied."""
    vectors = -(-work.image[2] // 16)
    outputs = work.outputs[2]
    loops = {
        "pixels": work.pixels,
        "kernel rows": work.pixels * work.kernel[0],
        "taps copied": work.inner_taps,
        "taps filled": work.outer_taps,
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
        "taps filled": work.outer_taps,
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
        "taps, vectors": work.pixels * work.taps * vectors,
        "four windows": windows * len(blocks),
        "four windows, fours": windows * fours,
        "four windows, fours, taps": windows * fours * work.taps,
        "one window, fours": ones * fours,
        "one window, fours, taps": ones * fours * work.taps,
    }


def fully_connected(unit: VectorUnit, work: Workload) -> Loops:
    """`arm_fully_connected_s8`."""
    columns, outputs = work.columns, work.outputs[2]
    together = {"mve": 4, "dsp": 2, "scalar": 3}[unit]
    groups, rest = divmod(outputs, together)
    parts = {"vectors": -(-columns // 16)} if unit == "mve" else _columns(unit, columns, 4)
    loops = {"rows": 1, "outputs": groups, "last outputs": rest}
    for part, passes in parts.items():
        loops |= {f"outputs, {part}": groups * passes, f"last outputs, {part}": rest * passes}
    return {"calls": 1} | {name: work.pixels * passes for name, passes in loops.items()}


def fully_connected_per_channel(unit: VectorUnit, work: Workload) -> Loops:
    """`sparsec_fully_connected_per_channel_s8`, the runtime's dense kernel."""
    columns, outputs = work.columns, work.outputs[2]
    loops = {"calls": 1}
    if unit == "mve":
        fours, outputs = divmod(outputs, 4)
        loops |= {
            "fours": fours,
            "fours, vectors": fours * (columns // 16),
            "fours, last vector": fours * (columns % 16 > 0),
        }
    pairs = -(-outputs // 2)
    loops |= {"pairs": pairs, "outputs": outputs}
    parts = _columns("scalar" if unit == "scalar" else "dsp", columns, 16)
    return loops | {f"pairs, {part}": pairs * passes for part, passes in parts.items()}


def fully_connected_four_rows(unit: VectorUnit, work: Workload) -> Loops:
    """`sparsec_fully_connected_dense_s8`, the runtime's dense kernel with a layout of its own."""
    fours, rest = divmod(work.outputs[2], 4)
    all_fours = fours + (rest > 0)
    return {
        "calls": 1,
        "fours": fours,
        "last outputs": rest,
        "fours, eights": all_fours * (work.columns // 8),
        "fours, last columns": all_fours * (work.columns % 8),
    }
