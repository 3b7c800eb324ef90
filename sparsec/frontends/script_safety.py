# SPDX-License-Identifier: Apache-2.0
"""What must hold for an archive of TorchScript before torch may read it.

`torch.jit.load` executes no Python, but it does execute TorchScript: `__setstate__` methods, and the
expressions that stand as defaults of arguments, of named tuples and of class constants. TorchScript
can write files (`aten::save`, `aten::from_file`), so an archive with any such code is refused.
The model itself is run only once its graph was read to the end, and nothing but operators that the
importer knows stood on the way.
"""

import ast
from collections.abc import Iterator

from sparsec.frontends.archive import Archive, pickled_classes
from sparsec.frontends.errors import FrontendError

_FORBIDDEN_WORDS = ("__setstate__", "from_file", "torch.save")


def check_archive(archive: Archive) -> None:
    """Raise FrontendError if reading the archive would execute code that it carries."""
    for name in archive.names:
        if name.startswith("code/") and name.endswith(".py"):
            _check_code(name, archive.read(name))
        elif name.endswith("pkl"):  # .pkl, and .debug_pkl beside the code
            _check_pickle(name, archive.read(name))


def _check_pickle(name: str, content: bytes) -> None:
    for pickled in pickled_classes(content):
        if "torch.classes" in pickled:
            way = "use torch.export.save"
            if ".quantized." in pickled:
                way = "export the float model, or one quantized by PT2E, with torch.export.save"
            raise FrontendError(
                f"'{name}' in the archive holds an object of class {pickled}, which is not "
                f"supported: {way}"
            )


def _check_code(name: str, content: bytes) -> None:
    refused = FrontendError(
        f"'{name}' in the archive holds code that would run while it is read: "
        "export the model with torch.export.save instead"
    )
    try:
        code = content.decode()
        tree = ast.parse(code)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise FrontendError(
            f"'{name}' in the archive is not TorchScript: export the model again"
        ) from None
    # Words are sought in the text too, lest torch reads it in another way than Python's parser.
    if any(word in code for word in _FORBIDDEN_WORDS) or not _has_plain_characters(code):
        raise refused
    if not all(_is_value(expression) for expression in _run_while_read(tree)):
        raise refused


def _has_plain_characters(code: str) -> bool:
    return all(character == "\n" or character >= " " for character in code)


def _run_while_read(tree: ast.Module) -> Iterator[ast.expr]:
    """The expressions that are evaluated before any method is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from node.args.defaults
            yield from filter(None, node.args.kw_defaults)
        elif isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                    if not _is_annotation(statement):
                        yield statement.value


def _is_annotation(statement: ast.Assign | ast.AnnAssign) -> bool:
    """`__annotations__["0"] = __torch__.M`, the type of an attribute whose name is no identifier."""
    if isinstance(statement, ast.AnnAssign):
        return False
    (target, *others) = statement.targets
    return (
        not others
        and isinstance(target, ast.Subscript)
        and isinstance(target.value, ast.Name)
        and target.value.id == "__annotations__"
    )


def _is_value(expression: ast.expr) -> bool:
    """Whether an expression only writes down a value: no call, no name but a constant's."""
    match expression:
        case ast.Constant() | ast.Name():
            return True
        case ast.List(elements) | ast.Tuple(elements):
            return all(map(_is_value, elements))
        case ast.UnaryOp(operand=operand):
            return _is_value(operand)
        case ast.Attribute(ast.Name("CONSTANTS")):
            return True
        case _:
            return False
