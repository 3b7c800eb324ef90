"""What the user wishes for each layer, in a small language of its own."""

from sparsec.recipe.recipe import Recipe, Wish, parse_recipe, wish_for_all

__all__ = ["Recipe", "Wish", "parse_recipe", "wish_for_all"]
