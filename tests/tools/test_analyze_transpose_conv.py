# SPDX-License-Identifier: Apache-2.0
"""What a transposed convolution costs: each pixel of its input meets all of its weights."""

import json
from pathlib import Path

import numpy as np

from tests.frontends.tflite.support import OperatorSpec, TensorSpec, write
from tests.tools.support import Tools


def test_multiplications_are_counted_at_the_input(tools: Tools, tmp_path: Path) -> None:
    weights = np.ones((5, 4, 4, 2), np.int8)
    weights[:, 0] = 0
    weights[..., 1] = 0  # nobody reads this channel of the input, which stays
    weights[3] = 0  # this one gives a constant, which the network returns
    tensors = [
        TensorSpec("shape", (4,), dtype="INT32", data=np.array([1, 6, 8, 5], np.int32)),
        TensorSpec("w", weights.shape, [0.01], data=weights),
        TensorSpec("x", (1, 3, 4, 2), [0.5], 3),
        TensorSpec("y", (1, 6, 8, 5), [0.25], 4),
    ]
    options = {"Padding": 0, "StrideH": 2, "StrideW": 2}
    operator = OperatorSpec("TRANSPOSE_CONV", [0, 1, 2], [3], "TransposeConvOptions", options)
    model = tmp_path / "up.tflite"
    model.write_bytes(write(tensors, [operator], [2]))
    macs, effective = 3 * 4 * weights.size, 3 * 4 * int(np.count_nonzero(weights))

    analyzed = json.loads(tools.sparsec("analyze", model, "--json", "-q").out)
    (layer,) = analyzed["layers"]
    assert (layer["macs"], layer["zero_macs"]) == (macs, macs - effective)
    assert layer["macs_left"] == macs

    compiled = tools.sparsec(model, "-o", tmp_path / "out", "-q", "--verify-semantics")
    assert (compiled.code, compiled.err) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["macs"], report["macs_effective"]) == (macs, effective)
    assert report["layers"][0]["scratch_bytes"] == 0
