"""How a project for Cortex-M is built: with CMake, over CMSIS-NN."""

from collections.abc import Sequence

from sparsec.targets.cmsis_nn import HEADER, REVISIONS, SOURCES, Release
from sparsec.targets.cpu import cpu_named


def cmake_lists(name: str, target: str, sources: Sequence[str], release: Release | None) -> str:
    """CMakeLists.txt: a static library of the network, and CMSIS-NN unless there is one already; where a `release` is
    given, no other one."""
    return _CMAKE.format(
        name=name,
        upper=name.upper(),
        target=target,
        sources="\n  ".join(sources),
        release="" if release is None else _release_check(target, release),
        cmsis_nn="\n    ".join(f'"${{CMSIS_NN_DIR}}/Source/{pattern}"' for pattern in SOURCES),
        flags=";".join(cpu_named(target).compiler_flags),
    )


def _release_check(target: str, release: Release) -> str:
    """Lines of CMakeLists.txt that stop at another CMSIS-NN than the network's."""
    first, end = (f"{major}.{minor}" for major, minor in REVISIONS[release])
    return _RELEASE.format(target=target, release=release, first=first, end=end, header=HEADER)


_RELEASE = """\
# Scratch memory on {target} is planned as CMSIS-NN {release} wants it; other releases want other sizes.
file(STRINGS "${{CMSIS_NN_DIR}}/Include/{header}" CMSIS_NN_REVISION REGEX "[$]Revision: *V[.]")
string(REGEX MATCH "[0-9]+[.][0-9]+" CMSIS_NN_REVISION "${{CMSIS_NN_REVISION}}")
if(CMSIS_NN_REVISION VERSION_LESS {first} OR NOT CMSIS_NN_REVISION VERSION_LESS {end})
  message(FATAL_ERROR "This network is compiled for CMSIS-NN {release} (from V.{first}, before V.{end}), and \
${{CMSIS_NN_DIR}} is V.${{CMSIS_NN_REVISION}}: compile the network with --cmsis-nn=${{CMSIS_NN_DIR}}")
endif()

"""

_CMAKE = """\
# The network as a static library. CMSIS_NN_DIR is a CMSIS-NN source tree; it is built here unless the
# including project has a target cmsis-nn. On its own, for bare metal:
#   cmake -S . -B build -DCMSIS_NN_DIR=... -DCMAKE_SYSTEM_NAME=Generic -DCMAKE_C_COMPILER=arm-none-eabi-gcc \\
#     -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY

cmake_minimum_required(VERSION 3.15)
project({name} LANGUAGES C)

set(CMSIS_NN_DIR "$ENV{{CMSIS_NN_DIR}}" CACHE PATH "CMSIS-NN source tree (contains Include/ and Source/)")
if(NOT EXISTS "${{CMSIS_NN_DIR}}/Include/arm_nnfunctions.h")
  message(FATAL_ERROR "CMSIS_NN_DIR names no CMSIS-NN source tree: pass -DCMSIS_NN_DIR=<directory with Include/>")
endif()

{release}# For {target}; the host needs none.
if(CMAKE_CROSSCOMPILING)
  set({upper}_CPU_FLAGS "{flags}" CACHE STRING "Compiler flags of the processor")
else()
  set({upper}_CPU_FLAGS "" CACHE STRING "Compiler flags of the processor")
endif()
set({upper}_OPTIMIZATION "-Ofast" CACHE STRING "Optimization, by default that of CMSIS-NN")

if(NOT TARGET cmsis-nn)
  # What its own CMakeLists.txt compiles by default.
  file(GLOB_RECURSE CMSIS_NN_SOURCES
    {cmsis_nn})
  add_library(cmsis-nn STATIC ${{CMSIS_NN_SOURCES}})
  target_include_directories(cmsis-nn SYSTEM PUBLIC "${{CMSIS_NN_DIR}}/Include")
  target_compile_options(cmsis-nn PRIVATE ${{{upper}_CPU_FLAGS}} ${{{upper}_OPTIMIZATION}} -ffunction-sections -w)
endif()

add_library({name} STATIC
  {sources}
)
target_include_directories({name} PUBLIC "${{CMAKE_CURRENT_SOURCE_DIR}}")
target_link_libraries({name} PUBLIC cmsis-nn)
target_compile_options({name} PRIVATE ${{{upper}_CPU_FLAGS}} ${{{upper}_OPTIMIZATION}} -ffunction-sections -fdata-sections)
set_target_properties({name} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON)
"""
