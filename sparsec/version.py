# SPDX-License-Identifier: Apache-2.0
"""Which sparsec this is."""

VERSION = "0.1.0"
