# SPDX-License-Identifier: Apache-2.0
"""The int8 operators against CMSIS-NN's golden test data: 0 differing bytes."""

from collections import Counter

import numpy as np
import pytest

from sparsec.quantization import int8
from sparsec.run.cmsis_nn import locate
from tests.quantization.cmsis_golden import (
    GoldenCase,
    GoldenNetwork,
    data_folder,
    golden_cases,
    golden_networks,
    unclassified,
)

CASES = golden_cases()
NETWORKS = golden_networks()

pytestmark = pytest.mark.skipif(
    data_folder() is None,
    reason="no CMSIS-NN test data: run python -m sparsec.run.cmsis_nn, or set CMSIS_NN_DIR",
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: GoldenCase):
    actual = getattr(int8, case.kind)(*case.inputs, **case.weights, **case.params)
    assert actual.dtype == np.int8
    np.testing.assert_array_equal(actual, case.output)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_network(network: GoldenNetwork):
    value = network.input
    for layer in network.layers:
        if layer.kind == "fully_connected":
            value = value.reshape(1, -1)
        value = getattr(int8, layer.kind)(value, **layer.weights, **layer.params)
    np.testing.assert_array_equal(value.ravel(), network.output)


def test_no_case_is_lost():
    root = locate()
    assert root is not None
    if "V.12.5.1" not in (root / "Include/arm_nnfunctions.h").read_text():
        pytest.skip("another revision of CMSIS-NN, with other cases")
    assert unclassified() == []
    assert Counter(case.kind for case in CASES) == {
        "convolve": 23,
        "depthwise_convolve": 13,
        "fully_connected": 5,
        "avg_pool": 6,
        "max_pool": 8,
        "add": 1,
        "softmax": 1,
    }
    assert {network.name: len(network.layers) for network in NETWORKS} == {
        "ds_cnn_s": 12,
        "ds_cnn_l": 14,
    }
    assert sum("bias" not in case.weights for case in CASES if "w" in case.weights) == 6
