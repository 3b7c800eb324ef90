"""`sparsec-run`: interpret IR text of any level, so that lit tests can compare meanings."""

from collections.abc import Sequence
from itertools import chain

from xdsl.interpreter import Interpreter
from xdsl.tools.xdsl_run import xDSLRunMain

from sparsec.interpreters.run import FUNCTIONS
from sparsec.tools.sparsec_opt import universes


class SparsecRunMain(xDSLRunMain):
    """xDSL's tool with the meaning of our dialects."""

    def register_all_dialects(self) -> None:
        for name, factory in chain.from_iterable(u.all_dialects.items() for u in universes()):
            self.ctx.register_dialect(name, factory)

    def register_implementations(self, interpreter: Interpreter) -> None:
        for functions in FUNCTIONS:
            interpreter.register_implementations(functions())


def main(args: Sequence[str] | None = None) -> None:
    """Run the tool."""
    SparsecRunMain("sparsec's interpreter", args).run()


if __name__ == "__main__":
    main()
