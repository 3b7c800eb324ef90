# SPDX-License-Identifier: Apache-2.0
"""LeNet-5 trained on MNIST and pruned: the example that carries real data from end to end."""
