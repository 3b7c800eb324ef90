# SPDX-License-Identifier: Apache-2.0
"""How near int8 is to float, against torch's own simulation of the same quantization.

make bench-accuracy            or        python -m benchmarks.accuracy

The baseline is a network that torch fake-quantizes: norms and relu folded into the layers before them, activations by
the range that calibration saw, weights by a scale for each channel, all sums in float. Both are calibrated and compared on
the same inputs, so that nothing lies outside of the ranges.
"""

import copy
import sys
import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

import sparsec
from benchmarks._float_networks import NETWORKS, trained
from benchmarks._results import Figure, publish, step
from sparsec.tools.accuracy import snr

LEAST = -1.0
"""dB that int8 may be below the simulation."""


def simulated(model: nn.Module, x: Tensor) -> Tensor:
    """What `model`, fake-quantized by torch, gives for `x`, which calibrates it."""
    from torch.ao import quantization
    from torch.ao.quantization import quantize_fx

    q, fx = cast(Any, quantization), cast(Any, quantize_fx)  # deprecated, and without types
    activations = q.FakeQuantize.with_args(
        observer=q.MinMaxObserver,
        quant_min=0,
        quant_max=255,
        dtype=torch.quint8,
        qscheme=torch.per_tensor_affine,
        reduce_range=False,
    )
    weights = q.FakeQuantize.with_args(
        observer=q.PerChannelMinMaxObserver,
        quant_min=-127,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
    )
    mapping = q.QConfigMapping().set_global(q.QConfig(activations, weights))
    prepared = fx.prepare_qat_fx(copy.deepcopy(model).train(), mapping, (x,)).eval()
    with torch.no_grad():
        prepared.apply(q.enable_observer).apply(q.disable_fake_quant)
        prepared(x)
        prepared.apply(q.disable_observer).apply(q.enable_fake_quant)
        return prepared(x)


def figures() -> Iterator[Figure]:
    """The difference for each network."""
    for name in NETWORKS:
        step(f"quantizing {name}")
        model, x = trained(name)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of what torch will move elsewhere
            real, theirs = model(x), simulated(model, x)
        ours = sparsec.compile(model, x).run(x).outputs[0]
        levels = [
            snr(real.numpy(), np.asarray(each)) for each in (ours.reshape(real.shape), theirs)
        ]
        assert None not in levels
        difference = float(levels[0] or 0.0) - float(levels[1] or 0.0)
        what = f"{name}: int8 {levels[0]:.1f} dB, simulated by torch {levels[1]:.1f} dB, difference"
        yield Figure(what, difference, LEAST, "dB", "higher")


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    return publish("accuracy", list(figures()))


if __name__ == "__main__":
    sys.exit(main())
