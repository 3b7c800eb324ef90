# SPDX-License-Identifier: Apache-2.0
"""`sparsec formats WEIGHTS`: the bytes of one weight tensor in every storage format.

A tensor of rank above 2 is the matrix of its first axis by all others, as everywhere in sparsec.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil, log2, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.formats.yardsticks import YARDSTICKS, dcsr_parts
from sparsec.tools.arrays import read_array
from sparsec.tools.console import print_table
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser

SCHEMA_VERSION = 1
OF_OTHERS = "not stored by sparsec"
EXAMPLES = """\
The entropy bound is non-zeros + weights * H(density) / 8 bytes, that is 1 + H(d) / (8 d) bytes per
non-zero, with H(d) = -d log2(d) - (1 - d) log2(1 - d): what any format needs on average when the
zeros lie anywhere and values take 8 bits. Only where zeros or values have a pattern can a format
be smaller. CSR-16, BCSR 2x2, PSR-8, RLE-4 and zlib are what dCSR's authors hold theirs to: counted, not stored by sparsec.

examples:
  python -c "import numpy as np; np.save('w.npy', np.eye(64, dtype=np.int8))"
  sparsec formats w.npy
  sparsec formats w.npy --json
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec formats",
        description="Print how many bytes a weight tensor takes in every storage format and in those of others, dense, "
        "and at the entropy bound, and what dcsr's bytes are. Writes nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "weights",
        metavar="WEIGHTS",
        help=".npy file of int8 with two or more axes, output channels first, e.g. w.npy",
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    return result


def entropy_bound(count: int, nonzero: int) -> float:
    """The bytes of `count` weights with `nonzero` values of 8 bits at random places."""
    density = nonzero / count
    entropy = -sum(share * log2(share) for share in (density, 1 - density) if share > 0)
    return nonzero + count * entropy / 8


def read_matrix(file: str) -> NDArray[np.int8]:
    """The weights in `file` as int8 [first axis, all others]. UserError if they are none."""
    weights = read_array(file)
    if weights.dtype != np.int8:
        raise UserError(f"{file} holds {weights.dtype}, weights are int8: quantize them first")
    if weights.ndim < 2 or not weights.size:
        raise UserError(
            f"{file} has shape {list(weights.shape)}, weights have two or more axes, none empty"
        )
    return weights.reshape(weights.shape[0], prod(weights.shape[1:]))


def stored(storage: SparseFormat, matrix: NDArray[np.int8]) -> dict[str, Any]:
    """The bytes of `matrix` in one format, or the reason why it cannot be stored."""
    size, reason = None, None
    try:
        size = storage.stored_bytes(matrix)
    except ValueError as error:
        reason = str(error)
    return {
        "format": storage.name,
        "label": storage.label,
        "parameters": asdict(storage),
        "bytes": size,
        "reason": reason,
    }


def counted(label: str, matrix: NDArray[np.int8]) -> dict[str, Any]:
    """The bytes of `matrix` in a format of others, or the reason why it cannot be stored."""
    try:
        return {"label": label, "bytes": YARDSTICKS[label](matrix), "reason": None}
    except ValueError as error:
        return {"label": label, "bytes": None, "reason": str(error)}


def parts_of_dcsr(matrix: NDArray[np.int8]) -> dict[str, Any] | None:
    """What the bytes of `dcsr` are; None where it cannot hold the matrix."""
    try:
        return dcsr_parts(matrix)
    except ValueError:
        return None


def measure(name: str, matrix: NDArray[np.int8]) -> dict[str, Any]:
    """The content of --json."""
    nonzero = int(np.count_nonzero(matrix))
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "rows": matrix.shape[0],
        "columns": matrix.shape[1],
        "nonzero_weights": nonzero,
        "density": nonzero / matrix.size,
        "dense_bytes": matrix.size,
        "entropy_bound_bytes": ceil(entropy_bound(matrix.size, nonzero)),
        "formats": [stored(storage, matrix) for storage in COMMON_FORMATS],
        "others": [counted(label, matrix) for label in YARDSTICKS],
        "dcsr": parts_of_dcsr(matrix),
    }


def print_report(report: Mapping[str, Any]) -> None:
    """One line for each format, the smallest first, then those that cannot hold the matrix."""
    dense, nonzero = report["dense_bytes"], report["nonzero_weights"]

    def row(label: str, size: int, remark: str = "") -> tuple[object, ...]:
        per_weight = f"{size / nonzero:.2f}" if nonzero else ""
        return label, size, f"{100 * size / dense:.1f} %", per_weight, remark

    entries = [*report["formats"], *report["others"]]
    others = {entry["label"] for entry in report["others"]}
    sizes = [(entry["bytes"], entry["label"]) for entry in entries if not entry["reason"]]
    sizes.append((dense, "dense"))
    rows = [row("entropy bound", report["entropy_bound_bytes"], "if zeros lie anywhere")]
    rows += [
        row(label, size, OF_OTHERS if label in others else "")
        for size, label in sorted(sizes, key=lambda pair: pair[0])
    ]
    rows += [
        (entry["label"], None, "", "", entry["reason"]) for entry in entries if entry["reason"]
    ]
    title = (
        f"{report['name']}: {report['rows']:,} x {report['columns']:,} weights, "
        f"{100 * (1 - report['density']):.1f} % zeros"
    )
    print_table(title, ("format", "bytes", "of dense", "B per non-zero", "remark"), rows)
    if (parts := report["dcsr"]) is not None:
        named = ", ".join(f"{name} {size:,}" for name, size in parts["bytes"].items() if size)
        zeros = f"{parts['explicit_zeros']:,} explicit zeros in {parts['groups']:,} groups"
        print(f"dcsr       {named} B; {zeros}")


def main(arguments: Sequence[str]) -> int:
    """`sparsec formats`."""
    args = parser().parse_args(arguments)
    report = measure(Path(args.weights).name, read_matrix(args.weights))
    if args.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0
