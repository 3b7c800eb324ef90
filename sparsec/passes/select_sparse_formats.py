# SPDX-License-Identifier: Apache-2.0
"""`select-sparse-formats`: weights get the storage format that serves the objective, as their type.

    %w = qnn.constant dense<..> : tensor<6x5x5x1xi8>
becomes
    %w = qnn.constant dense<..> : tensor<6x5x5x1xi8, #sparse.encoding<delta8>>

A layer that another kernel than the preferred one runs is told so: `{sparsec.kernel = "sparsec_.."}`.
The values stay dense until `convert-qnn-to-kernels`; only types change, so no result can.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.choice_record import record
from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal, Objective
from sparsec.analysis.choice.module_recipe import recipe_of
from sparsec.formats import SparseFormat
from sparsec.ir import qnn
from sparsec.ir.attributes import CHOICE, KERNEL
from sparsec.ir.constant import dense_attribute
from sparsec.ir.sparse import EncodingAttr, format_of
from sparsec.recipe import AUTO, Recipe, parse_recipe, wish_for_all
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import cpu_named


@dataclass(frozen=True)
class SelectSparseFormatsPass(ModulePass):
    """Choose a format for the weights of each layer, all layers together.

    `latency` is the fewest estimated cycles on `target`, as far as they are worth their bytes, and never more than dense
    weights take; `flash` the fewest bytes; `ram` the fewest cycles in the least memory; `balanced` the least sum of both as
    shares of the dense network's. `flash` and `ram` are budgets in bytes for constants and code and for the arena. `format` is `auto` or what to store every layer as that has a kernel for it, `recipe` a
    wish for layers by their names. Weights that have a format keep it.
    """

    name = "select-sparse-formats"
    target: str = "cortex-m4"
    objective: Objective = "latency"
    format: str = AUTO
    flash: int | None = None
    ram: int | None = None
    recipe: str = ""
    cmsis_nn: Release = PACKAGED

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not any(isinstance(each, qnn.WeightedOp) for each in op.walk()):
            return
        try:
            goal = self.goal(op)
            cpu = cpu_named(self.target, self.cmsis_nn)
            problem = Problem(op, cpu, goal, explained=False)
            decision = problem.decide()
            smaller = problem.smaller(decision)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        for layer in decision.layers:
            encoding, weights = layer.winner.format, layer.op.weights.owner
            if encoding is not None and format_of(layer.op.weights.type) is None:
                assert isinstance(weights, qnn.ConstantOp)
                encode(weights, encoding)
            if not layer.winner.preferred:
                layer.op.attributes[KERNEL] = StringAttr(layer.winner.kernel)
        op.attributes[CHOICE] = record(goal, decision, smaller)

    def goal(self, module: ModuleOp) -> Goal:
        """The options as what to choose for. Raises ValueError for a format or recipe that cannot be read."""
        weights = None if self.format == AUTO else wish_for_all(self.format)
        given = parse_recipe(self.recipe)
        recipe = Recipe(recipe_of(module).wishes + given.wishes)
        return Goal(self.objective, self.flash, self.ram, weights, recipe)


def encode(constant: qnn.ConstantOp, encoding: SparseFormat) -> None:
    """Give `constant`, and so every use of it, a type with `encoding`."""
    value = dense_attribute(constant.array, EncodingAttr(encoding))
    Rewriter.insert_op(new := qnn.ConstantOp(value, constant.label), InsertPoint.before(constant))
    constant.result.replace_all_uses_with(new.result)
    Rewriter.erase_op(constant)
