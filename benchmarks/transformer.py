# SPDX-License-Identifier: Apache-2.0
"""What transformers are made of, next to CMSIS-NN's calls: instructions, memory and errors.

make bench-transformer          or        python -m benchmarks.transformer
"""

import sys

from benchmarks import _attention, _layer_norm, _sparse_engine
from benchmarks._results import publish
from sparsec.run.errors import RunError
from sparsec.tools.console import print_table


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    attentions = [_attention.attention_row(core) for core in _attention.CORES]
    norms = [_layer_norm.layer_norm_row(core) for core in _layer_norm.TARGETS]
    print_table(
        "attention, 64 tokens, 4 heads of 16: exact instructions, bytes beside the tensors; outputs byte-identical",
        ("core", "CMSIS-NN", "by", "bytes", "ours", "estimated cycles", "bytes", "ratio"),
        [
            (
                row.core,
                f"{row.theirs:,}",
                row.compiler,
                f"{_attention.SCORE_BYTES:,}",
                f"{row.ours.instructions:,}",
                f"{row.ours.cycles:,.0f}",
                f"{row.scratch:,}",
                f"{row.theirs / row.ours.instructions:.2f}",
            )
            for row in attentions
        ],
    )
    print_table(
        "layer norm of rows of 64: exact instructions of a value, largest error in steps of the output",
        ("core", "instructions", "error"),
        [(row.core, f"{row.instructions:.2f}", f"{row.error:.3f}") for row in norms],
    )
    engine = _sparse_engine.rows()
    print_table(
        "sparse-engine's network on cortex-m7: bytes, and exact instructions next to the dense network by CMSIS-NN",
        ("way", "sparse layers", "flash", "RAM", "instructions", "dense", "ratio"),
        [
            (
                row.way,
                row.sparse_layers,
                row.flash,
                row.ram,
                row.instructions,
                row.dense,
                f"{row.ratio:.2f}",
            )
            for row in engine
        ],
    )
    figures = [figure for row in (*attentions, *norms, *engine) for figure in row.figures]
    return publish("transformer", figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
