# SPDX-License-Identifier: Apache-2.0
"""What zeros would be worth that a network does not have yet: each layer with a pattern and a share of zeros, as a core
would run it.

The rule: the zeros are where pruning in one shot would put them, at the weights of least magnitude as they are in the int8
network, batch norms folded. A layer is told with its way of the fewest cycles, or bytes; a compilation, which looks at all
layers together, may take another one of nearly as few.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.choice.candidates import Candidate, candidates, others
from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.kernels.layer import Layer
from sparsec.pruning.masks import Weights, local_masks
from sparsec.pruning.patterns import Array, Geometry, Mask, Rows
from sparsec.pruning.plan import Share
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class Estimate:
    """What the best way to run a layer takes: bytes of its constants, predicted instructions and cycles."""

    format: str
    kernel: str
    bytes: int
    instructions: int
    cycles: int


@dataclass(frozen=True)
class Answer:
    """A layer with a share of zeros, or without one. `lost` is the part of the sum of squared weights that goes;
    `reason` says why there is no estimate."""

    layer: str
    share: Share | None
    zeros: int
    weights: int
    lost: float
    estimate: Estimate | None
    reason: str = ""


def weighted_layers(module: ModuleOp) -> list[qnn.WeightedOp]:
    """The layers of a `qnn` module whose constants are known, in their order."""
    return [
        op
        for op in module.walk()
        if isinstance(op, qnn.WeightedOp) and Layer(op).arrays is not None
    ]


def weights_name(op: qnn.WeightedOp) -> str:
    """What the model calls the weights of a layer; layers that share them have the same. Else the layer's name."""
    constant = op.weights.owner
    known = constant.name_in_model if isinstance(constant, qnn.ConstantOp) else None
    return known or layer_of(op)


def share_for(op: qnn.WeightedOp, shares: Mapping[str, Share]) -> Share | None:
    """The share of a layer, which is given for its weights or for itself."""
    found = shares.get(weights_name(op))
    return shares.get(layer_of(op)) if found is None else found


def magnitudes(layer: Layer) -> Array:
    """[rows, columns]: the magnitude of each weight, in units of the layer's own: int8 times the scale of its row."""
    found = layer.constants
    scale = found.multiplier.astype(np.float64) * np.exp2(found.shift.astype(np.float64))
    return np.abs(layer.matrix.astype(np.float64)) * scale[:, np.newaxis]


def mask_of(layer: Layer, share: Share, *, results: bool = False) -> Mask:
    """Which weights would stay, some of each row where the rows are `results`. Raises ValueError where the layer cannot have
    the pattern."""
    height, width = layer.kernel_size
    weights = Weights(magnitudes(layer), share.pattern, height * width, keeps_rows=results)
    share.pattern.check(Geometry(*layer.matrix.shape, taps=weights.taps))
    return local_masks([weights], share.ratio)[0]


def lost_of(layer: Layer, mask: Mask) -> float:
    """The part of the sum of squared weights that goes."""
    squares = magnitudes(layer) ** 2
    whole = float(squares.sum())
    return float(squares[~mask].sum()) / whole if whole else 0.0


def answer(
    op: qnn.WeightedOp,
    share: Share | None,
    cpu: Cpu,
    by_bytes: bool = False,
    *,
    results: bool = False,
) -> Answer:
    """What a layer would take in the way of the fewest cycles, or bytes; see `mask_of`."""
    layer = Layer(op)
    name, count = layer_of(op), layer.matrix.size
    if share is None:
        zeros = count - int(np.count_nonzero(layer.matrix))
        return Answer(name, None, zeros, count, 0.0, _best(layer, cpu, COMMON_FORMATS, by_bytes))
    try:
        mask = mask_of(layer, share, results=results)
    except ValueError as error:
        return Answer(name, share, 0, count, 0.0, None, str(error))
    height, width = layer.kernel_size
    format = share.pattern.format(Geometry(*layer.matrix.shape, taps=height * width))
    formats = [*COMMON_FORMATS, *([] if format is None or format in COMMON_FORMATS else [format])]
    with _with_weights(op, mask) as pruned:
        left = Layer(pruned)
        zeros = count - int(np.count_nonzero(left.matrix))
        found = _best(left, cpu, formats, by_bytes)
    return Answer(name, share, zeros, count, lost_of(layer, mask), found)


