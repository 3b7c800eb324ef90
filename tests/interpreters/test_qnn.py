# SPDX-License-Identifier: Apache-2.0
"""A leading 1 in the types stands for any batch, also where a constant meets an activation."""

import numpy as np
from xdsl.parser import Parser

from sparsec.interpreters.run import interpret
from sparsec.tools.registry import context

TEXT = """
func.func @main(%x : tensor<1x3xi8>) -> tensor<1x6xi8> {
  %c = qnn.constant dense<[[1, 2, 3]]> : tensor<1x3xi8>
  %s = qnn.add %x, %c <input1_zp = 0, input1_multiplier = 1073741824, input1_shift = 0,
    input2_zp = 0, input2_multiplier = 1073741824, input2_shift = 0, left_shift = 20,
    output_zp = 0, output_multiplier = 1073741824, output_shift = -18> : tensor<1x3xi8>
  %y = qnn.concat %s, %c axis 1 : tensor<1x3xi8>, tensor<1x3xi8> -> tensor<1x6xi8>
  func.return %y : tensor<1x6xi8>
}
"""


def test_constants_serve_every_sample():
    module = Parser(context(), TEXT).parse_module()
    x = np.array([[10, 20, 30], [-10, -20, -30]], np.int8)
    (together,) = interpret(module, [x])
    each = [interpret(module, [sample[np.newaxis]])[0][0] for sample in x]
    assert together.shape == (2, 6)
    np.testing.assert_array_equal(together, each)
