# SPDX-License-Identifier: Apache-2.0
"""Facts about memory: when buffers are live, where they lie, how far they may lie over one another, and how much each is used."""
