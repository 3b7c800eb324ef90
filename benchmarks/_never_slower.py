# SPDX-License-Identifier: Apache-2.0
"""What `--objective=latency` chooses, next to dense, layer by layer and from no zeros to almost only zeros.

The rule it is held to: no layer takes more estimated cycles than its dense kernel, however many zeros it has.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from benchmarks._layers import Layer, Network, measure
from benchmarks._results import Figure, step
from sparsec.run.profile.profile import Cost

PARTS = (
    ((0, 0), (20, 0), (40, 0), (50, 0), (60, 0)),
    ((70, 0), (80, 0), (90, 0), (95, 0)),
    ((40, 2), (60, 1), (80, 2), (90, 1)),
)
"""Percent of zeros, and one of how many outputs is shifted to the left, in the parts that one image has room for."""

LEAST = {"cycles": 1.0, "instructions": None}
"""What is minimised is cycles: no layer takes more of them than its dense kernel."""

CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m3", "cortex-m55")


LAYERS = {
    "W1": Layer((25, 5, 64), 64),
    "W2": Layer((6, 6, 128), 128),
    "W3": Layer((3, 3, 256), 256),
    "W4": Layer((8, 8, 64), 64, kernel=3),
    "3x3 stride 2": Layer((16, 16, 16), 32, kernel=3, stride=2),
    "first layer": Layer((32, 32, 3), 8, kernel=3, stride=2),
    "depthwise": Layer((25, 5, 64), 64, kernel=3, depthwise=True),
    "depthwise stride 2": Layer((24, 24, 16), 16, kernel=3, stride=2, depthwise=True),
    "W5": Layer((1, 1, 256), 256),
    "W6": Layer((1, 1, 640), 128),
    "classifier": Layer((1, 1, 64), 12),
    "odd 3x3 on 1x2": Layer((1, 2, 32), 32, kernel=3),
    "odd 3x3": Layer((5, 3, 13), 17, kernel=3),
    "odd 5x5 stride 2": Layer((9, 2, 7), 11, kernel=5, stride=2),
    "odd 1x1": Layer((3, 7, 37), 29),
    "odd depthwise": Layer((7, 3, 23), 23, kernel=3, depthwise=True),
    "odd linear": Layer((1, 1, 119), 41),
}


def network(part: Sequence[tuple[int, int]]) -> ModuleOp:
    """All layers at some sparsities."""
    net = Network()
    for name, layer in LAYERS.items():
        argument = net.input(layer)
        for sparsity, left in part:
            shifts = {0: "", 1: ", left shifts", 2: ", half left shifts"}[left]
            net.add(f"{name} {sparsity} %{shifts}", replace(layer, left=left), sparsity, argument)
    return net.module()


def compare(core: str) -> dict[str, tuple[Cost, Cost]]:
    """(dense, chosen) of each layer. AssertionError when a byte differs.

    Where the dense kernel is the chosen one the two are the same call, and so are their costs: measured at two places
    they differ by an instruction or two between the calls.
    """
    step(f"every layer at every sparsity on {core}")
    costs: dict[str, tuple[Cost, Cost]] = {}
    for part in PARTS:
        ways = [
            measure(network(part), core, passes(core, options))
            for options in ("format=dense", "objective=latency")
        ]
        (dense, expected), (chosen, outputs) = ways
        for one, other in zip(expected, outputs, strict=True):
            assert np.array_equal(one, other), f"bytes differ on {core}"
        for name, way in dense.items():
            same = chosen[name].kernels == way.kernels
            costs[name] = (way.cost, way.cost if same else chosen[name].cost)
    return costs


def passes(core: str, options: str) -> list[str]:
    """From int8 layers to kernel calls, with these options of the choice."""
    return [
        f"select-sparse-formats{{target={core} {options}}}",
        f"convert-qnn-to-kernels{{target={core}}}",
    ]


def never_slower_figures() -> list[Figure]:
    """For each core the layer that gains least, dense by chosen."""
    figures: list[Figure] = []
    for core in CORES:
        costs = compare(core)
        for what in ("instructions", "cycles"):
            ratios = {
                name: getattr(dense, what) / getattr(chosen, what)
                for name, (dense, chosen) in costs.items()
            }
            worst = min(ratios, key=lambda name: ratios[name])
            figures.append(
                Figure(
                    f"least of {len(ratios)} layers on {core}, {what}: dense/chosen ({worst})",
                    *(ratios[worst], LEAST[what], "x", "higher"),
                )
            )
    return figures
