# SPDX-License-Identifier: Apache-2.0
"""Passes that no backend owns: each rewrites a module of one level."""
