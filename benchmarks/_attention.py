# SPDX-License-Identifier: Apache-2.0
"""Attention by one call of `sparsec_attention_s8` next to what CMSIS-NN has for it, call by call: exact instructions on QEMU.

The baseline is given what it cannot read as it lies: heads apart from each other, and values transposed, both in flash and not
counted. Its scores are those of all heads at once, as three layers of a network have them.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Figure, step
from sparsec.calibration.image import KernelImage
from sparsec.ir import rt
from sparsec.quantization.attention import Attention
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.softmax import exponentials, softmax_params
from sparsec.run.cmsis_nn import locate
from sparsec.run.errors import ToolchainError
from sparsec.run.execute import run_project
from sparsec.run.profile.profile import Cost
from sparsec.run.toolchain import CLANG, GCC, Cc
from sparsec.targets import scratch
from sparsec.targets.cpu import cpu_named

CORES = ("cortex-m4", "cortex-m55")
SPEEDUP = 2.0
MEMORY = 5.0
SEED = 3

HEADS, TOKENS, WIDTH = 4, 64, 16
SCORE_SCALE = 0.05
SCORES = MatmulParams(0, 0, *quantize_multiplier(2.0**-10), 0)
VALUES = MatmulParams(-128, 0, *quantize_multiplier(0.004), 0)
PLACE = (0, 0, WIDTH, HEADS * WIDTH)
"""Heads side by side in rows of tokens."""
OVER = Attention(1, HEADS, TOKENS, TOKENS, WIDTH, WIDTH, PLACE, PLACE, PLACE, PLACE)
SCORE_BYTES = HEADS * TOKENS * TOKENS

Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class Row:
    """Both ways on a core; `theirs` are instructions by the faster compiler, which is `compiler`."""

    core: str
    ours: Cost
    theirs: int
    compiler: str

    @property
    def scratch(self) -> int:
        """Bytes beside queries, keys, values and results."""
        return scratch.attention(cpu_named(self.core).vector_unit, OVER)

    @property
    def figures(self) -> Iterator[Figure]:
        """Instructions and memory."""
        what = f"attention 64 x 4 x 16 {self.core}: CMSIS-NN/ours"
        yield Figure(
            f"instructions {what}", self.theirs / self.ours.instructions, SPEEDUP, "x", "higher"
        )
        yield Figure(f"scores {what}", SCORE_BYTES / self.scratch, MEMORY, "x", "higher")
        one = (SCORE_BYTES // HEADS + TOKENS * WIDTH) / self.scratch
        yield Figure(f"scores and values of one head {what}", one, None, "x", "higher")


def tensors() -> tuple[Int8, Int8, Int8]:
    """Queries, keys and values [tokens, heads, width]."""
    rng = np.random.default_rng(SEED)
    q, k, v = (rng.integers(-128, 128, (TOKENS, HEADS, WIDTH)).astype(np.int8) for _ in range(3))
    return q, k, v


def by_ours(core: str) -> tuple[Cost, Int8]:
    """What it takes, and the results [tokens, heads, width]."""
    image = KernelImage()
    params = softmax_params(SCORE_SCALE)
    output = image.buffer((TOKENS * HEADS * WIDTH,))
    memory = image.scratch(scratch.attention(cpu_named(core).vector_unit, OVER))
    assert memory is not None
    q, k, v = (image.constant(each.reshape(-1)) for each in tensors())
    table = image.constant(exponentials(**params).astype(np.int32))
    call = rt.AttentionOp((q, k, v), table, output, memory, None, OVER, SCORES, VALUES)
    image.call(call, "attention")
    image.result(output)
    found, (result,) = image.measure(core)
    return found["attention"].cost, result.reshape(TOKENS, HEADS, WIDTH)


def by_cmsis(core: str, cc: Cc) -> tuple[int, Int8]:
    """Instructions of the calls by a compiler, and the results [tokens, heads, width]."""
    directory = locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        write_calls(Path(folder))
        unused = [np.zeros((1, 1), np.int8)]
        result = run_project(Path(folder), core, unused, cmsis_nn=directory, cc=cc)
    found = result.outputs[0][0].reshape(HEADS, TOKENS, WIDTH)
    assert result.instructions is not None
    return int(result.instructions[0]), found.transpose(1, 0, 2)


def write_calls(directory: Path) -> None:
    """A project of the calls: for each head a product, softmax of all, for each head a product."""
    q, k, v = (each.transpose(1, 0, 2) for each in tensors())
    p = softmax_params(SCORE_SCALE)
    arrays = {"q": q, "k": k, "v": v.transpose(0, 2, 1)}
    lines = [
        '#include "calls.h"',
        '#include "arm_nnfunctions.h"',
        '#include "arm_nnsupportfunctions.h"',
        *(f"static const int8_t {name}[] = {{{_numbers(x)}}};" for name, x in arrays.items()),
        *_factors("score", SCORES, TOKENS),
        *_factors("value", VALUES, WIDTH),
        "int calls_invoke(int8_t *arena) {",
        f"int8_t *scores = arena + {q.size};",
        f"for (int h = 0; h < {HEADS}; h++) arm_nn_mat_mult_nt_t_s8(q + h * {q[0].size}, "
        f"k + h * {k[0].size}, 0, scores + h * {TOKENS * TOKENS}, score_multiplier, score_shift, "
        f"{TOKENS}, {TOKENS}, {WIDTH}, 0, 0, -128, 127, {WIDTH});",
        f"arm_softmax_s8(scores, {HEADS * TOKENS}, {TOKENS}, {p['multiplier']}, {p['shift']}, "
        f"{p['diff_min']}, scores);",
        f"for (int h = 0; h < {HEADS}; h++) arm_nn_mat_mult_nt_t_s8(scores + h * {TOKENS * TOKENS}, "
        f"v + h * {v[0].size}, 0, arena + h * {q[0].size}, value_multiplier, value_shift, "
        f"{TOKENS}, {WIDTH}, {TOKENS}, 128, 0, -128, 127, {TOKENS});",
        "return 0; }",
    ]
    (directory / "calls.c").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / "calls.h").write_text(
        "#include <stdint.h>\nint calls_invoke(int8_t *arena);\n", encoding="utf-8"
    )
    report = {
        "name": "calls",
        "entry": "calls_invoke",
        "header": "calls.h",
        "arena_bytes": q.size + SCORE_BYTES,
        "inputs": [{"name": "unused", "offset": q.size, "bytes": 1}],
        "outputs": [{"name": "output", "offset": 0, "bytes": q.size}],
    }
    (directory / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _numbers(array: Int8) -> str:
    return ",".join(map(str, array.reshape(-1).tolist()))


def _factors(name: str, params: MatmulParams, count: int) -> list[str]:
    """Multipliers and shifts of all columns, as CMSIS-NN wants them."""
    numbers = {"multiplier": params.multiplier, "shift": params.shift}
    return [
        f"static int32_t {name}_{what}[] = {{{','.join([str(number)] * count)}}};"
        for what, number in numbers.items()
    ]


def attention_row(core: str) -> Row:
    """Measure `core`. AssertionError when a byte differs."""
    step(f"attention on {core}")
    ours, expected = by_ours(core)
    theirs: dict[str, int] = {}
    for cc in (GCC, CLANG):
        theirs[cc.name], found = by_cmsis(core, cc)
        assert np.array_equal(found, expected), f"attention by {cc.name} on {core} differs"
    fastest = min(theirs, key=lambda name: theirs[name])
    return Row(core, ours, theirs[fastest], fastest)
