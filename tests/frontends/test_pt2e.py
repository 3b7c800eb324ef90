# SPDX-License-Identifier: Apache-2.0
"""Networks that torchao quantized (data/make_pt2e.py) compile with their own scales; torchao is not needed."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from sparsec.frontends import example_inputs, load
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations
from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.quantization.ranges import dequantize, quantize, quantize_bias
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.run import cmsis_nn
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.errors import UserError
from sparsec.tools.sparsec import parser
from tests.end_to_end.road import compile_to, differing_bytes, extreme_and_random, run

Array: TypeAlias = np.ndarray[Any, Any]
Json: TypeAlias = dict[str, Any]

DATA = Path(__file__).parent / "data"
EXPECTED: dict[str, Array] = dict(np.load(DATA / "expected.npz"))
FILES = sorted(path.stem for path in DATA.glob("*.pt2"))
PARTIAL = "inductor"
COMPLETE = [name for name in FILES if name != PARTIAL]


def compiled(name: str, *options: str) -> Compilation:
    """What `sparsec FILE --emit=qnn` makes of a file."""
    return compile_model(parser().parse_args([str(DATA / f"{name}.pt2"), *options]), "qnn")


def samples(name: str) -> Array:
    """The example inputs of a file, float32 [8, 3, 6, 6]."""
    (inputs,) = example_inputs(DATA / f"{name}.pt2")
    return inputs


def outputs_in_int8(compilation: Compilation, inputs: Array) -> tuple[Array, Array]:
    """What the int8 network gives for real inputs: stored, and real."""
    (source,), (target,) = compilation.inputs, compilation.outputs
    stored = quantize(inputs, source.scale, source.zero_point)
    (result,) = interpret(compilation.module, [stored])
    return result, dequantize(result, target.scale, target.zero_point)


def calls(name: str) -> list[Json]:
    """The calls in the graph of a file, as torch wrote them."""
    with zipfile.ZipFile(DATA / f"{name}.pt2") as archive:
        (model,) = (entry for entry in archive.namelist() if "/models/" in entry)
        return json.loads(archive.read(model))["graph_module"]["graph"]["nodes"]


def written_schemes(name: str) -> list[tuple[float, int]]:
    """Scale and int8 zero point of every quantize_per_tensor of a file."""
    found: list[tuple[float, int]] = []
    for call in calls(name):
        if ".quantize_per_tensor." not in call["target"]:
            continue
        values = {entry["name"]: next(iter(entry["arg"].values())) for entry in call["inputs"]}
        shift = 128 if values["quant_min"] == 0 else 0
        found.append((values["scale"], values["zero_point"] - shift))
    return found


def layers(module: ModuleOp, kind: type[Any]) -> dict[str, Any]:
    """The operations of a kind, by layer."""
    return {layer_of(op): op for op in module.walk() if isinstance(op, kind)}


@pytest.mark.parametrize("name", FILES)
def test_files_name_no_folder_of_the_machine_they_were_made_on(name: str) -> None:
    path = DATA / f"{name}.pt2"
    assert path.stat().st_size < 60_000
    with zipfile.ZipFile(path) as archive:
        text = "".join(archive.read(n).decode() for n in archive.namelist() if n.endswith(".json"))
    sources = re.findall(r'File \\"([^"\\]*)\\"', text)
    assert set(sources) == {"tests/frontends/data/make_pt2e.py"}
    assert not re.search(r'(^|[" :])/\w', text)


@pytest.mark.parametrize("name", FILES)
def test_import_means_what_torch_computes(name: str) -> None:
    """The same values, but for ties: torch multiplies by 1 / scale in float32.

    An average of 16 stored values is often a tie. It may become either step, and a step of the
    average is more than one of the output.
    """
    module = load(DATA / f"{name}.pt2").module
    (result,) = interpret(module, [samples(name)])
    last = [op for op in module.walk() if isinstance(op, nn.DequantizeOp)][-1]
    ties = 2.01 * last.quantization.data.scale if "branches" in name else 0.0
    assert np.abs(result - EXPECTED[name]).max() <= max(1e-6, ties)


@pytest.mark.parametrize("name", COMPLETE)
def test_int8_network_agrees_with_torch(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Within one step of the output.

    Not exact, because torch simulates: it multiplies dequantized values in float32, with a bias that
    is not rounded, and rounds once to the result's step, half to even. The kernels round the bias to
    int32, scale by a mantissa of 31 bits and round half away from zero. A value near a tie may so
    end one step apart.
    """
    compilation = compiled(name)
    assert capsys.readouterr().err == ""  # no calibration, so no warning of one
    _, real = outputs_in_int8(compilation, samples(name))
    step = compilation.outputs[0].scale
    assert np.rint(np.abs(real - EXPECTED[name]) / step).max() <= 1
    assert np.ptp(EXPECTED[name]) > 40 * step  # the outputs are not all alike


@pytest.mark.parametrize("name", [n for n in COMPLETE if n != "affine"])
def test_entry_has_the_scales_of_the_file(name: str) -> None:
    compilation = compiled(name)
    schemes = written_schemes(name)
    assert [(q.scale, q.zero_point) for q in compilation.inputs] == schemes[:1]
    assert [(q.scale, q.zero_point) for q in compilation.outputs] == schemes[-1:]


