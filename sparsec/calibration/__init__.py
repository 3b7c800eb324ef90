# SPDX-License-Identifier: Apache-2.0
"""Kernels measured on QEMU, and the cost model fitted to them: what writes costs.json."""
