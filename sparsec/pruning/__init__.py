# SPDX-License-Identifier: Apache-2.0
"""Which weights to take away: patterns, how many and when. Plain functions on matrices of numpy.

A weight tensor is the matrix [rows, columns] that a storage format sees: one row per output channel, the columns of a
convolution in (ky, kx, input channel) order.
"""
