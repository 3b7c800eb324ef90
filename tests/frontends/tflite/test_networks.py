# SPDX-License-Identifier: Apache-2.0
"""The four int8 networks of MLPerf Tiny: 0 bytes differ from TensorFlow Lite Micro, nor in the generated C."""

from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends import load
from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations
from tests.end_to_end.road import compile_to, run
from tests.frontends.tflite.support import NETWORKS, differing_bytes, network, samples

CPUS = [
    pytest.param("host", marks=pytest.mark.builds),
    *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
]


@pytest.mark.parametrize("name", NETWORKS)
def test_interpreter_gives_the_bytes_of_tflite_micro(name: str) -> None:
    assert differing_bytes(network(name), 100) == 0


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("name", NETWORKS)
def test_generated_c_gives_the_bytes_of_the_interpreter(
    name: str, cpu: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(network(name))
    imported = import_tflite(path.read_bytes())
    inputs = samples(imported, 100)
    [expected] = interpret(imported, inputs)
    [output] = run(compile_to(path, cpu), cpu, inputs)
    assert np.array_equal(output, expected.reshape(len(expected), -1))


def test_the_entry_carries_the_quantization_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kws.tflite"
    path.write_bytes(network("kws_ref_model_int8"))
    loaded = load(path)
    assert loaded.examples is None
    assert str(loaded.module.attributes["sparsec.name"]) == '"kws"'
    [input], [output] = entry_quantizations(loaded.module)
    assert (input.zero_point, output.scale, output.zero_point) == (83, 1 / 256, -128)
