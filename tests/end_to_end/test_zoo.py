# SPDX-License-Identifier: Apache-2.0
"""Every example network on every processor: interpreter, calls and C give the same bytes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.zoo import ZOO, example_inputs
from sparsec.interpreters.signature import quantized
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.run import cmsis_nn
from sparsec.run.project import read_project
from sparsec.tools.emission import write_files
from tests.end_to_end.conftest import SHIPPED, FindModel
from tests.end_to_end.road import Array, Compiled, compile_once, expect_exact, extreme_and_random
from tests.strictly import compile_strictly

LIKE = {"mnist": "lenet", "ds_cnn": "lenet"}
"""Networks of the zoo that take what the shipped ones take."""

NETWORKS = [*SHIPPED, *ZOO]
ON_DEVICE = [
    pytest.param(cpu, marks=pytest.mark.qemu)
    for cpu in ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55")
]
EVERYWHERE = ["host", *ON_DEVICE]
WATCHED = ("host", "cortex-m4", "cortex-m55")
"""Where the memory of the whole zoo is watched; elsewhere and in the tests of storage it runs as it is shipped."""


def inputs_of(compiled: Compiled, name: str) -> list[Array]:
    """All lowest, all highest, one random and two that look like the calibration data."""
    examples = example_inputs(LIKE.get(name, name), n=2, seed=1234).numpy()
    (x,) = extreme_and_random(compiled.input_shapes, random=1, seed=5)
    return [np.concatenate([x, *quantized([examples], compiled.compilation.inputs)])]


@pytest.mark.parametrize("cpu", EVERYWHERE)
@pytest.mark.parametrize("name", NETWORKS)
def test_bytes(name: str, cpu: str, find_model: FindModel):
    compiled = compile_once(find_model(name), cpu)
    inputs = inputs_of(compiled, name)
    (outputs,) = expect_exact(compiled, cpu, inputs, canaries=cpu in WATCHED)
    # Networks that answer the same to everything would show nothing.
    assert len(np.unique(outputs, axis=0)) >= 3


@pytest.mark.parametrize("cpu", ["host", *ON_DEVICE[1::2]])
@pytest.mark.parametrize("weights", ["dense", "delta8"])
@pytest.mark.parametrize("name", ["mnist", "ic", "ad"])
def test_storage_of_weights(name: str, weights: str, cpu: str, find_model: FindModel):
    compiled = compile_once(find_model(name), cpu, f"--weights={weights}")
    assert ("delta8" in compiled.files["report.json"]) == (weights == "delta8")
    expect_exact(compiled, cpu, inputs_of(compiled, name))


@pytest.mark.parametrize("cpu", ["host", *ON_DEVICE[1::2]])
@pytest.mark.parametrize("name", ["kws", "ic", "vww"])
def test_smallest_arena(name: str, cpu: str, find_model: FindModel):
    """Outputs lie over their dying inputs: by strips, and layer by layer fused, where the arena is smaller for it."""
    model = find_model(name)
    compiled, default = (compile_once(model, cpu, *each) for each in (["--objective=ram"], []))
    small, fast = (json.loads(each.files["report.json"]) for each in (compiled, default))
    assert small["arena_bytes"] <= fast["arena_bytes"] <= fast["arena_live_bytes"]
    # What turns an image into channels reads all of it for each: where that is fastest, it may need most.
    if not any("channel_major" in layer["kernel"] for layer in fast["layers"]):
        assert fast["arena_bytes"] < fast["arena_live_bytes"]
    assert small["arena_bytes"] < small["arena_live_bytes"]
    kernels = {layer["kernel"] for layer in small["layers"]}
    # That of runs, for Helium, is done a few pixels at a time by itself.
    overlapping = ("_strips_s8", "_point_depthwise_s8", "_runs_s8")
    assert any(kernel.endswith(overlapping) for kernel in kernels)
    if cpu != "host":  # whose costs nobody knows
        assert all(layer["predicted_cycles"] for layer in small["layers"] if layer["macs"])
    expect_exact(compiled, cpu, inputs_of(compiled, name), canaries=True)


@pytest.mark.parametrize("cpu", ["host", *ON_DEVICE[1::2]])
@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
@pytest.mark.parametrize("name", ["ad", "lenet"])
def test_scales_of_linear_layers(name: str, scales: str, cpu: str, find_model: FindModel):
    compiled = compile_once(find_model(name), cpu, f"--linear-weights={scales}", "--weights=dense")
    linears = [op for op in compiled.quantized.walk() if isinstance(op, qnn.LinearOp)]
    per_tensor = [shape_of(op.multiplier.type) == (1,) for op in linears]
    assert per_tensor == [scales == "per-tensor"] * len(linears) and linears
    expect_exact(compiled, cpu, inputs_of(compiled, name))


@pytest.mark.parametrize(
    "cpu",
    [
        "host",
        *(
            pytest.param(cpu, marks=pytest.mark.qemu)
            for cpu in ("cortex-m0plus", "cortex-m4", "cortex-m55")
        ),
    ],
)
@pytest.mark.parametrize(
    ("name", "arena"), [*((name, "static") for name in NETWORKS), ("mnist", "caller")]
)
def test_files(name: str, arena: str, cpu: str, find_model: FindModel, tmp_path: Path):
    options = ("--arena=caller", "--weights=delta8") if arena == "caller" else ()
    compiled = compile_once(find_model(name), cpu, *options)
    stem = compiled.compilation.name
    own = {file for file in compiled.files if not file.startswith("sparsec")}
    assert own == {
        f"{stem}.c",
        f"{stem}.h",
        f"{stem}_weights.c",
        f"{stem}_weights.h",
        "CMakeLists.txt",
        "report.json",
    }
    for text in compiled.files.values():
        assert not re.search(r"/(home|root|tmp|usr|work|Users)/|__DATE__|__TIME__", text)
        assert not re.search(r"\b20\d\d-\d\d-\d\d\b|\d\d:\d\d", text)
    write_files(compiled.files, tmp_path / stem)
    directory = cmsis_nn.locate()
    assert directory is not None
    compile_strictly(read_project(tmp_path / stem), cpu, cmsis_nn=directory)


COMPILE = """
import sys
from sparsec.tools.sparsec import main
for name in sys.argv[1:]:
    try:
        main([f"{name}/network.pt", "-q", "-o", f"{name}/out"])
    except SystemExit as end:
        assert not end.code
"""


def test_files_depend_on_the_model_alone(find_model: FindModel, tmp_path: Path):
    names = ["mnist", "ds_cnn"]
    written: list[dict[str, bytes]] = []
    for seed in ("1", "2"):
        # Another place, another order of sets, another order of networks, another time.
        for name in names:
            model = tmp_path / seed / name / "network.pt"
            model.parent.mkdir(parents=True)
            model.write_bytes(find_model(name).read_bytes())
        environment = dict(os.environ, PYTHONHASHSEED=seed, PYTHONPATH=os.getcwd())
        command = [sys.executable, "-c", COMPILE, *names]
        place = tmp_path / seed
        subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
        files = sorted(place.glob("*/out/*"))
        written.append({str(file.relative_to(place)): file.read_bytes() for file in files})
        names.reverse()
    assert written[0] == written[1]
    assert len(written[0]) >= 2 * 6
