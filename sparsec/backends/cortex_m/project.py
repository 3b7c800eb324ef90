# SPDX-License-Identifier: Apache-2.0
"""C projects for Cortex-M: calls of CMSIS-NN and of our runtime, built with CMake."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp, StringAttr

from sparsec.backends.c import project
from sparsec.backends.c.platform import Platform, Status
from sparsec.backends.c.self_test import SelfTest
from sparsec.backends.cortex_m.bundle import LICENCE, NOTICE, bundled_files, notice
from sparsec.backends.cortex_m.cmake import cmake_lists
from sparsec.ir.attributes import CMSIS_NN, TARGET
from sparsec.targets.cmsis_nn import HEADER, PACKAGED, Release, read_release
from sparsec.targets.cpu import cpu_named
from sparsec.targets.runtime import runtime_dir

CMSIS_NN_STATUS = Status("arm_cmsis_nn_status", "ARM_CMSIS_NN_SUCCESS", owner="CMSIS-NN")


def cmsis_nn_platform(
    header_dir: Path, release: Release | None = None, bundle: bool = False
) -> Platform:
    """CMSIS-NN with its Include folder `header_dir`, and our runtime; no other release will do if one is given. A `bundle`
    brings what is called of CMSIS-NN."""
    headers = (
        header_dir / "arm_nn_types.h",
        header_dir / HEADER,
        runtime_dir() / "include" / "sparsec.h",
    )

    def bundled(texts: Iterable[str]) -> Mapping[str, str]:
        files = bundled_files(texts, header_dir.parent)
        text = notice(files, (header_dir / HEADER).read_text(encoding="utf-8"))
        licence = (runtime_dir() / LICENCE).read_text(encoding="utf-8")
        return {**files, NOTICE: text, LICENCE: licence}

    def build_files(
        name: str, target: str, sources: Sequence[str], shared: Sequence[str]
    ) -> Mapping[str, str]:
        """The one file that CMake reads."""
        return {"CMakeLists.txt": cmake_lists(name, target, sources, shared, release, bundle)}

    return Platform(headers, build_files, CMSIS_NN_STATUS, bundled if bundle else None)


def emit_project(
    module: ModuleOp,
    header_dir: Path,
    name: str,
    arena: project.Arena = "static",
    int8_io: bool = False,
    accuracy: Mapping[str, Any] | None = None,
    self_test: SelfTest | None = None,
    bundle: bool = False,
) -> dict[str, str]:
    """The files of the project `name` by file name, as `backends/c/project.py` says; `header_dir` is CMSIS-NN's Include
    folder. A `bundle` brings the files of CMSIS-NN that are called, from the folder beside it.

    Raises ValueError, besides, when the header is of a release that is not known, or for Helium of another one than the
    module is compiled for.
    """
    platform = cmsis_nn_platform(header_dir, checked_release(module, header_dir), bundle)
    return project.emit_project(module, platform, name, arena, int8_io, accuracy, self_test)


def checked_release(module: ModuleOp, header_dir: Path) -> Release | None:
    """The one release of CMSIS-NN that the kernels of `module` were chosen for, None where any will do.

    Raises ValueError when the header is of another one.
    """
    found, target = read_release(header_dir), module.attributes.get(TARGET)
    if not isinstance(target, StringAttr) or cpu_named(target.data).vector_unit != "mve":
        return None
    attribute = module.attributes.get(CMSIS_NN)
    wanted = attribute.data if isinstance(attribute, StringAttr) else PACKAGED
    if found != wanted:
        raise ValueError(
            f"this network is compiled for CMSIS-NN {wanted}, and {header_dir.parent} is {found}, which takes other "
            f"scratch memory on {target.data}: compile its qnn IR with the CMSIS-NN in use"
        )
    return found
