# SPDX-License-Identifier: Apache-2.0
"""Results as people see them: text and pictures made of plain data, without any IR."""