def _best(
    layer: Layer, cpu: Cpu, formats: Iterable[SparseFormat], by_bytes: bool
) -> Estimate | None:
    """Of all ways whose cost is known that of the fewest cycles (bytes), then bytes (cycles)."""
    found = [each for each in candidates(layer, cpu, formats) if isinstance(each, Candidate)]
    found += others(layer, cpu)
    estimates = [
        Estimate(each.label, each.kernel, each.bytes, each.cost.instructions, each.cost.cycles)
        for each in found
        if each.cost is not None
    ]
    if not estimates:
        return None
    if by_bytes:
        return min(estimates, key=lambda each: (each.bytes, each.cycles))
    return min(estimates, key=lambda each: (each.cycles, each.bytes))


@contextmanager
def _with_weights(op: qnn.WeightedOp, mask: Mask) -> Generator[qnn.WeightedOp]:
    """A copy of a layer, outside of any network, with zeros in its weights."""
    constant = qnn.ConstantOp(_pruned(op, mask))
    copy = op.clone({op.weights: constant.result})
    try:
        yield copy
    finally:
        copy.drop_all_references()


def _pruned(op: qnn.WeightedOp, mask: Mask) -> NDArray[np.int8]:
    """The weights as the operation has them, with zeros where they do not stay."""
    weights = constant_array(op.weights)
    assert weights is not None
    layer = Layer(op)
    if layer.kind == "depthwise_conv2d":  # 1HWO, where the matrix has the outputs first
        shape = weights.transpose(3, 1, 2, 0).shape
        stays = mask.reshape(shape).transpose(3, 1, 2, 0)
    else:
        stays = mask.reshape(weights.shape)
    return np.where(stays, weights, np.int8(0))


def pruned_network(module: ModuleOp, shares: Mapping[str, Share]) -> tuple[ModuleOp, float, int]:
    """A copy of a `qnn` module with zeros in the layers of `shares`, by the names of layers or weights; what part of the sum of squares went, as the mean over
    those layers, and how many weights are zero in all.

    A channel that goes leaves nothing behind: its bias goes too. Raises ValueError where a layer cannot have its pattern.
    """
    copy = module.clone()
    lost: list[float] = []
    zeros = 0
    ops = weighted_layers(copy)
    for op in ops:
        layer, share = Layer(op), share_for(op, shares)
        if share is not None:
            mask = mask_of(layer, share, results=op is ops[-1])
            lost.append(lost_of(layer, mask))
            _put(op, "weights", _pruned(op, mask))
            if isinstance(share.pattern, Rows):
                _put(op, "bias", np.where(mask.any(axis=1), layer.constants.bias, np.int32(0)))
        zeros += int(np.count_nonzero(Layer(op).matrix == 0))
    return copy, sum(lost) / len(lost) if lost else 0.0, zeros


def _put(op: qnn.WeightedOp, operand: str, array: NDArray[np.int8] | NDArray[np.int32]) -> None:
    """Another constant for an operand."""
    old = op.weights if operand == "weights" else op.bias
    label = old.owner.name_in_model if isinstance(old.owner, qnn.ConstantOp) else None
    constant = qnn.ConstantOp(array, label)
    block = op.parent_block()
    assert block is not None
    block.insert_op_before(constant, op)
    op.operands[list(op.operands).index(old)] = constant.result
    if isinstance(old.owner, qnn.ConstantOp) and not list(old.uses):
        old.owner.detach()
        old.owner.erase()


def can_have(op: qnn.WeightedOp, share: Share) -> bool:
    """Whether the layer is large enough for the pattern."""
    layer = Layer(op)
    height, width = layer.kernel_size
    try:
        share.pattern.check(Geometry(*layer.matrix.shape, taps=height * width))
    except ValueError:
        return False
    return True


def weights_of(op: qnn.WeightedOp) -> int:
    """How many weights a layer has."""
    return Layer(op).matrix.size
