# SPDX-License-Identifier: Apache-2.0
"""sparsec diff: equal networks, planted differences, and how inputs reach both."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsec import pipelines
from sparsec.quantization.window import Window
from sparsec.tools import diff_command
from sparsec.tools.diff_command import Difference
from sparsec.tools.printing import module_text
from tests.end_to_end.sparse_nets import SAME, SparseNet
from tests.frontends.support import export_bytes
from tests.frontends.tflite.support import OperatorSpec, TensorSpec, write
from tests.tools.support import SHAPE, Ended, Net, Tools, images, net

KEYS = {"schema_version", "a", "b", "samples", "unit", "equal", "outputs"}
LAYER_KEYS = {
    *("layers", "first_different_layer", "layers_of_other_shape"),
    *("layers_only_in_a", "layers_only_in_b"),
}


def report(ended: Ended, code: int, layerwise: bool = False) -> dict[str, Any]:
    """The JSON that was printed, and nothing else was."""
    assert (ended.code, ended.err) == (code, "")
    found = json.loads(ended.out)
    assert set(found) == (KEYS | LAYER_KEYS if layerwise else KEYS)
    assert found["schema_version"] == 1
    assert found["equal"] == (code == 0)
    return found


def fails(ended: Ended, *parts: str) -> None:
    """The command ended with one line that says so."""
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    for part in parts:
        assert part in ended.err


def text_of(tools: Tools, model: Net, name: str, level: str = "qnn") -> Path:
    """`model` as IR text."""
    path = Path(f"{name}.pt2")
    path.write_bytes(export_bytes(model, [images()]))
    assert tools.sparsec(path, f"--emit={level}", "-q", "-o", f"{name}.mlir").code == 0
    return Path(f"{name}.mlir")


@pytest.mark.parametrize("levels", [("qnn", "kernels"), ("kernels", "qnn"), ("qnn", "qnn")])
def test_levels_are_equal(tools: Tools, texts: dict[str, Path], levels: tuple[str, str]) -> None:
    a, b = (texts[level] for level in levels)
    found = report(tools.sparsec("diff", a, b, "--layerwise", "--json"), 0, True)
    assert (found["samples"], found["unit"]) == (10, "bytes")
    assert [output["compared"] for output in found["outputs"]] == [50]
    compared = {layer["name"]: layer["compared"] for layer in found["layers"]}
    assert (compared["conv"], compared["fc"]) == (10 * 48, 50)
    assert found["first_different_layer"] is None


def test_memory_that_is_used_again(tools: Tools) -> None:
    """The result of a layer is compared before a later layer writes over it."""
    weights = np.random.default_rng(0).integers(-128, 128, (4, 4)).tolist()
    layers = "".join(
        f"""%y{i + 1} = qnn.linear %y{i}, %w, %b requant(%m, %s) <> {{layer = "fc{i}"}}
          : tensor<1x4xi8>, tensor<4x4xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
        """
        for i in range(5)
    )
    Path("q.mlir").write_text(f"""
      func.func @main(%y0 : tensor<1x4xi8>) -> tensor<1x4xi8> {{
        %w = qnn.constant dense<{weights}> : tensor<4x4xi8>
        %b = qnn.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
        %m = qnn.constant dense<1073741824> : tensor<1xi32>
        %s = qnn.constant dense<-6> : tensor<1xi32>
        {layers}
        func.return %y5 : tensor<1x4xi8>
      }}""")
    assert tools.sparsec("q.mlir", "--emit=kernels", "-o", "k.mlir").code == 0
    found = report(tools.sparsec("diff", "q.mlir", "k.mlir", "--layerwise", "--json"), 0, True)
    assert [layer["name"] for layer in found["layers"]] == [f"fc{i}" for i in range(5)]
    assert all(layer["equal"] and layer["compared"] == 40 for layer in found["layers"])


def test_layers_that_are_channel_major(tools: Tools) -> None:
    """What lies otherwise is compared in the order of the other network, gaps left out."""
    net = SparseNet(1)
    x = net.conv(net.input((1, 4, 3, 8)), (3, -4), 8, 1, Window())
    Path("q.mlir").write_text(module_text(net.module([net.conv(x, (-4, 5), 4, 3, SAME)])))
    options = ("--target=cortex-m55", "--weights=delta8", "--emit=kernels")
    assert tools.sparsec("q.mlir", *options, "-o", "k.mlir").code == 0
    assert "#rt.channel_major" in Path("k.mlir").read_text()
    found = report(tools.sparsec("diff", "q.mlir", "k.mlir", "--layerwise", "--json"), 0, True)
    assert [layer["equal"] for layer in found["layers"]] == [True, True]


def test_float_levels_are_equal_but_for_rounding(
    tools: Tools, model: Path, texts: dict[str, Path]
) -> None:
    found = report(tools.sparsec("diff", model, texts["nn"], "--layerwise", "--json"), 0, True)
    assert found["unit"] == "values"
    assert "fc" in [layer["name"] for layer in found["layers"]]


def test_float_against_int8(tools: Tools, model: Path, texts: dict[str, Path]) -> None:
    """The outputs are compared as real numbers; int8 is close, and not the same."""
    np.save("x.npy", images(3).numpy())
    ended = tools.sparsec("diff", model, texts["qnn"], "--input=x.npy", "--json")
    found = report(ended, 1)
    [output] = found["outputs"]
    assert (found["samples"], found["unit"], output["compared"]) == (3, "values", 15)
    assert 0 < output["largest_difference"] < 0.05
    fails(tools.sparsec("diff", model, texts["qnn"], "--layerwise"), "two float or two int8")


def test_first_layer_that_differs(tools: Tools, texts: dict[str, Path]) -> None:
    other = net()
    with torch.no_grad():
        other.fc.weight += 0.05
    changed = text_of(tools, other, "changed")
    found = report(tools.sparsec("diff", texts["qnn"], changed, "--layerwise", "--json"), 1, True)
    assert found["first_different_layer"] == "fc"
    equal = {layer["name"]: layer["equal"] for layer in found["layers"]}
    assert equal["conv"] and not equal["fc"]

    ended = tools.sparsec("diff", texts["qnn"], text_of(tools, net(1), "far"), "--layerwise")
    assert (ended.code, ended.err) == (1, "")
    lines = ended.out.splitlines()
    assert (
        lines[0].startswith("output: ") and " of 50 bytes differ, largest difference " in lines[0]
    )
    assert lines[-1].startswith("first layer that differs: conv (qnn.conv2d): ")
    assert " of 480 bytes differ, largest difference " in lines[-1]


def test_two_files_of_tensorflow_lite(tools: Tools) -> None:
    def layer(source: int, name: str, weight: int) -> list[TensorSpec]:
        weights = np.diag(np.array([7, weight, 7, 7], np.int8))
        return [
            TensorSpec(f"w{source}", (4, 4), (0.1,), data=weights),
            TensorSpec(name, (1, 4), (0.1,)),
        ]

    for file, weight in (("a.tflite", 7), ("b.tflite", 9)):
        tensors = [TensorSpec("x", (1, 4), (0.1,)), *layer(0, "first", 7), *layer(2, "y", weight)]
        operators = [
            OperatorSpec(
                "FULLY_CONNECTED", [source, source + 1], [source + 2], "FullyConnectedOptions"
            )
            for source in (0, 2)
        ]
        Path(file).write_bytes(write(tensors, operators))
    found = report(tools.sparsec("diff", "a.tflite", "b.tflite", "--layerwise", "--json"), 1, True)
    assert found["first_different_layer"] == "y"
    [first, second] = found["layers"]
    assert first["equal"] and 0 < second["differing"] <= 10  # one feature of ten samples
    assert tools.sparsec("diff", "a.tflite", "a.tflite", "--layerwise").code == 0


def test_a_difference_of_one(tools: Tools, texts: dict[str, Path]) -> None:
    """The least there is; a byte at the end of its range stays the same."""
    text = texts["qnn"].read_text()
    assert text.count("output_zp = ") == 2
    before, _, rest = text.rpartition("output_zp = ")
    zero_point, mark, end = rest.partition(">")
    Path("b.mlir").write_text(f"{before}output_zp = {int(zero_point) + 1}{mark}{end}")
    ended = tools.sparsec("diff", texts["qnn"], "b.mlir", "--samples=1", "--json")
    [output] = report(ended, 1)["outputs"]
    assert 1 <= output["differing"] <= output["compared"] == 5
    assert output["largest_difference"] == 1


def test_layers_that_lost_channels_are_compared(tools: Tools) -> None:
    pruned = net()
    with torch.no_grad():
        pruned.fc.weight[:, :16] = 0
    small = text_of(tools, pruned, "small")
    options = pipelines.PipelineOptions(calibrate="small.pt2")
    passes = ",".join(pipelines.nn(options) + pipelines.qnn(options))
    Path("whole.mlir").write_text(tools.opt("small.pt2", "-p", passes).out)
    for pair in (("whole.mlir", small), (small, "whole.mlir")):
        found = report(tools.sparsec("diff", *pair, "--layerwise", "--json"), 0, True)
        compared = {layer["name"]: layer["compared"] for layer in found["layers"]}
        assert compared["conv"] == 10 * 32
        assert "conv" not in found["layers_of_other_shape"]


def test_seed_and_samples(tools: Tools, texts: dict[str, Path]) -> None:
    far = text_of(tools, net(1), "far")
    arguments = ("diff", texts["qnn"], far, "--layerwise", "--json", "--samples=4")
    first = tools.sparsec(*arguments)
    assert report(first, 1, True)["outputs"][0]["compared"] == 20
    assert tools.sparsec(*arguments, "--seed=0").out == first.out
    assert tools.sparsec(*arguments, "--seed=7").out != first.out
    assert tools.sparsec(*arguments, "--seed=7").out == tools.sparsec(*arguments, "--seed=7").out


def test_each_network_quantizes_float_inputs_itself(tools: Tools, texts: dict[str, Path]) -> None:
    """Calibrated for larger inputs, a network reads the same int8 as other numbers."""
    Path("wide.pt2").write_bytes(export_bytes(net(), [4 * images()]))
    assert tools.sparsec("wide.pt2", "--emit=qnn", "-q", "-o", "wide.mlir").code == 0
    np.save("x.npy", images(8).numpy())
    for path in ("wide.mlir", texts["qnn"]):
        ended = tools.sparsec("diff", path, texts["nn"], "--input=x.npy", "--json")
        assert report(ended, 1)["outputs"][0]["largest_difference"] < 0.2
    np.save("x.npy", np.full(SHAPE, 20, np.int8))
    ended = tools.sparsec("diff", "wide.mlir", texts["qnn"], "--input=x.npy", "--json")
    found = report(ended, 1)
    assert (found["samples"], found["unit"]) == (1, "bytes")


def test_several_inputs(tools: Tools, two_inputs: Path) -> None:
    assert tools.sparsec(two_inputs, "--emit=kernels", "-q", "-o", "k.mlir").code == 0
    assert tools.sparsec(two_inputs, "--emit=qnn", "-q", "-o", "q.mlir").code == 0
    random = np.random.default_rng(0)
    for name, count in (("a", 4), ("b", 4), ("c", 3)):
        np.save(f"{name}.npy", random.standard_normal((count, 6)).astype(np.float32))
    files = ("--input=a.npy", "--input=b.npy")
    found = report(tools.sparsec("diff", "q.mlir", "k.mlir", *files, "--json"), 0)
    assert [output["name"] for output in found["outputs"]] == ["output0", "output1"]
    assert [output["compared"] for output in found["outputs"]] == [24, 16]
    ended = tools.sparsec("diff", "q.mlir", "k.mlir", "--input=a.npy")
    fails(ended, "the networks have 2 inputs, 1 --input files given")
    ended = tools.sparsec("diff", "q.mlir", "k.mlir", "--input=a.npy", "--input=c.npy")
    fails(ended, "different numbers of samples")


def test_mistakes(tools: Tools, texts: dict[str, Path], two_inputs: Path) -> None:
    qnn, float_text = texts["qnn"], texts["nn"]
    fails(tools.sparsec("diff", qnn), "the following arguments are required: B")
    fails(tools.sparsec("diff", "-", "-"), "only one of A and B can be standard input")
    fails(tools.sparsec("diff", qnn, "missing.mlir"), "cannot read missing.mlir")
    fails(tools.sparsec("diff", qnn, "missing.pt2"), "missing.pt2")
    fails(tools.sparsec("diff", qnn, two_inputs), "the networks take different inputs")
    fails(tools.sparsec("diff", qnn, qnn, "--samples=0"), "'0' is not a number from 1 on")
    fails(tools.sparsec("diff", qnn, qnn, "--seed=x"), "'x' is not a number from 0 on")
    fails(tools.sparsec("diff", qnn, qnn, "--layer"), "did you mean '--layerwise'?")
    np.save("x.npy", np.zeros((2, *SHAPE), np.int8))
    fails(tools.sparsec("diff", qnn, qnn, "--input=x.npy", "--seed=1"), "leave them out")
    fails(tools.sparsec("diff", qnn, float_text, "--input=x.npy"), "give it float32 inputs")


def test_networks_without_quantization(tools: Tools, texts: dict[str, Path]) -> None:
    """Enough for bytes, not for real numbers."""
    text = (
        "func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> { func.return %x : tensor<1x4xi8> }"
    )
    Path("plain.mlir").write_text(text)
    assert tools.sparsec("diff", "plain.mlir", "plain.mlir").code == 0
    np.save("x.npy", np.zeros((1, 4), np.float32))
    ended = tools.sparsec("diff", "plain.mlir", "plain.mlir", "--input=x.npy")
    fails(ended, "plain.mlir does not say how its inputs are quantized: give int8 inputs")


def test_other_outputs(tools: Tools) -> None:
    result = "tensor<1x2x2xi8>"
    other = f"""func.func @main(%x : tensor<1x4xi8>) -> {result} {{
      %y = qnn.reshape %x : tensor<1x4xi8> -> {result}
      func.return %y : {result}
    }}"""
    text = (
        "func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> { func.return %x : tensor<1x4xi8> }"
    )
    Path("a.mlir").write_text(text)
    Path("b.mlir").write_text(other)
    fails(tools.sparsec("diff", "a.mlir", "b.mlir"), "the networks give different outputs")


def test_what_is_not_a_number_is_not_equal() -> None:
    difference = Difference("y", "output", is_float=True)
    difference.add(np.array([np.inf, 1.0]), np.array([np.inf, 1.0]))
    assert difference.equal
    difference.add(np.array([np.nan]), np.array([0.0]))
    difference.add(np.array([1.0]), np.array([1.0]))
    assert not difference.equal
    assert difference.report()["largest_difference"] is None


def test_int8_differences_do_not_wrap() -> None:
    difference = Difference("y", "output", is_float=False)
    difference.add(np.array([-128, 3], np.int8), np.array([127, 3], np.int8))
    assert (difference.differing, difference.largest, difference.equal) == (1, 255, False)


def test_help(tools: Tools) -> None:
    assert "sparsec diff" in tools.sparsec("--help").out
    ended = tools.sparsec("diff", "--help")
    assert ended.code == 0
    assert diff_command.EXAMPLES in ended.out
