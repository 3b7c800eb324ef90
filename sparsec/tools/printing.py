# SPDX-License-Identifier: Apache-2.0
"""Printing IR for people: with large constants left out where asked."""

from io import StringIO
from math import prod
from typing import IO, Any

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.ir import Attribute, Operation
from xdsl.printer import Printer
from xdsl.utils.hints import isa


class ElidingPrinter(Printer):
    """A printer that writes constants of more than `limit` elements as `dense<...>`."""

    def __init__(self, stream: IO[str], limit: int, **options: Any):
        super().__init__(stream, **options)
        self.limit = limit

    def print_attribute(self, attribute: Attribute) -> None:
        if isa(attribute, DenseIntOrFPElementsAttr) and prod(attribute.get_shape()) > self.limit:
            self.print_string("dense<...> : ")
            super().print_attribute(attribute.get_type())
        else:
            super().print_attribute(attribute)


def module_text(op: Operation, elide_larger_than: int | None = None) -> str:
    """The text of `op`, ending in a newline; large constants elided when a limit is given."""
    stream = StringIO()
    if elide_larger_than is None:
        printer = Printer(stream)
    else:
        printer = ElidingPrinter(stream, elide_larger_than)
    printer.print_op(op)
    return stream.getvalue() + "\n"
