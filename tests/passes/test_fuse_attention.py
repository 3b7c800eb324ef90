# SPDX-License-Identifier: Apache-2.0
"""Every form of attention becomes one operation that moves nothing and gives the same bytes."""

from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from sparsec.interpreters.run import interpret
from sparsec.ir import qnn
from sparsec.tools.compilation import run_passes
from sparsec.tools.registry import context
from tests.frontends.operators.attentions import ATTENTIONS, SHAPE
from tests.frontends.operators.together import Together, int8_form, on_the_grid
from tests.frontends.support import export_bytes, load_bytes


def count(module: ModuleOp, *kinds: type) -> int:
    return sum(isinstance(op, kinds) for op in module.walk())


def test_every_form(tmp_path: Path) -> None:
    x = on_the_grid(3, *SHAPE)
    content = export_bytes(Together(ATTENTIONS), [x])
    module = int8_form(load_bytes(content, tmp_path).module, [x.numpy()])
    inputs = [np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)]
    before = interpret(module, inputs)
    attentions = count(module, qnn.SoftmaxOp, qnn.MaskedSoftmaxOp)
    run_passes(context(), module, ["fuse-attention", "dce"], (), verify_each=True)
    assert count(module, qnn.AttentionOp) == attentions == len(ATTENTIONS) - 1
    # One product stands alone.
    assert count(module, qnn.MatmulOp) == 1
    assert count(module, qnn.SoftmaxOp, qnn.MaskedSoftmaxOp, qnn.TransposeOp) == 0
    # Two forms look at some of the tokens.
    assert count(module, qnn.SliceOp) == 2
    for name, one, other in zip(ATTENTIONS, before, interpret(module, inputs), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
