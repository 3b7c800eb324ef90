# SPDX-License-Identifier: Apache-2.0
"""`sparsec-opt`: run passes on IR text, for tests and for looking at one step at a time."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import (
    ArgSpecParseError,
    DiagnosticException,
    ParseError,
    ShrinkException,
)
from xdsl.xdsl_opt_main import xDSLOptMain

from sparsec.ir.attributes import NAME
from sparsec.ir.sparse import verify_arguments
from sparsec.ir.wellformed import verify_wellformed
from sparsec.tools.errors import InternalError, UserError, first_line, guarded
from sparsec.tools.instrumentation import Instrumentation, add_arguments
from sparsec.tools.options import network_name
from sparsec.tools.printing import module_text
from sparsec.tools.registry import UNIVERSES, available_passes

MODEL_EXTENSIONS = ("pt", "pt2")


class SparsecOptMain(xDSLOptMain):
    """xDSL's tool with our dialects and passes, models of torch, and mlir-opt's words."""

    version_format: ClassVar[str] = "sparsec-opt built from xdsl version {xdsl_version}"

    def register_all_dialects(self) -> None:
        for universe in UNIVERSES:
            for name, factory in universe.all_dialects.items():
                self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        for name, factory in available_passes().items():
            self.register_pass(name, factory)

    def register_all_targets(self) -> None:
        for universe in UNIVERSES:
            self.available_targets.update(universe.all_targets)

    def register_all_frontends(self) -> None:
        super().register_all_frontends()
        self.available_frontends.update(dict.fromkeys(MODEL_EXTENSIONS, self.import_model))

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.add_argument(
            "--input-layout",
            choices=("nchw", "nhwc"),
            default="nchw",
            help="layout of image inputs of a .pt or .pt2 file's entry; default nchw",
        )
        add_arguments(arg_parser)

    def import_model(self, file: IO[bytes]) -> ModuleOp:
        """The network in a model of torch, which only now is imported."""
        from sparsec import frontends
        from sparsec.quiet import only_our_messages

        file.close()
        path = Path(self.get_input_name())
        try:
            with only_our_messages():
                module = frontends.load(path, input_layout=self.args.input_layout).module
        except frontends.FrontendError as error:
            raise UserError(str(error)) from error
        module.attributes[NAME] = StringAttr(network_name(str(path), None))
        return module

    def parse_chunk(
        self, chunk: IO[bytes], file_extension: str, start_offset: int = 0
    ) -> ModuleOp | None:
        try:
            return super().parse_chunk(chunk, file_extension, start_offset)
        except (DiagnosticException, ParseError, ShrinkException, UserError):
            raise
        except (
            Exception
        ) as error:  # xDSL's parsers raise nearly anything for what they do not expect
            raise UserError(f"not valid IR: {first_line(error)}") from error

    def setup_pipeline(self) -> None:
        super().setup_pipeline()
        instrumentation = Instrumentation.from_arguments(self.args)
        instrumentation.check_passes(self.available_passes)
        verify = self.pipeline.callback

        def callback(
            previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
        ) -> None:
            if verify is not None:
                verify(previous, module, next)
            instrumentation.callback(previous, module, next)

        self.pipeline = PassPipeline(self.pipeline.passes, callback)

    def apply_passes(self, prog: ModuleOp) -> None:
        verify_arguments(prog)
        verify_wellformed(prog)
        original = prog.clone()
        try:
            super().apply_passes(prog)
        except (DiagnosticException, ShrinkException, UserError):
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {first_line(error)}"
            raise InternalError(message, module_text(original), self.args.passes) from error

    def output_resulting_program(self, prog: ModuleOp) -> str:
        limit = self.args.elide_constants_larger_than
        if limit is not None and parse_spec(self.args.target).name == "mlir":
            return module_text(prog, limit)
        return super().output_resulting_program(prog)


def optimize(arguments: Sequence[str]) -> int:
    """Run the tool. UserError for a mistake in the arguments, the IR or the network."""
    try:
        tool = SparsecOptMain("sparsec's modular optimizer driver", arguments)
    except ArgSpecParseError as error:
        raise UserError(" ".join(str(error).split())) from error
    except ValueError as error:  # of an unknown pass or option
        raise UserError(str(error)) from error
    try:
        tool.run()
    except (DiagnosticException, ParseError, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sparsec-opt`; exits with the code of `sparsec.tools.errors`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(guarded(lambda: optimize(given), shlex.join(["sparsec-opt", *given])))


if __name__ == "__main__":
    main()
