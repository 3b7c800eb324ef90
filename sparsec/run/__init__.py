# SPDX-License-Identifier: Apache-2.0
"""Builds generated projects, runs them on the host or on QEMU, and compares what they computed."""
