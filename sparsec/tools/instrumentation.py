# SPDX-License-Identifier: Apache-2.0
"""What is printed while passes run: the words of mlir-opt, for every tool the same."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from sparsec.tools.errors import UserError
from sparsec.tools.printing import module_text
from sparsec.tools.registry import suggestion


def element_count(text: str) -> int:
    """A number of elements; argparse reports the error."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of elements, write e.g. 16")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `Instrumentation.from_arguments` reads."""
    group = parser.add_argument_group("printing the IR (to stderr)")
    group.add_argument(
        "--print-ir-before-all", action="store_true", help="print the IR before each pass"
    )
    group.add_argument(
        "--print-ir-after-all", action="store_true", help="print the IR after each pass"
    )
    group.add_argument(
        "--print-ir-before",
        action="append",
        default=[],
        metavar="PASS",
        help="print the IR before this pass, e.g. --print-ir-before=fold-qdq",
    )
    group.add_argument(
        "--print-ir-after",
        action="append",
        default=[],
        metavar="PASS",
        help="print the IR after this pass, e.g. --print-ir-after=fuse-layers",
    )
    group.add_argument(
        "--print-ir-after-change",
        action="store_true",
        help="print the IR after each pass that changed it",
    )
    group.add_argument(
        "--print-ir-tree-dir",
        type=Path,
        metavar="DIR",
        help="write the printed IR to numbered files in DIR instead",
    )
    group.add_argument(
        "--elide-constants-larger-than",
        type=element_count,
        metavar="N",
        help="print constants of more than N elements as dense<...>, e.g. 16",
    )


@dataclass
class Instrumentation:
    """Decides what to print around each pass; `callback` fits `PassPipeline`."""

    before_all: bool = False
    after_all: bool = False
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    after_change: bool = False
    tree_dir: Path | None = None
    elide_larger_than: int | None = None
    _count: int = field(default=0, init=False)
    _previous: ModuleOp | None = field(default=None, init=False)

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> "Instrumentation":
        """The instrumentation that the options of `add_arguments` ask for."""
        to_files_only = args.print_ir_tree_dir is not None and not (
            args.print_ir_before_all
            or args.print_ir_before
            or args.print_ir_after
            or args.print_ir_after_change
        )
        return cls(
            before_all=args.print_ir_before_all,
            after_all=args.print_ir_after_all or to_files_only,
            before=frozenset(args.print_ir_before),
            after=frozenset(args.print_ir_after),
            after_change=args.print_ir_after_change,
            tree_dir=args.print_ir_tree_dir,
            elide_larger_than=args.elide_constants_larger_than,
        )

    def check_passes(self, known: Iterable[str]) -> None:
        """UserError when a pass is asked for that does not exist."""
        for name in sorted((self.before | self.after).difference(known)):
            raise UserError(f"there is no pass called '{name}'{suggestion(name, known)}")

    @property
    def on_stderr(self) -> bool:
        """Whether anything is printed, and not to files."""
        return self.tree_dir is None and bool(
            self.before_all or self.after_all or self.before or self.after or self.after_change
        )

    def callback(
        self, previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
    ) -> None:
        """Called with the pass that ran and the pass that comes next."""
        if previous is not None:
            name = previous.name
            if self.after_all or name in self.after:
                self._dump("After", previous, module)
            elif self.after_change:
                assert self._previous is not None
                if not self._previous.is_structurally_equivalent(module):
                    self._dump("After", previous, module)
        if next is not None:
            if self.before_all or next.name in self.before:
                self._dump("Before", next, module)
            if self.after_change:
                self._previous = module.clone()

    def _dump(self, when: str, around: ModulePass, module: ModuleOp) -> None:
        header = f"// -----// IR Dump {when} {type(around).__name__} ({around}) //----- //\n"
        text = header + module_text(module, self.elide_larger_than)
        if self.tree_dir is None:
            sys.stderr.write(text)
            return
        path = self.tree_dir / f"{self._count:02}_{when.lower()}_{around.name}.mlir"
        try:
            self.tree_dir.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        self._count += 1
