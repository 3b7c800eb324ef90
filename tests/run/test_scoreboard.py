# SPDX-License-Identifier: Apache-2.0
"""The rules of estimated cycles on small blocks, each worked out by hand; and how instructions are read."""

import pytest

from sparsec.run.profile.operation import FLAGS, Operation, decode
from sparsec.run.profile.scoreboard import block_cycles
from sparsec.targets.timing import TIMINGS


def code(text: str) -> list[Operation]:
    """Instructions separated by semicolons."""
    return [decode(*(line.strip().partition(" ")[::2])) for line in text.split(";") if line.strip()]


def cycles(core: str, text: str, before: str = "nop", taken: bool = False) -> int:
    return block_cycles(TIMINGS[f"cortex-{core}"], code(before), code(text), taken)


M4 = [
    ("add r0, r1, r2; mul r3, r4, r5; smlad r6, r7, r8, r9; smlal r0, r1, r2, r3", 4),
    ("ldr r0, [r1, #0]", 2),
    ("ldr r0, [r1, #0]; ldr r2, [r3, r4]; ldrsb.w r5, [r6], #1", 4),
    ("ldr r0, [r1, #0]; ldr r2, [r0, #0]", 4),
    ("ldr r0, [r1], #4; ldr r2, [r1], #4", 3),
    ("str r0, [r1, #4]; strb r0, [r1, r2]", 3),
    ("ldrd r0, r1, [r2]; strd r0, r1, [r2, #8]", 6),
    ("ldmia.w r0!, {r1, r2, r3}; push {r4-r7, lr}; pop {r4, r5}", 4 + 6 + 3),
    ("add r0, r1, r2; ldr r3, [r0, #0]", 4),
    ("add r0, r1, r2; mov r4, r5; ldr r3, [r0, #0]", 4),
    ("sdiv r0, r1, r2", 7),
    ("vldr s0, [r1]; vmla.f32 s1, s2, s3", 5),
]


@pytest.mark.parametrize(("text", "expected"), M4)
@pytest.mark.parametrize("core", ["m4", "m33"])
def test_m4(core: str, text: str, expected: int) -> None:
    assert cycles(core, text) == expected


def test_m4_branches() -> None:
    assert cycles("m4", "nop", before="bne.n 400", taken=False) == 1
    assert cycles("m4", "nop", before="bne.n 400 <loop>", taken=True) == 3
    assert cycles("m4", "nop", before="bx lr", taken=True) == 4
    assert cycles("m4", "nop", before="pop {r4, pc}", taken=True) == 4


def test_m4_remembers_the_block_before() -> None:
    assert cycles("m4", "ldr r0, [r1, #0]", before="ldr r2, [r3, #0]") == 1


def test_m3_multiplies_long_slowly() -> None:
    assert cycles("m3", "mul r0, r1, r2; smlal r0, r1, r2, r3") == 6


def test_m0plus() -> None:
    assert cycles("m0plus", "ldr r0, [r1, #0]; ldr r2, [r1, #4]; str r0, [r1, #8]") == 6
    assert cycles("m0plus", "nop", before="b.n 400", taken=True) == 2


M7 = [
    ("add r0, r1, r2; add r3, r4, r5; add r6, r7, r8; add r9, sl, fp", 2),
    ("add r0, r1, r2; add r3, r0, r5", 2),
    # Loads: two to different banks only, results in the cycle after the next.
    ("ldr r0, [r1, #0]; ldr r2, [r1, #4]", 1),
    ("ldr r0, [r1, #0]; ldr r2, [r1, #8]", 2),
    ("ldr r0, [r1, #0]; ldr r2, [r3, #4]", 2),
    ("ldr r0, [r1, #0]; add r2, r0, r3", 3),
    # One multiplication at a time; one into the sum of another follows at once, other uses wait.
    ("mul r0, r1, r2; mul r3, r4, r5", 2),
    ("smlad r0, r1, r2, r0; smlad r0, r3, r4, r0; smlad r0, r5, r6, r0", 3),
    ("smlad r0, r1, r2, r0; add r3, r0, r4", 3),
    ("smlad r0, r1, r2, r0; ldr r3, [r4, #0]", 1),
    ("smlad r0, r1, r2, r0; str r3, [r4, #0]", 2),
    ("str r0, [r1, #0]; str r2, [r1, #4]", 2),
    # One shift at a time.
    ("add r0, r1, r2, lsl #2; add r3, r4, r5, lsl #2", 2),
    ("add r0, r1, r2, lsl #2; add r3, r4, r5", 1),
    # Several registers go alone.
    ("add r0, r1, r2; ldrd r3, r4, [r5]; add r6, r7, r8", 4),
    ("subs r0, #1; bne.n 400", 1),
]


