# SPDX-License-Identifier: Apache-2.0
"""What code a network brings into flash, before there are calls: by its layers without weights in any case, and by each way
to run one with weights.

The rule: code is counted as an image has it, each section once for all layers that reach it. Strips and fused layers,
which are only taken when memory is planned, are not foreseen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from sparsec.ir import qnn
from sparsec.kernels.code import Code, Sections, code_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, fastest, ways
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class NetworkCode:
    """`others` are the C functions that layers without weights call, one for each of them."""

    code: Code
    others: tuple[str, ...]

    @property
    def fixed(self) -> int:
        """Bytes of what is there whatever runs the layers with weights."""
        return self.code.bytes(self.others)

    def calls(self, functions: Sequence[str]) -> int:
        """Bytes that calls of `functions` take, without what they reach."""
        return sum(map(self.code.call, functions))

    def sections(self, functions: Sequence[str]) -> Sections:
        """What `functions` reach and no layer without weights does."""
        fixed = self.code.reached(self.others)
        return {k: v for k, v in self.code.reached(functions).items() if k not in fixed}

    def bytes(self, functions: Sequence[str]) -> int:
        """All code of the network whose layers with weights call `functions`."""
        return self.code.bytes((*self.others, *functions))


def network_code(module: ModuleOp, cpu: Cpu) -> NetworkCode:
    """That of a `qnn` module on a core."""
    return NetworkCode(code_of(cpu.name), tuple(_others(module, cpu)))


def _others(module: ModuleOp, cpu: Cpu) -> Iterator[str]:
    no_calls = (qnn.ConstantOp, qnn.ReshapeOp, qnn.WeightedOp)
    for op in module.walk():
        if op.dialect_name() != qnn.Qnn.name or isinstance(op, no_calls):
            continue
        layer = Layer(op)
        found = ways(layer, cpu)
        if not isinstance(found, NoWay):  # the lowering says why
            yield fastest(found, layer, cpu).kernel.function
