# SPDX-License-Identifier: Apache-2.0
"""Facts about the processors code is generated for: plain tables, no IR."""
