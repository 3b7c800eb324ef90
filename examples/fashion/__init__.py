# SPDX-License-Identifier: Apache-2.0
"""Networks for Fashion-MNIST: trained, pruned, and trained on as int8."""
