# SPDX-License-Identifier: Apache-2.0
"""What the universe names exists, is called so, and has its filecheck test; every call fits its header."""

import ast
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from xdsl.ir import Dialect
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from sparsec.backends.c.headers import check_call, read_headers
from sparsec.ir import attributes
from sparsec.ir.kernel import KernelOp
from sparsec.run import cmsis_nn
from sparsec.targets.runtime import runtime_dir
from sparsec.tools.registry import context
from sparsec.universe import DIALECTS, PASSES, SPARSEC_UNIVERSE

ROOT = Path(__file__).parents[1]
FILECHECK = ROOT / "tests/filecheck"
PASS_FOLDERS = ("passes", "backends")


def module_file(place: str) -> Path:
    """`sparsec.ir.nn:Nn` as the path of its file."""
    return ROOT / (place.partition(":")[0].replace(".", "/") + ".py")


def pass_classes(path: Path) -> list[str]:
    """The classes of a file that are passes, by their base."""
    return [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "ModulePass" for base in node.bases)
    ]


@pytest.mark.parametrize("name", PASSES)
def test_pass(name: str) -> None:
    """The key is the pass's name, its file and its filecheck test are called like it."""
    found = SPARSEC_UNIVERSE.all_passes[name]()
    assert issubclass(found, ModulePass)
    assert found.name == name
    path = module_file(PASSES[name])
    assert path.stem == name.replace("-", "_")
    folder = path.parent.relative_to(ROOT / "sparsec")
    assert (FILECHECK / folder / f"{path.stem}.mlir").is_file()


def test_every_pass_is_registered() -> None:
    classes = {
        f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}:{name}"
        for folder in PASS_FOLDERS
        for path in (ROOT / "sparsec" / folder).rglob("*.py")
        for name in pass_classes(path)
    }
    assert classes == set(PASSES.values())


def test_passes_are_passes() -> None:
    """What passes share stands below them."""
    files = [*(ROOT / "sparsec/passes").rglob("*.py")]
    assert [path for path in files if len(pass_classes(path)) != (path.stem != "__init__")] == []


@pytest.mark.parametrize("name", DIALECTS)
def test_dialect(name: str) -> None:
    """The key is the dialect's name, and its syntax and its verifiers have filecheck tests."""
    found = SPARSEC_UNIVERSE.all_dialects[name]()
    assert isinstance(found, Dialect)
    assert found.name == name
    assert DIALECTS[name].startswith(f"sparsec.ir.{name}:")
    for test in ("ops", "invalid"):
        assert (FILECHECK / "dialects" / name / f"{test}.mlir").is_file()


def test_every_dialect_is_registered() -> None:
    found = {
        f"sparsec.ir.{module.name}:{name}"
        for module in iter_modules([str(ROOT / "sparsec/ir")])
        for name, value in vars(import_module(f"sparsec.ir.{module.name}")).items()
        if isinstance(value, Dialect) and value.name == module.name
    }
    assert found == set(DIALECTS.values())


def test_attributes_are_named_once() -> None:
    """In one file; `layer` and `op` are words too, so they are not looked for."""
    own = ROOT / "sparsec/ir/attributes.py"
    names = [value for name, value in vars(attributes).items() if name.isupper()]
    assert len(names) == len(set(names))
    elsewhere = {
        (str(path.relative_to(ROOT)), node.value)
        for path in (ROOT / "sparsec").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if path != own and isinstance(node, ast.Constant) and node.value in names
    }
    assert {(path, name) for path, name in elsewhere if "." in str(name)} == set()


@pytest.mark.parametrize("name", DIALECTS)
def test_every_operation_has_a_syntax_test(name: str) -> None:
    text = (FILECHECK / "dialects" / name / "ops.mlir").read_text()
    missing = [
        op.name for op in SPARSEC_UNIVERSE.all_dialects[name]().operations if op.name not in text
    ]
    assert missing == []


@pytest.mark.parametrize("name", ["cmsis", "rt"])
def test_every_kernel_fits_its_header(name: str) -> None:
    """Each operation of the dialect's syntax test, which has them all."""
    directory = cmsis_nn.locate()
    if directory is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    header = read_headers(
        directory / "Include/arm_nn_types.h",
        directory / "Include/arm_nnfunctions.h",
        runtime_dir() / "include/sparsec.h",
    )
    checked: set[str] = set()
    for text in (FILECHECK / "dialects" / name / "ops.mlir").read_text().split("// -----"):
        for op in Parser(context(), text).parse_module().walk():
            if isinstance(op, KernelOp):
                assert check_call(op, header).name == op.C_FUNCTION
                checked.add(op.name)
    operations = SPARSEC_UNIVERSE.all_dialects[name]().operations
    assert checked == {op.name for op in operations if issubclass(op, KernelOp)}
