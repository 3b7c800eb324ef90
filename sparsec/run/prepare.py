# SPDX-License-Identifier: Apache-2.0
"""Compiles CMSIS-NN for every core and compiler that tests run here, so that nobody waits for it later: `python -m sparsec.run.prepare`.

What the cache has is left alone, and a core whose compiler is missing is left out.
"""

import sys

from sparsec.run import cmsis_nn
from sparsec.run.build import CMSIS_NN_SANITIZER_FLAGS
from sparsec.run.cmsis_library import cmsis_nn_library
from sparsec.run.errors import RunError, ToolchainError
from sparsec.run.machines import MACHINES
from sparsec.run.toolchain import CLANG, GCC, compiler_for
from sparsec.targets.cpu import cpu_named

BY_CLANG = ("cortex-m4", "cortex-m55", "cortex-m85")
"""The cores whose tests compile by clang as well."""


def main() -> int:
    """Compile; the exit code is 2 where CMSIS-NN is missing or does not compile."""
    try:
        directory = cmsis_nn.locate()
        if directory is None:
            raise ValueError("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")
        wanted = [
            ("host", GCC, ()),
            ("host", GCC, CMSIS_NN_SANITIZER_FLAGS),
            *((cpu, GCC, ()) for cpu in MACHINES),
            *((cpu, CLANG, ()) for cpu in BY_CLANG),
        ]
        for cpu, cc, sanitizer_flags in wanted:
            try:
                compiler = compiler_for(cpu_named(cpu), cc)
            except ToolchainError:  # set-up has said so
                continue

            def progress(message: str, cpu: str = cpu, cc: str = cc.name) -> None:
                print(f"setup: {message} for {cpu} by {cc}", file=sys.stderr)

            cmsis_nn_library(
                directory, compiler, sanitizer_flags=sanitizer_flags, progress=progress
            )
    except (RunError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
