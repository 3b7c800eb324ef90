# SPDX-License-Identifier: Apache-2.0
"""sparsec: a compiler from sparse PyTorch models to C for Arm Cortex-M.

`sparsec.compile` is the command line in Python. What it needs is imported when it is first asked
for: each tool pays only for what it uses.
"""

from typing import TYPE_CHECKING, Any

from sparsec.version import VERSION

if TYPE_CHECKING:
    from sparsec.api import Compiled, Options, Ran, compile, what_if
    from sparsec.tools.errors import UserError

__all__ = ["Compiled", "Options", "Ran", "UserError", "compile", "what_if"]

__version__ = VERSION


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sparsec' has no attribute '{name}'")
    from sparsec import api

    return getattr(api, name)
