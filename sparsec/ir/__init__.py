# SPDX-License-Identifier: Apache-2.0
"""The dialects: what each operation is, how it is written, and when it is valid."""
