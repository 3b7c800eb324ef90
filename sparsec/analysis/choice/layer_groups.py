# SPDX-License-Identifier: Apache-2.0
"""The layers of a network by the weights that they read, and what ways to store those are left.

The rule: layers that share weights are one choice, and a way that is left out keeps the reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Block, SSAValue

from sparsec.analysis.choice.candidates import (
    Candidate,
    Constants,
    Refusal,
    candidates,
    constants_of,
    others,
)
from sparsec.analysis.memory.layer_memory import LayerMemory
from sparsec.analysis.memory.live_bytes import live_parts, sum_text
from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.attributes import SCRATCH_LIMIT
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.layer import layer_of
from sparsec.ir.moved import moves_of
from sparsec.ir.sparse import format_of
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.way import Way as KernelWay
from sparsec.recipe.recipe import DENSE, Recipe, Wish, way_label
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class Way:
    """One way to store weights: a candidate for each layer that reads them."""

    candidates: tuple[Candidate, ...]

    @property
    def label(self) -> str:
        """The format as recipes write it."""
        return self.candidates[0].label

    @property
    def kernel(self) -> str:
        """The C function of the first layer."""
        return self.candidates[0].kernel

    def grants(self, wish: Wish) -> bool:
        """Whether it is what `wish` names."""
        wanted = DENSE if wish.format is None else wish.format.label
        return self.label == wanted and wish.kernel in (None, self.kernel)

    @property
    def constants(self) -> Constants:
        """All arrays in flash."""
        return {key: size for each in self.candidates for key, size in each.constants.items()}

    @property
    def calls(self) -> tuple[str, ...]:
        """The C functions that all layers call."""
        return tuple(function for each in self.candidates for function in each.calls)

    @property
    def decodes(self) -> bool:
        """Whether a decoder stands in front of a kernel."""
        return any(candidate.decoder is not None for candidate in self.candidates)

    @property
    def measured(self) -> bool:
        """Whether the cost is known."""
        return all(candidate.cost is not None for candidate in self.candidates)

    @property
    def cycles(self) -> int:
        """Estimated; what is not known counts nothing."""
        return sum(c.cost.cycles for c in self.candidates if c.cost is not None)

    @property
    def instructions(self) -> int:
        """Predicted; what is not known counts nothing."""
        return sum(c.cost.instructions for c in self.candidates if c.cost is not None)


LeftOut: TypeAlias = Callable[["Group", Layer, KernelWay], bool]
"""Whether a way to run a layer need not be looked at."""

LayerOf: TypeAlias = Callable[[qnn.WeightedOp], Layer]
"""The layer that an operation is; who asks more than once keeps it, with all that it knows of itself."""


class Group:
    """Layers that read the same weights. `ways` are those left, dense by the preferred kernel first; `refused` says why
    others are not.

    What is `left_out` for the only layer of a group, given the ways before it, is neither.
    """

    def __init__(
        self,
        ops: Sequence[qnn.WeightedOp],
        cpu: Cpu,
        formats: Iterable[SparseFormat],
        left_out: LeftOut | None = None,
        layer: LayerOf = Layer,
    ):
        self.ops = ops
        self.refused: dict[str, Refusal] = {}
        self.ways: list[Way] = []
        self.asked: str | None = None
        """Who asked for the one way that is left."""
        self.hopeless: set[tuple[Kernel, bool]] = set()
        """Kernels by which no format can win, decoded or not."""
        formats = tuple(formats)
        alone = len(ops) == 1
        leave = partial(left_out, self) if left_out is not None and alone else None
        layers = [layer(op) for op in ops]
        every = [candidates(each, cpu, formats, leave) for each in layers]
        for ways in zip(*every, strict=True):
            refusals = [way for way in ways if isinstance(way, Refusal)]
            if refusals:
                self.refused[ways[0].label] = refusals[0]
                continue
            self.ways.append(Way(tuple(way for way in ways if isinstance(way, Candidate))))
            more = by_kernel(others(each, cpu, leave, ways[0].format) for each in layers)
            self.ways += [Way(same) for same in more]
        if format_of(ops[0].weights.type) is not None:
            self.asked = "stored so already"
        elif any(use.operation not in ops for use in ops[0].weights.uses):
            self.leave_out(lambda way: way.label != DENSE, "not only layers read these weights")

    @property
    def names(self) -> list[str]:
        """The names of the layers."""
        return [layer_of(op) for op in self.ops]

    def told_apart(self, way: Way) -> str:
        """`way` in the language of recipes, with its kernel where another one is left for the same format."""
        same = sum(other.label == way.label for other in self.ways)
        return way_label(way.label, way.kernel if same > 1 else None)

    @property
    def dense(self) -> Way | None:
        """Dense weights and the kernel that is preferred for them, if that way is left."""
        return next((w for w in self.ways if w.label == DENSE and w.candidates[0].preferred), None)

    def leave_out(self, condition: Callable[[Way], bool], reason: str) -> None:
        """The ways for which `condition` holds are none."""
        for way in [way for way in self.ways if condition(way)]:
            self.ways.remove(way)
            self.refused[way.label] = Refusal(way.candidates[0].format, reason)

    def demand(self, wish: Wish, who: str) -> None:
        """Only the way that `wish` names is left. Raises ValueError, naming the layer, when there is none."""
        wanted = wish.label
        if not any(way.grants(wish) for way in self.ways):
            refusal = self.refused.get(DENSE if wish.format is None else wish.format.label)
            already = f"its weights are stored as {self.ways[0].label} already" if self.ways else ""
            if wish.kernel is not None and refusal is None:
                already = "that C function does not run it so"
            moved = "" if refusal is None else self._moves()
            raise ValueError(
                f"layer '{self.names[0]}' cannot be stored as {wanted}, which {who} asks for: "
                f"{already if refusal is None else refusal.reason}{moved}"
            )
        self.leave_out(lambda way: not way.grants(wish), f"{who} asks for {wanted}")
        self.asked = f"{who} asks for it"

    def _moves(self) -> str:
        """Why the weights are not those of the model, if they are not."""
        moves = dict.fromkeys(move for op in self.ops for move in moves_of(op))
        if not moves:
            return ""
        return f" (rows and columns are not those of the model: {', '.join(moves)})"

    def need(self, way: Way, memory: LayerMemory) -> int:
        """Bytes of RAM at the layer that needs most."""
        return max(candidate.need(memory) for candidate in way.candidates)

    def keep_within(self, ram: int, memory: LayerMemory, reason: str) -> None:
        """Leave out what needs more than `ram` bytes."""
        self.leave_out(lambda way: self.need(way, memory) > ram, reason)

    def keep_alone_within(self, ram: int, memory: LayerMemory, reason: str) -> None:
        """Leave out what needs more with conversions around it, if anything else is left."""

        def is_larger(way: Way) -> bool:
            return any(each.need_alone(memory) > ram for each in way.candidates)

        if not all(map(is_larger, self.ways)):
            self.leave_out(is_larger, reason)


def by_kernel(layers: Iterable[Iterable[Candidate]]) -> Iterator[tuple[Candidate, ...]]:
    """The candidates of each of `layers`, by the kernels that all of them have."""
    first, *rest = [{each.kernel: each for each in found} for found in layers]
    for kernel, candidate in first.items():
        if all(kernel in other for other in rest):
            yield candidate, *(other[kernel] for other in rest)


def groups_of(
    module: ModuleOp,
    cpu: Cpu,
    recipe: Recipe,
    weights: Wish | None,
    left_out: LeftOut | None = None,
    kept: Mapping[qnn.WeightedOp, Group] = MappingProxyType({}),
    layer: LayerOf = Layer,
) -> list[Group]:
    """The groups of a `qnn` module in the order of their first layers, less what the user did not ask for.

    A wish of `recipe` has to be met; `weights` is for every layer that has a kernel for it and no other wish. With
    `left_out` the groups have no more than the ways that may win, else what is refused has its reason. Those of `kept`, by
    their first layers, are taken as they are.
    Raises ValueError for a wish that cannot be met.
    """
    layers: dict[SSAValue, list[qnn.WeightedOp]] = {}
    for op in module.walk():
        if isinstance(op, qnn.WeightedOp):
            layers.setdefault(op.weights, []).append(op)
    names = [layer_of(op) for ops in layers.values() for op in ops]
    for wish in recipe.unmatched(names):
        raise ValueError(f"recipe: no layer is called '{wish.pattern}', known: {', '.join(names)}")
    wishes = [*recipe.wishes, *([] if weights is None else [weights])]
    formats = {wish.format for wish in wishes if wish.format is not None}
    tried = (*COMMON_FORMATS, *sorted(formats - set(COMMON_FORMATS), key=lambda f: f.label))
    groups: list[Group] = []
    for ops in layers.values():
        if ops[0] in kept:
            groups.append(kept[ops[0]])
            continue
        wanted = [wish for op in ops if (wish := recipe.wish_for(layer_of(op))) is not None]
        asked = wanted or ([] if weights is None else [weights])
        if left_out is not None and asked:
            named = [wish.format for wish in asked if wish.format is not None]
            group = Group(ops, cpu, dict.fromkeys(named), layer=layer)
        else:
            group = Group(ops, cpu, tried, left_out, layer)
        groups.append(group)
        for wish in wanted:
            group.demand(wish, f"'{wish.pattern}' of the recipe")
        if not wanted and weights is not None and group.asked is None:
            label = DENSE if weights.format is None else weights.format.label
            refusal = group.refused.get(label)
            if refusal is None or refusal.has_kernel:
                group.demand(weights, "--weights")
            else:
                group.leave_out(lambda way: way.label != DENSE, f"--weights asks for {label}")
    return groups


def has_scratch_limit(module: ModuleOp) -> bool:
    """Whether some layer has one."""
    return any(SCRATCH_LIMIT in op.attributes for op in module.walk())


def respect_scratch_limits(groups: Iterable[Group]) -> None:
    """Leave out of `groups` what needs more scratch memory than layers may have. Raises ValueError, naming the layer,
    when nothing is left."""
    for group in groups:
        for index, op in enumerate(group.ops):
            limit = op.attributes.get(SCRATCH_LIMIT)
            if not isinstance(limit, IntegerAttr) or not group.ways:
                continue
            bytes = limit.value.data
            reason = f"its layer may have {bytes} bytes of scratch memory"
            group.leave_out(lambda way, i=index, b=bytes: way.candidates[i].room > b, reason)
            if not group.ways:
                raise ValueError(
                    f"layer '{layer_of(op)}' needs more than {bytes} bytes of scratch memory"
                )


class RamError(ValueError):
    """A budget of RAM that cannot be met; `least` bytes are needed in any case."""

    def __init__(self, message: str, least: int):
        super().__init__(message)
        self.least = least


def least_ram(groups: Iterable[Group]) -> tuple[int, qnn.WeightedOp | None, int]:
    """The bytes that the layer needs which needs most, if each is stored as needs least; that layer, and the bytes of its
    scratch memory."""
    memories = Memories()
    needs: list[tuple[int, qnn.WeightedOp, int]] = []
    for group in groups:
        if group.ways:
            memory = memories[group]
            least = min(group.ways, key=lambda way: group.need(way, memory))
            for op, candidate in zip(group.ops, least.candidates, strict=True):
                needs.append((candidate.need(memory), op, candidate.scratch))
    return max(needs, key=lambda each: each[0], default=(0, None, 0))


def respect_ram(groups: Sequence[Group], ram: int | None) -> None:
    """Leave out of `groups` what needs more than `ram` bytes, or, if that is None, more than the network needs anyway.

    Raises RamError, which names the layer that needs most, when a layer has nothing left.
    """
    need, op, scratch = least_ram(groups)
    if op is not None and ram is not None and need > ram:
        parts = live_parts(op) + ([("scratch", scratch)] if scratch else [])
        shared = sum(bytes for _, bytes in parts) - need
        raise RamError(
            f"layer '{layer_of(op)}' needs {need} bytes of RAM at least ({sum_text(parts, shared)}), "
            f"--ram allows {ram}",
            need,
        )
    reason = f"needs more than {need:,} bytes of RAM, which are enough"
    if ram is not None:
        need, reason = ram, f"--ram allows {ram} bytes"
    memories = Memories()
    for group in groups:
        if group.ways:
            group.keep_within(need, memories[group], reason)
            if ram is not None:
                group.keep_alone_within(ram, memories[group], reason)


class Needs:
    """The bytes of RAM that groups need at least, each at the layer of it that needs most."""

    def __init__(self, groups: Iterable[Group], memories: "Memories | None" = None) -> None:
        self._memories = Memories() if memories is None else memories
        self.activations = max((self._memories[group].activations for group in groups), default=0)
        """What is needed without scratch memory, if no output lies over an input."""

    def of(self, group: Group, way: Way) -> int:
        """What `group` needs as `way` runs it."""
        return group.need(way, self._memories[group])


class Layers(dict[qnn.WeightedOp, Layer]):
    """The layers of a module that nobody changes meanwhile: what one knows of itself is found once."""

    def __missing__(self, op: qnn.WeightedOp) -> Layer:
        self[op] = Layer(op)
        return self[op]


class Memories(dict[Group, LayerMemory]):
    """What is known of the block that a group stands in."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[Block, LayerMemory] = {}

    def __missing__(self, group: Group) -> LayerMemory:
        block = group.ops[0].parent_block()
        assert block is not None
        if block not in self._blocks:
            self._blocks[block] = LayerMemory(block)
        return self._blocks[block]


@dataclass(frozen=True)
class Known:
    """What several problems know of one module."""

    memories: Memories = field(default_factory=Memories)
    layers: Layers = field(default_factory=Layers)


def other_constants(module: ModuleOp) -> Constants:
    """The arrays that operations other than layers with weights read."""
    return constants_of(
        op.array
        for op in module.walk()
        if isinstance(op, DenseConstantOp)
        and any(not isinstance(use.operation, qnn.WeightedOp) for use in op.results[0].uses)
    )
