# SPDX-License-Identifier: Apache-2.0
"""The code that kernels bring: known of every call there is, and what linking them gives."""

from pathlib import Path

import pytest

from sparsec.calibration.code_sizes import functions, linker_for, section_name, sections_of
from sparsec.kernels.code import Code, code_of, passed
from sparsec.kernels.cost import CALIBRATED
from sparsec.run import cmsis_nn
from sparsec.run.toolchain import find_tool
from sparsec.targets.cpu import CPUS

TWO = Code(
    {"one": 10, "two": 20, "both": 300, "unused": 5},
    {"f": ("one", "both"), "g": ("two", "both")},
    {"f": 4},
    entry=7,
    other_call=6,
)


def test_what_kernels_share_counts_once() -> None:
    assert TWO.reached(["f", "g", "f"]) == {"one": 10, "two": 20, "both": 300}
    assert TWO.bytes(["f", "g", "f"]) == 7 + 330 + 4 + 6 + 4
    assert TWO.bytes([]) == 7
    assert TWO.bytes(["f", passed("g")]) == 7 + 330 + 4
    assert TWO.bytes(["new"]) == 7 + 6


@pytest.mark.parametrize("cpu", CPUS)
def test_every_call_is_known(cpu: str) -> None:
    """A new kernel needs `make calibrate-code`."""
    code = code_of(cpu)
    for function in functions():
        assert sum(code.reached([function]).values()) >= 20, function
        assert code.call(function) >= 4
    assert all(size > 0 for size in code.sections.values())


@pytest.mark.parametrize(
    ("section", "file", "name"),
    [
        (".text.arm_add_s8", "/a/b.a(12_arm_add_s8.o)", "arm_add_s8"),
        (".text.pack", "/a/sparsec_x_s8.o", "sparsec_x_s8 pack"),
        (".rodata.table", "/a/sparsec_x_s8.o", "rodata sparsec_x_s8 table"),
        (".text", "/usr/lib/libc.a(lib_a-memcpy.o)", "lib_a-memcpy"),
    ],
)
def test_names_of_sections(section: str, file: str, name: str) -> None:
    assert section_name(section, file) == name


@pytest.mark.qemu
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
def test_it_is_what_is_linked(core: str, tmp_path: Path) -> None:
    """Within what another compiler of the same family may change; after a change of a kernel: `make calibrate-code`."""
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    find_tool("arm-none-eabi-gcc")
    assert core in CALIBRATED
    linker, code = linker_for(core, tmp_path), code_of(core)
    off: dict[str, tuple[int, int]] = {}
    for function in functions():
        linked = sum(sections_of(linker, function, tmp_path).values())
        known = sum(code.reached([function]).values())
        if abs(linked - known) > 32 + 0.03 * known:
            off[function] = known, linked
    assert off == {}
