# SPDX-License-Identifier: Apache-2.0
"""The runtime as clang reads it. What its kernels give when it compiles them is `make test-clang`."""

import subprocess
from pathlib import Path

import pytest

from sparsec.run.toolchain import CLANG, compiler_for
from sparsec.targets.cpu import cpu_named
from tests.clang import by_clang
from tests.runtime.kernel_library import RUNTIME
from tests.strictly import STRICT_FLAGS


@pytest.mark.clang
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m85"])
def test_the_runtime_is_free_of_warnings(cpu: str, cmsis_nn_dir: Path) -> None:
    compiler = compiler_for(cpu_named(cpu), CLANG)
    folders = ["-I", RUNTIME / "include", "-isystem", cmsis_nn_dir / "Include"]
    flags = ["-std=c11", *STRICT_FLAGS, *compiler.flags, "-fsyntax-only"]
    sources = sorted((RUNTIME / "src").glob("*.c"))
    assert len(sources) > 40
    command = [compiler.path, *flags, *folders, *sources]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


@pytest.mark.clang
def test_clang_stands_in_on_cortex_m_alone() -> None:
    m4, host = cpu_named("cortex-m4"), cpu_named("host")
    assert by_clang(m4) == compiler_for(m4, CLANG) != compiler_for(m4)
    assert by_clang(host) == compiler_for(host)
