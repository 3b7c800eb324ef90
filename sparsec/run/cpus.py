# SPDX-License-Identifier: Apache-2.0
"""Where a network can be run: this machine, or a processor that QEMU has a machine for."""

from sparsec.run.machines import MACHINES

RUNNABLE: tuple[str, ...] = ("host", *MACHINES)
