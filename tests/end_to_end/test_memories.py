# SPDX-License-Identifier: Apache-2.0
"""Networks in several memories, and with inputs and outputs of the caller's: exact, watched by canaries, C without a warning."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, Requant
from sparsec.quantization.window import Window
from sparsec.run import cmsis_nn
from sparsec.run.build import build_image
from sparsec.run.machines import MACHINES
from sparsec.run.project import read_project
from sparsec.tools.emission import write_files
from tests.end_to_end.building import Builder
from tests.end_to_end.road import (
    Compiled,
    compile_module,
    compile_to,
    expect_exact,
    extreme_and_random,
)
from tests.frontends.tflite.support import NETWORKS, network
from tests.strictly import compile_strictly

EVERYWHERE = [
    "host",
    *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m7")),
]

SHAPE = (1, 6, 6, 4)


def convolution(net: Builder, x: SSAValue) -> SSAValue:
    rng = np.random.default_rng(net.layers)
    operands = (
        net.constant(rng.integers(-128, 128, (4, 3, 3, 4), np.int8)),
        net.constant(rng.integers(-500, 500, 4, np.int32)),
        net.constant(rng.integers(2**30, 2**31, 4, np.int32)),
        net.constant(np.full(4, -8, np.int32)),
    )
    window = Window(padding=(1, 1, 1, 1))
    return net.layer(qnn.Conv2dOp(x, *operands, Requant(3, -5), window, TensorType(i8, SHAPE)))


def residual() -> ModuleOp:
    """conv2d1, conv2d2 behind it, and add3, the sum of what that gives and a second input; gives conv2d1 too."""
    net = Builder()
    first = convolution(net, net.input(SHAPE))
    second = convolution(net, first)
    params = AddParams(
        **add_params(0.05, 0.05, 0.08),
        input1_zp=-5,
        input2_zp=-5,
        output_zp=0,
        clamp=(-128, 127),
    )
    total = net.layer(qnn.AddOp(net.input(SHAPE), second, params))
    return net.module([total, first])


def expect_clean(compiled: Compiled, cpu: str, folder: Path) -> None:
    """The C compiles without a warning."""
    directory = cmsis_nn.locate()
    assert directory is not None
    write_files(compiled.files, folder / "net")
    compile_strictly(read_project(folder / "net"), cpu, cmsis_nn=directory)


@pytest.mark.parametrize("cpu", EVERYWHERE)
@pytest.mark.parametrize("arena", ["static", "caller"])
def test_inputs_and_outputs_of_the_caller(cpu: str, arena: str, tmp_path: Path) -> None:
    compiled = compile_module(residual(), cpu, "--io=caller", f"--arena={arena}", "--name=net")
    entry = (
        "int net_invoke(int8_t *arena, const int8_t *input0, const int8_t *input1, "
        "int8_t *output0, int8_t *output1)"
    )
    assert entry in compiled.files["net.h"] and entry in compiled.files["net.c"]
    assert ("net_arena[" in compiled.files["net.c"]) == (arena == "static")
    expect_clean(compiled, cpu, tmp_path)
    if arena == "caller":
        inputs = extreme_and_random(compiled.input_shapes, random=2, seed=1)
        expect_exact(compiled, cpu, inputs, canaries=True)


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_several_memories(cpu: str, tmp_path: Path) -> None:
    """Both are used; the slow one holds what the fast one has no room for."""
    options = ("--memory=dtcm=160", "--memory=sram=1K", "--name=net")
    compiled = compile_module(residual(), cpu, *options)
    report = json.loads(compiled.files["report.json"])
    dtcm, sram = report["memories"]
    assert (dtcm["name"], sram["name"]) == ("dtcm", "sram")
    assert 0 < dtcm["bytes"] <= dtcm["capacity_bytes"] == 160
    assert 0 < sram["bytes"] <= sram["capacity_bytes"] == 1024
    assert "int net_invoke(int8_t *dtcm, int8_t *sram);" in compiled.files["net.h"]
    for memory in ("dtcm", "sram"):
        array = f"int8_t net_{memory}[NET_{memory.upper()}_BYTES];"
        assert f"extern {array}" in compiled.files["net.h"]
        section = f"NET_{memory.upper()}_SECTION"
        assert f"\n{section} _Alignas(8) {array}" in compiled.files["net.c"]
    expect_clean(compiled, cpu, tmp_path)
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=1)
    expect_exact(compiled, cpu, inputs, canaries=True)


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_constants_in_the_fast_memory(cpu: str, tmp_path: Path) -> None:
    """What the recipe says, and what is used most per byte as long as there is room; the start-up code copies it."""
    recipe = "--recipe=conv2d1: in sram; layer1.constant: in dtcm"
    options = ("--memory=dtcm=512", "--memory=sram=1K", "--weights=dense", "--name=net", recipe)
    compiled = compile_module(residual(), cpu, *options)
    report = json.loads(compiled.files["report.json"])
    dtcm, sram = report["memories"]
    assert 0 < dtcm["constant_bytes"] <= 512 - dtcm["bytes"] and sram["constant_bytes"] == 0
    places = {each["name"]: each["memory"] for each in report["constants"]}
    assert places["layer1_constant"] == "dtcm" and set(places.values()) == {"dtcm", "flash"}
    expect_clean(compiled, cpu, tmp_path)
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=1)
    expect_exact(compiled, cpu, inputs, canaries=True)
    if cpu == "host":
        return
    directory = cmsis_nn.locate()
    assert directory is not None
    image = build_image(read_project(tmp_path / "net"), cpu, tmp_path, cmsis_nn=directory)
    listing = subprocess.run(
        ["arm-none-eabi-nm", image.path], capture_output=True, text=True, check=True
    ).stdout
    ram = MACHINES[cpu].ram
    for name, place in places.items():
        (address,) = (
            int(line.split()[0], 16)
            for line in listing.splitlines()
            if line.endswith(f" net_{name}")
        )
        assert (ram.origin <= address < ram.origin + ram.length) == (place == "dtcm")


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_memories_beside_the_callers(cpu: str) -> None:
    options = ("--memory=dtcm=1K", "--memory=sram=1K", "--io=caller", "--arena=caller")
    compiled = compile_module(residual(), cpu, *options)
    assert "_invoke(int8_t *dtcm, int8_t *sram, const int8_t *input0," in compiled.files["net.h"]
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=1)
    expect_exact(compiled, cpu, inputs, canaries=True)


@pytest.mark.parametrize(
    ("name", "cpu"),
    [
        *((name, "host") for name in NETWORKS[:3]),
        pytest.param(NETWORKS[1], "cortex-m7", marks=pytest.mark.qemu),
    ],
)
def test_mlperf_tiny(name: str, cpu: str, tmp_path: Path) -> None:
    """Two memories that the network fills together, and one buffer of the caller for each end."""
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(network(name))
    compiled = compile_to(path, cpu, "--memory=a=2K", "--memory=b=64K", "--io=caller")
    fast, _ = json.loads(compiled.files["report.json"])["memories"]
    assert fast["bytes"] + fast["constant_bytes"] <= 2048
    inputs = extreme_and_random(compiled.input_shapes, random=1, seed=5)
    expect_exact(compiled, cpu, inputs, canaries=True)
