# SPDX-License-Identifier: Apache-2.0
"""The cache of object files: what is compiled again, and what is not."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsec.run import object_cache
from sparsec.run.errors import BuildError
from sparsec.run.object_cache import Folders, compile_object, prune
from sparsec.run.toolchain import compiler_for
from sparsec.targets.cpu import cpu_named

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc not installed")

Compile = Callable[..., bytes]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources for which gcc was started."""
    names: list[str] = []
    run = subprocess.run

    def noting(command: list[str], **options: object) -> object:
        names.extend(str(each) for each in command if str(each).endswith(".c"))
        return run(command, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]

    compiler_for(cpu_named("host"))  # asks gcc for its version
    monkeypatch.setattr(subprocess, "run", noting)
    return names


def project(folder: Path) -> Folders:
    """Writes "a.c", which includes "a.h" and so "deep.h", and <far.h> of a folder of its own."""
    (folder / "far").mkdir(parents=True)
    (folder / "a.c").write_text(
        '#include "a.h"\n# include <far.h>\n#include <stdint.h>\nint a = DEEP + FAR;\n'
    )
    (folder / "a.h").write_text('#pragma once\n#include "deep.h"\n#include "a.h"\n')
    (folder / "deep.h").write_text("#define DEEP 1\n")
    (folder / "far/far.h").write_text("#define FAR 10\n")
    return Folders((folder,), (folder / "far",))


def object_of(folder: Path, folders: Folders, *flags: str) -> bytes:
    output = folder / "a.o"
    compile_object(compiler_for(cpu_named("host")), folder / "a.c", flags, folders, output)
    return output.read_bytes()


def test_what_is_equal_is_compiled_once_wherever_it_lies(
    tmp_path: Path, compiled: list[str]
) -> None:
    folders = [tmp_path / name for name in ("one", "another")]
    objects = [object_of(folder, project(folder), "-g") for folder in folders]
    assert compiled == ["a.c"]
    assert objects[0] == objects[1]
    assert str(tmp_path).encode() not in objects[0]


@pytest.mark.parametrize("name", ["a.c", "a.h", "deep.h", "far/far.h"])
def test_a_changed_file_is_seen(name: str, tmp_path: Path, compiled: list[str]) -> None:
    folders = project(tmp_path / "p")
    object_of(tmp_path / "p", folders)
    changed = tmp_path / "p" / name
    text = changed.read_text()
    changed.write_text(f"{text}/* changed */\n")
    os.utime(changed, ns=(1, 1))
    object_of(tmp_path / "p", folders)
    assert compiled == ["a.c"] * 2
    changed.write_text(text)
    object_of(tmp_path / "p", folders)
    assert compiled == ["a.c"] * 2


def test_another_flag_and_another_compiler_are_seen(tmp_path: Path, compiled: list[str]) -> None:
    folders = project(tmp_path / "p")
    assert object_of(tmp_path / "p", folders, "-O2") != object_of(tmp_path / "p", folders, "-g")
    assert compiled == ["a.c"] * 2


def test_a_header_that_comes_to_lie_before_another_is_seen(
    tmp_path: Path, compiled: list[str]
) -> None:
    folders = project(tmp_path / "p")
    before = object_of(tmp_path / "p", folders)
    (tmp_path / "p/far.h").write_text("#define FAR 20\n")
    assert object_of(tmp_path / "p", folders) != before
    assert compiled == ["a.c"] * 2


def test_whose_warnings_count_is_part_of_it(tmp_path: Path) -> None:
    project(folder := tmp_path / "p")
    (folder / "far/far.h").write_text("#define FAR 10\nstatic int unused(void) { return 1; }\n")
    strict = ("-Wall", "-Werror")
    object_of(folder, Folders((folder,), (folder / "far",)), *strict)
    with pytest.raises(BuildError, match=r"^a\.c does not compile:\n.*unused"):
        object_of(folder, Folders((folder, folder / "far")), *strict)


def test_includes_by_macro_are_not_kept(tmp_path: Path, compiled: list[str]) -> None:
    folders = project(tmp_path / "p")
    (tmp_path / "p/a.h").write_text('#define DEEPER "deep.h"\n#include DEEPER\n')
    object_of(tmp_path / "p", folders)
    object_of(tmp_path / "p", folders)
    assert compiled == ["a.c"] * 2


def test_what_does_not_compile_is_not_kept(tmp_path: Path, empty_cache: Path) -> None:
    folders = project(tmp_path / "p")
    (tmp_path / "p/deep.h").write_text("#error refused\n")
    for _ in range(2):
        with pytest.raises(
            BuildError, match=r"^a\.c does not compile:\ndeep\.h:1:2: error: #error refused"
        ):
            object_of(tmp_path / "p", folders)
    assert list(empty_cache.rglob("*.o")) == []


def test_several_processes_at_once(tmp_path: Path, empty_cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sparsec.run.object_cache import Folders;"
        "from tests.run.test_object_cache import object_of;"
        "folder = Path(sys.argv[1]); object_of(folder, Folders((folder,), (folder / 'far',)))"
    )
    root = Path(__file__).parents[2]
    environment = dict(os.environ, PYTHONPATH=str(root), XDG_CACHE_HOME=str(empty_cache))
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        project(folder)
    processes = [
        subprocess.Popen([sys.executable, "-c", code, folder], cwd=root, env=environment)
        for folder in folders
    ]
    assert [process.wait() for process in processes] == [0] * 3
    assert len(list(empty_cache.rglob("*.o"))) == 1
    assert len({(folder / "a.o").read_bytes() for folder in folders}) == 1


def test_the_cache_stays_within_its_limit(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "older")):
        path = tmp_path / f"{name}.o"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 1000 - age))
    prune(tmp_path, 250)
    assert {path.stem for path in tmp_path.iterdir()} == {"new", "old"}


def test_the_cache_is_pruned_now_and_then(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first object whose name says so prunes."""
    monkeypatch.setattr(object_cache, "LIMIT_BYTES", 0)
    folders = project(tmp_path / "p")
    for number in range(5000):
        (tmp_path / "p/a.c").write_text(f"int a = {number};\n")
        key = object_cache._key(compiler_for(cpu_named("host")), (), tmp_path / "p/a.c", folders)  # pyright: ignore[reportPrivateUsage]
        if key is not None and key.startswith("00"):
            break
    object_of(tmp_path / "p", folders)
    assert list(empty_cache.rglob("*.o")) == []
