# SPDX-License-Identifier: Apache-2.0
"""From float layers between dequantize and quantize to int8 layers: the numbers follow from the scales on both sides."""
