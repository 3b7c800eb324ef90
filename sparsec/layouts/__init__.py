# SPDX-License-Identifier: Apache-2.0
"""How kernels want the weights of a layer in flash. Numpy only, like the formats; each layout is unpacked and compared.

Every layout has a name, by which reports call it beside the format: of one format several kernels have their own.
"""

PLAIN = "plain"
"""The arrays of the format as they are, or the rows of dense weights as the model has them."""

NO_LAYOUT = "none"
"""Of what has no weights."""
