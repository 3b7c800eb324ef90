# SPDX-License-Identifier: Apache-2.0
"""The lookup and the unpacking of CMSIS-NN; the download itself is exercised by `make setup`."""

import hashlib
import threading
import zipfile
from pathlib import Path

import pytest

from sparsec.run import cmsis_nn

HEADER = "Include/arm_nnfunctions.h"


def make_cmsis_nn(directory: Path, text: str = "") -> Path:
    (directory / "Include").mkdir(parents=True)
    (directory / HEADER).write_text(text)
    return directory


def make_wheel(path: Path, *members: str) -> str:
    """A zip with these members under the package's CMSIS-NN folder; returns its sha256."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("aidge_export_arm_cortexm/__init__.py", "raise SystemExit")
        for member in members:
            archive.writestr(str(cmsis_nn.FOLDER_IN_PACKAGE / member), member)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CMSIS_NN_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sparsec" / "cmsis-nn"


def test_order_of_the_lookup(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cmsis_nn.locate() is None
    make_cmsis_nn(cache)
    assert cmsis_nn.locate() == cache
    monkeypatch.setenv("CMSIS_NN_DIR", str(make_cmsis_nn(tmp_path / "env")))
    assert cmsis_nn.locate() == tmp_path / "env"
    assert cmsis_nn.locate(make_cmsis_nn(tmp_path / "flag")) == tmp_path / "flag"


def test_a_wrong_folder_is_never_passed_over(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_cmsis_nn(cache)
    with pytest.raises(ValueError, match="--cmsis-nn is .* has no Include/arm_nnfunctions.h"):
        cmsis_nn.locate(tmp_path)
    monkeypatch.setenv("CMSIS_NN_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="CMSIS_NN_DIR is "):
        cmsis_nn.locate()
    assert cmsis_nn.main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_a_useless_cache_variable_is_ignored(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cmsis_nn.cache_dir() == Path.home() / ".cache" / "sparsec"


def test_fetch_unpacks_only_cmsis_nn(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "package.whl"
    sha256 = make_wheel(wheel, HEADER, "Source/a.c")

    def download(directory: Path) -> Path:
        return wheel

    monkeypatch.setattr(cmsis_nn, "download", download)
    monkeypatch.setattr(cmsis_nn, "PACKAGE_SHA256", sha256)
    assert cmsis_nn.fetch() == cache
    files = {p.relative_to(cache.parent).as_posix() for p in cache.parent.rglob("*") if p.is_file()}
    assert files == {f"cmsis-nn/{HEADER}", "cmsis-nn/Source/a.c"}


def test_a_changed_package_is_refused(tmp_path: Path) -> None:
    make_wheel(tmp_path / "package.whl", HEADER)
    with pytest.raises(ValueError, match=f"expected {cmsis_nn.PACKAGE_SHA256}"):
        cmsis_nn.unpack(tmp_path / "package.whl", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [((HEADER, "../../../../evil"), "unsafe path"), (("Source/a.c",), "holds no CMSIS-NN")],
)
def test_a_bad_package_is_refused(
    tmp_path: Path, members: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = make_wheel(tmp_path / "package.whl", *members)
    monkeypatch.setattr(cmsis_nn, "PACKAGE_SHA256", sha256)
    with pytest.raises(ValueError, match=message):
        cmsis_nn.unpack(tmp_path / "package.whl", tmp_path / "in" / "out")
    assert not (tmp_path / "evil").exists()


def test_publishing_at_once_leaves_one_complete_folder(tmp_path: Path) -> None:
    destination = tmp_path / "cmsis-nn"
    sources = [make_cmsis_nn(tmp_path / str(i), str(i)) for i in range(8)]
    threads = [threading.Thread(target=cmsis_nn.publish, args=(s, destination)) for s in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Exactly one was taken; it is whole.
    assert [s for s in sources if not s.exists()] == [
        sources[int((destination / HEADER).read_text())]
    ]


def test_publish_replaces_a_broken_folder(tmp_path: Path) -> None:
    (tmp_path / "cmsis-nn").mkdir()
    (tmp_path / "cmsis-nn" / "junk").touch()
    cmsis_nn.publish(make_cmsis_nn(tmp_path / "new"), tmp_path / "cmsis-nn")
    assert cmsis_nn.is_cmsis_nn(tmp_path / "cmsis-nn")
    assert not (tmp_path / "cmsis-nn" / "junk").exists()


def test_a_failed_download_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmsis_nn, "PACKAGE", "sparsec-no-such-package==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ValueError, match="set CMSIS_NN_DIR") as error:
        cmsis_nn.download(tmp_path)
    assert "\n" not in str(error.value)
