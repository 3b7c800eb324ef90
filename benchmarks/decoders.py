# SPDX-License-Identifier: Apache-2.0
"""What decoding a compact format to `delta8` takes on Cortex-M4: instructions for each weight that is not zero.

    make bench-decoders            or        python -m benchmarks.decoders

The weights are those of four layers, W1 to W4, at random places. What a layer gives with them is compared.
"""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Figure, publish, step
from sparsec.calibration.image import KernelImage
from sparsec.formats import Bitmap, Block, BlockRle, Csr, Dcsr, Delta4, Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.rt.decode import decoder_of
from sparsec.quantization import int8
from sparsec.quantization.params import Requant
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
    """A format at every sparsity. AssertionError when a layer that multiplies by what was decoded gives another byte."""
    step(f"{encoding.label} on {CORE}")
    image = KernelImage()
    matrices = {
        f"{name} {sparsity}": random_matrix(encoding, shape, sparsity)
        for sparsity in SPARSITIES
        for name, shape in LAYERS.items()
    }
    expected = [add_layer(image, encoding, name, dense) for name, dense in matrices.items()]
    found, outputs = image.measure(CORE)
    for wanted, output in zip(expected, outputs, strict=True):
        assert np.array_equal(output, wanted), "a layer with decoded weights differs"
    return [
        Row(
            encoding,
            sparsity,
            tuple(int(np.count_nonzero(matrices[f"{name} {sparsity}"])) for name in LAYERS),
            tuple(found[f"decode {name} {sparsity}"].cost.instructions for name in LAYERS),
        )
        for sparsity in SPARSITIES
    ]


def add_layer(
    image: KernelImage, encoding: SparseFormat, name: str, dense: NDArray[np.int8]
) -> NDArray[np.int8]:
    """The call of the decoder and that of a linear layer behind it; what the layer must give, int8 [rows]."""
    decoder = decoder_of(encoding)
    assert decoder is not None
    rows, columns = dense.shape
    rng = np.random.default_rng(SEED)
    input = rng.integers(-128, 128, (1, columns)).astype(np.int8)
    bias = np.zeros(rows, np.int32)
    multiplier, shift = np.full(rows, 2**30, np.int32), np.full(rows, -10, np.int32)
    arrays = {array: image.constant(values) for array, values in encoding.pack(dense).items()}
    entries = image.buffer((len(Delta8().pack(dense)["entries"]),), ui8)
    counts, output = image.buffer((rows,), ui16), image.buffer((1, rows))
    image.call(decoder(encoding, columns, arrays, entries, counts), f"decode {name}")
    image.call(
        rt.FullyConnectedDelta8Op(
            image.constant(input),
            entries,
            counts,
            image.constant(bias),
            image.constant(multiplier),
            image.constant(shift),
            output,
            Requant(0, 0),
        ),
        f"multiply {name}",
    )
    image.result(output)
    return int8.fully_connected(
        input, dense, bias, input_zp=0, output_zp=0, multiplier=multiplier, shift=shift
    )[0]


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
