# SPDX-License-Identifier: Apache-2.0
"""Memory planning on plain data: a planner and, apart from it, a checker of its plans."""
