"""`overlap-buffers`: layers are done in strips, or two at once, where the arena gets smaller by it.

    cmsis.convolve_wrapper_s8 %x, .. into %y
becomes
    rt.convolve_strips_s8 strip 4 of %x, .. into %y

Its output may then lie over what its strips have read of the input. What every layer needs while it runs is bounded from
below for each of its versions; those are taken together that make the largest of these bounds least. Under `ram` at any
price, else within `slack` percent more cycles than all layers take that are done at once, unless a budget of `ram` bytes
asks for more. Nothing changes where the plan would not get smaller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import BlockArgument, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.buffer_lives import live_buffers, overlaps_of
from sparsec.analysis.fused_versions import FusedVersion, fused_versions
from sparsec.analysis.memory_plan import RESULT
from sparsec.analysis.strip_versions import StripVersion, strip_versions
from sparsec.ir import cmsis
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt_strips import geometry_of
from sparsec.ir.views import memory_of
from sparsec.passes.fuse_rows import fuse
from sparsec.planning.arena import Buffer
from sparsec.planning.choice import Option
from sparsec.planning.least_peak import least_peak
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import assign_overlapping, least_bytes
from sparsec.targets.cpu import Cpu, cpu_named

Overlaps = Mapping[tuple[SSAValue, SSAValue], Overlap]


@dataclass(frozen=True)
class OverlapBuffersPass(ModulePass):
    """Choose for each layer how it may overlap its input, all layers together."""

    name = "overlap-buffers"
    target: str = "cortex-m4"
    objective: Literal["latency", "ram"] = "latency"
    slack: int = 2
    ram: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            cpu = cpu_named(self.target)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        slack = None if self.objective == "ram" else self.slack
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(type, MemRefType) for type in types):
                overlap_buffers(function, cpu, slack, self.ram)


def overlap_buffers(function: func.FuncOp, cpu: Cpu, slack: int | None, ram: int | None) -> None:
    """Rewrite a bufferized function; `slack` percent of the cycles may be added, any number where it is None."""
    memory = Memory(function)
    parts = parts_of(function, memory, cpu)
    options = [[Option(v.bytes, v.cycles) for v in versions] for versions in parts]
    plain = sum(versions[0].cycles for versions in parts)
    most = None if slack is None else plain * (1 + slack / 100)
    picks = least_peak(options, most, ram)
    chosen = [versions[pick] for versions, pick in zip(parts, picks, strict=True)]
    if not any(version.apply for version in chosen):
        return
    unchanged, before = function.clone(), memory.planned_bytes()
    for version in chosen:
        for apply in version.apply:
            apply()
    if Memory(function).planned_bytes() >= before:
        Rewriter.replace_op(function, unchanged)


@dataclass(frozen=True)
class Version:
    """A way to do a layer, or two that can be fused: the bytes it needs while it runs, predicted cycles, and what makes
    the function so; nothing for the way it is."""

    bytes: int
    cycles: int
    apply: Sequence[Callable[[], None]] = field(default=())


def results_of(function: func.FuncOp) -> list[BlockArgument]:
    """The arguments of a bufferized function that hold its results."""
    attributes = function.arg_attrs or ()
    return [
        argument
        for argument, each in zip(function.body.block.args, attributes, strict=False)
        if RESULT in each.data
    ]


class Memory:
    """The buffers of a bufferized function, and what may overlap as it stands."""

    def __init__(self, function: func.FuncOp):
        results = results_of(function)
        inputs = [a for a in function.body.block.args if a not in results]
        lives = live_buffers(function, inputs, results)
        self.buffers = {value: buffer for value, buffer in lives.items() if buffer.size}
        self.overlaps = overlaps_of(function, self.buffers)
        kernels = (op for op in function.body.block.ops if isinstance(op, KernelOp))
        self.times = {op: time for time, op in enumerate(kernels, 1)}

    def planned_bytes(self) -> int:
        """The arena of a plan made in little time."""
        numbers = {value: number for number, value in enumerate(self.buffers)}
        overlaps = {(numbers[o], numbers[i]): each for (o, i), each in self.overlaps.items()}
        return assign_overlapping([*self.buffers.values()], overlaps, seconds=1.0).arena_bytes

    def live_at(self, *ops: KernelOp) -> dict[SSAValue, Buffer]:
        """What is live while `ops` run, which follow one another, without what lives only then and is no output."""
        times = [self.times[op] for op in ops]
        return {
            value: buffer
            for value, buffer in self.buffers.items()
            if buffer.first <= max(times) and buffer.last >= min(times)
        }

    def least(self, live: Mapping[SSAValue, Buffer], overlaps: Overlaps, scratch: int = 0) -> int:
        """Bytes that these take together at least, and `scratch` more."""
        numbers = {value: number for number, value in enumerate(live)}
        sizes = [Buffer(buffer.size, 0, 0, buffer.alignment) for buffer in live.values()]
        pairs = {
            (numbers[o], numbers[i]): each
            for (o, i), each in overlaps.items()
            if o in numbers and i in numbers
        }
        return least_bytes([*sizes, Buffer(scratch, 0, 0)] if scratch else sizes, pairs)


def parts_of(function: func.FuncOp, memory: Memory, cpu: Cpu) -> list[list[Version]]:
    """For each call, or two that can be fused, its versions; the first is the one that stands there."""
    fusable = {version.depthwise: version for version in fused_versions(function, cpu)}
    points = {version.point for version in fusable.values()}
    parts: list[list[Version]] = []
    for op in memory.times:
        if op in points:
            continue
        versions = versions_of(op, memory, cpu)
        if isinstance(op, cmsis.DepthwiseConvOp) and (fused := fusable.get(op)):
            pairs = product(versions_of(fused.point, memory, cpu), versions)
            versions = [both(first, second) for first, second in pairs]
            versions.append(fused_version(fused, memory))
        parts.append(versions)
    return parts


def both(first: Version, second: Version) -> Version:
    """One after the other."""
    return Version(
        max(first.bytes, second.bytes),
        first.cycles + second.cycles,
        (*first.apply, *second.apply),
    )


def versions_of(op: KernelOp, memory: Memory, cpu: Cpu) -> list[Version]:
    """`op` as it stands, and strip by strip."""
    live = memory.live_at(op)
    strips = strip_versions(op, cpu)
    cycles = strips[0].plain_cycles if strips else 0
    versions = [Version(memory.least(live, memory.overlaps), cycles)]
    for strip in strips:
        geometry = geometry_of(op)
        pair = memory_of(geometry.output), memory_of(geometry.input)
        if pair in memory.overlaps:
            least = memory.least(live, {**memory.overlaps, pair: strip.overlap})
            versions.append(Version(least, strip.cycles, (in_place_of(op, strip),)))
    return versions


def in_place_of(op: KernelOp, strip: StripVersion) -> Callable[[], None]:
    """What replaces `op`."""
    return lambda: Rewriter.replace_op(op, strip.build(op))


def fused_version(version: FusedVersion, memory: Memory) -> Version:
    """Both layers row by row."""
    point, depthwise = version.point, version.depthwise
    gone = {memory_of(v) for v in (point.output, point.scratch, depthwise.scratch) if v is not None}
    live = {v: b for v, b in memory.live_at(point, depthwise).items() if v not in gone}
    pair = memory_of(depthwise.output), memory_of(point.input)
    overlaps = dict(memory.overlaps)
    dies = memory.buffers[pair[1]].last <= memory.times[depthwise]
    if dies and memory.buffers[pair[0]].first == memory.times[depthwise]:
        overlaps[pair] = version.overlap
    least = memory.least(live, overlaps, version.scratch)
    return Version(least, version.cycles, (lambda: fuse(version),))
