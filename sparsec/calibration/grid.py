# SPDX-License-Identifier: Apache-2.0
"""The layers that the cost model is fitted to: every path of every kernel, every remainder of its loops.

No layer of the held-out test (tests/kernels/test_cost.py) is one of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from sparsec.calibration.cases import Case
from sparsec.formats import Bitmap, Block, BlockRle, Csr, Dcsr, Delta4, Nm, SparseFormat
from sparsec.ir import cmsis, rt
from sparsec.kernels.convolve_quads import windows_of_work
from sparsec.kernels.planes import taps_are_apart
from sparsec.kernels.workload import LayerKind, Workload
from sparsec.targets.cpu import VectorUnit

POINTS = (
    *((10, 10, 32, 48), (7, 7, 64, 64), (1, 1, 96, 40), (5, 3, 20, 24), (4, 4, 128, 33)),
    *((12, 6, 16, 16), (9, 5, 7, 12), (3, 2, 50, 21), (13, 1, 72, 80), (2, 2, 200, 64)),
    *((6, 10, 8, 32), (1, 6, 36, 20), (11, 7, 40, 10), (1, 2, 18, 9), (3, 5, 144, 26)),
)
"""Height, width, inputs, outputs of 1x1 convolutions."""

FEW_INPUTS = ((12, 4, 8, 20), (4, 16, 10, 14), (6, 8, 6, 16), (9, 4, 12, 11), (16, 3, 8, 9))
"""The same, whose rows are short, for the kernel that walks them for every eight pixels."""

STRIDED_POINTS = ((12, 12, 16, 32), (9, 7, 24, 17), (5, 5, 64, 20), (10, 6, 42, 12))

WINDOWS = (
    *((8, 8, 16, 16, 3, 3, 1), (7, 5, 32, 12, 3, 3, 1), (12, 10, 3, 8, 3, 3, 1)),
    *((6, 6, 24, 17, 3, 3, 1), (9, 9, 1, 16, 3, 3, 1), (5, 5, 40, 24, 3, 3, 1)),
    *((10, 4, 12, 10, 3, 3, 1), (4, 13, 7, 6, 3, 3, 1), (3, 3, 80, 32, 3, 3, 1)),
    *((16, 16, 3, 8, 3, 3, 2), (9, 9, 16, 24, 3, 3, 2), (12, 12, 8, 16, 3, 3, 2)),
    *((11, 9, 20, 20, 3, 3, 2), (6, 14, 36, 9, 3, 3, 2), (20, 9, 1, 24, 8, 4, 2)),
    *((8, 8, 4, 8, 5, 5, 1), (9, 7, 10, 12, 5, 3, 1), (10, 10, 6, 16, 5, 5, 2)),
    *((6, 7, 3, 9, 3, 3, 1), (5, 5, 13, 15, 3, 3, 1), (9, 5, 5, 7, 5, 3, 2)),
    *((6, 8, 8, 14, 1, 3, 1), (8, 6, 16, 11, 3, 1, 1), (2, 16, 28, 16, 1, 5, 1)),
)
"""Height, width, inputs, outputs, kernel and stride of convolutions padded to keep the size over the stride."""

ROWS = (
    *(
        (16, 8, 12, 3, 1),
        (20, 16, 10, 5, 1),
        (24, 4, 16, 3, 2),
        (15, 32, 9, 7, 1),
        (9, 20, 24, 3, 1),
    ),
    *(
        (5, 40, 16, 3, 1),
        (31, 12, 6, 9, 1),
        (12, 24, 31, 2, 2),
        (18, 10, 18, 4, 2),
        (7, 64, 8, 5, 1),
    ),
    *((40, 1, 11, 8, 4), (6, 52, 20, 3, 1)),
)
"""Width, inputs, outputs, kernel, stride of convolutions of one row of pixels."""

VALID_WINDOWS = (
    (8, 8, 16, 24, 2, 2, 2),
    (10, 9, 8, 12, 3, 3, 1),
    (7, 7, 5, 16, 3, 3, 1),
    (9, 9, 12, 8, 5, 5, 2),
)
"""The same without padding."""

DEPTHWISE = (
    *(
        (8, 8, 16, 3, 3, 1, 1),
        (7, 5, 24, 3, 3, 1, 1),
        (12, 12, 8, 3, 3, 2, 1),
        (9, 9, 13, 3, 3, 1, 1),
    ),
    *(
        (5, 5, 64, 3, 3, 1, 1),
        (6, 6, 130, 3, 3, 1, 1),
        (4, 4, 3, 3, 3, 1, 1),
        (10, 6, 36, 3, 3, 2, 1),
    ),
    *(
        (11, 4, 18, 3, 3, 1, 1),
        (3, 3, 100, 3, 3, 1, 1),
        (2, 9, 7, 3, 3, 1, 1),
        (3, 2, 250, 3, 3, 1, 1),
    ),
    *(
        (8, 8, 16, 5, 5, 1, 1),
        (7, 6, 10, 5, 5, 1, 1),
        (9, 9, 24, 5, 5, 2, 1),
        (10, 4, 12, 10, 4, 1, 1),
    ),
    *(
        (6, 6, 40, 2, 2, 2, 1),
        (12, 3, 9, 5, 1, 1, 1),
        (5, 8, 31, 1, 7, 1, 1),
        (5, 5, 60, 3, 5, 1, 1),
    ),
    *(
        (4, 4, 126, 4, 4, 1, 1),
        (8, 7, 6, 4, 3, 1, 1),
        (6, 9, 20, 5, 3, 1, 1),
        (4, 12, 15, 3, 5, 2, 1),
    ),
    *(
        (9, 3, 44, 7, 7, 1, 1),
        (12, 12, 5, 4, 4, 3, 1),
        (1, 20, 28, 1, 9, 1, 1),
        (3, 3, 140, 5, 5, 1, 1),
    ),
    *((13, 5, 11, 6, 2, 1, 1), (7, 7, 33, 1, 1, 1, 1)),
    *((6, 6, 3, 3, 3, 1, 8), (8, 8, 1, 3, 3, 1, 16), (10, 6, 2, 5, 5, 2, 4), (5, 5, 6, 3, 3, 1, 4)),
    *(
        (20, 9, 1, 8, 4, 2, 24),
        (7, 9, 1, 2, 5, 1, 12),
        (12, 4, 3, 1, 1, 1, 4),
        (9, 3, 1, 4, 6, 1, 20),
    ),
    *((6, 6, 4, 3, 3, 1, 2), (8, 8, 1, 3, 3, 1, 6), (9, 5, 3, 5, 5, 1, 3), (7, 7, 5, 3, 3, 2, 2)),
    *(
        (10, 10, 1, 2, 2, 2, 9),
        (6, 5, 7, 1, 3, 1, 2),
        (5, 9, 1, 6, 5, 1, 10),
        (4, 4, 20, 3, 3, 1, 2),
    ),
    *(
        (1, 1, 40, 3, 3, 1, 1),
        (2, 1, 36, 3, 3, 1, 1),
        (1, 1, 90, 5, 5, 1, 1),
        (2, 2, 64, 3, 3, 2, 1),
        (1, 2, 52, 5, 5, 1, 1),
    ),
    *((7, 2, 3, 5, 5, 2, 1), (9, 3, 2, 5, 4, 1, 1), (2, 7, 1, 4, 5, 2, 1), (11, 1, 9, 5, 5, 1, 1)),
)
"""Height, width, inputs, kernel, stride and outputs of each input; padded to keep the size over the stride."""

DEPTHWISE_3X3 = (
    *((8, 8, 16, 1), (7, 5, 24, 1), (9, 9, 13, 1), (5, 5, 64, 1), (6, 6, 130, 1), (11, 4, 18, 1)),
    *((3, 3, 100, 1), (2, 9, 7, 1), (3, 2, 250, 1), (1, 1, 40, 1), (2, 1, 36, 1), (40, 30, 8, 1)),
    *(
        (16, 7, 33, 1),
        (1, 12, 20, 1),
        (4, 4, 200, 1),
        (10, 14, 12, 1),
        (23, 6, 10, 1),
        (2, 2, 9, 1),
    ),
    *((12, 12, 8, 2), (10, 6, 36, 2), (2, 2, 64, 2), (40, 30, 8, 2), (9, 13, 17, 2), (5, 5, 96, 2)),
    *((7, 14, 24, 2), (20, 4, 21, 2), (3, 3, 40, 2), (4, 9, 60, 2), (14, 14, 5, 2), (1, 1, 30, 2)),
    *((8, 8, 3, 1), (9, 5, 2, 1), (12, 11, 1, 1), (4, 4, 3, 2), (9, 9, 2, 2), (13, 7, 1, 2)),
)
"""Height, width, channels and stride of 3x3 depthwise convolutions, for the kernel that does only those."""

SLOW_ROWS = (0.0, 1.0, 0.3, 0.7)
"""Shares of its rows that are not quick, one shape after the other."""

FULLY_CONNECTED = (
    *((72, 10), (136, 120), (224, 40), (16, 3), (100, 33), (37, 7), (600, 30), (300, 64)),
    *((90, 25), (512, 51), (1000, 20), (23, 90), (192, 12), (411, 18), (160, 86)),
    *((12, 100), (9, 45), (14, 190), (5, 61), (11, 7)),
)
"""Inputs, outputs."""

STRIPS = (
    *((8, 6, 12, 16, 1, 1, 4), (5, 9, 7, 10, 1, 1, 9), (10, 5, 24, 12, 1, 1, 2)),
    *(
        (9, 8, 6, 8, 3, 1, 1),
        (12, 6, 4, 6, 3, 1, 3),
        (11, 9, 8, 4, 3, 2, 2),
        (13, 9, 3, 5, 2, 1, 5),
    ),
)
"""Height, width, inputs, outputs, kernel, stride and strip of convolutions without padding, whose strips are layers that
can be measured by themselves."""

ELEMENTS = (1, 3, 10, 21, 36, 64, 95, 157, 250, 448, 1003, 1800, 4088)
"""Of sums."""
ODD = 32
"""How many layers of each kind have a random shape, besides those listed: remainders of every loop, together."""

ODD_SEED = 2

SPARSITIES = (0.3, 0.8, 0.93, 0.6)
"""Shares of zeros, one shape after the other."""

NEARLY_DENSE = 0.02
"""Of some layers that decoders read, whose branches can be foreseen then."""

SPARSITIES_DEPTHWISE = (0.0, 0.5, 0.9, 0.2, 0.75)
"""The same of depthwise convolutions, whose sparse kernel is the faster one without zeros too."""

DENSE_LINEAR = ("sparsec_fully_connected_per_channel_s8", "sparsec_fully_connected_dense_s8")
PER_TENSOR = "arm_fully_connected_s8"
"""Not for Helium: see its operation."""

SHORT = (
    "sparsec_convolve_packed_s8",
    "sparsec_convolve_runs_s8",
    "sparsec_convolve_1x16_s8",
    "sparsec_convolve_1x4_s8",
    "sparsec_convolve_pixels_s8",
    "sparsec_depthwise_convolve_delta8_s8",
    "sparsec_depthwise_convolve_3x3_s8",
    "sparsec_depthwise_convolve_lanes_s8",
    "sparsec_fully_connected_dense_s8",
    "sparsec_fully_connected_table_s8",
    "sparsec_fully_connected_1x4_s8",
    "sparsec_fully_connected_4x1_s8",
    "sparsec_fully_connected_4x1_w16_s8",
    "sparsec_fully_connected_gather_s8",
    "sparsec_fully_connected_gather_1x4_s8",
    "sparsec_fully_connected_1x16_s8",
)
"""Kernels that have a short way to end a row, and another one for any row."""

SHORT_STRIPS = "sparsec_convolve_delta8_s8"
"""Likewise, for full strips only."""

ROUNDING = (
    "arm_convolve_wrapper_s8",
    "arm_convolve_s8",
    "sparsec_convolve_runs_s8",
    "sparsec_convolve_1x16_s8",
    "sparsec_convolve_1x4_s8",
    "arm_depthwise_conv_wrapper_s8",
    "arm_fully_connected_s8",
    "sparsec_fully_connected_per_channel_s8",
    "sparsec_fully_connected_delta8_s8",
)
"""Kernels that do any row, in less time where its sum is shifted to the left."""

LISTS: dict[str, SparseFormat | None] = {
    "table": None,
    "1x4": Block(1, 4),
    "4x1": Block(4, 1),
    "4x1_w16": Block(4, 1),
    "delta8": None,
}
"""The format of each fully connected kernel, None for one of single weights."""

VECTORS: dict[str, SparseFormat | None] = {
    "gather": None,
    "gather_1x4": Block(1, 4),
    "1x16": Block(1, 16),
    "dcsr": Dcsr(),
}
"""Likewise of those for Helium."""

DECODERS: dict[str, tuple[SparseFormat, ...]] = {
    "delta4": (Delta4(),),
    "bitmap": (Bitmap(),),
    "csr": (Csr(),),
    "nm": (Nm(2, 4), Nm(1, 4), Nm(1, 8), Nm(1, 16), Nm(3, 8)),
    "row_block": (Block(1, 4), Block(1, 16), Block(1, 7)),
    "block": (Block(4, 1), Block(16, 1), Block(4, 4), Block(64, 32), Block(3, 5)),
    "dcsr": (Dcsr(),),
    "block_rle": (BlockRle(1), BlockRle(2), BlockRle(4), BlockRle(5)),
}
"""The formats that each decoder reads, one shape after the other."""


def padded(
    layer: LayerKind,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: int,
    channels: int,
) -> Workload:
    """A layer whose outputs are as many pixels as its inputs, over the stride."""
    height, width, _ = image
    outputs = (-(-height // stride), -(-width // stride), channels)
    return Workload(layer, image, kernel, (stride, stride), outputs)


def convolutions() -> Iterator[Workload]:
    """All convolutions."""
    for height, width, inputs, outputs in POINTS:
        yield padded("convolution", (height, width, inputs), (1, 1), 1, outputs)
    for height, width, inputs, outputs in STRIDED_POINTS:
        yield padded("convolution", (height, width, inputs), (1, 1), 2, outputs)
    for height, width, inputs, outputs, kernel_h, kernel_w, stride in WINDOWS:
        image, kernel = (height, width, inputs), (kernel_h, kernel_w)
        yield padded("convolution", image, kernel, stride, outputs)
    for width, inputs, outputs, kernel_w, stride in ROWS:
        yield padded("convolution", (1, width, inputs), (1, kernel_w), stride, outputs)
    for height, width, inputs, outputs, kernel_h, kernel_w, stride in VALID_WINDOWS:
        pixels = ((height - kernel_h) // stride + 1, (width - kernel_w) // stride + 1, outputs)
        image, kernel = (height, width, inputs), (kernel_h, kernel_w)
        yield Workload("convolution", image, kernel, (stride, stride), pixels)

    yield from odd_convolutions(ODD_SEED, ODD)


def depthwise() -> Iterator[Workload]:
    """All depthwise convolutions."""
    for height, width, inputs, kernel_h, kernel_w, stride, multiplier in DEPTHWISE:
        image, kernel = (height, width, inputs), (kernel_h, kernel_w)
        yield padded("depthwise", image, kernel, stride, inputs * multiplier)
    yield from odd_depthwise(ODD_SEED, ODD)


def depthwise_3x3() -> Iterator[Workload]:
    """Those of 3x3 windows, each with one output for a channel."""
    for height, width, channels, stride in DEPTHWISE_3X3:
        yield padded("depthwise", (height, width, channels), (3, 3), stride, channels)


def fully_connected() -> Iterator[Workload]:
    """All fully connected layers."""
    for inputs, outputs in FULLY_CONNECTED:
        yield padded("fully-connected", (1, 1, inputs), (1, 1), 1, outputs)
    yield from odd_linear(ODD_SEED, ODD // 2)


def odd_convolutions(seed: int, count: int) -> Iterator[Workload]:
    """Of random shapes: `count` with a window of one pixel and as many with a larger one."""
    for most in (1, 5):
        rng = np.random.default_rng((seed, most))
        for _ in range(count):
            height, width = rng.integers(1, 13, 2).tolist()
            kernel_h, kernel_w = rng.integers(min(most, 2), most + 1, 2).tolist()
            image = (height, width, int(rng.integers(1, 72 if most == 1 else 40)))
            stride, outputs = int(rng.choice([1, 1, 2])), int(rng.integers(2, 64))
            yield padded("convolution", image, (kernel_h, kernel_w), stride, outputs)


def odd_depthwise(seed: int, count: int) -> Iterator[Workload]:
    """`count` depthwise convolutions of random shapes."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        height, width = rng.integers(1, 13, 2).tolist()
        kernel_h, kernel_w = rng.integers(2, 6, 2).tolist()
        channels, stride = int(rng.integers(1, 72)), int(rng.choice([1, 1, 2]))
        image = (height, width, channels)
        yield padded("depthwise", image, (kernel_h, kernel_w), stride, channels)


