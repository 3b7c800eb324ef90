# SPDX-License-Identifier: Apache-2.0
"""`overlap-buffers`: layers are done in strips, or two at once, where the arena gets smaller by it.

    cmsis.convolve_wrapper_s8 %x, .. into %y
becomes
    rt.convolve_strips_s8 strip 4 of %x, .. into %y

Its output may then lie over what its strips have read of the input. What every layer needs while it runs is bounded from
below for each of its versions; those are taken together that make the largest of these bounds least. Under `ram` at any
price, else within `slack` percent more cycles than all layers take that are done at once (none: as they stand), unless a
budget of `ram` bytes asks for more. Nothing changes where the plan would not get smaller, nor where the code of another
kernel would not keep to a budget of `flash` bytes for constants and code.

What a layer needs at least while it runs is known for each version (`least_bytes`), and `planning/least_peak.py` takes those
that make the largest need least. Neighbours may still be in each other's way then, so a few tighter limits are planned too and
the best plan wins. `analysis/memory/layer_memory.py` says the same before there are kernels, for `--ram` and `--objective=ram`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, TypeAlias

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.memref import GlobalOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.choice_record import revise
from sparsec.analysis.memory.fused_versions import FusedVersion, fused_versions
from sparsec.analysis.memory.live_memory import Change, LiveMemory, Overlaps
from sparsec.analysis.memory.strip_versions import StripVersion, constants_around, strip_versions
from sparsec.ir import cmsis
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.layer import layer_of
from sparsec.ir.rt.fused import PointDepthwiseOp
from sparsec.ir.rt.strips import STRIPS, rowwise
from sparsec.ir.views import memory_of
from sparsec.kernels.code import code_of
from sparsec.passes.fuse_rows import fuse
from sparsec.planning.arena import Buffer
from sparsec.planning.choice import Option
from sparsec.planning.least_peak import least_peak, time_of, within
from sparsec.rewriting.planned_views import inputs_and_results
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import Cpu, cpu_named

Io: TypeAlias = Literal["arena", "caller"]
"""Whether inputs and outputs are planned, or buffers of the caller that nothing may lie over."""

_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.5, 0.0)
"""Of the largest bound: neighbours that leave each other room may fit where the fastest within the bound do not."""


@dataclass(frozen=True)
class OverlapBuffersPass(ModulePass):
    """Choose for each layer how it may overlap its input, all layers together."""

    name = "overlap-buffers"
    target: str = "cortex-m4"
    objective: Literal["latency", "ram"] = "latency"
    slack: int = 2
    ram: int | None = None
    flash: int | None = None
    io: Io = "arena"
    cmsis_nn: Release = PACKAGED

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            cpu = cpu_named(self.target, self.cmsis_nn)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        slack = None if self.objective == "ram" else self.slack
        code = None if self.flash is None else self.flash - constant_bytes(op)
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(type, MemRefType) for type in types):
                overlap_buffers(function, cpu, slack, self.ram, self.io, code)


@dataclass(frozen=True)
class Version:
    """A way to do a layer, or two that can be fused: the bytes it needs while it runs, its predicted cycles, the C
    functions it calls, what makes the function so, and what changes by it. Nothing for the way it is."""

    bytes: int
    cycles: int
    calls: tuple[str, ...]
    apply: tuple[Callable[[], None], ...] = ()
    change: Change = field(default_factory=Change)


def overlap_buffers(
    function: func.FuncOp,
    cpu: Cpu,
    slack: int | None,
    ram: int | None,
    io: Io = "arena",
    code: int | None = None,
) -> None:
    """Rewrite a bufferized function; `slack` percent of the cycles may be added, any number where it is None, and its
    code may be of `code` bytes."""
    own = ((), ()) if io == "caller" else inputs_and_results(function)
    memory = LiveMemory(function, *own)
    if slack == 0 and (ram is None or memory.planned_bytes([]) <= ram):
        return  # a loop over strips costs something, be it less than the cost model can tell
    parts = parts_of(function, memory, cpu)
    options = [[Option(v.bytes, v.cycles) for v in versions] for versions in parts]
    plain = tuple(0 for _ in parts)
    most = None if slack is None else time_of(options, plain) * (1 + slack / 100)
    first = least_peak(options, most, ram)
    if first == plain:  # nothing needs less in the time allowed
        return
    limit = max((each[pick].bytes for each, pick in zip(options, first, strict=True)), default=0)
    enough = 0
    if ram is not None and most is not None and time_of(options, first) > most:
        most, enough = None, ram  # the budget asks for it, and for no more
    tried: dict[tuple[int, ...], int] = {plain: memory.planned_bytes([])}
    for share in _SHARES:
        picks = within(options, limit * share)
        if picks not in tried and (most is None or time_of(options, picks) <= most):
            changes = (version.change for version in chosen(parts, picks))
            tried[picks] = memory.planned_bytes(changes)
        if tried.get(picks, limit + 1) <= max(limit, enough):
            break

    def rank(picks: tuple[int, ...]) -> tuple[bool, int, int]:
        calls = [call for version in chosen(parts, picks) for call in version.calls]
        is_large = code is not None and code_of(cpu.name).bytes(calls) > code
        return is_large, max(tried[picks], enough), time_of(options, picks)

    best = min(tried, key=rank)
    for version in chosen(parts, best):
        for apply in version.apply:
            apply()


def constant_bytes(module: ModuleOp) -> int:
    """Bytes of all constants of a bufferized module."""
    return sum(byte_count(op.type) for op in module.ops if isinstance(op, GlobalOp))


def chosen(parts: Sequence[Sequence[Version]], picks: Sequence[int]) -> list[Version]:
    """The versions by their numbers."""
    return [versions[pick] for versions, pick in zip(parts, picks, strict=True)]


def parts_of(function: func.FuncOp, memory: LiveMemory, cpu: Cpu) -> list[list[Version]]:
    """For each call, or two that can be fused, its versions; the first is the one that stands there."""
    fusable = {version.depthwise: version for version in fused_versions(function, cpu)}
    points = {version.point for version in fusable.values()}
    constants = constants_around(function)
    parts: list[list[Version]] = []
    for op in memory.times:
        if op in points:
            continue
        versions = versions_of(op, memory, strip_versions(op, cpu, constants))
        if isinstance(op, cmsis.DepthwiseConvOp) and (fused := fusable.get(op)):
            strips = strip_versions(fused.point, cpu, constants)
            pairs = product(versions_of(fused.point, memory, strips), versions)
            versions = [both(first, second) for first, second in pairs]
            versions.append(fused_version(fused, memory))
        parts.append(versions)
    return parts


def both(first: Version, second: Version) -> Version:
    """One after the other."""
    return Version(
        max(first.bytes, second.bytes),
        first.cycles + second.cycles,
        first.calls + second.calls,
        (*first.apply, *second.apply),
        Change({**first.change.overlaps, **second.change.overlaps}),
    )


def versions_of(op: KernelOp, memory: LiveMemory, strips: Sequence[StripVersion]) -> list[Version]:
    """`op` as it stands, and strip by strip."""
    live = memory.live_at(op)
    cycles = strips[0].plain.cycles if strips else 0
    versions = [Version(memory.least(live, op), cycles, (op.C_FUNCTION,))]
    for strip in strips:
        layer = rowwise(op)
        pair = memory_of(layer.output), memory_of(layer.input)
        if pair in memory.overlaps:
            overlaps = {pair: strip.overlap}
            least = memory.least(live, op, overlaps)
            change = Change(overlaps)
            calls, apply = (STRIPS[type(op)].C_FUNCTION,), (in_place_of(op, strip),)
            versions.append(Version(least, strip.cost.cycles, calls, apply, change))
    return versions


def in_place_of(op: KernelOp, strip: StripVersion) -> Callable[[], None]:
    """What replaces `op`."""

    def apply() -> None:
        built = strip.build(op)
        layers, more = {layer_of(op): op.C_FUNCTION}, strip.cost - strip.plain
        Rewriter.replace_op(op, built)
        revise(built.get_toplevel_object(), layers, built.C_FUNCTION, more)

    return apply


def fused_version(version: FusedVersion, memory: LiveMemory) -> Version:
    """Both layers row by row."""
    point, depthwise = version.point, version.depthwise
    time = memory.times[depthwise]
    output, input = memory_of(depthwise.output), memory_of(point.input)
    middle = (point.output, point.scratch, depthwise.scratch)
    gone = frozenset(memory_of(value) for value in middle if value is not None)
    live = {v: b for v, b in memory.live_at(point, depthwise).items() if v not in gone}
    overlaps: Overlaps = {}
    lasts: dict[SSAValue, int] = {}
    if input in memory.buffers:
        lasts[input] = time
        dies = memory.buffers[input].last <= time
        if dies and output in memory.buffers and memory.buffers[output].first == time:
            overlaps = {(output, input): version.overlap}
    return Version(
        memory.least(live, depthwise, overlaps, version.scratch),
        version.cost.cycles,
        (PointDepthwiseOp.C_FUNCTION,),
        (lambda: fuse(version),),
        Change(overlaps, gone, (Buffer(version.scratch, time, time, scratch.ALIGNMENT),), lasts),
    )
