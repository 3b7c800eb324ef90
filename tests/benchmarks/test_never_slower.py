# SPDX-License-Identifier: Apache-2.0
"""Layers next to their dense kernels."""

import numpy as np
import pytest

from benchmarks import _never_slower
from benchmarks._layers import Layer
from sparsec.run import cmsis_nn


@pytest.mark.qemu
def test_sparse_layers_are_compared_with_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    monkeypatch.setattr(_never_slower, "LAYERS", {"linear": Layer((1, 1, 64), 24)})
    monkeypatch.setattr(_never_slower, "PARTS", (((0, 0), (95, 0)), ((95, 2),)))
    monkeypatch.setattr(_never_slower, "CORES", ("cortex-m4",))
    instructions, cycles = _never_slower.never_slower_figures()
    assert (instructions.target, cycles.target) == (None, 1.0)
    # Without zeros both are the dense kernel.
    assert cycles.value == 1 and cycles.met and "linear 0 %" in cycles.what
    costs = _never_slower.compare("cortex-m4")
    dense, chosen = costs["linear 95 %"]
    assert np.divide(dense.cycles, chosen.cycles) > 2
