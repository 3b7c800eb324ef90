# SPDX-License-Identifier: Apache-2.0
"""Compiles CMSIS-NN for every core that runs here, so that nobody waits for it later: `python -m sparsec.run.prepare`.

What the cache has is left alone, and a core whose compiler is missing is left out.
"""

import sys

from sparsec.run import cmsis_nn
from sparsec.run.build import CMSIS_NN_SANITIZER_FLAGS
from sparsec.run.cmsis_library import cmsis_nn_library
from sparsec.run.errors import RunError, ToolchainError
from sparsec.run.machines import MACHINES
from sparsec.run.toolchain import compiler_for
from sparsec.targets.cpu import cpu_named


def main() -> int:
    """Compile; the exit code is 2 where CMSIS-NN is missing or does not compile."""
    try:
        directory = cmsis_nn.locate()
        if directory is None:
            raise ValueError("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")
        wanted = [
            ("host", ()),
            ("host", CMSIS_NN_SANITIZER_FLAGS),
            *((cpu, ()) for cpu in MACHINES),
        ]
        for cpu, sanitizer_flags in wanted:
            try:
                compiler = compiler_for(cpu_named(cpu))
            except ToolchainError:  # set-up has said so
                continue

            def progress(message: str, cpu: str = cpu) -> None:
                print(f"setup: {message} for {cpu}", file=sys.stderr)

            cmsis_nn_library(
                directory, compiler, sanitizer_flags=sanitizer_flags, progress=progress
            )
    except (RunError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
