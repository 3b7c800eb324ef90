# SPDX-License-Identifier: Apache-2.0
"""Facts about values: which each element can take, which nobody reads, and where operations move them."""
