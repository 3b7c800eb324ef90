# SPDX-License-Identifier: Apache-2.0
"""What has no kernel is refused with the layer's name, and constants get readable names."""

import pytest
from xdsl.dialects.memref import GlobalOp
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir.kernel import KernelOp
from tests.backends.lowering import lower, parse

LINEAR = """
func.func @main(%x : tensor<1x{depth}xi8>) -> tensor<1x2xi8> {{
  %w = qnn.constant named "fc.weight" dense<{weight}> : tensor<2x{depth}xi8{encoding}>
  %b = qnn.constant named "fc.bias" dense<{bias}> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<{multipliers}xi32>
  %s = qnn.constant dense<{shift}> : tensor<{multipliers}xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <input_zp = -128> {{layer = "classifier.fc"}}
      : tensor<1x{depth}xi8>, tensor<2x{depth}xi8{encoding}>, tensor<2xi32>, tensor<{multipliers}xi32> -> tensor<1x2xi8>
  func.return %y : tensor<1x2xi8>
}}
"""


def linear(
    depth: int = 4,
    weight: int = 1,
    bias: int = 0,
    multipliers: int = 2,
    shift: int = 0,
    encoding: str = "",
) -> str:
    return LINEAR.format(
        depth=depth,
        weight=weight,
        bias=bias,
        multipliers=multipliers,
        shift=shift,
        encoding=encoding,
    )


DELTA8 = ", #sparse.encoding<delta8>"


@pytest.mark.parametrize("encoding", ["", DELTA8])
@pytest.mark.parametrize("multipliers", [1, 2])
@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ({"bias": 2**31 - 1 - 256 * 4}, True),
        ({"bias": 2**31 - 256 * 4}, False),
        ({"bias": 2**28, "shift": 2}, True),
        ({"bias": 2**29, "shift": 2}, False),
        ({"bias": -(2**31)}, False),
    ],
)
def test_an_accumulator_has_to_fit_int32(
    text: dict[str, int], fits: bool, multipliers: int, encoding: str
) -> None:
    module = parse(linear(**text, multipliers=multipliers, encoding=encoding))
    if fits:
        lower(module)
    else:
        with pytest.raises(PassFailedException, match=r"'classifier.fc'.* can leave 32 bits"):
            lower(module)


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(PassFailedException, match="unknown target 'cortex-a72', choose one of"):
        lower(parse(linear()), "cortex-a72")


def test_depthwise_weights_that_no_kernel_reads_are_refused() -> None:
    module = parse(
        """
        func.func @main(%x : tensor<1x3x3x1xi8>) -> tensor<1x1x1x1xi8> {
          %w = qnn.constant dense<1> : tensor<1x3x3x1xi8, #sparse.encoding<bitmap>>
          %b = qnn.constant dense<0> : tensor<1xi32>
          %y = qnn.depthwise_conv2d %x, %w, %b requant(%b, %b) <> window <> {layer = "dw1"}
              : tensor<1x3x3x1xi8>, tensor<1x3x3x1xi8, #sparse.encoding<bitmap>>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x1x1xi8>
          func.return %y : tensor<1x1x1x1xi8>
        }
        """
    )
    with pytest.raises(
        PassFailedException, match=r"'dw1'.*no kernel takes weights stored as bitmap"
    ):
        lower(module)


def test_a_long_softmax_has_a_kernel_of_its_own() -> None:
    text = """
        func.func @main(%x : tensor<1x{n}xi8>) -> tensor<1x{n}xi8> {{
          %y = qnn.softmax %x <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x{n}xi8>
          func.return %y : tensor<1x{n}xi8>
        }}
        """
    for row, name in ((511, "cmsis.softmax_s8"), (512, "rt.softmax_s8")):
        module = lower(parse(text.format(n=row)))
        assert [op.name for op in module.walk() if isinstance(op, KernelOp)] == [name]


def test_a_float_network_is_refused() -> None:
    module = parse(
        """
        func.func @main(%x : tensor<1x4xf32>) -> tensor<1x4xf32> {
          %y = nn.softmax %x : tensor<1x4xf32>
          func.return %y : tensor<1x4xf32>
        }
        """
    )
    with pytest.raises(
        PassFailedException, match=r"nn.softmax still computes on tensors: quantize"
    ):
        lower(module)


def test_globals_are_named_after_parameters_and_shared() -> None:
    module = lower(parse(linear()), "cortex-m3")
    names = [op.sym_name.data for op in module.ops if isinstance(op, GlobalOp)]
    assert names == [
        "fc_weight",
        "classifier_fc_multiplier",
        "classifier_fc_shift",
        "fc_bias",
    ]


def test_names_that_clash_stay_apart() -> None:
    module = parse(
        """
        func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x2x2x1xi8> {
          %a = qnn.constant named "a.b" dense<1> : tensor<256xi8>
          %b = qnn.constant named "a_b" dense<2> : tensor<256xi8>
          %c = qnn.constant named "other" dense<2> : tensor<256xi8>
          %y = qnn.lookup %x, %a : tensor<1x2x2x1xi8>, tensor<256xi8>
          %z = qnn.lookup %y, %b : tensor<1x2x2x1xi8>, tensor<256xi8>
          %q = qnn.lookup %z, %c : tensor<1x2x2x1xi8>, tensor<256xi8>
          func.return %q : tensor<1x2x2x1xi8>
        }
        """
    )
    tables = {
        op.sym_name.data: op.initial_value for op in lower(module).ops if isinstance(op, GlobalOp)
    }
    assert list(tables) == ["a_b", "a_b_2"]


def test_names_of_the_generated_code_are_not_taken() -> None:
    text = """
        func.func @main(%x : tensor<4xi8>) -> tensor<4xi8> {
          %t = qnn.constant named "arena" dense<1> : tensor<256xi8>
          %y = qnn.lookup %x, %t : tensor<4xi8>, tensor<256xi8>
          func.return %y : tensor<4xi8>
        }
        """
    module = lower(parse(text))
    (table,) = (op for op in module.ops if isinstance(op, GlobalOp))
    assert table.sym_name.data == "arena_2"


@pytest.mark.parametrize(
    ("target", "weight", "kernel"),
    [
        # Raw inputs, whose zero point is in the bias, take surely fewer cycles than CMSIS-NN's function does.
        ("cortex-m3", 3, "rt.fully_connected_per_channel_s8"),
        ("cortex-m4", 3, "rt.fully_connected_dense_s8"),
        # Two rows of -128 do not fit the halves of a word, and what is left saves too little in a layer so small.
        ("cortex-m4", -128, "cmsis.fully_connected_s8"),
        ("cortex-m55", 3, "rt.fully_connected_per_channel_s8"),
    ],
)
def test_the_kernel_of_a_dense_linear_layer(target: str, weight: int, kernel: str) -> None:
    module = lower(parse(linear(multipliers=1, weight=weight)), target)
    assert [op.name for op in module.walk() if isinstance(op, KernelOp)] == [kernel]
