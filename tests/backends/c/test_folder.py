# SPDX-License-Identifier: Apache-2.0
"""Project folders are rewritten as a whole, and nothing of the user's is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import Mock

import pytest

from sparsec.backends.c.folder import digest, write_project


def project(name: str = "net", **sources: str) -> dict[str, str]:
    """The files of a project with `sources`, named without their `.c`."""
    files = {f"{stem}.c": text for stem, text in sources.items()}
    digests = {file: digest(text) for file, text in files.items()}
    return {**files, "report.json": json.dumps({"name": name, "files": digests})}


def sources(directory: Path) -> dict[str, str]:
    """The files of a folder but for its report."""
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "report.json"
    }


def test_stale_files_go_and_those_of_the_user_stay(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    write_project(project(a="1", b="2"), target)
    (target / "mine.txt").write_text("keep")
    (target / "build").mkdir()
    (target / "build" / "a.o").write_text("object")
    (target / "link").symlink_to("mine.txt")
    inode = (target / "mine.txt").stat().st_ino
    write_project(project(a="3"), target)
    kept = {"mine.txt": "keep", "link": "keep", "build/a.o": "object"}
    assert sources(target) == {"a.c": "3", **kept}
    assert (target / "link").is_symlink()
    assert (target / "mine.txt").stat().st_ino == inode
    assert [path.name for path in target.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["a.c", "new.c"])
def test_a_file_of_the_user_is_not_replaced(tmp_path: Path, name: str) -> None:
    write_project(project(a="1"), tmp_path / "out")
    (tmp_path / "out" / name).write_text("by hand")
    before = sources(tmp_path / "out")
    with pytest.raises(FileExistsError, match=f"its {name} is not as sparsec wrote it"):
        write_project(project(a="2", new="2"), tmp_path / "out")
    assert sources(tmp_path / "out") == before
    assert os.listdir(tmp_path) == ["out"]


def test_a_stale_file_that_was_changed_stays(tmp_path: Path) -> None:
    write_project(project(a="1", b="2"), tmp_path / "out")
    (tmp_path / "out" / "b.c").write_text("by hand")
    write_project(project(a="1"), tmp_path / "out")
    assert sources(tmp_path / "out") == {"a.c": "1", "b.c": "by hand"}


def nested(**sources: str) -> dict[str, str]:
    """As `project`, in a folder of a folder."""
    files = {f"in/deep/{stem}.h": text for stem, text in sources.items()}
    digests = {file: digest(text) for file, text in files.items()}
    return {**files, "report.json": json.dumps({"name": "net", "files": digests})}


@pytest.mark.parametrize("where", [".", "out", "out/in"])
def test_folders_without_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """But not from under the user's shell."""
    write_project(nested(a="1"), tmp_path / "out")
    monkeypatch.chdir(tmp_path / where)
    write_project(project(a="2"), tmp_path / "out")
    left = {str(path.relative_to(tmp_path / "out")) for path in tmp_path.rglob("out/*")}
    assert left == {"a.c", "report.json"} | ({"in"} if where == "out/in" else set())


@pytest.mark.parametrize("where", [".", "out"])
@pytest.mark.parametrize("way", ["in", "in/deep"])
@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_what_stands_in_the_way_of_a_folder_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, way: str, kind: str
) -> None:
    """And nothing is written where a link of the user's leads."""
    write_project(project(a="1"), tmp_path / "out")
    elsewhere, barrier = tmp_path / "elsewhere", tmp_path / "out" / way
    elsewhere.mkdir()
    barrier.parent.mkdir(exist_ok=True)
    if kind == "file":
        barrier.write_text("mine")
    else:
        barrier.symlink_to(elsewhere if kind == "link" else "../nowhere")
    monkeypatch.chdir(tmp_path / where)
    with pytest.raises(FileExistsError, match=f"its {way} is no folder, and in/deep/b.h goes"):
        write_project(nested(b="2"), tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "out"]
    assert not os.listdir(elsewhere)
    assert barrier.is_symlink() == (kind != "file")


def test_nothing_is_removed_where_a_link_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was replaced by a link to one with the same files."""
    write_project(nested(a="1"), tmp_path / "out")
    (tmp_path / "out" / "in").rename(tmp_path / "moved")
    (tmp_path / "out" / "in").symlink_to("../moved")
    monkeypatch.chdir(tmp_path / "out")
    write_project(project(a="2"), tmp_path / "out")
    assert (tmp_path / "moved" / "deep" / "a.h").read_text() == "1"


def test_another_network_is_not_replaced(tmp_path: Path) -> None:
    write_project(project("one", a="1"), tmp_path / "out")
    with pytest.raises(FileExistsError, match="it holds the network 'one'"):
        write_project(project("two", a="1"), tmp_path / "out")


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(NotADirectoryError):
        write_project(project(a="1"), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_project(project(a="old"), target)
    with pytest.raises(OSError, match="."):
        write_project({**project(a="new"), f"{300 * 'n'}.c": ""}, target)
    assert sources(target) == {"a.c": "old"}
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    write_project(project(a="1"), tmp_path / "real")
    (tmp_path / "out").symlink_to("real")
    write_project(project(a="2"), tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert sources(tmp_path / "real") == {"a.c": "2"}


def test_the_working_directory_is_not_pulled_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(project(a="1", b="1"), tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    write_project(project(a="2"), Path())
    assert Path("a.c").read_text() == "2"
    assert sources(tmp_path / "out") == {"a.c": "2"}


def test_without_an_exchange_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(project(a="1", b="1"), tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("keep")
    monkeypatch.setattr("ctypes.CDLL", Mock(return_value=object()))
    write_project(project(a="2"), tmp_path / "out")
    assert sources(tmp_path / "out") == {"a.c": "2", "mine.txt": "keep"}
    assert os.listdir(tmp_path) == ["out"]


WRITER = """
import sys
from pathlib import Path
from tests.backends.c.test_folder import project
from sparsec.backends.c.folder import write_project
print("ready", flush=True)
while True:
    for text in "xy":
        files = {f"f{i}": text for i in range(40)}
        write_project(project(**files), Path(sys.argv[1]))
"""


def is_whole(files: Mapping[str, str]) -> bool:
    """Whether all files are of one version, and the user's is there."""
    texts = {text for name, text in files.items() if name != "mine.txt"}
    return len(files) == 41 and len(texts) == 1 and files.get("mine.txt") == "keep"


def test_killed_at_any_moment_the_folder_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for round in range(8):
        command = [sys.executable, "-c", WRITER, str(target)]
        writers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            for _ in range(1 + round % 2)
        ]
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 30
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        if round == 0:
            (target / "mine.txt").write_text("keep")
            time.sleep(0.05)
        time.sleep(0.003 * round)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
        assert is_whole(sources(target))
