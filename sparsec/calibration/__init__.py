"""Kernels measured on QEMU, and the cost model fitted to them: what writes costs.json."""
