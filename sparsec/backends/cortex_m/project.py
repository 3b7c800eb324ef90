"""C projects for Cortex-M: calls of CMSIS-NN and of our runtime, built with CMake."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from sparsec.backends.c import project
from sparsec.backends.c.platform import Platform, Status
from sparsec.backends.cortex_m.cmake import cmake_lists
from sparsec.targets.runtime import runtime_dir

CMSIS_NN_STATUS = Status("arm_cmsis_nn_status", "ARM_CMSIS_NN_SUCCESS", owner="CMSIS-NN")


def cmsis_nn_platform(header_dir: Path) -> Platform:
    """CMSIS-NN with its Include folder `header_dir`, and our runtime."""
    headers = (
        header_dir / "arm_nn_types.h",
        header_dir / "arm_nnfunctions.h",
        runtime_dir() / "include" / "sparsec.h",
    )
    return Platform(headers, build_files, CMSIS_NN_STATUS)


def build_files(name: str, target: str, sources: Sequence[str]) -> Mapping[str, str]:
    """The one file that CMake reads."""
    return {"CMakeLists.txt": cmake_lists(name, target, sources)}


def emit_project(
    module: ModuleOp,
    header_dir: Path,
    name: str,
    arena: project.Arena = "static",
    int8_io: bool = False,
) -> dict[str, str]:
    """The files of the project `name` by file name, as `backends/c/project.py` says; `header_dir` is CMSIS-NN's Include
    folder."""
    return project.emit_project(module, cmsis_nn_platform(header_dir), name, arena, int8_io)
