# SPDX-License-Identifier: Apache-2.0
"""A network with more zeros does not take more flash by default: networks of MLPerf Tiny, pruned further and further."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from benchmarks._sparse_networks import prune
from examples import mlperf
from sparsec.analysis.choice.format_choice import Decision, Problem
from sparsec.analysis.choice.format_goal import Goal
from sparsec.frontends import load
from sparsec.pipelines import lossless
from sparsec.targets.cpu import cpu_named
from sparsec.tools.compilation import run_passes
from sparsec.tools.registry import context

MOST_ERROR = 0.02


def decisions(name: str, percent: int, cores: tuple[str, ...]) -> Iterator[Decision]:
    """The default choice on each core."""
    path = mlperf.find(name)
    assert path is not None
    module = load(path).module
    prune(module, percent)
    run_passes(context(), module, lossless(), ())
    for core in cores:
        yield Problem(module, cpu_named(core), Goal(), explained=False).decide()


@pytest.mark.parametrize(
    ("name", "percents", "cores"),
    [
        (
            "kws_ref_model_int8",
            (75, 80, 85),
            ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55"),
        ),
        # Where layers change from dense weights to faster ones, or from a kernel of their own to that of others.
        ("vww_96_int8", (60, 65, 70, 75), ("cortex-m0plus", "cortex-m4", "cortex-m7")),
    ],
)
def test_more_zeros_do_not_store_more(
    name: str, percents: tuple[int, ...], cores: tuple[str, ...]
) -> None:
    """The image becomes smaller and faster with each step, and what is stored of weights only grows where that is faster
    by more than the prediction may be off in the mean. Helium may be slower by as much: what dead channels leave are odd
    counts of them, whose pixels are not stored by words."""
    if mlperf.find(name) is None:
        pytest.skip(f"{name}.tflite is not there: CONTRIBUTING.md says where to get it")
    found = [list(decisions(name, percent, cores)) for percent in percents]
    for core, *steps in zip(cores, *found, strict=True):
        for before, after in pairwise(steps):
            gain = 1 - after.cycles / before.cycles
            least = -MOST_ERROR if cpu_named(core).vector_unit == "mve" else 0
            assert after.flash < before.flash and gain > least, core
            assert after.constants < before.constants or gain > MOST_ERROR, core
