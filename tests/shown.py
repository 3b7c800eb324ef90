# SPDX-License-Identifier: Apache-2.0
"""Text for failures only."""

from xdsl.dialects.builtin import ModuleOp

from sparsec.tools.printing import module_text


class Shown:
    """A module that is printed when somebody looks: `hypothesis.note` does so where an example has failed."""

    def __init__(self, module: ModuleOp) -> None:
        self._module = module

    def __repr__(self) -> str:
        return module_text(self._module)