@pytest.mark.parametrize(("text", "expected"), M7)
def test_m7(text: str, expected: int) -> None:
    assert cycles("m7", text, before="b.n 400", taken=True) == expected


def test_m7_pairs_across_blocks_unless_a_branch_is_taken() -> None:
    text = "add r0, r1, r2"
    assert cycles("m7", text, before="add r3, r4, r5") == 0
    assert cycles("m7", text, before="add r3, r4, r5", taken=True) == 1


M55 = [
    # Pipes overlap: a load and a multiplication in two cycles, two loads in four.
    ("vldrb.u8 q0, [r0], #16; vmladava.s8 r2, q0, q1; nop", 3),
    ("vldrb.u8 q0, [r0], #16; vldrb.u8 q1, [r1], #16; nop", 4),
    ("vldrb.u8 q0, [r0], #16; vmladava.s8 r2, q0, q1; vldrb.u8 q3, [r0], #16; nop", 4),
    ("vmladava.s8 r2, q0, q1; vmladava.s8 r2, q3, q1; nop", 4),
    ("vmladava.s8 r2, q0, q1; add r3, r2, #1", 4),
    ("vadd.i32 q0, q1, q2; vmul.i32 q3, q4, q5; vstrw.32 q6, [r0, #0]", 3),
    # A gather takes half a cycle for each element, and one more.
    ("vldrb.u8 q0, [r0, q1]; nop", 10),
    ("vldrw.u32 q0, [r0, q1, uxtw #2]; nop", 4),
    # It waits for offsets that have just been loaded, not for those loaded an instruction earlier.
    ("vldrw.u32 q1, [r1], #16; vldrw.u32 q0, [r0, q1, uxtw #2]; nop", 8),
    ("vldrw.u32 q1, [r1], #16; vldrw.u32 q2, [r2], #16; vldrw.u32 q0, [r0, q1, uxtw #2]; nop", 8),
    ("ldr r0, [r1, #0]; add r2, r0, #1", 3),
    ("add r0, r1, r2; le lr, 400 <loop>", 1),
]


@pytest.mark.parametrize(("text", "expected"), M55)
def test_m55(text: str, expected: int) -> None:
    assert cycles("m55", text) == expected


def test_m55_loops_for_nothing() -> None:
    assert cycles("m55", "nop", before="letp lr, 400 <loop>", taken=True) == 1
    assert cycles("m55", "nop", before="b.n 400 <loop>", taken=True) == 3


def registers(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("movle r3, r0", Operation("alu", registers("r3"), registers("r0", FLAGS))),
        ("lsls r3, r0, #2", Operation("alu", registers("r3", FLAGS), registers("r0"))),
        ("cmp.w ip, #0 @ 0x0", Operation("alu", registers(FLAGS), registers("r12"))),
        ("ble.w 400 <bx_lr>", Operation("branch", reads=registers(FLAGS))),
        ("bl 400 <f>", Operation("branch", registers("lr"))),
        (
            "smlalbb r0, r1, r2, r3",
            Operation(
                "long multiply",
                registers("r0", "r1"),
                registers("r2", "r3"),
                accumulator=registers("r0", "r1"),
            ),
        ),
        (
            "mla r0, r1, r2, r3",
            Operation(
                "multiply", registers("r0"), registers("r1", "r2"), accumulator=registers("r3")
            ),
        ),
        (
            "ldrsb.w r1, [r2, #4]!",
            Operation(
                "load", registers("r1", "r2"), address=registers("r2"), transfers=1, offset=4
            ),
        ),
        (
            "strd r0, r1, [sp, #-8]!",
            Operation(
                "several",
                registers("sp"),
                registers("r0", "r1"),
                registers("sp"),
                transfers=2,
                offset=-8,
            ),
        ),
        (
            "vpush {d8-d13}",
            Operation(
                "several",
                registers("sp"),
                registers("q4", "q5", "q6"),
                registers("sp"),
                transfers=12,
            ),
        ),
        (
            "vmov.32 lr, d10[1]",
            Operation("vector integer", registers("lr"), registers("q5")),
        ),
        (
            "vstrbt.8 q7, [r3], #16",
            Operation("vector store", registers("r3"), registers("q7"), registers("r3")),
        ),
    ],
)
def test_decode(line: str, expected: Operation) -> None:
    assert code(line) == [expected]
