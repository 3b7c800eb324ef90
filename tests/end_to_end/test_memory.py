# SPDX-License-Identifier: Apache-2.0
"""The checks of memory must be able to fail: a plan that is wrong is refused, a write outside is seen."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from xdsl.dialects import memref
from xdsl.ir import SSAValue

from sparsec.analysis.memory.memory_plan import certify_plan, planned_function
from sparsec.ir.views import memory_of
from sparsec.run import cmsis_nn
from sparsec.run.errors import RunError
from sparsec.run.execute import run_project
from sparsec.tools.emission import write_files
from tests.end_to_end.conftest import FindModel
from tests.end_to_end.road import compile_once, compile_to, extreme_and_random

EVERYWHERE = [
    pytest.param("host", False, id="host"),
    pytest.param("host", True, id="host-sanitized"),
    *(
        pytest.param(cpu, False, id=cpu, marks=pytest.mark.qemu)
        for cpu in ("cortex-m4", "cortex-m55")
    ),
]


@pytest.mark.parametrize(("cpu", "sanitize"), EVERYWHERE)
@pytest.mark.parametrize("missing", [0, 4, 16, 400])
def test_a_network_needs_its_whole_arena(
    missing: int, cpu: str, sanitize: bool, find_model: FindModel, tmp_path: Path
):
    """Told of `missing` bytes fewer, the harness puts its guards where the network writes. What lies last is scratch memory,
    which is rounded up to 4 bytes."""
    compiled = compile_once(find_model("mnist"), cpu)
    report = json.loads(compiled.files["report.json"])
    files = dict(compiled.files)
    report["memories"][0]["bytes"] -= missing
    files["report.json"] = json.dumps(report)
    write_files(files, tmp_path / "project")
    directory = cmsis_nn.locate()
    assert directory is not None
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=1)
    flat = [x.reshape(len(x), -1) for x in inputs]

    def run():
        run_project(
            tmp_path / "project",
            cpu,
            flat,
            cmsis_nn=directory,
            sanitize=sanitize,
            counting=False,
        )

    if missing == 0:
        run()
        return
    with pytest.raises(RunError, match="AddressSanitizer" if sanitize else "outside its arena"):
        run()


def views(values: Iterable[SSAValue]) -> list[memref.ViewOp]:
    """The views of the arena behind operands of a kernel; constants have none."""
    owners = [memory_of(value).owner for value in values]
    return [owner for owner in owners if isinstance(owner, memref.ViewOp)]


def test_an_output_on_top_of_its_input_is_refused(find_model: FindModel):
    compiled = compile_to(find_model("mnist"), "cortex-m4")
    planned = planned_function(compiled.compilation.module)
    assert planned is not None
    certify_plan(planned)
    refused = 0
    for kernel in planned.kernels:
        (target,) = views(kernel.written())[:1]
        for source in views(kernel.operands):
            if source is target:
                continue
            right = source.byte_shift
            source.operands[1] = target.byte_shift
            with pytest.raises(
                ValueError, match="overlap|no longer holds|does not lie|lies outside|not aligned"
            ):
                certify_plan(planned)
            source.operands[1] = right
            refused += 1
    certify_plan(planned)
    assert refused >= 7
