# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's demos of sparsity and pruning, on a ResNet for images of 32x32 and on a small detector."""
