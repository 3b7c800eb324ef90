# SPDX-License-Identifier: Apache-2.0
"""Example networks in plain PyTorch; nothing here imports sparsec, so each file reads as a user's own would."""
