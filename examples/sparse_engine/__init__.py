# SPDX-License-Identifier: Apache-2.0
"""Networks of sparse-engine, written as the folder of tensors that it takes, with random weights."""
