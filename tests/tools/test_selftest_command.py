# SPDX-License-Identifier: Apache-2.0
"""`sparsec selftest`: every kernel passes on a core, and a kernel that is wrong fails where it is."""

import re
from pathlib import Path

import pytest

from sparsec.kernels.library import WITH_WEIGHTS
from sparsec.targets.cpu import cpu_named
from sparsec.tools import selftest, selftest_command
from tests.tools.support import Tools

TABLE = "sparsec_fully_connected_table_s8"


@pytest.mark.qemu
@pytest.mark.builds
def test_all_kernels_of_helium_pass(tools: Tools) -> None:
    ended = tools.sparsec("selftest", "--on=cortex-m55")
    assert ended.code == 0, ended.out
    *rows, last = ended.out.splitlines()
    assert all(re.fullmatch(r"PASS \w+ \dx\d \S+ row \d+", row) for row in rows)
    assert re.fullmatch(rf"{len(rows)} of {len(rows)} rows of \d+ layers pass on cortex-m55", last)
    helium = {kernel.function for kernel in WITH_WEIGHTS if kernel.units == ("mve",)}
    assert helium <= {row.split()[1] for row in rows}


@pytest.mark.builds
def test_a_wrong_kernel_fails(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(files: dict[str, str]) -> dict[str, str]:
        path = f"{TABLE}.c"
        wrong = files[path].replace("(int8_t)weights[i]", "(int8_t)(weights[i] + 1)")
        assert wrong != files[path]
        return selftest.on_harness(files | {path: wrong})

    monkeypatch.setattr(selftest_command, "on_harness", broken)
    ended = tools.sparsec("selftest", "--on=host", "-q")
    assert ended.code == 1
    *failed, last = ended.out.splitlines()
    assert len(failed) > 5 and all(row.startswith(f"FAIL {TABLE} ") for row in failed)
    assert not any(row.endswith((" row 1", " row 20")) for row in failed), "they have no weights"
    assert "layers pass on host" in last


def test_what_is_written(tools: Tools, tmp_path: Path) -> None:
    ended = tools.sparsec("selftest", "--on=cortex-m4", "-o", tmp_path / "test")
    assert ended.code == 0, ended.err
    header = (tmp_path / "test/selftest.h").read_text()
    assert "int sparsec_selftest(int8_t *arena, void (*print)(const char *text));" in header
    again = tools.sparsec("selftest", "--on=cortex-m4", "-o", tmp_path / "test")
    assert again.code == 0, again.err
    kernels = {check.kernel for check in selftest.SelfTest(cpu_named("cortex-m4")).checks}
    assert "sparsec_depthwise_convolve_3x3_s8" in kernels


def test_an_unknown_core(tools: Tools) -> None:
    ended = tools.sparsec("selftest", "--on=cortex-m1")
    assert ended.code == 2
    assert "cortex-m1" in ended.err
