# SPDX-License-Identifier: Apache-2.0
"""The plan as data: lifetimes, what buffers are called, and the peak."""

from dataclasses import replace

import pytest
from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.analysis.memory.plan_view import PlannedBuffer, PlanView, peak_facts, plan_view
from sparsec.report.plan_text import plan_text
from tests.backends.lowering import parse
from tests.report.plans import ARENA, SMALL

PLANNED = """
func.func @main(%arena : memref<36xi8> {sparsec.inputs = [{offset = 0 : i64, type = memref<1x2x2x4xi8>}],
    sparsec.outputs = [{offset = 32 : i64, type = memref<1x1x1x4xi8>}]}) {
  %0 = arith.constant 0 : index
  %16 = arith.constant 16 : index
  %32 = arith.constant 32 : index
  %x = memref.view %arena[%0][] {sparsec.input = 0 : i64} : memref<36xi8> to memref<1x2x2x4xi8>
  %y = memref.view %arena[%32][] {sparsec.output = 0 : i64} : memref<36xi8> to memref<1x1x1x4xi8>
  %b = memref.view %arena[%16][] : memref<36xi8> to memref<1x2x2x4xi8>
  %s = memref.view %arena[%0][] : memref<36xi8> to memref<16xi8>
  rt.requantize_s8 %x <multiplier = 1073741824> into %b {layer = "stem"} : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s : memref<16xi8> {layer = "pool"} : memref<1x2x2x4xi8>, memref<1x1x1x4xi8>
  func.return
}
"""


def view(module: ModuleOp, bound: int) -> PlanView:
    planned = planned_function(module)
    assert planned is not None
    return plan_view(planned, bound)


def test_what_a_module_says() -> None:
    assert view(parse(PLANNED), 36) == PlanView(
        ("stem", "pool"),
        (
            PlannedBuffer("input", ARENA, 0, 16, 0, 0, "input", (0,), ()),
            PlannedBuffer("output", ARENA, 32, 4, 1, 1, "output", (), (1,)),
            PlannedBuffer("stem", ARENA, 16, 16, 0, 1, "activation", (1,), (0,)),
            PlannedBuffer("pool scratch", ARENA, 0, 16, 1, 1, "scratch", (), (1,)),
        ),
        {ARENA: 36},
        36,
        "optimal",
    )
    assert view(parse(PLANNED), 35).status == "feasible"


def test_several_memories_beside_the_callers() -> None:
    """The input is the caller's and so no part of the plan; each memory has a bound of its own."""
    module = parse("""
func.func @main(%fast : memref<20xi8> {sparsec.memory = "fast", sparsec.capacity = 20 : i64, sparsec.lower_bound = 20 : i64,
    sparsec.inputs = [{offset = 0 : i64, type = memref<1x2x2x4xi8>, memory = "input"}],
    sparsec.outputs = [{offset = 16 : i64, type = memref<1x1x1x4xi8>, memory = "fast"}]},
    %slow : memref<20xi8> {sparsec.memory = "slow", sparsec.capacity = 99 : i64, sparsec.lower_bound = 16 : i64},
    %input : memref<16xi8> {sparsec.memory = "input", sparsec.caller = "input"}) {
  %0 = arith.constant 0 : index
  %16 = arith.constant 16 : index
  %x = memref.view %input[%0][] {sparsec.input = 0 : i64} : memref<16xi8> to memref<1x2x2x4xi8>
  %y = memref.view %fast[%16][] {sparsec.output = 0 : i64} : memref<20xi8> to memref<1x1x1x4xi8>
  %b = memref.view %fast[%0][] : memref<20xi8> to memref<1x2x2x4xi8>
  %s = memref.view %slow[%0][] : memref<20xi8> to memref<16xi8>
  rt.requantize_s8 %x <multiplier = 1073741824> into %b {layer = "stem"} : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s : memref<16xi8> {layer = "pool"} : memref<1x2x2x4xi8>, memref<1x1x1x4xi8>
  func.return
}
""")
    plan = view(module, 36)
    assert [(each.name, each.memory) for each in plan.buffers] == [
        ("output", "fast"),
        ("stem", "fast"),
        ("pool scratch", "slow"),
    ]
    assert plan.memories == {"fast": 20, "slow": 20}
    assert (plan.bound_of("slow"), plan.status_of("fast"), plan.status_of("slow")) == (
        16,
        "optimal",
        "feasible",
    )
    text = plan_text(plan, "title")
    assert (
        "fast  20 B, optimal: no plan needs less\nslow  20 B, feasible: no plan needs less than 16 B\n"
        in text
    )


def test_layers_of_one_name() -> None:
    chained = PLANNED.replace(
        "  func.return",
        """  %c = memref.view %arena[%0][] : memref<36xi8> to memref<1x2x2x4xi8>
  rt.requantize_s8 %b <multiplier = 1073741824> into %c {layer = "stem"} : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  func.return""",
    )
    assert [each.name for each in view(parse(chained), 36).buffers][-1] == "stem#2"


def test_control_characters_are_not_passed_on() -> None:
    strange = view(parse(PLANNED.replace('"pool"', '"a\\1B[31m\\0Ab"')), 36)
    assert strange.calls == ("stem", "a?[31m?b")
    assert strange.buffers[-1].name == "a?[31m?b scratch"


def test_the_peak() -> None:
    peak = SMALL.peak(ARENA)
    assert peak is not None
    assert (peak.layer, peak.call, peak.bytes, peak.shared) == ("block/dw", 1, 4800, 0)
    assert peak.sum == "4,800 B = input 2,400 + output 2,400"
    assert SMALL.peaks == (peak,)
    assert SMALL.peak("dtcm") is None


def test_shared_bytes_count_once() -> None:
    """The sum of the block is written over one of its inputs; the stem over the end of its input."""
    assert [SMALL.live_bytes(ARENA, call) for call in range(4)] == [3208, 4800, 4800, 3010]
    input, stem, *_ = SMALL.buffers
    alone = replace(SMALL, calls=("stem",), buffers=(input, replace(stem, last=0)))
    peak = alone.peak(ARENA)
    assert peak is not None
    assert peak.sum == "3,200 B = output 2,400 + input 1,200 - 400 shared"
    assert peak_facts(peak) == {
        "memory": ARENA,
        "layer": "stem",
        "bytes": 3200,
        "shared_bytes": 400,
        "buffers": [
            {"name": "stem/Conv", "kind": "activation", "role": "output", "bytes": 2400},
            {"name": "input", "kind": "input", "role": "input", "bytes": 1200},
        ],
    }


def test_what_waits_has_its_name() -> None:
    _, stem, *_ = SMALL.buffers
    waits = replace(stem, reads=(2,))
    assert [waits.role(call) for call in range(3)] == ["output", "stem/Conv", "input"]


def test_without_calls() -> None:
    empty = PlanView((), (), {ARENA: 0}, 0, "optimal")
    assert empty.peaks == ()


@pytest.mark.parametrize(("memory", "bytes"), [("dtcm", 1200), (ARENA, 4800)])
def test_each_memory_has_its_peak(memory: str, bytes: int) -> None:
    first, *others = SMALL.buffers
    plan = replace(
        SMALL,
        buffers=(replace(first, memory="dtcm"), *others),
        memories={"dtcm": 2048, ARENA: 5600},
    )
    peak = plan.peak(memory)
    assert peak is not None and peak.bytes == bytes
    assert [each.bytes for each in plan.peaks] == [4800, 1200]
