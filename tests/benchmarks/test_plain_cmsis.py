# SPDX-License-Identifier: Apache-2.0
"""The baseline of instruction counts computes what the interpreter computes."""

from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from benchmarks._chain import CHANNELS, SIZE, chain
from benchmarks._plain_cmsis import write_plain_project
from examples.sparse_engine.folder import (
    Network,
    Stage,
    Transformer,
    random_weights,
    write_folder,
)
from sparsec.frontends import load
from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.run import cmsis_nn
from sparsec.run.execute import run_project
from sparsec.tools.compilation import compile_model, context
from sparsec.tools.printing import module_text
from sparsec.tools.sparsec import parser

UNSUPPORTED = """
func.func @main(%x: tensor<1x2x2x1xi8>) -> tensor<1x3x2x1xi8> {
  %y = qnn.pad %x, -128 <low = [0, 1, 0, 0], high = [0, 0, 0, 0]> : tensor<1x2x2x1xi8> -> tensor<1x3x2x1xi8>
  func.return %y : tensor<1x3x2x1xi8>
}
"""

DENSE_LAYERS = """
func.func @main(%x: tensor<1x4x4x2xi8>) -> tensor<1x3xi8> {
  %zeros = qnn.constant dense<0> : tensor<2xi32>
  %taps = qnn.constant dense<[[[[3, -5], [7, 2]], [[-1, 4], [6, -8]]]]> : tensor<1x2x2x2xi8>
  %m = qnn.constant dense<[1518500250, 1073741824]> : tensor<2xi32>
  %s = qnn.constant dense<[-4, -3]> : tensor<2xi32>
  %d = qnn.depthwise_conv2d %x, %taps, %zeros requant(%m, %s) <input_zp = 3, output_zp = -7> window <padding = [0, 0, 1, 1]>
    : tensor<1x4x4x2xi8>, tensor<1x2x2x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x4x2xi8>
  %a = qnn.add %x, %d <input1_zp = 3, input1_multiplier = 1073741824, input1_shift = 0, input2_zp = -7, input2_multiplier = 1518500250, input2_shift = 0, left_shift = 20, output_zp = 1, output_multiplier = 1073741824, output_shift = -18> : tensor<1x4x4x2xi8>
  %p = qnn.max_pool2d %a pool <strides = [2, 2], kernel = [2, 2]> <input_zp = 1, output_zp = 1> : tensor<1x4x4x2xi8> -> tensor<1x2x2x2xi8>
  %q = qnn.avg_pool2d %p pool <strides = [1, 2], kernel = [1, 2]> <input_zp = 1, output_zp = 1> : tensor<1x2x2x2xi8> -> tensor<1x2x1x2xi8>
  %f = qnn.reshape %q : tensor<1x2x1x2xi8> -> tensor<1x4xi8>
  %w = qnn.constant dense<[[9, -8, 7, 6], [5, 4, -3, 2], [-1, 8, 3, 9]]> : tensor<3x4xi8>
  %b = qnn.constant dense<[10, -20, 30]> : tensor<3xi32>
  %lm = qnn.constant dense<LINEAR_MULTIPLIER> : tensor<LINEARxi32>
  %ls = qnn.constant dense<-3> : tensor<LINEARxi32>
  %l = qnn.linear %f, %w, %b requant(%lm, %ls) <input_zp = 1, output_zp = 2>
    : tensor<1x4xi8>, tensor<3x4xi8>, tensor<3xi32>, tensor<LINEARxi32> -> tensor<1x3xi8>
  %y = qnn.softmax %l <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x3xi8>
  func.return %y : tensor<1x3xi8>
}
"""


def parse(text: str) -> ModuleOp:
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


def expect_same_bytes(module: ModuleOp, shape: tuple[int, ...], directory: Path) -> None:
    cmsis = cmsis_nn.locate()
    if cmsis is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    inputs = np.random.default_rng(1).integers(-128, 128, (16, *shape), np.int8)
    (expected,) = interpret(module, [inputs])
    assert len(np.unique(expected, axis=0)) > 1  # else equal outputs would show nothing
    write_plain_project(module, directory)
    result = run_project(directory, "host", [inputs.reshape(16, -1)], cmsis_nn=cmsis)
    np.testing.assert_array_equal(result.outputs[0], expected.reshape(16, -1))


@pytest.mark.parametrize(
    ("count", "multiplier"), [("1", "1518500250"), ("3", "[1518500250, 1073741824, 2000000000]")]
)
def test_every_layer_gives_the_interpreters_bytes(tmp_path: Path, count: str, multiplier: str):
    text = DENSE_LAYERS.replace("LINEAR_MULTIPLIER", multiplier).replace("LINEAR", count)
    expect_same_bytes(parse(text), (4, 4, 2), tmp_path / "plain")


def test_the_chain_gives_the_interpreters_bytes(tmp_path: Path):
    network = chain(3)
    assert sum(isinstance(op, nn.Conv2dOp) for op in network.walk()) == 3
    model = tmp_path / "chain.mlir"
    model.write_text(module_text(network))
    compilation = compile_model(parser().parse_args([str(model)]), "qnn")
    expect_same_bytes(compilation.module, (SIZE, SIZE, CHANNELS), tmp_path / "plain")


def test_a_layer_that_cmsis_nn_lacks_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="CMSIS-NN has no function for qnn.pad"):
        write_plain_project(parse(UNSUPPORTED), tmp_path / "plain")


def test_attention_norms_and_means(tmp_path: Path) -> None:
    """A network of sparse-engine: heads moved apart for CMSIS-NN's products, the runtime's norms and mean."""
    network = Network(
        (Stage(("tokenizer",), 4, (), (Transformer(0, 6, 5, 4),)),), 5, size=8, classes=3
    )
    write_folder(tmp_path / "tensors", network, random_weights(2), symmetric=True)
    module = load(tmp_path / "tensors", input_shape=[(1, 3, 8, 8)]).module
    expect_same_bytes(module, (8, 8, 3), tmp_path / "plain")
