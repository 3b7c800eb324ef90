"""Kernel operations as C functions that take their buffers, to be run with the output over the input."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, i8
from xdsl.ir import Attribute, SSAValue

from sparsec.backends.cortex_m.c_headers import check_call, read_headers
from sparsec.backends.cortex_m.c_printer import CPrinter
from sparsec.ir.constant import element_type_of
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.planning.overlap import Overlap
from tests.runtime.kernel_library import RUNTIME
from tests.runtime.kernel_project import C_TYPES

Array = NDArray[Any]


@dataclass
class Case:
    """A call whose output may lie over one of its inputs; its other operands are constants."""

    name: str
    op: KernelOp
    output: SSAValue
    input: SSAValue
    constants: Mapping[SSAValue, Array] = field(default_factory=dict[SSAValue, Array])
    scratch: SSAValue | None = None
    exact: bool = True
    """Whether one byte more than is claimed gives other bytes, on every core."""

    @property
    def claim(self) -> Overlap:
        return self.op.safe_overlap(self.output, self.input)

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the output and of the input."""
        return byte_count(self.output.type), byte_count(self.input.type)

    @property
    def scratch_bytes(self) -> int:
        return 0 if self.scratch is None else byte_count(self.scratch.type)

    def data(self, seed: int = 0) -> NDArray[np.int8]:
        """The input: random bytes."""
        rng = np.random.default_rng((seed, self.sizes[1]))
        return rng.integers(-128, 128, self.sizes[1]).astype(np.int8)


class Buffers:
    """Makes the operands of a case."""

    def __init__(self) -> None:
        self.arena = memref.AllocOp.get(i8, None, (1,)).memref
        self.constants: dict[SSAValue, Array] = {}

    def buffer(self, *shape: int) -> SSAValue:
        zero = arith.ConstantOp(IntegerAttr(0, IndexType()))
        return memref.ViewOp(self.arena, zero.result, [], MemRefType(i8, shape)).result

    def constant(self, array: Array) -> SSAValue:
        type: MemRefType[Attribute] = MemRefType(element_type_of(array.dtype), array.shape)
        value = memref.GetGlobalOp("constant", type).memref
        self.constants[value] = array
        return value


@dataclass(eq=False, repr=False)
class CasePrinter(CPrinter):
    """Prints calls with the C names of their operands."""

    names: Mapping[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def address(self, value: SSAValue) -> str:
        return self.names[value]


def c_source(cases: Sequence[Case], cmsis_nn: Path) -> str:
    """A function `int NAME(int8_t *input, int8_t *output, int8_t *scratch)` for each case."""
    include = cmsis_nn / "Include"
    headers = [include / "arm_nn_types.h", include / "arm_nnfunctions.h"]
    header = read_headers(*headers, RUNTIME / "include" / "sparsec.h")
    text = io.StringIO()
    text.write('#include "arm_nnfunctions.h"\n#include "sparsec.h"\n')
    for case in cases:
        names = {case.input: "input", case.output: "output"}
        if case.scratch is not None:
            names[case.scratch] = "scratch"
        for number, (value, array) in enumerate(case.constants.items()):
            names[value] = f"{case.name}_{number}"
            values = ", ".join(map(str, array.reshape(-1).tolist())) or "0"
            c_type = C_TYPES[array.dtype.name]
            text.write(f"static const {c_type} {names[value]}[] = {{{values}}};\n")
        text.write(f"int {case.name}(int8_t *input, int8_t *output, int8_t *scratch);\n")
        text.write(f"int {case.name}(int8_t *input, int8_t *output, int8_t *scratch)\n{{\n")
        text.write("    (void)scratch;")
        CasePrinter(text, names=names).print_call(case.op, check_call(case.op, header))
        text.write("\n    return 0;\n}\n")
    return text.getvalue()


def claimed_distances(case: Case) -> list[int]:
    """Every claim at its limit: the last distance before and behind the input, and each step between."""
    claim, (output, input) = case.claim, case.sizes
    steps = [d for d in range(-output, input + 1) if claim.step and d % claim.step == 0]
    return sorted({-claim.below, claim.above, *steps})
