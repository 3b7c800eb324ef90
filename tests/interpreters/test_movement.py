# SPDX-License-Identifier: Apache-2.0
"""What slices and resizes mean, for one sample and for many at once."""

import numpy as np
import pytest
from xdsl.parser import Parser

from sparsec.interpreters.run import interpret
from sparsec.quantization.window import Slice
from sparsec.tools.registry import context

TEXT = """
func.func @main(%x : tensor<1x3x4x2xi8>) -> (tensor<1x3x2x1xi8>, tensor<1x2x3x2xi8>, tensor<1x3x2x2xi8>) {
  %s = qnn.slice %x <begin = [0, 2, 0, 1], strides = [1, -1, 3, 1]>
    : tensor<1x3x4x2xi8> -> tensor<1x3x2x1xi8>
  %rows = qnn.constant dense<[2, 0]> : tensor<2xui16>
  %columns = qnn.constant dense<[1, 1, 3]> : tensor<3xui16>
  %r = qnn.resize_nearest %x, %rows, %columns
    : tensor<1x3x4x2xi8>, tensor<2xui16>, tensor<3xui16> -> tensor<1x2x3x2xi8>
  %g = qnn.gather %x, %rows axis 2 : tensor<1x3x4x2xi8>, tensor<2xui16> -> tensor<1x3x2x2xi8>
  func.return %s, %r, %g : tensor<1x3x2x1xi8>, tensor<1x2x3x2xi8>, tensor<1x3x2x2xi8>
}
"""


def test_a_leading_1_stands_for_any_batch():
    x = np.arange(120).astype(np.int8).reshape(5, 3, 4, 2)
    sliced, resized, gathered = interpret(Parser(context(), TEXT).parse_module(), [x])
    np.testing.assert_array_equal(sliced, x[:, ::-1, ::3, 1:])
    np.testing.assert_array_equal(resized, x[:, [2, 0]][:, :, [1, 1, 3]])
    np.testing.assert_array_equal(gathered, x[:, :, [2, 0]])


@pytest.mark.parametrize(
    ("begin", "strides", "message"),
    [
        ((0, 0), (1,), "one number for each axis"),
        ((0, -1), (1, 1), "no begin negative"),
        ((0, 0), (1, 0), "no stride 0"),
        ((), (), "one number for each axis"),
    ],
)
def test_a_slice_checks_itself(begin: tuple[int, ...], strides: tuple[int, ...], message: str):
    with pytest.raises(ValueError, match=message):
        Slice(begin, strides)
