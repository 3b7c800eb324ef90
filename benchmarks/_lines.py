# SPDX-License-Identifier: Apache-2.0
"""Finished runs as lines of JSON, from which any machine goes on."""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def note(run: Mapping[str, Any], path: Path) -> None:
    """Add a line, whole or not at all, also with others that do."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(run) + "\n")
