"""The four int8 networks of MLPerf Tiny: 0 bytes differ from TensorFlow Lite Micro, nor in the generated C."""

from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends import load
from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations
from sparsec.run import cmsis_nn
from tests.end_to_end.road import compile_to, run
from tests.frontends.tflite.support import NETWORKS, differing_bytes, network, samples


@pytest.mark.parametrize("name", NETWORKS)
def test_interpreter_gives_the_bytes_of_tflite_micro(name: str) -> None:
    assert differing_bytes(network(name), 100) == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_generated_c_gives_the_bytes_of_the_interpreter(name: str, tmp_path: Path) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("CMSIS-NN is not there: run python -m sparsec.run.cmsis_nn")
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(network(name))
    compiled = compile_to(path, "host")
    inputs = samples(import_tflite(path.read_bytes()), 3)
    [expected] = interpret(import_tflite(path.read_bytes()), inputs)
    [output] = run(compiled, "host", inputs)
    assert np.array_equal(output, expected.reshape(len(expected), -1))


def test_the_entry_carries_the_quantization_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kws.tflite"
    path.write_bytes(network("kws_ref_model_int8"))
    loaded = load(path)
    assert loaded.examples is None
    assert str(loaded.module.attributes["sparsec.name"]) == '"kws"'
    [input], [output] = entry_quantizations(loaded.module)
    assert (input.zero_point, output.scale, output.zero_point) == (83, 1 / 256, -128)
