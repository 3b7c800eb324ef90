# SPDX-License-Identifier: Apache-2.0
"""Rewriting of IR that passes are made of: each changes what it is given and decides nothing."""