def test_affine_entry_has_the_scales_of_the_file() -> None:
    module = load(DATA / "affine.pt2").module
    written = [op.quantization.data for op in module.walk() if isinstance(op, nn.QuantizeOp)]
    compilation = compiled("affine")
    assert compilation.inputs == written[:1]
    assert compilation.outputs == written[-1:]


@pytest.mark.parametrize("name", COMPLETE)
def test_layers_have_the_scales_of_the_file(name: str) -> None:
    """Weights, bias and multipliers of every layer follow from the pairs around it."""
    imported = load(DATA / f"{name}.pt2").module
    weighted = layers(compiled(name).module, qnn.WeightedOp)
    before = layers(imported, nn.WeightedOp)
    assert weighted.keys() == before.keys()
    for layer, new in weighted.items():
        old = before[layer]
        weights, source = old.weights.owner, old.input.owner.quantization.data
        target = quantize_after(old)
        assert (new.requant.data.input_zp, new.requant.data.output_zp) == (
            source.zero_point,
            target.zero_point,
        )
        assert sorted(new.weights.owner.array.ravel()) == sorted(weights.input.owner.array.ravel())
        scales = np.array(weights.quantization.data.scales)
        bias = quantize_bias(old.bias.owner.array, scales * source.scale)
        np.testing.assert_array_equal(new.bias.owner.array, bias)
        pairs = [quantize_multiplier(source.scale * s / target.scale) for s in scales.tolist()]
        np.testing.assert_array_equal(new.multiplier.owner.array, [m for m, _ in pairs])
        np.testing.assert_array_equal(new.shift.owner.array, [s for _, s in pairs])


def quantize_after(op: Any) -> Any:
    """The quantization behind a layer as imported, maybe after its relu."""
    (use,) = op.result.uses
    if isinstance(use.operation, nn.QuantizeOp):
        return use.operation.quantization.data
    assert isinstance(use.operation, nn.ClampOp)
    return quantize_after(use.operation)


@pytest.mark.parametrize("name", COMPLETE)
def test_clamps_are_part_of_their_layers(name: str) -> None:
    """Also where the file has a pair between a convolution and its clamp."""
    names = [op.name for op in compiled(name).module.walk()]
    assert names.count("qnn.rescale") == (2 if "branches" in name else 0)  # two inputs of a concat


def test_a_bias_in_int32_stays_as_it_is() -> None:
    """`uint8.pt2` carries its biases as int32: they come back unchanged, not rounded twice."""
    with zipfile.ZipFile(DATA / "uint8.pt2") as archive:
        config = json.loads(
            archive.read(next(n for n in archive.namelist() if n.endswith("weights_config.json")))
        )
        stored = [
            np.frombuffer(archive.read(f"uint8/data/weights/{entry['path_name']}"), "<i4")
            for entry in config["config"].values()
            if entry["tensor_meta"]["dtype"] == 4 and len(entry["tensor_meta"]["sizes"]) == 1
        ]
    biases = [
        op.bias.owner.array for op in layers(compiled("uint8").module, qnn.WeightedOp).values()
    ]
    assert len(biases) == 3
    for bias in biases:
        assert any(np.array_equal(bias, other) for other in stored)


@pytest.mark.parametrize("name", COMPLETE)
def test_interpreter_equals_c(name: str) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    network = compile_to(DATA / f"{name}.pt2", "host")
    inputs = extreme_and_random(network.input_shapes, 6, 1)
    expected = interpret(network.quantized, inputs)
    assert differing_bytes(expected, run(network, "host", inputs)) == 0


def test_calibration_fills_what_the_file_leaves_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=samples(PARTIAL))
    compilation = compiled(PARTIAL, f"--calibrate={data}")
    assert capsys.readouterr().err == ""
    (scheme,) = compilation.inputs
    assert (scheme.scale, scheme.zero_point) == written_schemes(PARTIAL)[0]
    weights = layers(compilation.module, qnn.WeightedOp)
    hidden = weights["hidden"].requant.data
    assert (hidden.input_zp, hidden.output_zp) == (
        written_schemes(PARTIAL)[-2][1],
        written_schemes(PARTIAL)[-1][1],
    )
    # The result has no pair in the file: its range is what torch gave for the same data.
    low, high = EXPECTED[PARTIAL].min(), EXPECTED[PARTIAL].max()
    assert compilation.outputs[0].scale == pytest.approx((high - low) / 255, rel=0.02)
    _, real = outputs_in_int8(compilation, samples(PARTIAL))
    assert np.abs(real - EXPECTED[PARTIAL]).max() <= 2.5 * compilation.outputs[0].scale


def test_what_is_left_open_needs_calibration(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="^classifier .*quantize/dequantize.*--calibrate FILE.npz"):
        compiled(PARTIAL)
    assert capsys.readouterr().err == ""


def test_main_has_int8_at_both_ends() -> None:
    module = compiled("qat_residual").module
    (main,) = (op for op in module.walk() if isinstance(op, func.FuncOp))
    assert [str(t) for t in main.function_type.inputs] == ["tensor<1x3x6x6xi8>"]
    assert [str(t) for t in main.function_type.outputs] == ["tensor<1x6x4x4xi8>"]
    assert entry_quantizations(module)[1][0].zero_point == -128  # a relu
