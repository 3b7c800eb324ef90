# SPDX-License-Identifier: Apache-2.0
"""Networks whose weights torchao stored as int8 (data/make_weight_only.py); torchao is not needed."""

from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends import example_inputs, load
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import dequantized, quantized
from sparsec.ir import qnn
from sparsec.tools.accuracy import snr
from sparsec.tools.compilation import compile_model
from sparsec.tools.errors import UserError
from sparsec.tools.sparsec import parser

DATA = Path(__file__).parent / "data" / "weight_only"


def test_plain_tensors_are_read() -> None:
    """As two layers, one product with the weights and their scales each."""
    path = DATA / "unwrapped.pt2"
    inputs = example_inputs(path)
    (expected,) = np.load(DATA / "expected.npz").values()
    real = [interpret(load(path).module, [row[np.newaxis]])[0] for row in inputs[0]]
    assert np.allclose(np.concatenate(real), expected, rtol=0, atol=1e-6)
    compiled = compile_model(parser().parse_args([str(path), "-q"]), "qnn")
    assert [op.name for op in compiled.module.walk() if op.name.startswith("qnn.l")] == [
        qnn.LinearOp.name
    ] * 2
    (got,) = dequantized(
        interpret(compiled.module, quantized(inputs, compiled.inputs)), compiled.outputs
    )
    level = snr(expected, got)
    assert level is not None and level > 40


def test_objects_are_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"'0\.weight' cannot be read .*unwrap_tensor_subclass"):
        compile_model(parser().parse_args([str(DATA / "wrapped.pt2"), "-q"]), "qnn")
