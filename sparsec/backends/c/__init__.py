# SPDX-License-Identifier: Apache-2.0
"""Generated C, whatever it is for: a backend adds its kernels, its headers and how its project is built."""
