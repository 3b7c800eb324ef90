# SPDX-License-Identifier: Apache-2.0
"""A store in a folder and at a URL: contents by checksum, checkpoints that go from machine to machine."""

from pathlib import Path

import pytest

from sparsec.search.store import Store, checksum


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "folder" else f"memory:/{tmp_path}"


def test_what_is_put_is_got(place: str) -> None:
    name = Store(place).put(b"weights")
    assert name == checksum(b"weights") == Store(place).put(b"weights")
    assert Store(place).get(name) == b"weights"
    with pytest.raises(ValueError, match="the store has no 000000000000: give the --store"):
        Store(place).get("0" * 64)


def test_what_is_damaged_is_not_taken(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    name = store.put(b"weights")
    (tmp_path / "objects" / name).write_bytes(b"weightz")
    with pytest.raises(ValueError, match="is damaged"):
        store.get(name)


def test_checkpoints_go_on_elsewhere(place: str, tmp_path: Path) -> None:
    """One worker trains two epochs and is killed; another one, on another machine, has the newest checkpoints."""
    one, other = Store(place), Store(place)
    folder = one.folder("key", tmp_path / "here")
    folder.mkdir(parents=True, exist_ok=True)
    for epoch in (1, 2, 3):
        (folder / f"epoch-000{epoch}.pt").write_bytes(bytes([epoch]))
        if epoch == 3:
            (folder / "epoch-0001.pt").unlink()
        one.push("key", folder)
    there = other.folder("key", tmp_path / "there")
    found = {path.name: path.read_bytes() for path in there.glob("epoch-*.pt")}
    assert found == {"epoch-0002.pt": b"\x02", "epoch-0003.pt": b"\x03"}
    other.drop("key", there)
    assert not there.exists()
    assert not list(Store(place).folder("key", tmp_path / "third").glob("*"))


def test_a_store_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot open the store"):
        Store("nowhere://x")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write to the store"):
        Store(str(tmp_path / "file")).put(b"x")
