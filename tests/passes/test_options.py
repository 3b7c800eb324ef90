# SPDX-License-Identifier: Apache-2.0
"""What all passes with the same option say of a wrong one."""

import re

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import PassFailedException

from sparsec.tools.registry import available_passes, context
from sparsec.universe import PASSES, SPARSEC_UNIVERSE

FOR_A_TARGET = [name for name in PASSES if hasattr(SPARSEC_UNIVERSE.all_passes[name](), "target")]
NETWORK = """
func.func @main(%x : tensor<1x4xi8>) -> tensor<1x1xi8> {
  %w = qnn.constant named "fc.weight" dense<1> : tensor<1x4xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%b, %b) <> {layer = "fc"} : tensor<1x4xi8>, tensor<1x4xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}
"""


@pytest.mark.parametrize("name", FOR_A_TARGET)
def test_an_unknown_target(name: str) -> None:
    def ignore(_: ModulePass | None, __: ModuleOp, ___: ModulePass | None) -> None: ...

    pipeline = PassPipeline.parse_spec(available_passes(), f"{name}{{target=z80}}", ignore)
    ctx = context()
    known = re.escape("unknown target 'z80', choose one of: cortex-m0plus")
    with pytest.raises(PassFailedException, match=known):
        pipeline.apply(ctx, Parser(ctx, NETWORK).parse_module())


def test_there_are_such_passes() -> None:
    assert {"convert-qnn-to-kernels", "fuse-rows", "order-layers"} <= set(FOR_A_TARGET)
