# SPDX-License-Identifier: Apache-2.0
"""Equal constants are one array in flash, whatever their parameters are called, and count once."""

import json
from pathlib import Path

import numpy as np
from xdsl.context import Context

from sparsec.backends.cortex_m.project import emit_project
from sparsec.ir import qnn
from sparsec.passes.merge_duplicates import MergeDuplicatesPass
from sparsec.quantization.params import MulParams
from tests.backends.lowering import lower
from tests.end_to_end.building import Builder


def test_two_parameters_of_equal_value(cmsis_nn: Path) -> None:
    values = np.array([3, -7, 11], np.int8)
    for merged in (False, True):
        net = Builder()
        x = net.input((1, 4, 3))
        for output_zp in (1, 2):
            vector = net.constant(values)
            x = net.layer(qnn.MulOp(x, vector, MulParams(0, 0, 2**30, -3, output_zp), x.type))
        module = net.module([x])
        if merged:
            MergeDuplicatesPass().apply(Context(), module)
        files = emit_project(lower(module), cmsis_nn / "Include", "net")
        assert files["net_weights.c"].count("3, -7, 11") == 1
        assert files["net.c"].count("sparsec_mul_s8(") == 2
        assert json.loads(files["report.json"])["flash_weight_bytes_stored"] == 3
