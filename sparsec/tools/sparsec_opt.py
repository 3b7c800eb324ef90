"""`sparsec-opt`: run passes on IR text, for tests and for looking at one step at a time."""

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import PassPipeline
from xdsl.universe import Universe
from xdsl.utils.exceptions import DiagnosticException, ParseError
from xdsl.utils.arg_spec import parse_spec
from xdsl.xdsl_opt_main import xDSLOptMain

from sparsec.tools.instrumentation import Instrumentation, add_arguments
from sparsec.tools.printing import module_text
from sparsec.universe import SPARSEC_UNIVERSE


def universes() -> tuple[Universe, Universe]:
    """xDSL's own dialects and passes, and ours. Not the installed multiverse, which holds ours a
    second time."""
    from xdsl.universe import XDSL_UNIVERSE

    return XDSL_UNIVERSE, SPARSEC_UNIVERSE


class SparsecOptMain(xDSLOptMain):
    """xDSL's tool with our dialects and passes, and mlir-opt's words for printing."""

    version_format: ClassVar[str] = "sparsec-opt built from xdsl version {xdsl_version}"

    def register_all_dialects(self) -> None:
        for name, factory in chain.from_iterable(u.all_dialects.items() for u in universes()):
            self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        for name, factory in chain.from_iterable(u.all_passes.items() for u in universes()):
            self.register_pass(name, factory)

    def register_all_targets(self) -> None:
        for name, factory in chain.from_iterable(u.all_targets.items() for u in universes()):
            self.available_targets[name] = factory

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        add_arguments(arg_parser)

    def setup_pipeline(self) -> None:
        super().setup_pipeline()
        instrumentation = Instrumentation.from_arguments(self.args)
        if unknown := instrumentation.unknown_passes(frozenset(self.available_passes)):
            raise ValueError(f"there is no pass called '{unknown[0]}'")
        verify = self.pipeline.callback
        assert verify is not None
        previous_callback = verify

        def callback(previous, module, next):  # pyright: ignore
            previous_callback(previous, module, next)  # pyright: ignore
            instrumentation.callback(previous, module, next)  # pyright: ignore

        self.pipeline = PassPipeline(self.pipeline.passes, callback)  # pyright: ignore

    def output_resulting_program(self, prog: ModuleOp) -> str:
        limit = self.args.elide_constants_larger_than
        if limit is not None and parse_spec(self.args.target).name == "mlir":
            return module_text(prog, limit)
        return super().output_resulting_program(prog)


def main(args: Sequence[str] | None = None) -> None:
    """Run the tool. A mistake in the input ends with one message and exit code 1, as in mlir-opt."""
    try:
        SparsecOptMain("sparsec's modular optimizer driver", args).run()
    except (DiagnosticException, ParseError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
