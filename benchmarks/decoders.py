"""What decoding a compact format to `delta8` takes on Cortex-M4: instructions for each weight that is not zero.

    make bench-decoders            or        python -m benchmarks.decoders

The weights are those of four layers, W1 to W4, at random places. Every decoded byte is compared.
"""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._kernel_cases import KernelCases
from benchmarks._layer_calls import decoder_numbers
from benchmarks._results import Figure, publish, step
from sparsec.formats import Bitmap, Block, BlockRle, Csr, Dcsr, Delta4, Delta8, SparseFormat
from sparsec.ir.rt.decode import decoder_of
from sparsec.run.errors import RunError
from sparsec.tools.console import print_table
from sparsec.tools.errors import UserError

CORE = "cortex-m4"
SEED = 1
LAYERS = {"W1": (64, 64), "W2": (128, 128), "W3": (256, 256), "W4": (64, 576)}
"""Rows and columns."""

SPARSITIES = (0.5, 0.8, 0.9, 0.95)
TARGETS: dict[str, tuple[float, ...]] = {
    "delta4": (11.5, 11.5, 15.0, 22.0),
    "bitmap": (12.6, 12.6, 15.0, 17.0),
}
"""Instructions for each weight by sparsity, those of all layers together."""

FORMATS: tuple[SparseFormat, ...] = (
    *(Delta4(), Bitmap(), Csr(), Dcsr(), BlockRle(1), Block(1, 4), Block(4, 1)),
)


@dataclass(frozen=True)
class Row:
    """A format at one sparsity: the weights and instructions of each layer."""

    encoding: SparseFormat
    sparsity: float
    weights: tuple[int, ...]
    instructions: tuple[int, ...]

    @property
    def per_weight(self) -> float:
        """Of all layers together."""
        return sum(self.instructions) / sum(self.weights)


def random_matrix(
    encoding: SparseFormat, shape: tuple[int, int], sparsity: float
) -> NDArray[np.int8]:
    """Weights whose zeros are whole blocks for a format of blocks."""
    rng = np.random.default_rng(SEED)
    block = (encoding.rows, encoding.columns) if isinstance(encoding, Block) else (1, 1)
    blocks = rng.random((shape[0] // block[0], shape[1] // block[1])) >= sparsity
    weights = rng.integers(1, 128, shape) * np.kron(blocks, np.ones(block, np.int64))
    return weights.astype(np.int8)


def measure(encoding: SparseFormat) -> list[Row]:
    """A format at every sparsity. AssertionError when a byte differs."""
    step(f"{encoding.label} on {CORE}")
    decoder = decoder_of(encoding)
    assert decoder is not None
    cases = KernelCases()
    expected: list[NDArray[np.uint8]] = []
    weights: list[int] = []
    for sparsity in SPARSITIES:
        for shape in LAYERS.values():
            dense = random_matrix(encoding, shape, sparsity)
            arrays, delta8 = encoding.pack(dense), Delta8().pack(dense)
            arguments = [
                *map(str, decoder_numbers(encoding, shape, arrays)),
                *(cases.array(array) for array in arrays.values()),
                f"(uint8_t *)output + {delta8['counts'].nbytes}",
                "(uint16_t *)(void *)output",
            ]
            result = np.concatenate([delta8["counts"].view(np.uint8), delta8["entries"]])
            cases.call(f"{decoder.C_FUNCTION}({', '.join(arguments)});", len(result))
            expected.append(result)
            weights.append(int(np.count_nonzero(dense)))
    measured = cases.measure(CORE)
    for wanted, call in zip(expected, measured, strict=True):
        assert np.array_equal(call.output.view(np.uint8), wanted), "decoded bytes differ"
    instructions = [call.instructions for call in measured]
    count = len(LAYERS)
    return [
        Row(
            encoding,
            sparsity,
            tuple(weights[i * count : (i + 1) * count]),
            tuple(instructions[i * count : (i + 1) * count]),
        )
        for i, sparsity in enumerate(SPARSITIES)
    ]


def figures_of(rows: list[Row]) -> list[Figure]:
    """One for each row."""
    return [
        Figure(
            f"decode {row.encoding.label} {row.sparsity:.0%}",
            row.per_weight,
            TARGETS[row.encoding.name][SPARSITIES.index(row.sparsity)]
            if row.encoding.name in TARGETS
            else None,
            "instructions/weight",
            "lower",
        )
        for row in rows
    ]


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    rows = [row for encoding in FORMATS for row in measure(encoding)]
    print_table(
        f"instructions for each weight that is not zero on {CORE}",
        ("format", "zeros", *LAYERS),
        [
            (
                row.encoding.label,
                f"{row.sparsity:.0%}",
                *(f"{n / w:.1f}" for n, w in zip(row.instructions, row.weights, strict=True)),
            )
            for row in rows
        ],
    )
    return publish("decoders", figures_of(rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
