# SPDX-License-Identifier: Apache-2.0
"""The reader of MiniMalloc's instances, and its check of a plan."""

from pathlib import Path

import pytest

from benchmarks._minimalloc import expect_apart, instances, load, measure
from sparsec.planning.arena import Buffer


def write_instance(folder: Path) -> None:
    rows = ("id,lower,upper,size", "0,0,3,4", "1,3,9,4", "2,0,9,4", "3,9,21,4", "4,0,21,4")
    (folder / "small.12.csv").write_text("\n".join(rows) + "\n")


def test_a_buffer_is_dead_at_its_upper_time(tmp_path: Path) -> None:
    write_instance(tmp_path)
    capacity, buffers = load(instances(tmp_path)[0])
    assert capacity == 12
    assert buffers[:2] == [Buffer(4, 0, 2), Buffer(4, 3, 8)]


def test_each_instance_gives_a_row(tmp_path: Path) -> None:
    write_instance(tmp_path)
    (row,) = measure(tmp_path, seconds=5)
    assert (row.name, row.buffers, row.capacity) == ("small", 5, 12)
    assert (row.peak, row.lower_bound, row.status) == (12, 12, "optimal")
    assert row.is_solved


def test_a_wrong_plan_is_refused() -> None:
    live_together = [Buffer(4, 0, 1), Buffer(4, 1, 2)]
    expect_apart(live_together, (0, 4))
    with pytest.raises(ValueError, match="buffers 0 and 1 share bytes"):
        expect_apart(live_together, (0, 3))
