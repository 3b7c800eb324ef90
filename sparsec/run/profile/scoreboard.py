# SPDX-License-Identifier: Apache-2.0
"""Estimated cycles of a basic block that follows another, by the rules of sparsec/targets/timing.py.

In order: an instruction issues when those before it have, its operands are there and its pipe is free. Code knows no
core by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sparsec.run.profile.operation import FLAGS, Operation
from sparsec.targets.timing import Timing


def block_cycles(
    timing: Timing, before: Sequence[Operation], block: Sequence[Operation], taken: bool
) -> int:
    """Cycles that `block` adds when it follows the block `before`, by a taken branch or not.

    The branch counts to the block it leads to; wrong predictions are not in the figure.
    """
    pipeline = _Pipeline(timing)
    for operation in before:
        pipeline.issue(operation)
    start = pipeline.end
    if taken:
        pipeline.branch(before[-1])
    for operation in block:
        pipeline.issue(operation)
    return pipeline.end - start


@dataclass
class _Pipeline:
    """The state of a core: when the next instruction can issue, when registers and pipes are free."""

    timing: Timing
    end: int = 0
    last: Operation | None = None
    last_start: int = 0
    paired: bool = False
    ready: dict[str, int] = field(default_factory=dict[str, int])
    producers: dict[str, Operation] = field(default_factory=dict[str, Operation])
    pipes: dict[str, int] = field(default_factory=dict[str, int])

    def branch(self, operation: Operation) -> None:
        """A branch taken as predicted, if the core predicts."""
        if operation.kind == "loop end":
            return
        self.end += self.timing.taken_indirect if operation.indirect else self.timing.taken
        self.last = None

    def issue(self, operation: Operation) -> None:
        """Issue the next instruction of the program."""
        # Loop ends are kept in a cache of loops: they cost nothing after the first pass.
        if operation.kind == "loop end":
            return
        operands = self.operands_ready(operation)
        pairs = (
            self.timing.issue_width == 2
            and self.last is not None
            and not self.paired
            and operands <= self.last_start
            and can_pair(self.last, operation)
        )
        start = self.last_start if pairs else max(self.end, operands)
        self.end = max(self.end, start + self.issue_cycles(operation))
        self.paired = pairs
        self.last, self.last_start = operation, start
        pipe = self.timing.pipes.get(operation.kind)
        if pipe is not None:
            self.pipes[pipe] = start + max(self.timing.vector_cycles, self.issue_cycles(operation))
        for register in operation.writes:
            self.ready[register] = start + self.latency(operation, register)
            self.producers[register] = operation

    def operands_ready(self, operation: Operation) -> int:
        """The first cycle in which the operands and the pipe are there."""
        times = [self.pipes.get(self.timing.pipes.get(operation.kind, ""), 0)]
        for register in operation.reads:
            # Cores that issue two instructions let a branch go along with the comparison it depends on.
            early = (
                operation.kind == "branch" and register == FLAGS and self.timing.issue_width == 2
            )
            times.append(self.ready.get(register, 0) - early)
        for register in operation.address:
            late = self.timing.address_latency if self.is_calculated(register) else 0
            if register.startswith("q") and register in self.producers:
                late = self.timing.gather_offset_latency
            times.append(self.ready.get(register, 0) + late)
        return max(times + [self.accumulator_ready(each) for each in operation.accumulator])

    def accumulator_ready(self, register: str) -> int:
        """Accumulations into one register follow each other faster than other uses of a product."""
        producer = self.producers.get(register)
        ready = self.ready.get(register, 0)
        if producer is None:
            return ready
        if "multiply" not in producer.kind and register not in producer.accumulator:
            return ready
        return ready - self.latency(producer, register) + self.timing.accumulate_latency

    def is_calculated(self, register: str) -> bool:
        """Whether the value in `register` is a result of arithmetic, not loaded and not an updated address."""
        producer = self.producers.get(register)
        return producer is not None and not producer.accesses_memory

    def issue_cycles(self, operation: Operation) -> int:
        """Cycles until the next instruction can issue, but for one issued along with this one."""
        timing = self.timing
        if operation.kind == "several":
            return timing.several + timing.per_transfer * operation.transfers
        if operation.kind == "store" and operation.offset is None:
            return timing.indexed_store
        if operation.kind == "vector gather":
            return timing.gathers.cycles(operation.lanes)
        if timing.pipelined_loads and operation.kind == "load" and self.follows_load(operation):
            return 1
        return timing.issue.get(operation.kind, 1)

    def follows_load(self, operation: Operation) -> bool:
        """Whether the instruction before was a load of something else than the address."""
        last = self.last
        if last is None or last.kind != "load":
            return False
        return not operation.address & (last.writes - last.address)

    def latency(self, operation: Operation, register: str) -> int:
        """Cycles from issue until `register` can be used."""
        if register == FLAGS or (register in operation.address and register != "pc"):
            return 1
        if operation.kind.startswith("vector") and not register.startswith("q"):
            return self.timing.scalar_result
        named = self.timing.latency.get(operation.kind)
        return self.issue_cycles(operation) if named is None else named


def can_pair(first: Operation, second: Operation) -> bool:
    """Whether a core that issues two instructions in one cycle issues these, operands apart."""
    kinds = {first.kind, second.kind}
    if first.kind == "branch" or kinds & {"several", "divide"}:
        return False
    multiplies = sum("multiply" in operation.kind for operation in (first, second))
    if multiplies == 2 or (multiplies == 1 and "store" in kinds):
        return False
    if first.kind == second.kind == "store" or (first.shifts and second.shifts):
        return False
    if first.kind == second.kind == "load":
        return different_banks(first, second)
    return True


def different_banks(first: Operation, second: Operation) -> bool:
    """Whether two accesses by the same address register are known to go to odd and even words."""
    if first.offset is None or second.offset is None or first.address != second.address:
        return False
    if first.writes & second.address:
        return False
    return (first.offset ^ second.offset) & 4 != 0
