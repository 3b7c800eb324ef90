# SPDX-License-Identifier: Apache-2.0
"""How kernels want the weights of a layer in flash. Numpy only, like the formats; each layout is unpacked and compared."""