def odd_linear(seed: int, count: int) -> Iterator[Workload]:
    """`count` fully connected layers of random shapes."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        inputs, outputs = int(rng.integers(8, 480)), int(rng.integers(2, 220))
        yield padded("fully-connected", (1, 1, inputs), (1, 1), 1, outputs)


def sums(sizes: Iterable[int]) -> Iterator[Case]:
    """Sums of so many elements, by every kernel."""
    for size in sizes:
        column = (size, 1, 1)
        work = Workload("elementwise", column, (1, 1), (1, 1), column)
        for kernel in (cmsis.ElementwiseAddOp, rt.ResidualAddOp, rt.ResidualAddRoundedOp):
            yield Case(kernel.C_FUNCTION, work)


def strips(layer: LayerKind) -> Iterator[Workload]:
    """All layers done strip by strip."""
    for height, width, inputs, outputs, kernel, stride, strip in STRIPS:
        image, window, strides = (height, width, inputs), (kernel, kernel), (stride, stride)
        rows, columns = ((size - kernel) // stride + 1 for size in image[:2])
        channels = inputs if layer == "depthwise" else outputs
        yield Workload(layer, image, window, strides, (rows, columns, channels), strip)


def grid(unit: VectorUnit) -> list[Case]:
    """Every case of the kernels that cores with `unit` have."""
    cases = [Case("arm_convolve_wrapper_s8", work) for work in convolutions()]
    cases += [Case("arm_convolve_s8", work) for work in convolutions() if not work.is_point]
    cases += [Case("arm_depthwise_conv_wrapper_s8", work) for work in depthwise()]
    cases += [Case(kernel, work) for work in fully_connected() for kernel in dense_linear(unit)]
    for i, work in enumerate(convolutions()):
        cases += sparse_convolutions(work, SPARSITIES[i % len(SPARSITIES)], unit)
    for i, (height, width, inputs, outputs) in enumerate(FEW_INPUTS):
        work = padded("convolution", (height, width, inputs), (1, 1), 1, outputs)
        cases.append(Case(SHORT_STRIPS, work, SPARSITIES[i % len(SPARSITIES)]))
    if unit == "mve":
        for height, width, inputs, outputs, kernel in LARGE_IMAGES:
            work = padded("convolution", (height, width, inputs), (kernel, kernel), 1, outputs)
            cases += [Case(function, work, SPARSITIES[0]) for function in PIXELS]
    for i, work in enumerate(depthwise()):
        sparsity = SPARSITIES_DEPTHWISE[i % len(SPARSITIES_DEPTHWISE)]
        cases.append(Case("sparsec_depthwise_convolve_delta8_s8", work, sparsity))
    if unit == "dsp":
        cases += [
            Case("sparsec_depthwise_convolve_3x3_s8", work, SLOW_ROWS[(i + turn) % len(SLOW_ROWS)])
            for i, work in enumerate(depthwise_3x3())
            for turn in (0, 1)
        ]
    if unit == "mve":
        works = [work for work in depthwise() if work.image[2] == work.outputs[2]]
        cases += [
            Case("sparsec_depthwise_convolve_lanes_s8", work, sparsity=i % 2)
            for i, work in enumerate((*depthwise_3x3(), *works))
        ]
    for i, work in enumerate(fully_connected()):
        cases += sparse_linear(work, SPARSITIES[i % len(SPARSITIES)], i, unit)
    cases += sums(ELEMENTS)
    cases += slow_cases(cases)
    cases += [Case("sparsec_depthwise_conv_strips_s8", work) for work in strips("depthwise")]
    for work in strips("convolution"):
        cases.append(Case("sparsec_convolve_strips_s8", work))
        cases.append(Case("sparsec_convolve_delta8_strips_s8", work, SPARSITIES[0]))
        if unit == "dsp":
            cases.append(Case("sparsec_convolve_packed_strips_s8", work, SPARSITIES[0]))
    return cases


def slow_cases(cases: Sequence[Case]) -> list[Case]:
    """Layers again by kernels that have a short way to end a row, which none of their rows allows, all fully connected ones
    and every third other one; and every third one whose sums are all shifted to the left by those that do any row."""
    short = [case for case in cases if case.kernel in SHORT]
    lists = [case for case in short if case.work.layer == "fully-connected"]
    others = [case for case in short if case.work.layer != "fully-connected"]
    strips = [case for case in cases if case.kernel == SHORT_STRIPS]
    rounded = [case for kernel in ROUNDING for case in cases if case.kernel == kernel]
    slow = (replace(case, slow=True) for case in (*lists, *others[::3], *strips[::3]))
    return [*slow, *(replace(case, left=True) for case in rounded[::3])]


def dense_linear(unit: VectorUnit) -> tuple[str, ...]:
    """The kernels of dense fully connected layers."""
    return DENSE_LINEAR if unit == "mve" else (PER_TENSOR, *DENSE_LINEAR)


def sparse_convolutions(work: Workload, sparsity: float, unit: VectorUnit) -> Iterator[Case]:
    """A convolution by every sparse kernel, and by the dense one of Helium."""
    yield Case("sparsec_convolve_delta8_s8", work, sparsity)
    if unit == "mve":
        windows = windows_of_work(work)
        yield Case("sparsec_convolve_runs_s8", work)
        for size in (16, 4):
            if windows.why_no_blocks(size) is None:
                yield Case(f"sparsec_convolve_1x{size}_s8", work, sparsity, Block(1, size))
    if unit == "mve" and work.strides == (1, 1) and taps_are_apart(work):
        for kernel in PIXELS:
            yield Case(kernel, work, sparsity)
    if unit == "dsp":
        yield Case("sparsec_convolve_packed_s8", work, sparsity)
        if work.taps == 1:
            yield Case("sparsec_convolve_packed_s8", work, sparsity, Block(1, 4))


PIXELS = (
    rt.ConvolvePixelsOp.C_FUNCTION,
    rt.ToChannelMajorOp.C_FUNCTION,
    rt.FromChannelMajorOp.C_FUNCTION,
)
"""A layer on channel-major activations, and the conversions of its input and output."""


LARGE_IMAGES = (
    *((20, 20, 16, 12, 1), (16, 14, 24, 28, 1), (30, 9, 12, 16, 1), (40, 12, 4, 8, 1)),
    *((20, 18, 8, 12, 3), (15, 33, 12, 4, 3), (26, 16, 4, 16, 3), (12, 64, 8, 8, 1)),
)
"""Height, width, inputs, outputs and kernel of layers whose conversions take long runs of pixels."""


def sparse_linear(work: Workload, sparsity: float, number: int, unit: VectorUnit) -> Iterator[Case]:
    """A fully connected layer by every sparse kernel, and its weights by every decoder, of its formats by turns."""
    for kernel, encoding in (LISTS | VECTORS if unit == "mve" else LISTS).items():
        if kernel == "1x16" and work.columns < 16:
            continue
        yield Case(f"sparsec_fully_connected_{kernel}_s8", work, sparsity, encoding)
    yield Case(rt.FullyConnectedDecodedOp.C_FUNCTION, work, sparsity, (Csr(), Bitmap())[number % 2])
    for decoder, encodings in DECODERS.items():
        for turn in range(0, len(encodings), 2):
            encoding = encodings[(number + turn) % len(encodings)]
            yield Case(f"sparsec_decode_{decoder}_s8", work, sparsity, encoding)
        turn = number // len(SPARSITIES)
        encoding = encodings[turn % len(encodings)]
        if isinstance(encoding, (Block, Nm)):
            yield Case(f"sparsec_decode_{decoder}_s8", work, sparsity, encoding, scattered=True)
        elif number % len(SPARSITIES) == 0:
            yield Case(f"sparsec_decode_{decoder}_s8", work, NEARLY_DENSE, encoding)
