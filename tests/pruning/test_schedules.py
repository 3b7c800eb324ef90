# SPDX-License-Identifier: Apache-2.0
"""The gradual schedule against PaddleSlim's own figures."""

import pytest

from sparsec.pruning.schedules import Gradual, OneShot


def test_the_steps_of_the_cubic_ramp() -> None:
    ratios = Gradual(0.75, pruning=1000, steps=100, initial=0.15).ratios
    assert ratios[0] == pytest.approx(0.15)
    assert ratios[50] == pytest.approx(0.675)
    assert ratios[99] == pytest.approx(0.7499994, abs=1e-9)


def test_the_phases() -> None:
    schedule = Gradual(0.55, stable=100, pruning=1000, tuning=1000, steps=20, initial=0.05)
    ratios = [schedule.ratio(i) for i in range(schedule.iterations)]
    assert set(ratios[:100]) == {0.0}
    assert ratios == sorted(ratios)
    assert ratios[600] > 0.3
    assert set(ratios[1100:]) == {0.55}
    changes = [i for i in range(schedule.iterations) if schedule.changes(i)]
    assert changes == [0, *range(100, 1101, 50)]


def test_one_shot() -> None:
    schedule = OneShot(0.9)
    assert [schedule.changes(i) for i in (0, 1, 2)] == [True, False, False]
    assert schedule.ratio(7) == 0.9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"target": 1.0}, "a ratio of zeros"),
        ({"target": 0.5, "initial": 0.6}, "the initial ratio 0.6 is not within 0 and the target"),
        ({"target": 0.5, "pruning": 5, "steps": 6}, "at least as many as the 6 steps"),
        ({"target": 0.5, "stable": -1}, "of -1 stable"),
    ],
)
def test_schedules_without_sense(words: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gradual(**words)  # pyright: ignore[reportArgumentType]
