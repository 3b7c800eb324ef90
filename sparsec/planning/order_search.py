# SPDX-License-Identifier: Apache-2.0
"""The search for an order of operations in which few bytes are live, from the begin of a network or from its end.

Which bytes are live depends only on the set of operations that ran, so what was found to lead nowhere from a set is
never tried again: dynamic programming over the downsets of the graph, as in Liberis and Lane, Neural networks on
microcontrollers: saving memory at inference via operator reordering (2019), and Ahn et al., Ordering Chaos:
Memory-Aware Scheduling of Irregularly Wired Neural Networks for Edge Devices (SERENITY, 2020), which also prunes by a
limit. Chains are not cut into steps where that is of no use, after Liu, An Application of Generalized Tree Pebbling to
Sparse Matrix Factorization (1987).

The rule: what is left out is proven to be of no use. The more operations ran, the fewer bytes one more adds, because
its inputs have fewer readers left, and the more it may share with inputs that die. So let some steps, each of which
needs the one before it, stay within the limit and end with no more bytes live than at their begin, for the first time.
Any order within the limit stays so when these steps are done at once: each step that they overtake has as many bytes
live as before or fewer, and the same inputs die in it, or more. Seen from the end, where freeing is adding, the same
holds. There a step may lose an input that died in it to one of those that now run later and read it too, and with it
the bytes it shared; but as that one no longer frees the input before, as many bytes fewer are live.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from sparsec.planning.dataflow import Dataflow, bits


class State(NamedTuple):
    """A set of operations that are placed, as bits, and how it was reached.

    `live` bytes are live behind it, at most `peak` were; `ready` may come next; `path` was placed since `parent`.
    """

    placed: int
    live: int
    ready: tuple[int, ...]
    peak: int
    path: tuple[int, ...]
    parent: "State | None"


class _Read(NamedTuple):
    """A tensor that an operation may free: who else reads it, its bytes and those that may be shared."""

    others: int
    size: int
    shared: int


class Side(ABC):
    """A network seen from one end: operations are placed one after another, away from it."""

    def __init__(self, flow: Dataflow, needs: list[int], live: int, backward: bool):
        count = len(flow.operations)
        self._count = count
        self._needs = needs
        self._follow = [[j for j in range(count) if needs[j] >> i & 1] for i in range(count)]
        self._backward = backward
        self._reads = [
            [
                _Read(flow.readers[t] & ~(1 << number), flow.sizes[t], op.shares.get(t, 0))
                for t in dict.fromkeys(op.reads)
                if t not in flow.outputs
            ]
            for number, op in enumerate(flow.operations)
        ]
        self._rise = [sum(flow.sizes[t] for t in op.writes) + op.scratch for op in flow.operations]
        self._kept = [
            sum(flow.sizes[t] for t in op.writes if flow.readers[t] or t in flow.outputs)
            for op in flow.operations
        ]
        self._begin = State(
            0,
            live,
            self._sorted({i for i in range(count) if not needs[i]}),
            flow.input_bytes,
            (),
            None,
        )
        self._dead: set[int] = set()
        """Sets of operations from which no order stays within the limit, nor within a smaller one."""
        self.tried = 0
        """Steps that were looked at: what the search has cost."""

    @abstractmethod
    def step(self, op: int, placed: int, live: int) -> tuple[int, int]:
        """Bytes live while `op` runs, next to those that are `placed`, and behind it."""

    def order(self, state: State) -> list[int]:
        """The operations of a complete `state` as they run."""
        paths: list[tuple[int, ...]] = []
        at: State | None = state
        while at is not None:
            paths.append(at.path)
            at = at.parent
        found = [op for path in reversed(paths) for op in path]
        return found[::-1] if self._backward else found

    def beam(self, width: int, limit: int, effort: int) -> State | None:
        """An order with at most `limit` bytes, from the `width` best sets of each size; None if none was found."""
        most = self.tried + effort
        waiting: list[dict[int, State]] = [{} for _ in range(self._count + 1)]
        first = self._settled(self._begin, self._begin.peak)
        waiting[first.placed.bit_count()][first.placed] = first
        for size in range(self._count):
            best = sorted(waiting[size].values(), key=lambda state: (state.peak, state.live))
            waiting[size] = {}
            for state in best[:width]:
                for op in state.ready:
                    new = self._place(state, op, limit)
                    if new is None:
                        continue
                    others = waiting[new.placed.bit_count()]
                    old = others.get(new.placed)
                    if old is None or new.peak < old.peak:
                        others[new.placed] = new
            if self.tried > most:
                return None
        return next(iter(waiting[self._count].values()), None)

    def search(self, limit: int, effort: int) -> tuple[State | None, bool]:
        """An order with at most `limit` bytes, None if none was found; and whether the search came to its end.

        A later search must not have a larger limit.
        """
        most = self.tried + effort
        first = self._settled(self._begin, limit)
        if first.placed.bit_count() == self._count:
            return first, True
        stack = [(first, iter(self._children(first, limit)))]
        while stack:
            state, children = stack[-1]
            child = next((c for c in children if c.placed not in self._dead), None)
            if child is None:
                self._dead.add(state.placed)
                stack.pop()
            elif child.placed.bit_count() == self._count:
                return child, True
            elif self.tried > most:
                return None, False
            else:
                stack.append((child, iter(self._children(child, limit))))
        return None, True

    def _children(self, state: State, limit: int) -> list[State]:
        found = (self._place(state, op, limit, limit) for op in state.ready)
        return sorted((child for child in found if child is not None), key=lambda c: c.live)

    def _place(self, state: State, op: int, limit: int, hill: int = 0) -> State | None:
        """`op`, and what is best placed at once with it if no step takes more than `hill`, or than was taken before."""
        cost, live = self.step(op, state.placed, state.live)
        if cost > limit:
            return None
        peak = max(state.peak, cost)
        placed = state.placed | 1 << op
        ready = self._ready(state.ready, placed, (op,))
        return self._settled(State(placed, live, ready, peak, (op,), state), max(hill, peak))

    def _settled(self, state: State, hill: int) -> State:
        """`state` and all steps that can only be right."""
        placed, live, ready, peak, path, parent = state
        while valley := self._valley(placed, live, ready, hill):
            for op in valley:
                cost, live = self.step(op, placed, live)
                peak = max(peak, cost)
                placed |= 1 << op
            ready = self._ready(ready, placed, valley)
            path += valley
        return State(placed, live, ready, peak, path, parent)

    def _valley(self, placed: int, live: int, ready: tuple[int, ...], hill: int) -> tuple[int, ...]:
        """Steps, each of which makes the next one possible, that lead down to `live` bytes again and never above `hill`."""
        for first in ready:
            path, done, now = [first], placed, live
            while True:
                cost, now = self.step(path[-1], done, now)
                if cost > hill:
                    break
                if now <= live:
                    return tuple(path)
                done |= 1 << path[-1]
                possible = [j for j in self._follow[path[-1]] if not self._needs[j] & ~done]
                if len(possible) != 1:
                    break
                path += possible
        return ()

    def _ready(self, ready: tuple[int, ...], placed: int, new: tuple[int, ...]) -> tuple[int, ...]:
        """What may come next when `new` are placed too."""
        found = {j for op in new for j in self._follow[op] if not self._needs[j] & ~placed}
        return self._sorted(found.union(ready).difference(new))

    def _sorted(self, ready: set[int]) -> tuple[int, ...]:
        """In the order given, seen from this side: it breaks ties."""
        return tuple(sorted(ready, reverse=self._backward))


class Forward(Side):
    """From the begin: `live` are the bytes behind the operations that are placed."""

    def __init__(self, flow: Dataflow):
        wanted = {t for t in flow.inputs if flow.readers[t] or t in flow.outputs}
        super().__init__(flow, flow.needs, sum(flow.sizes[t] for t in wanted), backward=False)

    def step(self, op: int, placed: int, live: int) -> tuple[int, int]:
        self.tried += 1
        after = live + self._kept[op]
        most_shared = 0
        for others, size, shared in self._reads[op]:
            if others & placed == others:
                after -= size
                most_shared = max(most_shared, shared)
        return live + self._rise[op] - most_shared, after


class Backward(Side):
    """From the end: `live` are the bytes in front of the operations that are placed."""

    def __init__(self, flow: Dataflow):
        needs = [0] * len(flow.operations)
        for number, each in enumerate(flow.needs):
            for earlier in bits(each):
                needs[earlier] |= 1 << number
        live = sum(flow.sizes[t] for t in set(flow.outputs))
        super().__init__(flow, needs, live, backward=True)

    def step(self, op: int, placed: int, live: int) -> tuple[int, int]:
        self.tried += 1
        before = live - self._kept[op]
        most_shared = 0
        for others, size, shared in self._reads[op]:
            if not others & placed:
                before += size
                most_shared = max(most_shared, shared)
        return before + self._rise[op] - most_shared, before
