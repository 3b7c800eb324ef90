# SPDX-License-Identifier: Apache-2.0
"""Softmax and its logarithm along any axis, of rows of any length."""

from collections.abc import Mapping

from tests.frontends.operators.together import Function

SOFTMAXES: Mapping[str, Function] = {
    "softmax": lambda x: (x * 0.125).softmax(1),
    "softmax_of_rows": lambda x: x.softmax(-1),
    "softmax_of_columns": lambda x: (x * 0.03125).softmax(2),
    "softmax_of_511": lambda x: (x.repeat(1, 3, 1, 1).flatten(1)[:, :511] * 0.015625).softmax(1),
    "softmax_of_512": lambda x: (x.repeat(1, 3, 1, 1).flatten(1)[:, :512] * 0.125).softmax(1),
    "softmax_of_equals": lambda x: (x.repeat(1, 6, 1, 1).flatten(1) * 0).softmax(1),
    "softmax_of_many": lambda x: (x.repeat(1, 6, 1, 1).flatten(1) * 0.0625).softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "log_softmax_of_rows": lambda x: (x * 0.125).log_softmax(3),
    "log_softmax_of_many": lambda x: (x.repeat(1, 6, 1, 1).flatten(1) * 0.125).log_softmax(1),
}
