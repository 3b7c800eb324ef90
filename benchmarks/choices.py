# SPDX-License-Identifier: Apache-2.0
"""Every way to run a layer, forced: how far predictions are off, and how often the choice is not the best way.

    make bench-choices         or        python -m benchmarks.choices

Random layers of odd shapes with random zeros; each is compiled in every way that the core has, all of one layer must give
the same bytes, and the way that `--objective=latency` chooses where there is memory enough is held to the one with the
fewest estimated cycles. Before that, every kernel on layers that its costs were not fitted to.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import StringAttr

from benchmarks._layers import Layer, Network, measure
from benchmarks._results import Figure, publish, step
from sparsec.analysis.choice.candidates import Candidate, candidates, others
from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal
from sparsec.calibration.held_out import CYCLES_ERROR, Error, errors, held_out
from sparsec.calibration.image import in_parts
from sparsec.formats import COMMON_FORMATS
from sparsec.ir import qnn
from sparsec.ir.attributes import KERNEL
from sparsec.kernels.cost import Cost
from sparsec.kernels.layer import Layer as KernelLayer
from sparsec.passes.select_sparse_formats import encode
from sparsec.recipe.recipe import way_label
from sparsec.run.errors import RunError
from sparsec.run.profile.profile import Cost as Measured
from sparsec.targets.cpu import cpu_named
from sparsec.tools.console import print_table
from sparsec.tools.errors import UserError

CORES = ("cortex-m4", "cortex-m7", "cortex-m55")
COUNT = 60
SEED = 1
SPARSITIES = (0, 20, 40, 50, 60, 70, 75, 80, 85, 90, 95)
"""Percent of zeros."""

SLOWER = 1.03
"""A choice that takes more than this in terms of the best way counts as a wrong one."""

MOST_WRONG = 2
MOST_FAR = 0
"""Layers that the cost model is further off than it may be."""

RAM = 2**30
"""Bytes: enough, so that choices are for cycles alone."""

MOST_WEIGHTS = 100_000
"""Of the layers of one image, each of which is there in every way."""


@dataclass(frozen=True)
class Way:
    """One way to run a layer: what was predicted, None where nothing is known, and what it takes."""

    label: str
    kernels: tuple[str, ...]
    predicted: Cost | None
    actual: Measured

    @property
    def errors(self) -> tuple[float, float]:
        """Of the predicted instructions and cycles, as shares of what the way takes."""
        assert self.predicted is not None
        return (
            self.predicted.instructions / self.actual.instructions - 1,
            self.predicted.cycles / self.actual.cycles - 1,
        )


@dataclass(frozen=True)
class Row:
    """A layer in all ways, and the chosen one."""

    layer: Layer
    sparsity: int
    ways: tuple[Way, ...]
    chosen: Way

    @property
    def best(self) -> Way:
        """The way with the fewest cycles."""
        return min(self.ways, key=lambda way: way.actual.cycles)

    @property
    def ratio(self) -> float:
        """The chosen way in terms of the best."""
        return self.chosen.actual.cycles / self.best.actual.cycles


def random_layers(seed: int, count: int) -> list[tuple[Layer, int]]:
    """Layers and the percent of their weights that are zero: 1x1, other windows, depthwise, fully connected by turns."""
    rng = np.random.default_rng(seed)

    def size(least: int, most: int) -> int:
        return int(rng.integers(least, most + 1))

    found: list[tuple[Layer, int]] = []
    for number in range(count):
        image = (size(1, 13), size(1, 13), size(1, 70))
        outputs, stride = size(3, 70), int(rng.choice([1, 1, 2]))
        kernel = int(rng.choice([2, 3, 3, 5]))
        match number % 4:
            case 0:
                layer = Layer(image, outputs, 1, int(rng.choice([1, 1, 1, 2])))
            case 1:
                layer = Layer((*image[:2], size(1, 40)), size(3, 40), kernel, stride)
            case 2:
                layer = Layer(image, image[2], kernel, stride, depthwise=True)
            case _:
                layer = Layer((1, 1, size(10, 500)), size(3, 256))
        found.append((layer, int(rng.choice(SPARSITIES))))
    return found


def rows_of(core: str, layers: Sequence[tuple[Layer, int]]) -> Iterator[Row]:
    """Every layer. AssertionError when two ways give other bytes."""
    sizes = [_weights(layer) for layer, _ in layers]
    for part in in_parts(sizes, MOST_WEIGHTS):
        step(f"layers {part.start + 1} to {part.stop} of {len(layers)} on {core}")
        yield from measured(core, layers[part], part.start)


def measured(core: str, layers: Sequence[tuple[Layer, int]], seed: int) -> Iterator[Row]:
    """Layers whose ways all fit one image; the weights follow from `seed`."""
    cpu, net = cpu_named(core), Network()
    found: list[tuple[list[Candidate], str]] = []
    for number, (layer, sparsity) in enumerate(layers):
        argument = net.input(layer)
        ways, chosen = choice_of(core, layer, sparsity, seed + number)
        for way in ways:
            net.rng = np.random.default_rng(seed + number)
            op = net.add(f"{number} {name_of(way)}", layer, sparsity, argument)
            if not way.preferred:
                op.attributes[KERNEL] = StringAttr(way.kernel)
            constant = op.weights.owner
            if way.format is not None:
                assert isinstance(constant, qnn.ConstantOp)
                encode(constant, way.format)
        found.append((ways, chosen))
    passes = [f"convert-qnn-to-kernels{{target={cpu.name}}}"]
    costs, outputs = measure(net.module(), core, passes)
    for number, (ways, chosen) in enumerate(found):
        expected = outputs[0]
        for _ in ways:
            assert np.array_equal(outputs.pop(0), expected), f"ways of {layers[number]} differ"
        all_ways = {
            name: Way(name, each.kernels, way.cost, each.cost)
            for way in ways
            if (each := costs[f"{number} {(name := name_of(way))}"])
        }
        layer, sparsity = layers[number]
        yield Row(layer, sparsity, tuple(all_ways.values()), all_ways[chosen])


def choice_of(core: str, layer: Layer, sparsity: int, seed: int) -> tuple[list[Candidate], str]:
    """All ways to run a layer, and which of them is chosen for speed."""
    net = Network()
    net.rng = np.random.default_rng(seed)
    op = net.add("layer", layer, sparsity, net.input(layer))
    cpu = cpu_named(core)
    ways: dict[object, Candidate] = {}
    labels: dict[str, str] = {}
    for way in (*candidates(KernelLayer(op), cpu, COMMON_FORMATS), *others(KernelLayer(op), cpu)):
        if isinstance(way, Candidate):
            # Formats of one layout are the same call.
            first = ways.setdefault((way.kernel, way.decoder, frozenset(way.constants)), way)
            labels[name_of(way)] = name_of(first)
    (chosen,) = Problem(net.module(), cpu, Goal(ram=RAM)).decide().layers
    return list(ways.values()), labels[name_of(chosen.winner)]


def name_of(way: Candidate) -> str:
    """The format, and the kernel where it is not the preferred one."""
    return way_label(way.label, None if way.preferred else way.kernel)


def figures_of(core: str, rows: Sequence[Row]) -> list[Figure]:
    """Wrong choices, and what predictions are off."""
    wrong = sum(row.ratio > SLOWER for row in rows)
    worst = max(row.ratio for row in rows)
    errors = np.array([way.errors for row in rows for way in row.ways if way.predicted is not None])
    what = f"{core}, {len(rows)} layers, {len(errors)} ways"
    figures = [
        Figure(f"{what}: choices over 3 % slower than the best", wrong, MOST_WRONG, "", "lower"),
        Figure(f"{what}: slowest choice/best", worst, None, "x", "lower"),
    ]
    for name, column in zip(("instructions", "estimated cycles"), errors.T, strict=True):
        off = f"{what}: predicted {name} off"
        figures += [
            Figure(f"{off}, mean", 100 * float(column.mean()), None, "%", "lower"),
            Figure(f"{off}, mean of sizes", 100 * float(abs(column).mean()), None, "%", "lower"),
            Figure(f"{off}, most", 100 * float(abs(column).max()), None, "%", "lower"),
        ]
    return figures


def held_out_figures(core: str, found: Sequence[Error]) -> list[Figure]:
    """How far predictions are off where nothing was fitted."""
    far = sum(not error.is_small for error in found)
    off = np.abs([error.cycles for error in found])
    most = f"{100 * CYCLES_ERROR[core]:.0f} %"
    what = f"{core}, {len(found)} layers not fitted to"
    return [
        Figure(f"{what}: over {most} of cycles off", far, MOST_FAR, "", "lower"),
        Figure(f"{what}: cycles off, mean", 100 * float(off.mean()), None, "%", "lower"),
    ]


def print_far(core: str, found: Sequence[Error]) -> None:
    """The layers that are too far off."""
    print_table(
        f"layers not fitted to on {core}, estimated cycles",
        ("kernel", "layer", "zeros %", "format", "predicted", "takes"),
        [
            (
                *(case.kernel, f"{case.work.image} to {case.work.outputs}"),
                *(f"{100 * case.sparsity:.0f}", case.format or ""),
                *(error.predicted.cycles, error.measured.cost.cycles),
            )
            for error in found
            if not error.is_small and (case := error.measured.case)
        ],
    )


def print_wrong(core: str, rows: Sequence[Row]) -> None:
    """The layers whose choice is a wrong one."""
    print_table(
        f"choices over 3 % slower than the best way on {core}, estimated cycles",
        ("layer", "zeros %", "chosen", "predicted", "takes", "best", "predicted", "takes", "ratio"),
        [
            (
                *(describe(row.layer), row.sparsity),
                *(cell for way in (row.chosen, row.best) for cell in cells(way)),
                f"{row.ratio:.3f}",
            )
            for row in rows
            if row.ratio > SLOWER
        ],
    )


def cells(way: Way) -> tuple[object, ...]:
    """A way with its cycles in a table."""
    predicted = "-" if way.predicted is None else way.predicted.cycles
    return way.label, predicted, way.actual.cycles


def describe(layer: Layer) -> str:
    """A layer in a table."""
    height, width, channels = layer.image
    if layer.is_linear:
        return f"linear {channels}->{layer.outputs}"
    kind = "depthwise" if layer.depthwise else "conv"
    stride = f" stride {layer.stride}" if layer.stride > 1 else ""
    shape = f"{height}x{width}x{channels}->{layer.outputs}"
    return f"{kind} {layer.kernel}x{layer.kernel}{stride} {shape}"


def _weights(layer: Layer) -> int:
    return layer.outputs * layer.kernel**2 * (1 if layer.depthwise else layer.image[2])


def main() -> int:
    """Measure all cores; 1 if a target was missed."""
    figures: list[Figure] = []
    for core in CORES:
        step(f"layers that nothing was fitted to on {core}")
        found = errors(core, held_out(core))
        print_far(core, found)
        figures += held_out_figures(core, found)
        rows = list(rows_of(core, random_layers(SEED, COUNT)))
        print_wrong(core, rows)
        figures += figures_of(core, rows)
    return publish("choices", figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
