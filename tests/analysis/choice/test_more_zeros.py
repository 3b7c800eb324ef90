# SPDX-License-Identifier: Apache-2.0
"""A network with more zeros does not store more by default: DS-CNN, pruned further and further."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from benchmarks._sparse_networks import prune
from examples import mlperf
from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal
from sparsec.frontends import load
from sparsec.pipelines import lossless
from sparsec.targets.cpu import cpu_named
from sparsec.tools.compilation import run_passes
from sparsec.tools.registry import context

PERCENT = (75, 80, 85)


def stored(percent: int, cores: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Constants and whole flash on each core."""
    path = mlperf.find("kws_ref_model_int8")
    assert path is not None
    module = load(path).module
    prune(module, percent)
    run_passes(context(), module, lossless(), ())
    for core in cores:
        decision = Problem(module, cpu_named(core), Goal(), explained=False).decide()
        yield decision.constants, decision.flash


def test_more_zeros_do_not_store_more() -> None:
    if mlperf.find("kws_ref_model_int8") is None:
        pytest.skip("kws_ref_model_int8.tflite is not there: CONTRIBUTING.md says where to get it")
    cores = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55")
    found = [list(stored(percent, cores)) for percent in PERCENT]
    for core, *sizes in zip(cores, *found, strict=True):
        for (constants, flash), (fewer, less) in pairwise(sizes):
            assert fewer < constants and less < flash, core
