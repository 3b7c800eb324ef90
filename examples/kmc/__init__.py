# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's sparsity demo on a ResNet for images of 32x32."""
