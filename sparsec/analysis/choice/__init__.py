# SPDX-License-Identifier: Apache-2.0
"""Choosing how each layer is stored and run: the ways there are, what each costs, which win and why."""
