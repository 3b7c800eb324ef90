# SPDX-License-Identifier: Apache-2.0
"""sparsec formats: bytes against the formats themselves, the bound against known figures, bad files."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsec.formats import COMMON_FORMATS, Delta4, Nm
from sparsec.formats.yardsticks import YARDSTICKS, dcsr_parts
from sparsec.tools import formats_command
from sparsec.tools.arrays import read_array
from sparsec.tools.errors import UserError
from sparsec.tools.formats_command import entropy_bound
from tests.formats.test_unstructured import GOLDEN
from tests.tools.support import Tools


def pruned(shape: tuple[int, ...] = (8, 3, 3, 16), sparsity: float = 0.8) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(2)
    return (rng.integers(1, 128, shape) * (rng.random(shape) >= sparsity)).astype(np.int8)


def report(tools: Tools, weights: np.ndarray[Any, Any]) -> dict[str, Any]:
    np.save("w.npy", weights)
    ended = tools.sparsec("formats", "w.npy", "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def test_json(tools: Tools) -> None:
    weights = pruned()
    found = report(tools, weights)
    matrix = weights.reshape(8, 144)
    nonzero = int(np.count_nonzero(weights))
    assert found["schema_version"] == 1
    assert (found["name"], found["rows"], found["columns"]) == ("w.npy", 8, 144)
    assert (found["nonzero_weights"], found["density"]) == (nonzero, nonzero / 1152)
    assert found["dense_bytes"] == 1152
    assert nonzero < found["entropy_bound_bytes"] < Delta4().stored_bytes(matrix)
    entries = {entry["label"]: entry for entry in found["formats"]}
    assert list(entries) == [storage.label for storage in COMMON_FORMATS]
    for storage in COMMON_FORMATS:
        entry = entries[storage.label]
        assert entry["format"] == storage.name
        if entry["bytes"] is None:
            with pytest.raises(ValueError) as refused:  # noqa: PT011
                storage.stored_bytes(matrix)
            assert entry["reason"] == str(refused.value)
        else:
            assert (entry["bytes"], entry["reason"]) == (storage.stored_bytes(matrix), None)
    assert entries["nm(1:16)"]["parameters"] == {"n": 1, "m": 16}
    assert "more than 1 of 16" in entries["nm(1:16)"]["reason"]
    assert entries["delta8"]["parameters"] == {}
    assert [each["label"] for each in found["others"]] == list(YARDSTICKS)
    assert sum(found["dcsr"]["bytes"].values()) == entries["dcsr"]["bytes"]


def test_a_pattern_that_a_format_is_made_for(tools: Tools) -> None:
    weights = pruned((8, 32), 0) * (np.arange(32) % 4 < 2)
    found = report(tools, weights.astype(np.int8))
    sizes = {entry["label"]: entry["bytes"] for entry in found["formats"]}
    assert sizes["nm(2:4)"] == Nm(2, 4).stored_bytes(weights.astype(np.int8)) == 8 * (16 + 4)


def test_table_starts_with_the_smallest(tools: Tools) -> None:
    np.save("w.npy", pruned())
    ended = tools.sparsec("formats", "w.npy")
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    title, header, bound, *lines, parts = (line.strip() for line in ended.out.splitlines())
    assert re.fullmatch(r"dcsr +values \d+, .*nnze 4 B; \d+ explicit zeros in \d+ groups", parts)
    assert title.startswith("w.npy: 8 x 144 weights, ")
    assert title.endswith("% zeros")
    assert header.split() == [*("format", "bytes", "of", "dense", "B", "per", "non-zero", "remark")]
    assert bound.startswith("entropy bound")
    labels = [re.split(r"  ", line)[0] for line in lines]
    ours = (storage.label for storage in COMMON_FORMATS)
    assert sorted(labels) == sorted(["dense", *ours, *YARDSTICKS])
    held = [line.split() for line in lines if " % " in f"{line} "]
    sizes = [int(words[words.index("%") - 2].replace(",", "")) for words in held]
    assert sizes == sorted(sizes)
    assert ["dense", "1,152", "100.0", "%"] in [words[:4] for words in held]
    assert all("non-zeros in columns" in line for line in lines[len(held) :])
    assert list(Path().iterdir()) == [Path("w.npy")]


def test_formats_of_others_are_counted_as_dcsr_counts_them() -> None:
    """By its own tool: a matrix of two rows, and one of 600 columns with an empty row."""
    wide = np.zeros((5, 600), np.int8)
    wide[np.random.RandomState(0).rand(5, 600) < 0.1] = 7
    wide[3] = 0
    for matrix, expected in (
        (GOLDEN, [64, 100, 50, 43]),
        (wide, [715, 1276, 502, 475]),
    ):
        assert [YARDSTICKS[label](matrix) for label in list(YARDSTICKS)[:4]] == expected
    assert dcsr_parts(wide) == {
        "bytes": {
            **{"values": 235, "row_offsets": 10, "delta_indices": 128, "group_minimums": 16},
            **{"bitmaps": 8, "bitmasks": 62, "nnze": 4},
        },
        "explicit_zeros": 0,
        "groups": 16,
    }
    assert dcsr_parts(GOLDEN)["explicit_zeros"] == 1
    assert YARDSTICKS["zlib 9"](wide) <= YARDSTICKS["zlib 6"](wide) < wide.size


def test_all_zero(tools: Tools) -> None:
    found = report(tools, np.zeros((4, 16), np.int8))
    assert found["entropy_bound_bytes"] == 0
    assert tools.sparsec("formats", "w.npy").code == 0


@pytest.mark.parametrize(
    ("sparsity", "per_nonzero"), [(0.5, 1.25), (0.7, 1.37), (0.8, 1.45), (0.9, 1.59), (0.95, 1.72)]
)
def test_entropy_bound(sparsity: float, per_nonzero: float) -> None:
    nonzero = round(10_000 * (1 - sparsity))
    assert round(entropy_bound(10_000, nonzero) / nonzero, 2) == per_nonzero


def test_entropy_bound_of_dense_weights() -> None:
    assert (entropy_bound(100, 100), entropy_bound(100, 0)) == (100, 0)


HEADER = b"\x93NUMPY\x01\x00\x36\x00{'descr': '|i1', 'fortran_order': False, 'shape': (4, "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            np.zeros((4, 4), np.float32),
            "w.npy holds float32, weights are int8: quantize them first",
        ),
        (np.zeros((4, 4), np.uint8), "w.npy holds uint8, weights are int8: quantize them first"),
        (np.zeros(4, np.int8), "w.npy has shape [4], weights have two or more axes, none empty"),
        (np.zeros((4, 0), np.int8), "w.npy has shape [4, 0], weights have two or more axes, "),
        (np.array([[{}]], object), "cannot read w.npy: it is no .npy or .npz file of numbers"),
        (b"", "cannot read w.npy: it is no .npy or .npz file of numbers"),
        (b"text", "cannot read w.npy: it is no .npy or .npz file of numbers"),
        (HEADER, "cannot read w.npy: it is no .npy or .npz file of numbers"),  # numpy: TokenError
        (None, "cannot read w.npy: No such file or directory"),
    ],
)
def test_bad_files(
    tools: Tools, content: np.ndarray[Any, Any] | bytes | None, message: str
) -> None:
    if isinstance(content, bytes):
        Path("w.npy").write_bytes(content)
    elif content is not None:
        np.save("w.npy", content, allow_pickle=True)
    ended = tools.sparsec("formats", "w.npy")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}")
    assert ended.err.count("\n") == 1


def test_other_mistakes(tools: Tools) -> None:
    np.savez("w.npz", a=np.zeros((2, 2), np.int8), b=np.zeros(2))
    ended = tools.sparsec("formats", "w.npz")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: w.npz holds several arrays: give one .npy file for each\n"
    for arguments in ((), (".",), ("w.npz", "--csv")):
        ended = tools.sparsec("formats", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1


def test_no_damaged_file_leads_to_a_crash() -> None:
    np.save("w.npy", np.zeros((4, 6), np.int8))
    whole = Path("w.npy").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        raw = bytearray(whole)
        for place in rng.integers(0, len(raw), 3):
            raw[place] = rng.integers(256)
        Path("w.npy").write_bytes(raw[: rng.integers(len(raw) // 2, len(raw) + 1)])
        with suppress(UserError):
            read_array("w.npy")


def test_help(tools: Tools) -> None:
    assert "sparsec formats" in tools.sparsec("--help").out
    ended = tools.sparsec("formats", "--help")
    assert ended.code == 0
    assert formats_command.EXAMPLES in ended.out
    assert "sparsec formats w.npy --json" in ended.out
