"""Instructions of the sparse fully connected kernels next to dense CMSIS-NN on QEMU, and the bytes of their weights.

The layers are kernels.md's: random weights of magnitude 12 to 127, per-tensor multiplier and shift (all that
`arm_fully_connected_s8` knows), and every output is compared with the numpy oracle.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Figure, step
from sparsec.formats.fc_layouts import (
    FULL_CLAMP,
    ColumnBlockLayout,
    DenseLayout,
    FcLayout,
    RowBlockLayout,
    RowNumbers,
    TableLayout,
    is_saturating,
    pack_proven,
)
from sparsec.quantization import int8
from sparsec.run import cmsis_nn
from sparsec.run.errors import ToolchainError
from sparsec.run.execute import run_project
from sparsec.targets.runtime import runtime_dir

Pattern: TypeAlias = Literal["un", "4x1", "1x4"]

WORKLOADS: dict[str, tuple[int, int]] = {"W5": (256, 256), "W6": (128, 640)}
"""(outputs, inputs) of a layer."""

LAYOUTS: dict[str, FcLayout] = {
    "table": TableLayout(),
    "4x1": ColumnBlockLayout(),
    "4x1_w16": ColumnBlockLayout(weight_bytes=2),
    "1x4": RowBlockLayout(),
    "dense": DenseLayout(),
}
BLOCKS: dict[Pattern, tuple[int, int]] = {"un": (1, 1), "4x1": (4, 1), "1x4": (1, 4)}

CASES: tuple[tuple[Pattern, str, float, float | None], ...] = (
    ("un", "dense", 0.0, 1.5),
    ("un", "table", 0.50, None),
    ("un", "table", 0.70, None),
    ("un", "table", 0.90, 4.2),
    ("un", "table", 0.95, 7.0),
    ("4x1", "4x1", 0.75, 3.6),
    ("4x1", "4x1", 0.90, 8.2),
    ("4x1", "4x1_w16", 0.75, 4.6),
    ("4x1", "4x1_w16", 0.90, 10.3),
    ("1x4", "1x4", 0.50, None),
    ("1x4", "1x4", 0.75, 2.94),
    ("1x4", "1x4", 0.90, 6.25),
)
"""Pattern, kernel, share of zeros, and how many times fewer instructions than CMSIS-NN are wanted on a Cortex-M4."""

INPUT_ZP, OUTPUT_ZP, SHIFT = -3, -2, -9
SEED = 5


@dataclass(frozen=True)
class FullyConnectedRow:
    """One layer by one kernel; instructions of one inference. `weight_bytes` are those of weights and their places:
    bias, multiplier and shift take the 12 bytes an output that they take in a dense layer."""

    workload: str
    core: str
    pattern: Pattern
    kernel: str
    sparsity: float
    nonzero: int
    dense: int
    ours: int
    weight_bytes: int
    target: float | None

    @property
    def ratio(self) -> float:
        """Dense CMSIS-NN in terms of ours."""
        return self.dense / self.ours

    @property
    def bytes_per_nonzero(self) -> float:
        """Flash of the weights by their number."""
        return self.weight_bytes / self.nonzero

    @property
    def figure(self) -> Figure:
        """The ratio and its target, as a benchmark publishes them."""
        what = f"instructions fc {self.workload} {self.core} {self.pattern} {self.sparsity:.0%} {self.kernel}: CMSIS-NN/ours"
        return Figure(what, self.ratio, self.target, "x", "higher")


@dataclass(frozen=True)
class Layer:
    """A fully connected layer with one scale."""

    input: NDArray[np.int8]
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: int

    @property
    def numbers(self) -> RowNumbers:
        """What the sparse kernels take, the input offset folded in."""
        sums = self.weights.astype(np.int64).sum(axis=1)
        rows = len(self.weights)
        return RowNumbers(
            (self.bias - INPUT_ZP * sums).astype(np.int32),
            np.full(rows, self.multiplier, np.int32),
            np.full(rows, SHIFT, np.int32),
        )

    def output(self) -> NDArray[np.int8]:
        """The numpy oracle's."""
        return int8.fully_connected(
            self.input[np.newaxis],
            self.weights,
            self.bias,
            input_zp=INPUT_ZP,
            output_zp=OUTPUT_ZP,
            multiplier=self.multiplier,
            shift=SHIFT,
        )[0]


def fully_connected_rows(core: str = "cortex-m4") -> list[FullyConnectedRow]:
    """Every case of both workloads. AssertionError when a byte differs."""
    rows: list[FullyConnectedRow] = []
    for workload, shape in WORKLOADS.items():
        dense = dense_instructions(shape, core)
        for pattern, kernel, sparsity, target in CASES:
            step(f"{workload} {pattern} {sparsity:.0%} by {kernel} on {core}")
            layer = random_layer(shape, BLOCKS[pattern], sparsity)
            arrays = pack_proven(LAYOUTS[kernel], layer.weights, layer.numbers)
            nonzero = int(np.count_nonzero(layer.weights))
            stored = sum(array.nbytes for name, array in arrays.items() if name != "rows")
            ours = instructions(layer, sparse_call(layer, kernel, list(arrays.values())), core)
            wanted = target if core == "cortex-m4" else None
            rows.append(
                FullyConnectedRow(
                    *(workload, core, pattern, kernel, sparsity),
                    *(nonzero, dense, ours, stored, wanted),
                )
            )
    return rows


