# SPDX-License-Identifier: Apache-2.0
"""Walks the imports of sparsec and holds them to the floors: nothing points up, nothing in a circle."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sparsec"

# From the ground up. A folder (or file) of sparsec that stands on no floor fails the test.
FLOORS = (
    {"formats", "layouts", "quantization", "planning", "pruning", "quiet", "tables", "version"},
    {"targets"},
    {"ir", "recipe"},
    {"kernels"},
    {"analysis", "interpreters", "frontends", "compress"},
    {"rewriting", "search"},
    {"passes", "backends"},
    {"report", "run", "universe", "pipelines"},
    {"tools"},
    {"calibration", "api", "compat"},
)
# The rooms of one folder, again from the ground up; the folder itself may hold nothing else.
ROOMS = {"analysis": ("memory", "values", "choice")}
LEVEL = {name: level for level, floor in enumerate(FLOORS) for name in floor}
LEVEL[""] = len(FLOORS)  # sparsec/__init__.py, which imports when it is asked for something
THIRD_PARTY_ON_THE_GROUND = {
    "formats": {"numpy"},
    "layouts": {"numpy"},
    "quantization": {"numpy"},
    "planning": {"numpy"},
    "pruning": {"numpy"},
}
SHARED_BACKEND = "c"
"""The folder of `backends` that every other one may import."""
MAY_IMPORT_TORCH = {"frontends", "compress", "search", "compat"}


def module_name(path: Path, package: Path) -> str:
    parts = ("sparsec", *path.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, name: str, modules: set[str]) -> Iterator[str]:
    """The modules that a file imports, at any depth of it, relative ones resolved."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            for alias in node.names:  # `from sparsec.ir import nn` is an import of sparsec.ir.nn
                inner = f"{base}.{alias.name}"
                yield inner if inner in modules else base


def import_graph(package: Path) -> dict[str, set[str]]:
    files = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: set(imports_of(path, name, set(files))) for name, path in files.items()}


def house(module: str) -> str:
    """`sparsec.passes.quantize` -> `passes`; the package itself -> ``."""
    return (module.split(".") + [""])[1]


def room(module: str) -> str:
    """`sparsec.analysis.values.ranges` -> `values`; ``, where there is none."""
    return (module.split(".") + ["", ""])[2]


def room_violation(name: str, other: str) -> str | None:
    """What is wrong with an import within a folder of rooms."""
    rooms = ROOMS[house(name)]
    if not room(name):  # the folder's __init__
        return f"{name} imports {other}"
    if room(other) in rooms and rooms.index(room(other)) > rooms.index(room(name)):
        return f"{name} imports {other}, a room above it"
    return None


def violations(graph: dict[str, set[str]]) -> Iterator[str]:
    """What breaks the rules, one line each."""
    for name, imported in sorted(graph.items()):
        mine = house(name)
        if mine and mine not in LEVEL:
            yield f"{name} stands on no floor"
            continue
        if mine in ROOMS and room(name) not in ("", *ROOMS[mine]):
            yield f"{name} stands in no room"
            continue
        for other in sorted(imported):
            top = other.partition(".")[0]
            theirs = house(other)
            if top == "torch" and mine not in MAY_IMPORT_TORCH:
                yield f"{name} imports torch"
            elif top != "sparsec":
                allowed = THIRD_PARTY_ON_THE_GROUND.get(mine)
                if allowed is not None and top not in allowed | sys.stdlib_module_names:
                    yield f"{name} imports {top}"
            elif theirs and LEVEL.get(theirs, 99) > LEVEL.get(mine, -1):
                yield f"{name} imports {other}, which is above it"
            elif mine == "passes" and theirs == "backends":
                yield f"{name} imports the backend {other}"
            elif mine == theirs and mine in ROOMS:
                if (wrong := room_violation(name, other)) is not None:
                    yield wrong
            elif mine == theirs == "backends" and room(other) not in (room(name), SHARED_BACKEND):
                yield f"{name} imports another backend, {other}"


def check_no_circle(graph: dict[str, set[str]]) -> None:
    """Raises CycleError, which shows the circle, between modules or between folders."""
    modules = {name: imported & set(graph) - {name} for name, imported in graph.items()}
    tuple(TopologicalSorter(modules).static_order())
    folders: dict[str, set[str]] = {}
    for name, imported in modules.items():
        folders.setdefault(house(name), set()).update(
            {house(other) for other in imported} - {house(name)}
        )
    tuple(TopologicalSorter(folders).static_order())


def test_floors_name_what_is_there() -> None:
    there = {path.stem for path in PACKAGE.iterdir()}
    assert {*LEVEL, *MAY_IMPORT_TORCH} - {""} <= there
    assert {f"{name}/{inner}" for name, rooms in ROOMS.items() for inner in rooms} <= {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.glob("*/*")
    }


def test_nothing_points_up() -> None:
    assert list(violations(import_graph(PACKAGE))) == []


def test_no_circle() -> None:
    check_no_circle(import_graph(PACKAGE))


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("formats/csr.py", "import xdsl.ir", "sparsec.formats.csr imports xdsl"),
        ("formats/csr.py", "import networkx", "sparsec.formats.csr imports networkx"),
        (
            "ir/nn.py",
            "from sparsec.passes import fold",
            "imports sparsec.passes, which is above it",
        ),
        ("passes/a.py", "from sparsec.backends.cortex_m import x", "imports the backend"),
        ("backends/a/x.py", "from sparsec.backends import b", "imports another backend"),
        ("backends/c/x.py", "from sparsec.backends import b", "imports another backend"),
        ("backends/a/x.py", "from ..b import y", "imports another backend, sparsec.backends.b"),
        ("tools/opt.py", "def f():\n    import torch.nn", "sparsec.tools.opt imports torch"),
        ("misc.py", "", "sparsec.misc stands on no floor"),
        ("analysis/misc.py", "", "sparsec.analysis.misc stands in no room"),
        (
            "analysis/values/a.py",
            "from sparsec.analysis.choice import goal",
            "imports sparsec.analysis.choice.goal, a room above it",
        ),
    ],
)
def test_a_violation_is_found(tmp_path: Path, path: str, source: str, expected: str) -> None:
    for file in (
        "backends/b/__init__.py",
        "passes/__init__.py",
        "analysis/choice/goal.py",
        path,
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(source if file == path else "")
    (line,) = violations(import_graph(tmp_path))
    assert expected in line


def test_a_circle_is_found() -> None:
    with pytest.raises(ValueError, match="cycle"):
        check_no_circle({"sparsec.ir.a": {"sparsec.ir.b"}, "sparsec.ir.b": {"sparsec.ir.a"}})
    with pytest.raises(ValueError, match="cycle"):
        check_no_circle(
            {
                "sparsec.ir.a": {"sparsec.recipe.x"},
                "sparsec.recipe.y": {"sparsec.ir.b"},
                "sparsec.recipe.x": set(),
                "sparsec.ir.b": set(),
            }
        )
