# SPDX-License-Identifier: Apache-2.0
"""Where output goes that is no plain file, and what happens when it cannot go there, or the user stops it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sparsec.tools.errors import guarded
from tests.tools.support import Tools

COMMAND = [sys.executable, "-c", "from sparsec.tools.start import sparsec; sparsec()"]


def test_a_device_stays_one(tools: Tools, texts: dict[str, Path], tmp_path: Path) -> None:
    """As root, a file would take the place of /dev/null."""
    before = os.stat("/dev/null")
    assert tools.sparsec(texts["qnn"], "--emit=qnn", "-q", "-o", "/dev/null").code == 0
    assert os.path.samestat(before, os.stat("/dev/null"))


def test_a_pipe_is_written_to(tools: Tools, texts: dict[str, Path], tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert tools.sparsec(texts["qnn"], "--emit=qnn", "-q", "-o", pipe).code == 0
    reader.join()
    assert pipe.is_fifo()
    assert "qnn.conv2d" in read[0]


def test_a_symbolic_link_stays_one(tools: Tools, texts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    assert tools.sparsec(texts["qnn"], "--emit=qnn", "-q", "-o", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert "qnn.conv2d" in (tmp_path / "real").read_text()


def test_two_models_of_one_name(
    tools: Tools, model: Path, two_inputs: Path, elsewhere: Path, cmsis: Path
) -> None:
    """By default both would be written to one folder."""
    for folder, file in (("a", model), ("b", two_inputs)):
        Path(folder).mkdir()
        Path(folder, "net.pt2").write_bytes(file.read_bytes())
    assert tools.sparsec("a/net.pt2", "-q").code == 0
    before = Path("net/net.h").read_text()
    ended = tools.sparsec("b/net.pt2", "-q")
    assert ended.code == 2
    assert ended.err == (
        "error: cannot write net: it holds the network of a/net.pt2: call this one otherwise with --name; "
        "name another directory with -o\n"
    )
    assert Path("net/net.h").read_text() == before
    assert tools.sparsec("b/net.pt2", "-q", "--name=second").code == 0
    # The same one again, after training, and a folder that the user chose.
    Path("a/net.pt2").write_bytes(two_inputs.read_bytes())
    assert tools.sparsec("a/net.pt2", "-q").code == 0
    assert Path("net/net.h").read_text() != before
    assert tools.sparsec("b/net.pt2", "-q", "-o", "net").code == 0
    assert not Path("net/.model").exists()


def test_a_model_that_is_gone_holds_no_folder(
    tools: Tools, model: Path, elsewhere: Path, cmsis: Path
) -> None:
    Path("net.pt2").write_bytes(model.read_bytes())
    assert tools.sparsec("net.pt2", "-q").code == 0
    Path("moved").mkdir()
    Path("net.pt2").rename("moved/net.pt2")
    assert tools.sparsec("moved/net.pt2", "-q").code == 0
    assert Path("net/.model").read_text() == "../moved/net.pt2\n"


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_stdout_that_takes_nothing(
    texts: dict[str, Path], elsewhere: Path, redirection: str
) -> None:
    shell = f'exec "$@" {redirection}'
    command = ["sh", "-c", shell, "sh", *COMMAND, str(texts["qnn"]), "--emit=qnn"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=elsewhere)
    if redirection == ">&-":
        assert (ended.returncode, ended.stderr) == (0, "")
    else:
        assert ended.returncode == 2
        assert ended.stderr == "error: cannot write: no space left on the device\n"
    assert not list(elsewhere.glob("sparsec-crash*"))


def test_interrupted_while_modules_are_imported(texts: dict[str, Path], elsewhere: Path) -> None:
    command = [sys.executable, "-c", "from sparsec.tools import start; print('on', flush=True); start.sparsec()"]  # fmt: skip
    running = subprocess.Popen(
        [*command, str(texts["qnn"]), "--emit=qnn", "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=elsewhere,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "on\n"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err in ("", "interrupted\n")


def test_interrupted_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        return 0

    assert guarded(command, "sparsec") == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_name_that_is_too_long_for_files(
    tools: Tools, model: Path, elsewhere: Path, cmsis: Path
) -> None:
    long = Path(f"{'n' * 250}.pt2")
    long.write_bytes(model.read_bytes())
    ended = tools.sparsec(long, "-q")
    assert ended.code == 2
    assert ended.err.count("\n") == 1 and "name it shorter with --name and -o" in ended.err
    assert list(Path().iterdir()) == [long]
    assert tools.sparsec(long, "-q", "--name=short", "-o", "short").code == 0
