# SPDX-License-Identifier: Apache-2.0
"""Several samples at once: the same as one after the other, also where an axis of its own comes first."""

from typing import Any

import numpy as np
import pytest
from xdsl.ir import Operation
from xdsl.parser import Parser

from sparsec.interpreters.run import interpret
from sparsec.tools.registry import context

ROWS = """
func.func @main(%x: tensor<1x6xi8>) -> (tensor<3x2xi8>, tensor<1x6xi8>) {
  %rows = qnn.reshape %x : tensor<1x6xi8> -> tensor<3x2xi8>
  %turned = qnn.transpose %rows [1, 0] : tensor<3x2xi8> -> tensor<2x3xi8>
  %flat = qnn.reshape %turned : tensor<2x3xi8> -> tensor<1x6xi8>
  func.return %rows, %flat : tensor<3x2xi8>, tensor<1x6xi8>
}
"""
BATCH_IN_THE_MIDDLE = """
func.func @main(%x: tensor<1x1x4xi8>) -> tensor<1x1x4xi8> {
  %turned = qnn.transpose %x [1, 0, 2] : tensor<1x1x4xi8> -> tensor<1x1x4xi8>
  func.return %turned : tensor<1x1x4xi8>
}
"""


@pytest.mark.parametrize(("text", "shape"), [(ROWS, (1, 6)), (BATCH_IN_THE_MIDDLE, (1, 1, 4))])
def test_samples_are_kept_apart(text: str, shape: tuple[int, ...]) -> None:
    module = Parser(context(), text).parse_module()
    x = np.random.default_rng(0).integers(-128, 128, (5, *shape[1:])).astype(np.int8)
    seen: dict[str, Any] = {}

    def listen(op: Operation, results: Any) -> None:
        seen[op.name] = [*results][:1]

    together = interpret(module, [x], listener=listen)
    alone = [interpret(module, [x[n : n + 1]]) for n in range(5)]
    for index, output in enumerate(together):
        assert len(output) == 5
        for n in range(5):
            assert np.array_equal(output[n].reshape(-1), alone[n][index].reshape(-1))
    assert len(seen["qnn.transpose"][0]) == 5
