# SPDX-License-Identifier: Apache-2.0
"""The files of a C project: everything is checked before anything is written (by `folder`).

The same module gives the same bytes: no file says when or where it was made.
"""

import json
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.memref import GlobalOp

from sparsec.analysis.memory.memory_plan import PlannedFunction, certify_plan, planned_function
from sparsec.backends.c import text
from sparsec.backends.c.conversions import conversions
from sparsec.backends.c.folder import MANIFEST, digest
from sparsec.backends.c.headers import check_call, read_headers
from sparsec.backends.c.names import check_identifiers, check_network_name
from sparsec.backends.c.platform import Platform
from sparsec.backends.c.printer import CPrinter, parameters
from sparsec.backends.c.report import constants_of, report
from sparsec.backends.c.self_test import SelfTest, self_test_files
from sparsec.ir.borders import converts_as_tflite
from sparsec.ir.kernel import RuntimeOp
from sparsec.targets.runtime import runtime_dir

Arena = Literal["static", "caller"]


def emit_project(
    module: ModuleOp,
    platform: Platform,
    name: str,
    arena: Arena = "static",
    int8_io: bool = False,
    accuracy: Mapping[str, Any] | None = None,
    self_test: SelfTest | None = None,
) -> dict[str, str]:
    """The files of the project `name`, by file name; report.json has `accuracy` as it is. A `self_test` adds a program.

    `module` went through `plan-memory`. With `arena="caller"` the project has no memory of its own, with `int8_io` its
    header converts no real numbers. Raises ValueError when the module is not planned, its plan does not hold, or a call
    does not fit the prototype in the headers of `platform`.
    """
    check_network_name(name)
    planned = planned_function(module)
    if planned is None:
        raise ValueError("the module's memory is not planned: run plan-memory first")
    certify_plan(planned)
    header = read_headers(*platform.headers)
    prototypes = {op.C_FUNCTION: check_call(op, header) for op in planned.kernels}
    constants = constants_of(module)
    facts: dict[str, Any] = report(module, planned, name, constants)
    facts["accuracy"] = accuracy
    converting = "" if int8_io else conversions(name, facts, converts_as_tflite(module))
    globals = [op for op in module.ops if isinstance(op, GlobalOp)]
    check_identifiers(f"{name}_{op.sym_name.data}" for op in globals)  # as they are printed
    check_identifiers(
        place["name"] for key in ("memories", "inputs", "outputs") for place in facts[key]
    )

    source = StringIO()
    printer = CPrinter(source, name=name, status=platform.status)
    headers = sorted({op.HEADER for op in planned.kernels})
    source.write(text.source_head(name, headers, facts, arena))
    printer.print_function(planned, prototypes)

    weights = StringIO()
    weights.write(text.weights_head(name))
    printer = CPrinter(weights, name=name)
    for op in globals:
        printer.print_global(op)

    files = {
        f"{name}.h": text.public_header(
            name, facts, arena, parameters(planned), converting, platform.status
        ),
        f"{name}.c": source.getvalue(),
        f"{name}_weights.h": text.weights_header(
            name, [printer.declaration(op) for op in globals], facts
        ),
        f"{name}_weights.c": weights.getvalue(),
    }
    runtime = runtime_files(planned, runtime_dir())
    if platform.library is not None:
        runtime |= platform.library([*files.values(), *runtime.values()])
    sources, shared = ([file for file in part if file.endswith(".c")] for part in (files, runtime))
    files |= runtime
    files |= platform.build_files(name, facts["target"], sources, shared)
    if self_test is not None:
        files |= self_test_files(name, facts, arena, self_test)
    digests = {file: digest(content) for file, content in sorted(files.items())}
    files[MANIFEST] = json.dumps({**facts, "files": digests}, indent=2) + "\n"
    return files


def runtime_files(planned: PlannedFunction, runtime: Path) -> dict[str, str]:
    """The sources of the runtime's functions that are called or passed, of those that they call, and the headers they include."""
    calls = [op for op in planned.kernels if isinstance(op, RuntimeOp)]
    wanted = sorted({f"{name}.c" for op in calls for name in (op.C_FUNCTION, *op.callbacks())})
    files: dict[str, str] = {}
    while wanted:
        file = wanted.pop(0)
        folder = runtime / ("src" if (runtime / "src" / file).is_file() else "include")
        if file in files or not (folder / file).is_file():
            continue
        text = (folder / file).read_text(encoding="utf-8")
        wanted += re.findall(r'^ *#include "(\w+\.h)"', text, flags=re.MULTILINE)
        if file.endswith(".c"):
            wanted += [f"{name}.c" for name in re.findall(r"\b(sparsec_\w+)\(", text)]
            text = shareable(text, Path(file).stem)
        files[file] = text
    return files


def shareable(text: str, function: str) -> str:
    """The source of a function of the runtime that two networks of one program may both bring: one of them is linked."""
    head, end, rest = text.partition("*/\n")
    return f"{head}{end}\n#pragma weak {function}\n{rest}"
