# SPDX-License-Identifier: Apache-2.0
"""How the activations of a bufferized function lie: chosen for all calls together, conversions between them counted.

The rule: exact for what is predicted. Calls are the variables, the layouts that a call can read and leave together are its
choices, and each image, whatever memories hold it, costs the conversions that its writer and its readers make necessary.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.ir import BlockArgument, SSAValue
from xdsl.traits import SymbolTable

from sparsec.ir import cmsis, rt
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layouts import layout_of
from sparsec.ir.rt.planes import ConversionOp
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import memory_of
from sparsec.kernels.convolve_pixels import walked
from sparsec.kernels.planes import conversion_cost, cost_of_loops, left_by, with_gaps
from sparsec.kernels.stored import NOTHING, Stored
from sparsec.layouts.activations import ChannelMajor, Layout
from sparsec.layouts.linear_rows import FULL_CLAMP, SATURATING_SHIFTS
from sparsec.layouts.pixel_rows import ROW_NUMBERS, taps_of
from sparsec.planning.elimination import Factor, cheapest_choice
from sparsec.quantization import int8

Choice: TypeAlias = tuple[Layout, ...]
"""A layout for each operand of a call that can have one, in their order."""


@dataclass(eq=False)
class Image:
    """What a call, or the caller, wrote, in whatever layouts: the memories that conversions connect."""

    shape: tuple[int, ...]
    memories: list[SSAValue] = field(default_factory=list[SSAValue])
    writers: list[KernelOp] = field(default_factory=list[KernelOp])
    readers: list[KernelOp] = field(default_factory=list[KernelOp])
    conversions: list[ConversionOp] = field(default_factory=list[ConversionOp])
    is_reshaped: bool = False
    """Whether conversions see it in several shapes: its planes are other ones in each, so what it lies in now remains."""

    @property
    def is_outside(self) -> bool:
        """Whether the caller gives it or takes it."""
        return any(isinstance(memory, BlockArgument) for memory in self.memories)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        _, height, width, channels = self.shape
        return height, width, channels


class Images(dict[SSAValue, Image]):
    """Those of a bufferized function, by the memories that hold them."""

    def __init__(self, function: func.FuncOp):
        super().__init__()
        self.calls: list[KernelOp] = [
            op for op in function.body.block.ops if isinstance(op, KernelOp)
        ]
        for op in self.calls:
            if isinstance(op, ConversionOp):
                self._join(op)
        for op in self.calls:
            if not isinstance(op, ConversionOp):
                self._note(op)

    def of(self, value: SSAValue) -> Image:
        """That which a buffer shows."""
        return self[memory_of(value)]

    def all(self) -> list[Image]:
        """Each once, in the order in which the calls come to them."""
        return list(dict.fromkeys(self.values()))

    def _join(self, op: ConversionOp) -> None:
        ends = [memory_of(op.input), memory_of(op.output)]
        known = [self[memory] for memory in ends if memory in self]
        image = known[0] if known else Image(shape_of(op.input.type))
        image.is_reshaped |= shape_of(op.input.type) != image.shape
        for other in known[1:]:
            if other is not image:
                image.memories += other.memories
                image.conversions += other.conversions
                image.is_reshaped |= other.is_reshaped or other.shape != image.shape
        image.memories += [memory for memory in ends if memory not in image.memories]
        image.conversions.append(op)
        for memory in image.memories:
            self[memory] = image

    def _note(self, op: KernelOp) -> None:
        written = {memory_of(value) for value in op.written()}
        for value in op.operands:
            memory = memory_of(value)
            if memory not in self:
                self[memory] = Image(shape_of(value.type), [memory])
            image = self[memory]
            calls = image.writers if memory in written else image.readers
            if op not in calls:
                calls.append(op)


@dataclass(frozen=True)
class LayoutChoice:
    """What was chosen for the calls that have a choice, and the cycles of conversions and of what hangs on layouts."""

    images: Images
    chosen: Mapping[KernelOp, Choice]
    cycles: float

    def layout(self, op: KernelOp, value: SSAValue) -> Layout:
        """How `op` shall have its operand `value`."""
        found = self.chosen.get(op)
        return None if found is None else found[list(op.laid_out()).index(value)]


class LayoutProblem:
    """What there is to choose for a bufferized function on a core, and what it costs.

    Raises ValueError where costs are not known.
    """

    def __init__(self, function: func.FuncOp, cpu: str):
        self.images = Images(function)
        self.calls = [op for op in self.images.calls if _is_free(op, self.images)]
        self._choices = _Choices(self.images, self.calls).of
        self._cpu = cpu
        self._stored = {op: _stored(op) for op in self.calls}

    @property
    def sizes(self) -> list[int]:
        """How many choices each call has."""
        return [len(self._choices[op]) for op in self.calls]

    def choice(self, numbers: Sequence[int], cycles: float = 0) -> LayoutChoice:
        """That of the choice of each call with its number."""
        chosen = {op: self._choices[op][n] for op, n in zip(self.calls, numbers, strict=True)}
        return LayoutChoice(self.images, chosen, cycles)

    def own_cost(self, op: KernelOp, number: int) -> float:
        """Cycles of a call as far as they hang on layouts."""
        return _own_cost(op, self._choices[op][number], self._stored[op], self._cpu)

    def factors(self) -> Iterator[Factor]:
        """All costs: those of calls, then those of conversions."""
        numbers = {op: number for number, op in enumerate(self.calls)}
        for op in self.calls:
            yield Factor((numbers[op],), partial(self.own_cost, op))
        for image in self.images.all():
            if image.is_reshaped:
                continue
            own = [op for op in dict.fromkeys((*image.writers, *image.readers)) if op in numbers]
            if own:
                cost = partial(_image_cost, image, own, self._choices, self._cpu)
                yield Factor(tuple(numbers[op] for op in own), cost)


def choose_layouts(function: func.FuncOp, cpu: str) -> LayoutChoice:
    """The layouts of the fewest cycles on a core. Raises ValueError as `LayoutProblem`."""
    problem = LayoutProblem(function, cpu)
    return problem.choice(*cheapest_choice(problem.sizes, list(problem.factors())))


def _is_free(op: KernelOp, images: Images) -> bool:
    """Whether it has a choice: what it does bytewise are whole images that nobody else writes."""
    if isinstance(op, rt.ConvolvePixelsOp):
        return True
    shapes = {shape_of(value.type) for value in op.bytewise()}
    if len(shapes) != 1 or isinstance(op, ConversionOp):
        return False
    (shape,) = shapes
    if len(shape) != 4 or shape[0] != 1:
        return False
    own = [images.of(value) for value in op.bytewise()]
    alone = all(image.writers in ([], [op]) or op not in image.writers for image in own)
    constant = any(
        isinstance(memory_of(value).owner, memref.GetGlobalOp) for value in op.bytewise()
    )
    return alone and not constant and all(image.shape == shape for image in own)


class _Choices:
    """`of` each call that has some: the combinations of layouts of its operands."""

    def __init__(self, images: Images, calls: Sequence[KernelOp]):
        self.images = images
        self.gaps = sorted({(0, 0), *(gaps for op in calls for gaps in _needed_gaps(op))})
        self.layouts: dict[Image, list[Layout]] = {image: [None] for image in images.all()}
        self.of: dict[KernelOp, list[Choice]] = {}
        for op in calls:
            if isinstance(op, rt.ConvolvePixelsOp):
                self._add(images.of(op.input), *self._readable(op))
        for op in calls:
            found = list(dict.fromkeys(self._choices(op)))
            self.of[op] = found
            for value, layouts in zip(op.laid_out(), zip(*found, strict=True), strict=True):
                if value in op.written():
                    self._add(images.of(value), *layouts)

    def _add(self, image: Image, *layouts: Layout) -> None:
        known = self.layouts[image]
        known += [each for each in dict.fromkeys(layouts) if each not in known]

    def _readable(self, op: rt.ConvolvePixelsOp) -> Iterator[ChannelMajor]:
        for rows, columns in self.gaps:
            layout = with_gaps(rows, columns, op.requant.data.input_zp)
            if _can_read(op, layout):
                yield layout

    def _choices(self, op: KernelOp) -> Iterator[Choice]:
        if any(self.images.of(value).is_reshaped for value in op.laid_out()):
            yield tuple(layout_of(value.type) for value in op.laid_out())
            return
        if isinstance(op, rt.ConvolvePixelsOp):
            yield from self._of_pixels(op)
            return
        output = op.written()[0]
        inputs = [value for value in op.bytewise() if value is not output]
        yield (None,) * (len(inputs) + 1)
        for read in product(*(self.layouts[self.images.of(value)] for value in inputs)):
            given = [layout for layout in read if layout is not None]
            if len(given) < len(read) or len({_gaps(layout) for layout in given}) > 1:
                continue
            fill = 0 if not given[0].has_gaps else _fill(op, [layout.fill for layout in given])
            yield (*given, with_gaps(*_gaps(given[0]), fill))

    def _of_pixels(self, op: rt.ConvolvePixelsOp) -> Iterator[Choice]:
        read_image, left_image = self.images.of(op.input), self.images.of(op.output)
        wanted = [layout for layout in self.layouts[left_image] if layout is not None]
        fills = sorted({layout.fill for layout in wanted if layout.has_gaps})
        for read in self.layouts[read_image]:
            if read is None or not _can_read(op, read):
                continue
            for rows in sorted({rows for rows, _ in self.gaps}):
                for fill in fills or [op.requant.data.output_zp]:
                    left = left_by(read, read_image.size, left_image.size, rows, fill)
                    yield read, left


def _needed_gaps(op: KernelOp) -> Iterator[tuple[int, int]]:
    if isinstance(op, rt.ConvolvePixelsOp):
        top, left, bottom, right = op.window.data.padding
        yield max(top, bottom), max(left, right)


def _gaps(layout: ChannelMajor) -> tuple[int, int]:
    return layout.gap_rows, layout.gap_columns


def _can_read(op: rt.ConvolvePixelsOp, layout: ChannelMajor) -> bool:
    window, shape = op.window.data, shape_of(op.input.type)
    top, left, bottom, right = window.padding
    if max(top, bottom) > layout.gap_rows or max(left, right) > layout.gap_columns:
        return False
    if any(window.padding) and layout.fill != op.requant.data.input_zp:
        return False
    if layout.pitch(shape) < shape_of(op.output.type)[2]:
        return False
    return taps_of(layout, shape, op.kernel_size, window.dilations).are_apart


def constant_of(value: SSAValue) -> NDArray[Any]:
    """What a buffer in flash holds."""
    get = memory_of(value).owner
    assert isinstance(get, memref.GetGlobalOp)
    found = SymbolTable.lookup_symbol(get, get.name_)
    assert isinstance(found, memref.GlobalOp)
    assert isinstance(found.initial_value, DenseIntOrFPElementsAttr)
    return array_of(found.initial_value)


def _stored(op: KernelOp) -> Stored:
    """What is stored of the weights of a call; nothing where there are none."""
    if not isinstance(op, rt.ConvolvePixelsOp):
        return NOTHING
    shifts = constant_of(op.rows).reshape(-1, ROW_NUMBERS)[:, 2]
    quick = np.isin(shifts, SATURATING_SHIFTS) & (op.requant.data.clamp == FULL_CLAMP)
    return Stored(shape_of(op.values.type)[0], slow=int(np.count_nonzero(~quick)))


def _fill(op: KernelOp, fills: Sequence[int]) -> int:
    """What `op` makes of what gaps hold."""
    given = [np.array([fill], np.int8) for fill in fills]
    match op:
        case rt.LookupOp():
            return int(int8.lookup(given[0], constant_of(op.table))[0])
        case rt.RequantizeOp():
            p = op.params.data
            return int(
                int8.requantize_tensor(
                    given[0],
                    input_zp=p.input_zp,
                    multiplier=p.multiplier,
                    shift=p.shift,
                    output_zp=p.output_zp,
                    clamp=p.clamp,
                )[0]
            )
        case cmsis.ElementwiseAddOp():
            p = op.params.data
            return int(int8.add(*given, **vars(p))[0])
        case rt.ResidualAddOp() | rt.ResidualAddRoundedOp():
            return int(op.numbers.data(*given)[0])
        case _:
            raise ValueError(f"what {op.name} makes of a byte is not known")


def _own_cost(op: KernelOp, choice: Choice, stored: Stored, cpu: str) -> float:
    output = op.written()[0]
    shape, left = shape_of(output.type), choice[-1]
    if not isinstance(op, rt.ConvolvePixelsOp):
        # Gaps are bytes like all others, of which kernels do more than one in a cycle.
        return 0 if left is None else left.bytes(shape) - prod(shape)
    read, left = choice
    assert read is not None and left is not None
    _, height, width, channels = shape
    pitch = read.pitch(shape_of(op.input.type))
    loops = walked((height, width, channels), pitch, _gaps(left), stored)
    return cost_of_loops(op.C_FUNCTION, loops, cpu).cycles


def wants(
    image: Image, layouts: Iterable[tuple[KernelOp, SSAValue, Layout]]
) -> tuple[Layout, list[Layout]]:
    """How an image is written, and the layouts in which it is read, besides that in which it is written: of the operands
    that show it, each with its layout. Who has no choice reads and writes NHWC."""
    left: Layout = None
    read: list[Layout] = []
    free: set[KernelOp] = set()
    for op, value, layout in layouts:
        free.add(op)
        if value in op.written():
            left = layout
        else:
            read.append(layout)
    if image.is_outside or any(op not in free for op in image.readers):
        read.append(None)
    return left, [layout for layout in dict.fromkeys(read) if layout != left]


def _image_cost(
    image: Image,
    own: Sequence[KernelOp],
    choices: Mapping[KernelOp, Sequence[Choice]],
    cpu: str,
    *chosen: int,
) -> float:
    """Cycles of the conversions of an image."""
    memories = set(image.memories)
    left, missing = wants(
        image,
        (
            (op, value, layout)
            for op, number in zip(own, chosen, strict=True)
            for value, layout in zip(op.laid_out(), choices[op][number], strict=True)
            if memory_of(value) in memories
        ),
    )
    if not missing:
        return 0
    cycles = 0 if left is None else conversion_cost(cpu, image.size, left, back=True).cycles
    return cycles + sum(
        conversion_cost(cpu, image.size, layout, back=False).cycles
        for layout in missing
        if layout is not None
    )
