# SPDX-License-Identifier: Apache-2.0
"""Where an inference spends its time: exact instructions and estimated cycles, per layer and per function."""
