# SPDX-License-Identifier: Apache-2.0
"""The kernels as clang compiles them: `python -m tests.clang` runs their tests on Cortex-M4 and M55, at 0 differing bytes.

The rule: they are the tests of gcc. `pytest --cc=clang` builds for Cortex-M by the other compiler, whatever test it is.
"""

import argparse
import shutil
import subprocess
import sys

from sparsec.run import build
from sparsec.run.toolchain import CLANG, GCC, Cc, Compiler, compiler_for, is_host
from sparsec.targets.cpu import Cpu
from tests.__main__ import ROOT, children_seconds

OTHER_CORES = ("m0plus", "m3", "m7")
"""Parts of the names of cores that are left out: m3 is M33 as well."""


def by_clang(cpu: Cpu, cc: Cc = GCC) -> Compiler:
    """`compiler_for`, with clang in place of gcc where that is for Cortex-M."""
    return compiler_for(cpu, cc if is_host(cpu) else CLANG)


def use_clang() -> None:
    """From now on images for Cortex-M are built by clang."""
    build.compiler_for = by_clang


def main() -> int:
    """Run them; the exit code is 0 where there is no clang, which is said."""
    parser = argparse.ArgumentParser(prog="python -m tests.clang", description="kernels by clang")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    jobs = str(parser.parse_args().jobs)
    if shutil.which("clang-22") is None:
        print("skipped: clang-22 is not installed, see make setup")
        return 0
    cores = " and ".join(f"not {core}" for core in OTHER_CORES)
    words = ["-q", "-n", jobs, "--dist", "worksteal", "--cc=clang", "-m", "qemu", "-k", cores]
    command = [sys.executable, "-m", "pytest", *words, "tests/runtime"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"CPU seconds: {children_seconds():.1f}")
    return code


if __name__ == "__main__":
    sys.exit(main())
