# SPDX-License-Identifier: Apache-2.0
"""From kernels to files: one folder for each family of devices; no backend knows another."""
