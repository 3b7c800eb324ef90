# SPDX-License-Identifier: Apache-2.0
"""What an operator is."""

from collections.abc import Callable
from typing import TypeAlias

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call

Operator: TypeAlias = Callable[[Builder, Call], object]
