# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's demo of unstructured pruning, with the flags of its `train.py` and `evaluate.py`, in PyTorch."""
