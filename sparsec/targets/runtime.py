# SPDX-License-Identifier: Apache-2.0
"""Where the C sources of the runtime lie: in the checkout, or inside the installed package."""

from pathlib import Path


def runtime_dir() -> Path:
    """The folder with the runtime's `include/` and `src/`.

    A checkout (an editable install) is preferred, so that an edited kernel is the one compiled.
    Raises FileNotFoundError when the installation carries no runtime.
    """
    package = Path(__file__).parents[1]
    for candidate in (package.parent / "runtime", package / "_runtime"):
        if (candidate / "include" / "sparsec.h").is_file():
            return candidate
    raise FileNotFoundError(
        f"the runtime's sources are missing beside {package}: reinstall sparsec"
    )
