# SPDX-License-Identifier: Apache-2.0
"""Channels that stay although nobody reads them, because without them the pattern of a layer's weights would be gone.

The one rule: only where weights can be stored as is asked for now, and could not be without the channels. Then these go
in whole groups of the columns that the format stores together.
"""

from collections.abc import Callable
from math import prod
from typing import TypeAlias

import numpy as np
from xdsl.ir import Block, SSAValue

from sparsec.analysis.values.dead_channels import Masks, removable_channels
from sparsec.analysis.values.weighted_layer import weighted_layer
from sparsec.formats import SparseFormat
from sparsec.ir import qnn

Asked: TypeAlias = Callable[[qnn.WeightedOp], SparseFormat | None]
"""The format that a user asks for a layer's weights, if one is."""


def removable_beside_patterns(block: Block, read: Masks, asked: Asked) -> Masks:
    """`removable_channels`, but for those that a pattern needs."""
    groups: dict[SSAValue, int] = {}
    while True:
        gone = removable_channels(block, read, groups)
        broken = {
            value: size
            for op in block.ops
            if isinstance(op, qnn.WeightedOp)
            for value, size in _broken(op, gone, asked(op)).items()
            if groups.get(value) != size
        }
        if not broken:
            return gone
        for value, size in broken.items():
            groups[value] = int(np.lcm(size, groups.get(value, 1)))


def _broken(op: qnn.WeightedOp, gone: Masks, format: SparseFormat | None) -> dict[SSAValue, int]:
    """The input of `op` and how many of its channels have to go together, if it could not be stored otherwise."""
    layer = weighted_layer(op)
    if format is None or format.group == 1 or layer is None or layer.depthwise:
        return {}
    if op.input not in gone or gone[op.input].all():
        return {}
    weights = layer.weights
    if not _fits(format, weights) or _fits(format, weights[..., ~gone[op.input]]):
        return {}
    channels = weights.shape[-1]
    places = prod(weights.shape[1:3])
    aligned = places == 1 or channels % format.group == 0
    return {op.input: format.group if aligned else channels}


def _fits(format: SparseFormat, weights: np.ndarray[tuple[int, ...], np.dtype[np.int8]]) -> bool:
    matrix = np.ascontiguousarray(weights.reshape(len(weights), -1))
    try:
        format.check(matrix.shape)
        format.check_values(matrix)
    except ValueError:
        return False
    return True
