# SPDX-License-Identifier: Apache-2.0
"""The words of Knight-MC, Tsing Micro's compression tool, in its modules: `sparsec.compat.kmc.sparsity` is `kmc.sparsity`."""
