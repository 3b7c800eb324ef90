# SPDX-License-Identifier: Apache-2.0
"""Random networks of every operation: each pass and the C code keep every byte."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.backends.c.folder import write_project
from sparsec.backends.cortex_m.project import emit_project
from sparsec.interpreters.run import interpret
from sparsec.run.execute import run_project
from sparsec.run.project import read_project
from tests.backends.lowering import Choice, lower, stages
from tests.backends.random_networks import random_inputs, random_network
from tests.strictly import compile_strictly

TARGETS = ("cortex-m3", "cortex-m4", "cortex-m55")
FORMATS: tuple[Choice, ...] = ("auto", "dense", "delta8")

choices = st.sampled_from(FORMATS)


@settings(max_examples=60)
@given(random=st.randoms(use_true_random=False), target=st.sampled_from(TARGETS), format=choices)
def test_every_pass_keeps_every_byte(random: Random, target: str, format: Choice) -> None:
    module = random_network(random)
    module.verify()
    samples = random_inputs(module, 3)
    expected = [interpret(module, [x]) for x in samples]
    for module_pass, lowered in stages(module, target, format):
        for x, outputs in zip(samples, expected, strict=True):
            for want, got in zip(outputs, interpret(lowered, [x]), strict=True):
                assert got.shape == want.shape
                assert np.array_equal(got, want), module_pass.name


def check_on_device(seeds: range, target: str, cmsis_nn: Path, directory: Path) -> None:
    """The compiled C of the random networks `seeds` gives the interpreter's bytes on `target`."""
    for seed in seeds:
        module = random_network(Random(seed))
        samples = random_inputs(module, 4, seed)
        expected = [interpret(module, [x]) for x in samples]
        lowered = lower(module, target, FORMATS[seed % 3])
        project = directory / f"net{seed}"
        write_project(emit_project(lowered, cmsis_nn / "Include", "net"), project)
        compile_strictly(read_project(project), target, cmsis_nn=cmsis_nn)
        result = run_project(
            project,
            target,
            [samples.reshape(len(samples), -1)],
            cmsis_nn=cmsis_nn,
            sanitize=target == "host",
            counting=False,
        )
        for number, got in enumerate(result.outputs):
            want = np.stack([outputs[number].reshape(-1) for outputs in expected])
            assert np.array_equal(got, want), f"seed {seed}, output {number}"


@pytest.mark.slow
def test_host(cmsis_nn: Path, tmp_path: Path) -> None:
    check_on_device(range(16), "host", cmsis_nn, tmp_path)


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("target", TARGETS)
def test_qemu(target: str, cmsis_nn: Path, tmp_path: Path) -> None:
    check_on_device(range(100, 110), target, cmsis_nn, tmp_path)
