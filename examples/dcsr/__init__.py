# SPDX-License-Identifier: Apache-2.0
"""dCSR's training: keyword spotting at six sparsities and MobileNetV2, linear and 1x1 layers pruned alone."""
