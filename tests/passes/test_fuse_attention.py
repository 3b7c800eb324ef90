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

RESIDUALS = 2 * 2 + 2 + 1
"""Sums around layers: of two encoders, of windows, and of what two ways of pooling give."""


def count(module: ModuleOp, *kinds: type) -> int:
    return sum(isinstance(op, kinds) for op in module.walk())


def test_every_form(tmp_path: Path) -> None:
    x = on_the_grid(3, *SHAPE)
    content = export_bytes(Together(ATTENTIONS), [x])
    module = int8_form(load_bytes(content, tmp_path).module, [x.numpy()])
    inputs = [np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)]
    before = interpret(module, inputs)
    softmaxes = count(module, qnn.SoftmaxOp, qnn.MaskedSoftmaxOp)
    assert count(module, qnn.AddOp, qnn.BroadcastAddOp) == RESIDUALS
    run_passes(context(), module, ["fuse-attention", "dce"], (), verify_each=True)
    # A product alone, one whose weights are a result too, one with weights from elsewhere, channels, and columns of scores.
    assert count(module, qnn.MatmulOp) == 1 + 2 + 1 + 2 + 2
    assert count(module, qnn.SoftmaxOp, qnn.MaskedSoftmaxOp) == 1 + 1 + 1 + 1
    assert count(module, qnn.AttentionOp) == softmaxes - 4 == len(ATTENTIONS) - 3
    for name, one, other in zip(ATTENTIONS, before, interpret(module, inputs), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
