# SPDX-License-Identifier: Apache-2.0
"""What the user wishes for each layer, in a small language of its own."""

from sparsec.recipe.recipe import AUTO, Pin, Recipe, Wish, parse_recipe, wish_for_all

__all__ = ["AUTO", "Pin", "Recipe", "Wish", "parse_recipe", "wish_for_all"]
