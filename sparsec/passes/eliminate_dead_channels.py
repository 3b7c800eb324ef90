# SPDX-License-Identifier: Apache-2.0
"""`eliminate-dead-channels`: channels that nobody reads, or that are always the same, go.

A channel whose every reader multiplies it by zero leaves its producer and its readers. A channel
that is one value for every input, because its filter is zero or its clamp lets nothing through,
moves into the biases of its readers, and is then one that nobody reads. Repeated until nothing
changes; the results of the network keep every byte.

Where `format` or `recipe` ask for N:M weights, and a layer has them, channels that keep its columns in their groups stay.
"""

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.module_recipe import recipe_of
from sparsec.analysis.values.dead_channels import dead_channels, read_elements
from sparsec.analysis.values.intervals import Interval, Intervals, intervals
from sparsec.analysis.values.patterns import Asked, removable_beside_patterns
from sparsec.analysis.values.removed_channels import RemovedChannels
from sparsec.analysis.values.weighted_layer import weighted_layer
from sparsec.formats import SparseFormat
from sparsec.ir import qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.sparse import format_of
from sparsec.recipe import AUTO, Recipe, parse_recipe, wish_for_all
from sparsec.rewriting.channel_cut import (
    cut_channels,
    erase_dead_code,
    set_weights,
    unshare_constants,
)


def silence_unread(block: Block, removed: RemovedChannels) -> bool:
    """Zero the filters of channels that nobody reads but that have to stay; False if none."""
    read = read_elements(block)
    changed = False
    for op in list(block.ops):
        layer = weighted_layer(op) if isinstance(op, qnn.WeightedOp) else None
        if layer is None or not isinstance(op, qnn.WeightedOp):
            continue
        silent = dead_channels(read[op.result]) & layer.busy
        if silent.any():
            removed.mark(op, "dead_inputs", silent)
            weights, bias = layer.weights.copy(), layer.bias.copy()
            weights[silent] = bias[silent] = 0
            set_weights(op, weights, bias)
            changed = True
    return changed


def zero_constant_filters(op: qnn.WeightedOp, known: Intervals, removed: RemovedChannels) -> bool:
    """A channel that is one value for every input needs no weights: its bias gives the value."""
    layer, result = weighted_layer(op), known[op.result]
    if layer is None:
        return False
    busy = layer.busy
    removed.mark(op, "constant", result.fixed_channels & busy)
    removed.mark(op, "dead_outputs", result.fixed_channels & ~busy)
    rows = result.low.reshape(-1, len(busy))
    same = result.fixed_channels & (rows == rows[0]).all(axis=0) & busy & layer.proven()
    if not same.any():
        return False
    source = known[op.input]
    lowest, _ = layer.accumulate(
        source.low.reshape(layer.input_size), source.high.reshape(layer.input_size)
    )
    weights, bias = layer.weights.copy(), layer.bias.copy()
    weights[same], bias[same] = 0, lowest[0, 0, same]
    set_weights(op, weights, bias)
    return True


def fold_constant_inputs(op: qnn.WeightedOp, source: Interval) -> bool:
    """What a constant channel adds to every result moves into the bias, where padding lets it.

    The bound of the accumulator cannot grow: a bias gains at most what the weights lose.
    """
    layer = weighted_layer(op)
    if layer is None or layer.depthwise or not source.fixed_channels.any():
        return False
    images = source.low.reshape(layer.input_size)
    weights, bias = layer.weights.copy(), layer.bias.astype(np.int64)
    proven = layer.proven()
    for channel in np.flatnonzero(source.fixed_channels):
        column = weights[..., channel]
        if not column.any():
            continue
        sums, uniform = layer.constant_sums(int(channel), images[..., channel])
        folds = uniform & proven & column.reshape(len(column), -1).any(axis=1)
        bias[folds] += sums[folds]
        weights[folds, :, :, channel] = 0
    if np.array_equal(weights, layer.weights):
        return False
    set_weights(op, weights, bias)
    return True


def store_constants(block: Block, known: Intervals) -> bool:
    """A tensor without an element that depends on the input becomes a constant.

    Only where someone needs it: not if its readers are constant too, nor as a result of the network,
    which may be asked for many inputs at once.
    """
    fixed = {value for value, interval in known.items() if interval.fixed.all()}
    changed = False
    for op in list(block.ops):
        if isinstance(op, qnn.ConstantOp) or not op.results or op.results[0] not in fixed:
            continue
        value = op.results[0]
        readers = [use for use in value.uses if not isinstance(use.operation, func.ReturnOp)]
        if all(use.operation.results[0] in fixed for use in readers):
            continue
        constant = qnn.ConstantOp(known[value].low, f"{layer_of(op)}.constant")
        Rewriter.insert_op(constant, InsertPoint.after(op))
        for use in readers:
            use.operation.operands[use.index] = constant.result
        changed = True
    return changed


def fold_constants(block: Block, removed: RemovedChannels) -> bool:
    """Use what is constant for every input; False if nothing is to be used."""
    known = intervals(block)
    changed = False
    for op in list(block.ops):
        if isinstance(op, qnn.WeightedOp):
            # The second edits what the first left; both keep every value that `known` describes.
            changed |= zero_constant_filters(op, known, removed)
            changed |= fold_constant_inputs(op, known[op.input])
    return store_constants(block, known) or changed


def eliminate(function: func.FuncOp, asked: Asked) -> RemovedChannels:
    """Remove all that can go from one function whose layers are `asked` to be stored in formats."""
    block = function.body.block
    removed = RemovedChannels(block)
    while True:
        erase_dead_code(block)
        unshare_constants(block)
        gone = removable_beside_patterns(block, read_elements(block), asked)
        if gone:
            removed.note(gone)
            cut_channels(block, gone)
        elif not silence_unread(block, removed) and not fold_constants(block, removed):
            return removed


def can_be_read(function: func.FuncOp) -> bool:
    """Whether all of `function` is `qnn` with dense weights."""
    return all(
        isinstance(op, func.ReturnOp)
        or (
            op.dialect_name() == qnn.Qnn.name
            and (not isinstance(op, qnn.ConstantOp) or format_of(op.result.type) is None)
        )
        for op in function.body.walk()
    )


@dataclass(frozen=True)
class EliminateDeadChannelsPass(ModulePass):
    """Removes dead channels, and says which in the attribute `sparsec.removed` of the module.

    Runs before `select-sparse-formats`: a function with encoded weights is left alone.
    """

    name = "eliminate-dead-channels"
    format: str = AUTO
    recipe: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            asked = self.asked(op)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        for function in list(op.ops):
            if isinstance(function, func.FuncOp) and can_be_read(function):
                eliminate(function, asked).attach(op)

    def asked(self, module: ModuleOp) -> Asked:
        """What the options ask for. Raises ValueError for a format or recipe that cannot be read."""
        all = [] if self.format == AUTO else [wish_for_all(self.format)]
        given = parse_recipe(self.recipe).wishes
        recipe = Recipe((*all, *recipe_of(module).wishes, *given))

        def asked(op: qnn.WeightedOp) -> SparseFormat | None:
            wish = recipe.wish_for(layer_of(op))
            return None if wish is None else wish.format

        return asked
