# SPDX-License-Identifier: Apache-2.0
"""The commands: `sparsec`, `sparsec-opt` and `sparsec-interpret`."""
