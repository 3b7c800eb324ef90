# SPDX-License-Identifier: Apache-2.0
"""The four int8 networks of MLPerf Tiny: 0 bytes differ from TensorFlow Lite Micro, nor in the generated C."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends import load
from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations
from tests.end_to_end.road import Array, compile_to, run
from tests.frontends.tflite.support import NETWORKS, network, oracle, samples

CPUS = [
    pytest.param("host", marks=pytest.mark.builds),
    *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
]


INFERENCES = {"host": 103, "cortex-m4": 25, "cortex-m55": 25}
"""The last of the samples, the extreme ones among them: QEMU needs a hundred times as long."""


@cache
def interpreted(name: str) -> tuple[list[Array], Array]:
    """Samples of a network and what the interpreter makes of them."""
    imported = import_tflite(network(name))
    imported.verify()
    inputs = samples(imported, 100)
    [outputs] = interpret(imported, inputs)
    return inputs, outputs.reshape(len(outputs), -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_interpreter_gives_the_bytes_of_tflite_micro(name: str) -> None:
    inputs, expected = interpreted(name)
    [outputs] = oracle(network(name), inputs)
    assert np.array_equal(expected, outputs.reshape(expected.shape))


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("name", NETWORKS)
def test_generated_c_gives_the_bytes_of_the_interpreter(
    name: str, cpu: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(network(name))
    inputs, expected = interpreted(name)
    count = INFERENCES[cpu]
    [output] = run(compile_to(path, cpu), cpu, [array[-count:] for array in inputs])
    assert np.array_equal(output, expected[-count:])


def test_the_entry_carries_the_quantization_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kws.tflite"
    path.write_bytes(network("kws_ref_model_int8"))
    loaded = load(path)
    assert loaded.examples is None
    assert str(loaded.module.attributes["sparsec.name"]) == '"kws"'
    [input], [output] = entry_quantizations(loaded.module)
    assert (input.zero_point, output.scale, output.zero_point) == (83, 1 / 256, -128)
