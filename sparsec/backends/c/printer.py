# SPDX-License-Identifier: Apache-2.0
"""Planned kernels as C text. Decides nothing: what is called, with what and where, is in the IR.

Structs without an address of a memory are `static const`, so that they lie in flash. Each call has
a block of its own, so that the stack holds the others one at a time.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.dialects.memref import GetGlobalOp, GlobalOp, ViewOp
from xdsl.ir import BlockArgument, SSAValue
from xdsl.utils.base_printer import BasePrinter
from xdsl.utils.exceptions import DiagnosticException

from sparsec.analysis.memory.memory_plan import (
    Memory,
    PlannedFunction,
    arena_offset,
    memory_of_constant,
)
from sparsec.backends.c.headers import Prototype
from sparsec.backends.c.platform import Status
from sparsec.backends.c.text import in_memory
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import (
    CArgument,
    CArray,
    CFunction,
    CPointer,
    CStruct,
    KernelOp,
    c_element_type,
    element_dtype,
)
from sparsec.ir.layer import named_layer
from sparsec.ir.views import memory_of, place_in_memory

_COLUMNS = 120
_NUMBERS_PER_LINE = 20


@dataclass(eq=False, repr=False)
class CPrinter(BasePrinter):
    """Prints the parts of a network called `name`."""

    name: str = ""
    status: Status | None = None
    memories: Sequence[Memory] = ()
    addressed: set[int] = field(default_factory=set[int])
    """The numbers of the memories whose addresses were printed."""

    def __post_init__(self) -> None:
        self.indent_num_spaces = 4

    def line(self, text: str = "") -> None:
        """Start a new line with `text`."""
        self.print_string(f"\n{text}")

    def declaration(self, op: GlobalOp) -> str:
        """`const int8_t name_conv1_weight[150]`, without the semicolon."""
        # C has no empty arrays; weights that are all zeros have no entries.
        size = max(array_of(_value(op)).size, 1)
        return f"const {c_element_type(op.type)} {self.symbol(op.sym_name.data)}[{size}]"

    def symbol(self, name: str) -> str:
        """The C name of a global."""
        return f"{self.name}_{name}"

    def print_global(self, op: GlobalOp) -> None:
        """The definition of a constant."""
        numbers = [str(number) for number in np.ravel(array_of(_value(op))).tolist()]
        memory = memory_of_constant(op) if numbers else None  # what is empty lies anywhere
        numbers = numbers or ["0"]
        section = "" if memory is None else f" {in_memory(self.name, memory)}"
        self.line(f"{self.declaration(op)}{section} = {{")
        begin = "\n" + " " * self.indent_num_spaces
        lines = [
            f"{begin}{', '.join(numbers[start : start + _NUMBERS_PER_LINE])},"
            for start in range(0, len(numbers), _NUMBERS_PER_LINE)
        ]
        self.print_string("".join(lines), indent=0)  # at once: there may be thousands
        self.line("};\n")

    def print_function(self, planned: PlannedFunction, prototypes: Mapping[str, Prototype]) -> None:
        """The entry that runs the network."""
        self.memories = planned.memories
        self.line(f"int {self.name}_invoke({parameters(planned)})")
        self.line("{")
        with self.indented():
            for number, op in enumerate(planned.kernels):
                self.line(f"SPARSEC_BEFORE_LAYER({number});")
                self.print_call(op, prototypes[op.C_FUNCTION])
                self.line(f"SPARSEC_AFTER_LAYER({number});")
            for number, memory in enumerate(planned.memories):
                if number not in self.addressed:
                    self.line(f"(void){memory.name};")
            self.line("return 0;")
        self.line("}\n")

    def print_call(self, op: KernelOp, prototype: Prototype) -> None:
        """A block that calls one kernel and leaves the function when it fails."""
        self.line("{")
        with self.indented():
            self.line(f"/* {_comment(op)} */")
            arguments: list[str] = []
            for argument, (name, type) in zip(op.c_arguments(), prototype.parameters, strict=True):
                if isinstance(argument, CStruct):
                    storage = "const" if _in_memory(argument) else "static const"
                    fields = [f".{k} = {self.expression(v)}" for k, v in argument.fields.items()]
                    self.wrapped(f"{storage} {type.name} {name} = {{", fields, "};")
                    arguments.append(f"&{name}")
                else:
                    arguments.append(self.expression(argument))
            status = self.status
            if status is None or prototype.returns.name != status.type:
                self.wrapped(f"{op.C_FUNCTION}(", arguments, ");")
            else:
                self.wrapped(f"const {status.type} status = {op.C_FUNCTION}(", arguments, ");")
                self.line(f"if (status != {status.success})")
                self.line("{")
                with self.indented():
                    self.line("return (int)status;")
                self.line("}")
        self.line("}")

    def wrapped(self, start: str, items: Sequence[str], end: str) -> None:
        """A line, or one line for each item where that is too long."""
        text = f"{start}{', '.join(items)}{end}"
        if self._indent * self.indent_num_spaces + len(text) <= _COLUMNS:
            self.line(text)
            return
        self.line(start)
        with self.indented():
            for item in items[:-1]:
                self.line(f"{item},")
            self.line(f"{items[-1]}{end}")

    def expression(self, argument: CArgument) -> str:
        """`argument` as a C expression, a struct as its initialiser."""
        match argument:
            case int():
                return str(argument)
            case CPointer():
                return f"({argument.type}){self.expression(argument.value)}"
            case CArray():
                return f"{{{', '.join(map(self.expression, argument.items)) or '0'}}}"
            case CFunction():
                return argument.name
            case CStruct():
                fields = (f".{k} = {self.expression(v)}" for k, v in argument.fields.items())
                return f"{{{', '.join(fields)}}}"
            case SSAValue():
                return self.address(argument)

    def address(self, value: SSAValue) -> str:
        """Where a buffer lies."""
        memory, offset = place_in_memory(value)
        match memory.owner:
            case ViewOp() as view:
                assert isinstance(view.source, BlockArgument)
                self.addressed.add(view.source.index)
                shown = self.memories[view.source.index]
                start = arena_offset(view) + offset
                place = shown.name if shown.caller and not start else f"{shown.name} + {start}"
                type = c_element_type(view.result.type)
                return place if type == "int8_t" else f"({type} *)({place})"
            case GetGlobalOp() as get:
                name = self.symbol(get.name_.string_value())
                elements = offset // element_dtype(memory.type).itemsize
                return f"{name} + {elements}" if elements else name
            case owner:
                raise DiagnosticException(f"{owner} cannot be printed as C: run plan-memory first")


def parameters(planned: PlannedFunction) -> str:
    """Those of the entry: its memories, then the caller's inputs and outputs."""
    return ", ".join(
        f"{'const ' if memory.caller == 'input' else ''}int8_t *{memory.name}"
        for memory in planned.memories
    )


def _value(op: GlobalOp) -> DenseIntOrFPElementsAttr:
    assert isinstance(op.initial_value, DenseIntOrFPElementsAttr)
    return op.initial_value


def _in_memory(argument: CArgument) -> bool:
    match argument:
        case CStruct():
            return any(map(_in_memory, argument.fields.values()))
        case CArray():
            return any(map(_in_memory, argument.items))
        case CPointer():
            return _in_memory(argument.value)
        case SSAValue():
            return isinstance(memory_of(argument).owner, ViewOp)
        case int() | CFunction():
            return False


def _comment(op: KernelOp) -> str:
    # A layer's name must not end the comment.
    name = re.sub(r"[^\w.:\[\]-]", "_", named_layer(op) or "", flags=re.ASCII)
    return f"{name}: {op.name}" if name else op.name
