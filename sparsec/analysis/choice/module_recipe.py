# SPDX-License-Identifier: Apache-2.0
"""The recipe that a module carries: what the user says besides comes after it and so holds."""

from xdsl.dialects.builtin import ModuleOp, StringAttr

from sparsec.ir.attributes import RECIPE
from sparsec.recipe import Recipe, parse_recipe


def recipe_of(module: ModuleOp) -> Recipe:
    """The recipe of `module`, an empty one without the attribute. Raises ValueError when it is none."""
    written = module.attributes.get(RECIPE, StringAttr(""))
    if not isinstance(written, StringAttr):
        raise ValueError(f"{RECIPE} must be text")
    return parse_recipe(written.data)
