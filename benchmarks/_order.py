# SPDX-License-Identifier: Apache-2.0
"""Orders of execution of branching networks: the peak as given, the peak found, and whether it is proven.

The graphs are the cells of networks known for their branches and random ones; sizes in bytes, int8.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from sparsec.planning.dataflow import Dataflow, Operation
from sparsec.planning.order import least_order


@dataclass(frozen=True)
class Row:
    """What became of one graph; peaks in bytes."""

    graph: str
    operations: int
    given_peak: int
    found_peak: int
    lower_bound: int
    seconds: float

    @property
    def is_proven(self) -> bool:
        """Whether no order has a smaller peak."""
        return self.found_peak == self.lower_bound


class Drawing:
    """A graph under construction, from one input of `size` bytes."""

    def __init__(self, size: int):
        self.sizes = [size]
        self.operations: list[Operation] = []

    def new(self, size: int, *reads: int) -> int:
        """The tensor of `size` bytes that a new operation writes."""
        self.operations.append(Operation(reads, (len(self.sizes),)))
        self.sizes.append(size)
        return len(self.sizes) - 1

    def flow(self, *outputs: int) -> Dataflow:
        """The finished graph."""
        return Dataflow(tuple(self.sizes), tuple(self.operations), (0,), outputs)


def inception_cell() -> Dataflow:
    """Inception (3a) of GoogLeNet, 28x28x192 to 28x28x256, with its branches in step.

    Szegedy et al., Going Deeper with Convolutions (2015), table 1.
    """
    pixels = 28 * 28
    cell = Drawing(pixels * 192)
    first = [cell.new(pixels * channels, 0) for channels in (192, 96, 16)]  # pooled and reduced
    second = [
        cell.new(pixels * channels, tensor)
        for channels, tensor in zip((32, 128, 32), first, strict=True)
    ]
    second.append(cell.new(pixels * 64, 0))
    return cell.flow(cell.new(pixels * 256, *second))


def dense_cell(layers: int = 12, growth: int = 12) -> Dataflow:
    """A dense block: each layer reads all earlier ones, a 1x1 and a 3x3 convolution; 32x32x24 at first.

    Huang et al., Densely Connected Convolutional Networks (2017), DenseNet-BC.
    """
    pixels = 32 * 32
    block = Drawing(pixels * 24)
    known, channels = [0], 24
    for _ in range(layers):
        joined = block.new(pixels * channels, *known) if len(known) > 1 else 0
        narrow = block.new(pixels * 4 * growth, joined)
        known.append(block.new(pixels * growth, narrow))
        channels += growth
    return block.flow(block.new(pixels * channels, *known))


def random_graph(count: int, seed: int, width: int = 8) -> Dataflow:
    """`count` operations that read one or two of about `width` tensors that wait; the last joins what is left."""
    random = Random(seed)

    def size() -> int:
        return 64 * random.randrange(1, 65)

    graph = Drawing(size())
    waiting = [0]
    while len(graph.operations) < count - 1:
        is_full = len(waiting) >= width
        joins = len(waiting) > 1 and (is_full or random.random() < 0.3)
        reads = random.sample(waiting, 2 if joins else 1)
        for tensor in reads:
            if is_full or random.random() < 0.6:
                waiting.remove(tensor)
        waiting.append(graph.new(size(), *reads))
    read = {tensor for op in graph.operations for tensor in op.reads}
    unread = [tensor for tensor in range(len(graph.sizes)) if tensor not in read]
    return graph.flow(graph.new(64, *unread))


def graphs() -> Mapping[str, Dataflow]:
    """All graphs by name."""
    cells = {"Inception 3a": inception_cell(), "dense block of 12": dense_cell()}
    return cells | {
        f"random {count}, {width} wide": random_graph(count, seed=count, width=width)
        for count in (20, 40, 60, 250, 1000)
        for width in (8, 20)
    }


def order_rows() -> Iterator[Row]:
    """A row for each graph."""
    for name, flow in graphs().items():
        count = len(flow.operations)
        found = least_order(flow)
        given = flow.peak(range(count))
        yield Row(name, count, given, found.peak, found.lower_bound, found.seconds)
