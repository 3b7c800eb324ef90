# SPDX-License-Identifier: Apache-2.0
"""bench-accuracy compares with a network that torch really quantizes."""

import warnings

import torch

from benchmarks._float_networks import NETWORKS, trained
from benchmarks.accuracy import simulated
from sparsec.tools.accuracy import snr


def test_the_simulation_rounds_activations_too() -> None:
    model, x = trained("TC-ResNet")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        level = snr(model(x).numpy(), simulated(model, x).numpy())
    # By rounded weights alone it is some 40 dB.
    assert level is not None and 25 < level < 36


def test_networks_are_the_same_every_time() -> None:
    for name in NETWORKS:
        (first, x), (second, y) = trained(name), trained(name)
        with torch.no_grad():
            assert torch.equal(first(x), second(y))
