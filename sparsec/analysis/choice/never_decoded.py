# SPDX-License-Identifier: Apache-2.0
"""Which layers surely do not decode their weights where flash and cycles have a price, told before a format is decoded.

The rule: any choice in which such a layer decodes has a cheaper one beside it. If those layers that would save by the kernel
preferred for dense weights, whatever else they take, save more together than its code costs, then its code is there in any
case. And then no layer decodes that saves by this kernel.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sparsec.analysis.choice.candidates import Constants, constants_of
from sparsec.analysis.choice.format_goal import LITTLE_RAM, Price
from sparsec.analysis.choice.layer_groups import Group, Known, Way
from sparsec.formats import COMMON_FORMATS
from sparsec.ir import qnn
from sparsec.kernels.code import code_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, ways
from sparsec.kernels.way import Way as KernelWay
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class Saved:
    """What a layer saves at least, code apart, if it takes dense weights by the preferred kernel instead of decoded ones,
    and instead of what else it has."""

    op: qnn.WeightedOp
    by: str
    of_decoded: int
    of_any: int


def never_decoded(
    groups: Sequence[Group], others: Constants, price: Price, known: Known, cpu: Cpu
) -> frozenset[qnn.WeightedOp]:
    """Such layers of `groups`, which have every way without a decoder that may win; `others` are constants that no layer
    with weights reads."""
    readers = Counter(others.keys())
    for group in groups:
        numbers = [constants_of(known.layers[op].folded.values()) for op in group.ops]
        stored = [way.constants for way in group.ways]
        readers.update({key for each in (*numbers, *stored) for key in each})
    saved = [each for g in groups if (each := _saved(g, readers, price, known, cpu)) is not None]
    together: defaultdict[str, int] = defaultdict(int)
    for each in saved:
        together[each.by] += max(0, each.of_any)
    code = code_of(cpu.name)
    there = {by for by, sum in together.items() if sum > price.byte * code.alone([by])}
    return frozenset(each.op for each in saved if each.by in there and each.of_decoded > 0)


def _saved(
    group: Group, readers: Counter[bytes], price: Price, known: Known, cpu: Cpu
) -> Saved | None:
    """None where it is not known, or where dense weights may need more RAM that counts."""
    dense = group.dense
    if dense is None or group.asked is not None or len(group.ops) > 1:
        return None
    layer, memory = known.layers[group.ops[0]], known.memories[group]
    decoding = list(_decoding(layer, cpu))
    costs = [way.least_cost(layer, cpu) for way in decoding]
    least_cycles = min((cost.cycles for cost in costs if cost is not None), default=0)
    if not decoding or None in costs or not all(way.measured for way in group.ways):
        return None
    others = [way for way in group.ways if way is not dense]
    needs = [memory.bytes(layer, way.kernel, 0) for way in decoding]
    needs += [group.need(way, memory) for way in others]
    if group.need(dense, memory) > max(memory.activations, LITTLE_RAM, min(needs)):
        return None
    code = code_of(cpu.name)

    def own(constants: Constants) -> int:
        # What both read counts for both; what another layer may read too is there in any case.
        return sum(n for key, n in constants.items() if key in dense.constants or readers[key] == 1)

    def calls(way: Way) -> int:
        return sum(map(code.call, way.calls))

    dense_cost = price.of(sum(dense.constants.values()) + calls(dense), dense.cycles)
    least_bytes = int(np.count_nonzero(layer.matrix)) + own(constants_of(layer.folded.values()))
    least_bytes += min(code.call(way.kernel.function) for way in decoding)
    decoded = price.of(least_bytes, least_cycles)
    each = [price.of(own(way.constants) + calls(way), way.cycles) for way in others]
    return Saved(
        group.ops[0], dense.kernel, decoded - dense_cost, min([decoded, *each]) - dense_cost
    )


def _decoding(layer: Layer, cpu: Cpu) -> Iterator[KernelWay]:
    """A way for each kernel that would run it with weights which a decoder writes."""
    seen: set[str] = set()
    for format in COMMON_FORMATS:
        found = ways(layer, cpu, format)
        if isinstance(found, NoWay) or found[0].decoder is None:
            continue
        if found[0].kernel.function not in seen:
            seen.add(found[0].kernel.function)
            yield found[0]
