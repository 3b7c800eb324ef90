"""Many kernel calls in one image: the instructions and the output of each, measured on QEMU.

The image's input is the number of the call to make, so that one build and one run measure them all.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.run.build import build_image
from sparsec.run.cmsis_nn import locate
from sparsec.run.errors import ToolchainError
from sparsec.run.execute import run_image
from sparsec.run.profile.profile import profile_image
from sparsec.run.project import read_project

RUNTIME = Path(__file__).parent.parent / "runtime"
C_TYPES = {name: f"{name}_t" for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32")}
ENTRY = "kernels"


@dataclass(frozen=True)
class Measured:
    """One call: its output bytes, the instructions from the entry to its return, and the estimated cycles if asked for."""

    output: NDArray[np.int8]
    instructions: int
    cycles: int | None = None


@dataclass
class KernelCases:
    """Collects calls; a call's scratch is `scratch`, its output `output`."""

    declarations: list[str] = field(default_factory=list[str])
    calls: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    scratch_bytes: int = 16

    def array(self, values: NDArray[Any]) -> str:
        """The name of a constant in flash with these values."""
        name = f"constant{len(self.declarations)}"
        numbers = ", ".join(map(str, values.reshape(-1).tolist())) or "0"
        c_type = C_TYPES[values.dtype.name]
        self.declarations.append(f"static const {c_type} {name}[] = {{{numbers}}};")
        return name

    def call(self, statement: str, output_bytes: int, scratch_bytes: int = 0) -> int:
        """Add a C statement; its number among the calls."""
        self.calls.append((statement, output_bytes))
        self.scratch_bytes = max(self.scratch_bytes, -(-scratch_bytes // 16) * 16)
        return len(self.calls) - 1

    def measure(self, core: str, cycles: bool = False) -> list[Measured]:
        """Build for `core`, run every call once; with `cycles` once more for its estimated cycles."""
        directory = locate()
        if directory is None:
            raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
        with (
            tempfile.TemporaryDirectory(prefix="sparsec-") as folder,
            tempfile.TemporaryDirectory(prefix="sparsec-") as build,
        ):
            size = self.write(Path(folder))
            image = build_image(read_project(Path(folder)), core, Path(build), cmsis_nn=directory)
            numbers = np.arange(len(self.calls), dtype=np.int16).view(np.int8).reshape(-1, 2)
            result = run_image(image, [numbers])
            estimates = [
                profile_image(image, [number[None]]).total.cycles if cycles else None
                for number in numbers
            ]
        assert result.instructions is not None and result.outputs[0].shape[1] == size
        return [
            Measured(result.outputs[0][i, :bytes_], int(result.instructions[i]), estimates[i])
            for i, (_, bytes_) in enumerate(self.calls)
        ]

    def write(self, folder: Path) -> int:
        """Write the project; the bytes of the largest output."""
        for source in (*(RUNTIME / "src").iterdir(), *(RUNTIME / "include").iterdir()):
            shutil.copy(source, folder)
        size = max(bytes_ for _, bytes_ in self.calls)
        output_at = 16
        scratch_at = output_at + -(-size // 16) * 16
        functions = [
            f"static void call{i}(const cmsis_nn_context *scratch, int8_t *output) "
            f"{{ (void)scratch; {statement} }}"
            for i, (statement, _) in enumerate(self.calls)
        ]
        names = ", ".join(f"call{i}" for i in range(len(self.calls)))
        text = "\n".join(
            (
                f'#include "{ENTRY}.h"\n#include "arm_nnfunctions.h"\n#include "sparsec.h"',
                *self.declarations,
                *functions,
                f"static void (*const calls[])(const cmsis_nn_context *, int8_t *) = {{{names}}};",
                f"int {ENTRY}(int8_t *arena) {{",
                f"const cmsis_nn_context scratch = {{arena + {scratch_at}, {self.scratch_bytes}}};",
                f"calls[*(const uint16_t *)arena](&scratch, arena + {output_at});",
                "return 0;\n}\n",
            )
        )
        (folder / f"{ENTRY}.c").write_text(text)
        (folder / f"{ENTRY}.h").write_text(f"#include <stdint.h>\nint {ENTRY}(int8_t *arena);\n")
        report = {
            "name": ENTRY,
            "entry": ENTRY,
            "header": f"{ENTRY}.h",
            "arena_bytes": scratch_at + self.scratch_bytes,
            "inputs": [{"name": "call", "offset": 0, "bytes": 2}],
            "outputs": [{"name": "output", "offset": output_at, "bytes": size}],
        }
        (folder / "report.json").write_text(json.dumps(report))
        return size


def dims(*sizes: int) -> str:
    """A cmsis_nn_dims."""
    return f"&(const cmsis_nn_dims){{{', '.join(map(str, sizes))}}}"


def same(outputs: Sequence[Measured]) -> None:
    """AssertionError when the outputs differ in a byte."""
    for other in outputs[1:]:
        assert np.array_equal(outputs[0].output, other.output), "outputs differ"
