# SPDX-License-Identifier: Apache-2.0
"""`sparsec-interpret`: interpret `main` of IR text of any level, so that lit tests can compare meanings."""

import shlex
import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.parser import Parser
from xdsl.tools.xdsl_run import xDSLRunMain
from xdsl.utils.exceptions import DiagnosticException, ParseError
from xdsl.utils.hints import isa

from sparsec.interpreters.run import interpret
from sparsec.ir.constant import array_of
from sparsec.tools.errors import UserError, guarded
from sparsec.tools.registry import UNIVERSES

Array: TypeAlias = np.ndarray[Any, Any]


class SparsecInterpretMain(xDSLRunMain):
    """xDSL's tool with our dialects, whose `main` is given tensors whatever its level.

    Each result is printed as `result: [..]`.
    """

    def register_all_dialects(self) -> None:
        for universe in UNIVERSES:
            for name, factory in universe.all_dialects.items():
                self.ctx.register_dialect(name, factory)

    def read_arguments(self) -> list[Array]:
        """The arrays of `--args`, e.g. `dense<[1, 2]> : tensor<2xi8>`."""
        parser = Parser(self.ctx, self.args.args, "--args")
        attributes = parser.parse_optional_undelimited_comma_separated_list(
            parser.parse_optional_attribute, parser.parse_attribute
        )
        arrays: list[Array] = []
        for attribute in attributes or ():
            if not isa(attribute, DenseIntOrFPElementsAttr):
                raise UserError(f"--args takes dense tensors, not {attribute}")
            arrays.append(array_of(attribute))
        return arrays

    def run(self) -> None:
        stream, extension = self.get_input_stream()
        module = self.parse_chunk(stream, extension)
        assert module is not None
        module.verify()
        for result in interpret(module, self.read_arguments()):
            print("result:", np.asarray(result).tolist())


def interpret_file(arguments: Sequence[str]) -> int:
    """Run the tool. UserError for IR or arguments that are not valid."""
    try:
        SparsecInterpretMain("sparsec's interpreter", arguments).run()
    except (DiagnosticException, ParseError, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sparsec-interpret`; exits with the code of `sparsec.tools.errors`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(guarded(lambda: interpret_file(given), shlex.join(["sparsec-interpret", *given])))


if __name__ == "__main__":
    main()
