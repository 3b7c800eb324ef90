# SPDX-License-Identifier: Apache-2.0
"""Whole channels of a network of torch: which ones go together (`graph`), which go (`prune`), and a smaller module."""
