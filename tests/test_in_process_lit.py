# SPDX-License-Identifier: Apache-2.0
"""The lit format that starts no processes gives the verdicts that lit's own shell gives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

EMPTY = "builtin.module {\n}\n// CHECK: builtin.module\n"
TESTS = {
    "right": ("PASS", f"// RUN: sparsec-opt %s | filecheck %s\n{EMPTY}"),
    "wrong_check": ("FAIL", f"// RUN: sparsec-opt %s | filecheck %s\n{EMPTY}// CHECK: func.func\n"),
    "wrong_prefix": ("FAIL", f"// RUN: sparsec-opt %s | filecheck %s --check-prefix OTHER\n{EMPTY}"),
    "second_line": (
        "FAIL",
        "// RUN: sparsec-opt %s | filecheck %s\n// RUN: sparsec-opt %s -p no-such-pass\n" + EMPTY,
    ),
    "first_in_pipe": ("FAIL", f"// RUN: sparsec-opt %s | sparsec-opt -p no-such | sparsec-opt\n{EMPTY}"),
    "only_middle_fails": (
        "FAIL",
        f"// RUN: not sparsec-opt --no-such | sparsec-opt -p no-such | not filecheck %s\n{EMPTY}",
    ),
    "expected_error": (
        "PASS",
        "// RUN: not sparsec-opt %s -p no-such 2>&1 | filecheck %s\n// CHECK: error: {{.*}}no-such\n",
    ),
    "stderr_apart": (
        "FAIL",
        "// RUN: not sparsec-opt %s -p no-such | filecheck %s\n// CHECK: error: {{.*}}no-such\n",
    ),
    "stderr_dropped": (
        "FAIL",
        "// RUN: not sparsec-opt %s -p no-such 2>/dev/null | filecheck %s\n// CHECK: error\n",
    ),
    "unexpected_success": ("FAIL", f"// RUN: not sparsec-opt %s\n{EMPTY}"),
    "own_word": ("PASS", f"// DEFINE: %{{tool}} = sparsec-opt\n// RUN: %{{tool}} %s | filecheck %s\n{EMPTY}"),
    "shell": ("PASS", f"// RUN: cat %s | filecheck %s\n{EMPTY}"),
    "shell_wrong": ("FAIL", f"// RUN: echo func.func | filecheck %s\n{EMPTY}"),
    "shell_file": ("PASS", f"// RUN: sparsec-opt %s > %t\n// RUN: filecheck %s < %t\n{EMPTY}"),
    "no_line": ("UNRESOLVED", EMPTY),
}  # fmt: skip


def verdicts(folder: Path, format: str) -> dict[str, str]:
    """What lit says of TESTS, written to `folder`, with a format of `tests.in_process_lit`."""
    (folder / "lit.cfg").write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import tests.in_process_lit\nfrom lit.formats import ShTest\n"
        "config.name = 'suite'\nconfig.suffixes = ['.mlir']\n"
        f"config.test_format = {format}\n"
        "path = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']\n"
        f"config.environment.update(PATH=path, PYTHONPATH={str(ROOT)!r})\n"
    )
    for name, (_, text) in TESTS.items():
        (folder / f"{name}.mlir").write_text(text)
    results = folder / "results.json"
    lit = [Path(sys.executable).with_name("lit"), "-q", "-j1", "-o", results, folder]
    subprocess.run(lit, capture_output=True, check=False)
    rows = json.loads(results.read_text())["tests"]
    return {Path(row["name"].split(" :: ")[1]).stem: row["code"] for row in rows}


def test_verdicts(tmp_path: Path) -> None:
    expected = {name: verdict for name, (verdict, _) in TESTS.items()}
    assert verdicts(tmp_path, "tests.in_process_lit.InProcess()") == expected


@pytest.mark.slow
def test_lit_agrees(tmp_path: Path) -> None:
    expected = {name: verdict for name, (verdict, _) in TESTS.items()}
    assert verdicts(tmp_path, "ShTest(execute_external=False)") == expected