def random_layer(shape: tuple[int, int], block: tuple[int, int], sparsity: float) -> Layer:
    """`sparsity` is the share of blocks that are zero, exact to one block."""
    rng = np.random.default_rng(SEED)
    outputs, inputs = shape
    count = outputs // block[0] * (inputs // block[1])
    kept = rng.permutation(count) >= round(sparsity * count)
    mask = np.kron(kept.reshape(outputs // block[0], -1), np.ones(block, bool))
    weights = rng.integers(12, 128, shape) * rng.choice([-1, 1], shape) * mask
    return Layer(
        rng.integers(-128, 128, inputs).astype(np.int8),
        weights.astype(np.int8),
        rng.integers(-2000, 2000, outputs).astype(np.int32),
        int(rng.integers(2**30, 2**31)),
    )


@cache
def dense_instructions(shape: tuple[int, int], core: str) -> int:
    """Of `arm_fully_connected_s8`; they do not depend on the weights."""
    step(f"CMSIS-NN {shape[1]}->{shape[0]} on {core}")
    layer = random_layer(shape, (1, 1), 0.0)
    outputs, inputs = shape
    sums = layer.weights.sum(axis=1, dtype=np.int32)
    # Helium code reads the sums of the weights; other code ignores the buffer.
    statement = (
        "(void)arm_fully_connected_s8(&(cmsis_nn_context){(void *)sums, sizeof sums}, "
        f"{PARAMS}, &(cmsis_nn_per_tensor_quant_params){{{layer.multiplier}, {SHIFT}}}, "
        f"{dims(inputs)}, input, {dims(outputs, inputs)}, weights, {dims(outputs)}, bias, {dims(outputs)}, arena);"
    )
    arrays = {"sums": sums, "weights": layer.weights, "bias": layer.bias}
    return instructions(layer, (statement, arrays), core)


Call: TypeAlias = tuple[str, dict[str, NDArray[Any]]]
"""A C statement and the arrays it names."""

PARAMS = f"&(cmsis_nn_fc_params){{{-INPUT_ZP}, 0, {OUTPUT_ZP}, {{-128, 127}}}}"


def dims(channels: int, n: int = 1) -> str:
    """CMSIS-NN's shape of a vector, or of a matrix with `n` columns."""
    return f"&(cmsis_nn_dims){{{n}, 1, 1, {channels}}}"


def sparse_call(layer: Layer, kernel: str, arrays: list[NDArray[Any]]) -> Call:
    """The call of one of our kernels."""
    outputs, inputs = layer.weights.shape
    saturating = int(is_saturating(layer.weights, layer.numbers, FULL_CLAMP))
    named = {f"array{number}": array for number, array in enumerate(arrays)}
    statement = (
        f"sparsec_fully_connected_{kernel}_s8({PARAMS}, {saturating}, input, {dims(outputs, inputs)}, "
        f"{', '.join(named)}, {dims(outputs)}, arena);"
    )
    return statement, named


def instructions(layer: Layer, call: Call, core: str) -> int:
    """Run the call on QEMU. AssertionError when it gives other bytes than the oracle."""
    cmsis = cmsis_nn.locate()
    if cmsis is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        write_project(Path(folder), layer, call)
        result = run_project(Path(folder), core, [np.zeros((1, 1), np.int8)], cmsis_nn=cmsis)
    np.testing.assert_array_equal(result.outputs[0][0], layer.output())
    assert result.instructions is not None
    return int(result.instructions[0])


def write_project(directory: Path, layer: Layer, call: Call) -> None:
    """A project of the one call: its outputs are the arena, which ends with an unused input byte."""
    runtime = runtime_dir()
    kernels = ("src/*.h", "src/sparsec_fully_connected*.c", "include/*.h")
    for path in (path for pattern in kernels for path in runtime.glob(pattern)):
        shutil.copy(path, directory)
    statement, arrays = call
    constants = "".join(
        f"static const {array.dtype}_t {name}[] = {{{','.join(map(str, array.ravel().tolist()))}}};\n"
        for name, array in {"input": layer.input, **arrays}.items()
    )
    outputs = len(layer.bias)
    (directory / "layer.h").write_text("#include <stdint.h>\nint layer_invoke(int8_t *arena);\n")
    (directory / "layer.c").write_text(
        '#include "layer.h"\n#include "arm_nnfunctions.h"\n#include "sparsec.h"\n'
        f"{constants}int layer_invoke(int8_t *arena) {{ {statement} return 0; }}\n"
    )
    report = {
        "name": "layer",
        "entry": "layer_invoke",
        "header": "layer.h",
        "arena_bytes": outputs + 16,
        "inputs": [{"name": "unused", "offset": outputs, "bytes": 1}],
        "outputs": [{"name": "output", "offset": 0, "bytes": outputs}],
    }
    (directory / "report.json").write_text(json.dumps(report))
