# SPDX-License-Identifier: Apache-2.0
"""The same network from torch and from a `.tflite`: one IR from `qnn` on, one C program, the same bytes."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn as layers
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from sparsec import pipelines
from sparsec.frontends.tflite import import_tflite
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import nn, qnn
from sparsec.ir.attributes import LAYER, MOVED, NAME, TFLITE
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.scheme import Bounds, Quantization
from sparsec.run import cmsis_nn
from sparsec.targets.cpu import cpu_named
from sparsec.tools.compilation import pipeline_options, read_model, run_passes
from sparsec.tools.printing import module_text
from sparsec.tools.registry import context
from sparsec.tools.sparsec import parser
from tests.end_to_end.road import Array, compile_module, run, run_kernels
from tests.frontends.support import export_bytes
from tests.frontends.tflite.support import OperatorSpec, TensorSpec, differing_bytes, samples, write

ACTIVATIONS = {None: 0, Bounds(min=0.0): 1, Bounds(0.0, 6.0): 3}
POOL = {"Padding": 1, "StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}
CONVOLUTION = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}


class Residual(layers.Module):
    """Every kind of layer once; `first` has a filter of zeros, `mix` reads one channel not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Conv2d(3, 8, 3, padding=1)
        self.depthwise = layers.Conv2d(8, 8, 3, padding=1, groups=8)
        self.largest = layers.MaxPool2d(2)
        self.mix = layers.Conv2d(8, 8, 1)
        self.again = layers.Conv2d(8, 8, 3, padding=1)
        self.average = layers.AvgPool2d(2)
        self.fc = layers.Linear(32, 5)
        with torch.no_grad():
            self.first.weight[2] = 0
            self.mix.weight[:, 5] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, 8, 8] -> [N, 5]."""
        x = torch.relu(self.first(x))
        x = self.mix(self.largest(layers.functional.relu6(self.depthwise(x))))
        x = torch.relu(x + self.again(x))
        return self.fc(torch.flatten(self.average(x), 1))


class Writer:
    """Writes a `.tflite` with the scales of a Q/DQ module and the constants of its int8 form."""

    def __init__(self, quantized: ModuleOp, int8: ModuleOp):
        self.block = main_function(quantized).body.block
        self.constants = {
            layer_of(op): [constant_array(value) for value in op.operands[1:3]]
            for op in int8.walk()
            if isinstance(op, qnn.Conv2dOp | qnn.DepthwiseConv2dOp | qnn.LinearOp)
        }
        self.tensors: list[TensorSpec] = []
        self.operators: list[OperatorSpec] = []
        self.indices: dict[SSAValue, int] = {}

    def activation(self, name: str, value: SSAValue) -> int:
        """A tensor for a float value, quantized as its reader quantizes it."""
        [by] = {
            use.operation.quantization.data
            for use in value.uses
            if isinstance(use.operation, nn.QuantizeOp)
        }
        self.tensors.append(TensorSpec(name, shape_of(value.type), by.scales, by.zero_point))
        self.indices[value] = len(self.tensors) - 1
        return self.indices[value]

    def constant(self, name: str, data: Array, by: Quantization | None) -> int:
        scales, axis = ((), 0) if by is None else (by.scales, by.axis or 0)
        dtype = data.dtype.name.upper()
        spec = TensorSpec(name, data.shape, scales, dtype=dtype, data=data, axis=axis)
        self.tensors.append(spec)
        return len(self.tensors) - 1

    def content(self) -> bytes:
        self.activation("x", self.block.args[0])
        for op in self.block.ops:
            match op:
                case nn.QuantizeOp() | nn.DequantizeOp() if op.input in self.indices:
                    self.indices[op.results[0]] = self.indices[op.input]
                case nn.Conv2dOp():
                    self.weighted(op, "CONV_2D", "Conv2DOptions", CONVOLUTION)
                case nn.DepthwiseConv2dOp():
                    options = {**CONVOLUTION, "DepthMultiplier": 1}
                    self.weighted(op, "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", options)
                case nn.LinearOp():
                    self.weighted(op, "FULLY_CONNECTED", "FullyConnectedOptions", {})
                case nn.MaxPool2dOp():
                    self.operator(op, "MAX_POOL_2D", [op.input], "Pool2DOptions", POOL)
                case nn.AvgPool2dOp():
                    self.operator(op, "AVERAGE_POOL_2D", [op.input], "Pool2DOptions", POOL)
                case nn.AddOp():
                    self.operator(op, "ADD", [op.lhs, op.rhs], "AddOptions", activation_of(op))
                case nn.ReshapeOp():
                    self.operator(op, "RESHAPE", [op.input], "ReshapeOptions", {})
                case _:
                    pass
        return write(self.tensors, self.operators)

    def weighted(self, op: nn.WeightedOp, name: str, kind: str, options: dict[str, int]) -> None:
        dequantize = op.weights.owner
        assert isinstance(dequantize, nn.DequantizeOp)
        weights, bias = self.constants[layer_of(op)]
        constants = [
            self.constant(f"{layer_of(op)}.weight", weights, dequantize.quantization.data),
            self.constant(f"{layer_of(op)}.bias", bias, None),
        ]
        options = {**options, **activation_of(op)}
        self.operator(op, name, [op.input], kind, options, constants)

    def operator(
        self,
        op: Operation,
        name: str,
        sources: Sequence[SSAValue],
        kind: str,
        options: dict[str, int],
        constants: Sequence[int] = (),
    ) -> None:
        inputs = [*(self.indices[source] for source in sources), *constants]
        output = self.activation(layer_of(op), op.results[0])
        self.operators.append(OperatorSpec(name, inputs, [output], kind, options))


def constant_array(value: SSAValue) -> Array:
    assert isinstance(value.owner, qnn.ConstantOp)
    return value.owner.array


def activation_of(op: nn.WeightedOp | nn.AddOp) -> dict[str, int]:
    bounds = None if op.bounds is None else op.bounds.data
    return {"FusedActivationFunction": ACTIVATIONS[bounds]}


def nameless(module: ModuleOp) -> ModuleOp:
    """A copy without what only names things or says where they came from."""
    copy = module.clone()
    copy.attributes.pop(TFLITE, None)
    copy.attributes.pop(NAME, None)
    for op in copy.walk():
        op.attributes.pop(LAYER, None)
        op.attributes.pop(MOVED, None)
        op.properties.pop("label", None)
        for block in (block for region in op.regions for block in region.blocks):
            for argument in block.args:
                argument.name_hint = None
        for result in op.results:
            result.name_hint = None
    return copy


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleOp, bytes]:
    """The torch network at `qnn`, and the file of TensorFlow Lite with its numbers."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("torch") / "net.pt2"
    path.write_bytes(export_bytes(Residual(), [torch.randn(8, 3, 8, 8)]))
    args = parser().parse_args([str(path), "--input-layout=nhwc", "--quiet"])
    module, examples = read_model(args)
    options = pipeline_options(args, cpu_named("cortex-m4"), module, examples)
    quantize, *rest = pipelines.qnn(options)
    run_passes(context(), module, [*pipelines.nn(options), quantize], [])
    int8 = module.clone()
    run_passes(context(), int8, rest, [])
    return int8, Writer(module, int8).content()


