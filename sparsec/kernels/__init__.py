# SPDX-License-Identifier: Apache-2.0
"""One class for each C kernel: what it takes, lays out, needs and costs, and the call that it becomes."""
