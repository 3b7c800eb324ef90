# SPDX-License-Identifier: Apache-2.0
"""The memory plan as text."""

from dataclasses import replace

from sparsec.analysis.memory.plan_view import PlanView
from sparsec.report.plan_text import plan_text
from tests.report.plans import ARENA, SMALL


def test_golden() -> None:
    assert plan_text(SMALL, "memory plan of small") == GOLDEN


def test_several_memories() -> None:
    first, *others = SMALL.buffers
    plan = replace(
        SMALL,
        buffers=(replace(first, memory="dtcm"), *others),
        memories={"dtcm": 2048, ARENA: 5600},
    )
    text = plan_text(plan, "title")
    assert "dtcm: a column is 32 B" in text
    assert f"{ARENA}: a column is 87.5 B" in text
    assert "peak   stem/Conv: 1,200 B = input 1,200\n" in text


def test_nothing_to_show() -> None:
    text = plan_text(PlanView((), (), {ARENA: 0}, 0, "optimal"), "title")
    assert text.startswith("title\narena  0 B, optimal: no plan needs less\n\ncall  layer")


GOLDEN = """\
memory plan of small
arena  5,600 B, feasible: no plan needs less than 4,800 B
peak   block/dw: 4,800 B = input 2,400 + output 2,400

call  layer        in use B  arena: a column is 87.5 B, * two buffers
   0  stem/Conv       3,208  aaaaaaaaa*****bbbbbbbbbbbbbbbbbbbbbbc...........................
   1  block/dw        4,800  .........bbbbbbbbbbbbbbbbbbbbbbbbbbbdddddddddddddddddddddddddddd  <- peak
   2  block/add       4,800  .........bbbbbbbbbbbbbbbbbbbbbbbbbbb****************************
   3  head & <fc>     3,010  ffffffg.............................eeeeeeeeeeeeeeeeeeeeeeeeeeee

   buffer               kind        memory  offset  bytes  calls
a  input                input       arena        0  1,200  0
b  stem/Conv            activation  arena      800  2,400  0-2
c  stem/Conv scratch    scratch     arena    3,200      8  0
d  block/dw             activation  arena    3,200  2,400  1-2
e  block/add            activation  arena    3,200  2,400  2-3
f  head & <fc> weights  weights     arena        0    600  3
g  output               output      arena      600     10  3
"""
