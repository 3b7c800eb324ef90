# SPDX-License-Identifier: Apache-2.0
"""The header is the contract: every call is checked against the prototype it will be compiled with.

The prototypes are read from the headers in use, so another revision of CMSIS-NN is refused with a
clear message before anything is written, and not by a C compiler or by wrong results.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

from lark import Lark, Token, Tree
from lark.exceptions import LarkError
from xdsl.dialects.memref import GetGlobalOp
from xdsl.ir import SSAValue

from sparsec.ir.kernel import CArray, CFunction, CPointer, CStruct, KernelOp, c_element_type
from sparsec.ir.views import memory_of

CTree: TypeAlias = "Tree[Token]"

INTEGERS = frozenset(
    ("int", "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t")
)


@dataclass(frozen=True)
class CType:
    """`const name *`: `const` is that of what is pointed to."""

    name: str
    pointers: int = 0
    const: bool = False

    def __str__(self) -> str:
        return f"{'const ' if self.const else ''}{self.name}{' *' if self.pointers else ''}"


@dataclass(frozen=True)
class Prototype:
    """A function; `parameters` are (name, type)."""

    name: str
    returns: CType
    parameters: tuple[tuple[str, CType], ...]

    @property
    def signature(self) -> tuple[CType, ...]:
        """What it returns and takes."""
        return self.returns, *(type for _, type in self.parameters)


Struct: TypeAlias = Mapping[str, CType]
"""The members of a struct."""


@dataclass
class Header:
    """The functions, types of functions and structs of some headers."""

    prototypes: dict[str, Prototype] = field(default_factory=dict[str, Prototype])
    callbacks: dict[str, Prototype] = field(default_factory=dict[str, Prototype])
    structs: dict[str, Struct] = field(default_factory=dict[str, Struct])


def read_headers(*paths: Path) -> Header:
    """What the headers declare. Raises ValueError for a missing or unreadable one."""
    header = Header()
    for path in paths:
        try:
            found = _header(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"cannot read the header {path}: {error.strerror}") from error
        except (LarkError, UnicodeDecodeError) as error:
            line = str(error).splitlines()[0]
            raise ValueError(f"cannot read the prototypes of {path.name}: {line}") from error
        header.prototypes.update(found.prototypes)
        header.callbacks.update(found.callbacks)
        header.structs.update(found.structs)
    return header


@cache
def _header(text: str) -> Header:
    """What one header declares; it is read once for all networks."""
    header = Header()
    for declaration in _grammar().parse(_declarations(text)).children:
        assert isinstance(declaration, Tree)
        if declaration.data == "prototype":
            prototype = _prototype(declaration)
            header.prototypes[prototype.name] = prototype
        elif declaration.data == "callback":
            prototype = _prototype(declaration)
            header.callbacks[prototype.name] = prototype
        elif declaration.data == "struct":
            members = {_name(member): _type(member) for member in declaration.find_data("member")}
            header.structs[str(declaration.children[-1])] = members
    return header


def check_call(op: KernelOp, header: Header) -> Prototype:
    """The prototype of the function `op` calls.

    Raises ValueError, saying which argument, when the call does not fit it.
    """
    prototype = header.prototypes.get(op.C_FUNCTION)
    if prototype is None:
        raise ValueError(f"{op.HEADER} does not declare {op.C_FUNCTION}, which {op.name} calls")
    arguments = op.c_arguments()
    if len(arguments) != len(prototype.parameters):
        raise ValueError(
            f"{op.C_FUNCTION} takes {len(prototype.parameters)} arguments in {op.HEADER}, "
            f"{op.name} gives {len(arguments)}"
        )
    # Operands, not their memory: a call may read one part of a buffer and write another.
    written = set(op.written())
    for argument, (name, type) in zip(arguments, prototype.parameters, strict=True):
        where = f"{op.C_FUNCTION}, argument '{name}' of {op.HEADER}"
        if isinstance(argument, CStruct):
            if not type.pointers or not type.const:
                raise ValueError(f"{where} is {type}, {op.name} gives a constant struct")
            _check_struct(argument, type.name, header, where, written)
        else:
            _check_value(argument, type, where, written, header)
    return prototype


def _check_struct(
    struct: CStruct, name: str, header: Header, where: str, written: set[SSAValue]
) -> None:
    if struct.type != name:
        raise ValueError(f"{where} is a {name}, not a {struct.type}")
    members = header.structs.get(name)
    if members is None:
        raise ValueError(f"{where} is a {name}, which no header in use declares")
    if missing := members.keys() ^ struct.fields.keys():
        raise ValueError(f"{where}: {name} and the compiler differ in {', '.join(sorted(missing))}")
    for field_name, value in struct.fields.items():
        inner, type = f"{where}.{field_name}", members[field_name]
        if isinstance(value, CStruct):
            if type.pointers:
                raise ValueError(f"{inner} is {type}, not a struct")
            _check_struct(value, type.name, header, inner, written)
        else:
            _check_value(value, type, inner, written, header)


def _check_value(
    argument: "int | SSAValue | CPointer | CArray | CFunction",
    type: CType,
    where: str,
    written: set[SSAValue],
    header: Header,
) -> None:
    match argument:
        case CArray():
            item = CType(type.name, type.pointers - 1, type.const and type.pointers > 1)
            for index, value in enumerate(argument.items):
                assert not isinstance(value, CStruct)
                _check_value(value, item, f"{where}[{index}]", written, header)
        case CFunction():
            wanted, found = header.callbacks.get(type.name), header.prototypes.get(argument.name)
            if wanted is None or type.pointers:
                raise ValueError(f"{where} is {type}, not a function")
            if found is None or found.signature != wanted.signature:
                raise ValueError(f"{where} is a {type}, and {argument.name} is none")
        case int():
            null = type.pointers > 0 and argument == 0
            if not null and (type.pointers or type.name not in INTEGERS):
                raise ValueError(f"{where} is {type}, not a number")
        case CPointer():
            if str(type) != argument.type:
                raise ValueError(f"{where} is {type}, not {argument.type}")
        case SSAValue():
            element = c_element_type(argument.type)
            if type.pointers != 1 or type.name not in (element, "void"):
                raise ValueError(f"{where} is {type}, not a pointer to {element}")
            if argument in written and type.const:
                raise ValueError(f"{where} is {type}, but the call writes it")
            constant = isinstance(memory_of(argument).owner, GetGlobalOp)
            if not type.const and (argument not in written or constant):
                raise ValueError(f"{where} is {type}, but the call only reads it")


@cache
def _grammar() -> Lark:
    text = Path(__file__).with_name("prototypes.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", maybe_placeholders=False)


def _declarations(text: str) -> str:
    """`text` without comments, preprocessor lines and the braces of `extern "C"`."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    text = re.sub(r"#\s*ifdef\s+__cplusplus.*?#\s*endif", "", text, flags=re.DOTALL)
    return re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)


def _prototype(tree: CTree) -> Prototype:
    parameters = [(_name(parameter), _type(parameter)) for parameter in tree.find_data("parameter")]
    if parameters == [("", CType("void"))]:
        parameters = []
    return Prototype(_name(tree), _type(tree), tuple(parameters))


def _name(tree: CTree) -> str:
    names = [child for child in tree.children if isinstance(child, Token) and child.type == "NAME"]
    return str(names[0]) if names else ""


def _type(tree: CTree) -> CType:
    """The type in front of the name in `tree`; an array counts as a pointer."""
    (type,) = (c for c in tree.children if isinstance(c, Tree) and c.data == "type")
    tokens = [child for child in type.children if isinstance(child, Token)]
    stars = sum(isinstance(child, Tree) for child in type.children)
    stars += any(isinstance(c, Token) and c.type == "ARRAY" for c in tree.children)
    (name,) = (token for token in tokens if token.type == "NAME")
    const = any(token == "const" for token in tokens if token.type == "QUALIFIER")
    return CType(str(name), stars, const and stars > 0)
