# SPDX-License-Identifier: Apache-2.0
"""Kernel calls as a project directory that sparsec.run builds and runs, on the host or on QEMU.

The calls' constants are arrays in flash; their outputs lie one behind the other in the arena, and one
scratch buffer behind them all.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.runtime.kernel_library import RUNTIME

C_TYPES = {name: f"{name}_t" for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32")}
SCRATCH_BYTES = 64 * 1024


@dataclass
class KernelProject:
    """Collects calls; `output_bytes` counts what they write."""

    declarations: list[str] = field(default_factory=list[str])
    statements: list[str] = field(default_factory=list[str])
    output_bytes: int = 0

    def array(self, values: NDArray[Any]) -> str:
        """A constant with these values (quantization parameters are not const in CMSIS-NN's structs)."""
        name = f"constant{len(self.declarations)}"
        const = "" if values.dtype == np.int32 else "const "
        c_type = C_TYPES[values.dtype.name]
        if values.itemsize == 1 and values.size:  # gcc reads text ten times faster than numbers
            text = "".join(f"\\{byte:03o}" for byte in values.tobytes())
            self.declarations.append(f'static {const}{c_type} {name}[{values.size}] = "{text}";')
        else:
            numbers = ", ".join(map(str, values.reshape(-1).tolist())) or "0"
            self.declarations.append(f"static {const}{c_type} {name}[] = {{{numbers}}};")
        return name

    def call(self, function: str, arguments: list[str], output_bytes: int) -> None:
        """`function(arguments, output)`, the output being the next bytes of the arena."""
        self.statements.append(f"{function}({', '.join(arguments)}, arena + {self.output_bytes});")
        self.output_bytes += output_bytes

    def write(self, directory: Path, kernels: str = "*") -> Path:
        """`kernels` is a pattern of the names of the kernels that are compiled."""
        sources = (RUNTIME / "src").glob(f"{kernels}.c")
        for source in (*sources, *RUNTIME.glob("*/*.h")):
            shutil.copy(source, directory)
        scratch_at = (self.output_bytes + 15) // 16 * 16
        lines = [
            # What is tested is compiled as it is shipped; the calls are many and compiled as fast as can be.
            '#pragma GCC optimize ("O0")',
            '#include "kernels.h"\n#include "arm_nnfunctions.h"\n#include "sparsec.h"',
            *self.declarations,
            # One function for each: the structs of all together would not fit the stack, and gcc's sanitizers take
            # minutes over them.
            *(
                f"static __attribute__((noinline)) void call{number}(int8_t *arena) {{\n"
                f"cmsis_nn_context scratch = {{arena + {scratch_at}, {SCRATCH_BYTES}}};\n"
                f"(void)scratch;\n{statement}\n}}"
                for number, statement in enumerate(self.statements)
            ),
            "int kernels_invoke(int8_t *arena) {",
            *(f"call{number}(arena);" for number in range(len(self.statements))),
            "return 0;\n}",
        ]
        (directory / "kernels.c").write_text("\n".join(lines) + "\n")
        (directory / "kernels.h").write_text(
            "#include <stdint.h>\nint kernels_invoke(int8_t *arena);\n"
        )
        report = {
            "name": "kernels",
            "entry": "kernels_invoke",
            "header": "kernels.h",
            "arena_bytes": scratch_at + SCRATCH_BYTES,
            "inputs": [{"name": "unused", "offset": scratch_at, "bytes": 1}],
            "outputs": [{"name": "output", "offset": 0, "bytes": self.output_bytes}],
        }
        (directory / "report.json").write_text(json.dumps(report))
        return directory


def struct(c_type: str, *values: object) -> str:
    """The address of a C struct with these values."""
    return f"&({c_type}){{{', '.join(map(str, values))}}}"


def dims(*sizes: int) -> str:
    return struct("cmsis_nn_dims", *sizes)


def per_channel(
    project: KernelProject, multipliers: NDArray[np.int32], shifts: NDArray[np.int32]
) -> str:
    arrays = project.array(multipliers), project.array(shifts)
    return struct("cmsis_nn_per_channel_quant_params", *arrays)