def lossless(module: ModuleOp) -> ModuleOp:
    module = module.clone()
    run_passes(context(), module, pipelines.lossless(), [])
    return module


def test_the_file_is_the_network(both: tuple[ModuleOp, bytes]) -> None:
    """TensorFlow Lite Micro gives the bytes of the network that came from torch."""
    int8, content = both
    assert differing_bytes(content, 20) == 0
    inputs = samples(int8, 20)
    [expected], [found] = interpret(int8, inputs), interpret(import_tflite(content), inputs)
    assert len(np.unique(expected, axis=0)) > 10
    assert expected.tobytes() == found.tobytes()


def test_both_are_one_ir_before_and_after_the_passes(both: tuple[ModuleOp, bytes]) -> None:
    int8, content = both
    imported = import_tflite(content)
    assert module_text(nameless(imported)) == module_text(nameless(int8))
    smaller = module_text(nameless(lossless(int8)))
    assert module_text(nameless(lossless(imported))) == smaller
    # The passes had something to do: two channels of `first` are dead.
    assert "tensor<8x3x3x3xi8>" in module_text(int8) and "tensor<8x3x3x3xi8>" not in smaller


def test_both_are_one_program(both: tuple[ModuleOp, bytes]) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("CMSIS-NN is not there")
    int8, content = both
    imported = import_tflite(content)
    first, second = (compile_module(nameless(m), "cortex-m4") for m in (int8, imported))
    assert first.files == second.files
    inputs = samples(int8, 3)
    host = compile_module(imported, "host")
    [expected] = interpret(int8, inputs)
    [kernels], [c] = run_kernels(host, inputs), run(host, "host", inputs)
    assert expected.tobytes() == kernels.tobytes() == c.tobytes()


def test_int8_io_is_the_same_rule_for_both(both: tuple[ModuleOp, bytes]) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("CMSIS-NN is not there")
    int8, content = both
    for module, halves in ((int8, "halves to even"), (import_tflite(content), "away from zero")):
        header = compile_module(module, "host", "--name=net").files["net.h"]
        assert halves in header and "net_dequantize_output" in header
        header = compile_module(module, "host", "--name=net", "--int8-io").files["net.h"]
        assert "float" not in header
