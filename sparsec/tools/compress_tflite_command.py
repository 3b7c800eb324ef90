# SPDX-License-Identifier: Apache-2.0
"""`sparsec compress-tflite FILE`: sparse weights of a .tflite file stored as dCSR, what `compress_tflite` of dCSR does."""

import argparse
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsec.formats import Dcsr
from sparsec.frontends import FrontendError
from sparsec.frontends.archive import Kind, kind_of, read_file
from sparsec.frontends.tflite.compressed_weights import METHODS
from sparsec.frontends.tflite.model import Array
from sparsec.frontends.tflite.rewriting import Candidate, Rewritten, rewritten
from sparsec.tools.console import print_table
from sparsec.tools.emission import write_bytes
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser

SCHEMA_VERSION = 1
BYTES_IN_A_LINE = 12
DUMMY_SAMPLES = 4
GROUP = 16

EXAMPLES = """\
Weights of fully connected layers and of 1x1 convolutions are compressed where that takes fewer bytes; all else in the file
stays as it is. dcsr is the format of Trommer et al. (ICCAD 2021) and rle its 4-bit relative indices, both in a table that
dCSR's fork of TensorFlow Lite Micro reads; none makes all weights dense, which TensorFlow Lite Micro runs as it is. sparsec
compiles all of them. Without -o, -c and --numpy only the table is printed.

examples:
  sparsec compress-tflite kws.tflite -o kws-dcsr.tflite
  sparsec compress-tflite kws.tflite -m rle -o kws-rle.tflite -c kws_model.cc
  sparsec compress-tflite kws-dcsr.tflite -m none -o kws.tflite
  sparsec compress-tflite kws.tflite --numpy=vectors   each matrix as .npy, and as .c to test kernels with
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec compress-tflite",
        description="Store the sparse weights of a .tflite file compressed, or dense again. It needs ai-edge-litert: "
        "pip install sparsec[litert].",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("model", metavar="FILE", help="an int8 .tflite file, e.g. kws.tflite")
    result.add_argument(
        "-m",
        "--method",
        choices=(*METHODS, "none"),
        default="dcsr",
        help="how weights are stored; default dcsr, e.g. rle",
    )
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the .tflite file to write, e.g. out.tflite",
    )
    result.add_argument(
        "-c",
        "--cppmodel",
        type=Path,
        metavar="SOURCE",
        help="C++ source with the file as the array g_model, e.g. model.cc",
    )
    result.add_argument(
        "--numpy",
        type=Path,
        metavar="DIR",
        help="folder, made if need be, for each matrix as .npy, and stored as dcsr with random inputs as .c, e.g. vectors",
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    return result


def main(arguments: Sequence[str]) -> int:
    """`sparsec compress-tflite`."""
    args = parser().parse_args(arguments)
    content, (file, layers) = read(args.model, args.method)
    if args.numpy is not None:
        write_vectors([each.candidate for each in layers], args.numpy)
    if args.output is not None:
        write_bytes(file, args.output)
    if args.cppmodel is not None:
        write_bytes("".join(c_array(file)).encode(), args.cppmodel)
    report = figures(content, file, layers, args.method)
    if args.json:
        print(json.dumps(report))
    elif not args.quiet:
        print_report(Path(args.model).name, report)
    return 0


def read(model: str, method: str) -> tuple[bytes, tuple[bytes, list[Rewritten]]]:
    """The file, and what becomes of it. Raises UserError."""
    try:
        content = read_file(Path(model))
        if kind_of(content) is not Kind.TFLITE:
            raise FrontendError("this is no .tflite file")
        return content, rewritten(content, method)
    except FrontendError as error:
        raise UserError(f"{model}: {error}") from error
    except ImportError as error:
        raise UserError(str(error)) from error


def figures(
    content: bytes, file: bytes, layers: Sequence[Rewritten], method: str
) -> dict[str, Any]:
    """What --json prints; sizes in bytes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "method": method,
        "file_bytes_before": len(content),
        "file_bytes": len(file),
        "tensors": [
            {
                "name": each.candidate.tensor.name,
                "rows": each.candidate.matrix.shape[0],
                "columns": each.candidate.matrix.shape[1],
                "zeros": each.candidate.zeros,
                "dense_bytes": each.candidate.weights.size,
                "stored_bytes": each.stored_bytes,
                "format": method if each.is_compressed else "dense",
            }
            for each in layers
        ],
    }


def print_report(name: str, report: dict[str, Any]) -> None:
    """A line for each tensor that could be compressed, and the sizes of the files."""
    rows = [
        (
            each["name"].split(";")[0],
            f"{each['rows']:,} x {each['columns']:,}",
            f"{100 * each['zeros']:.1f} %",
            each["dense_bytes"],
            each["stored_bytes"],
            each["format"],
        )
        for each in report["tensors"]
    ]
    print_table(name, ("weights", "matrix", "zeros", "dense B", "stored B", "format"), rows)
    print(f"file       {report['file_bytes']:,} B ({report['file_bytes_before']:,} B before)")


def c_array(content: bytes) -> Iterator[str]:
    """C++ source with `content` as an array that is aligned as TensorFlow Lite Micro needs it."""
    yield "extern const unsigned char g_model[];\nextern const int g_model_len;\n\n"
    yield f"alignas({GROUP}) const unsigned char g_model[] = {{\n"
    for first in range(0, len(content), BYTES_IN_A_LINE):
        line = content[first : first + BYTES_IN_A_LINE]
        yield "    " + ", ".join(f"0x{byte:02x}" for byte in line) + ",\n"
    yield f"}};\nconst int g_model_len = {len(content)};\n"


def write_vectors(layers: Sequence[Candidate], folder: Path) -> None:
    """Each matrix as .npy and as C. Raises UserError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    for layer in layers:
        name = f"{layer.tensor.index}_{re.sub('[^A-Za-z0-9]+', '_', layer.tensor.name)[:60]}"
        array = io.BytesIO()
        np.save(array, layer.matrix)
        write_bytes(array.getvalue(), folder / f"{name}.npy")
        try:
            source = "".join(test_vector(layer.matrix))
        except ValueError as error:
            raise UserError(f"{layer.tensor.title} has no test vector: {error}") from error
        write_bytes(source.encode(), folder / f"{name}.c")


def test_vector(matrix: Array) -> Iterator[str]:
    """C source with an int8 matrix, dense and as dcsr, inputs, and buffers for one row, by the names of dCSR's tests."""
    rows, columns = matrix.shape
    stored = Dcsr().pack(matrix)
    inputs = np.random.default_rng(0).integers(-128, 128, (DUMMY_SAMPLES, columns), np.int8)
    yield "#include <stdint.h>\n"
    for name, array in (
        ("reference", matrix),
        ("values", stored["values"]),
        ("bitmaps", stored["bitmaps"]),
        ("bitmasks", stored["bitmasks"]),
        ("delta_indices", stored["delta_indices"]),
        ("minimums", stored["group_minimums"]),
        ("row_offsets", stored["row_offsets"]),
        ("dummy_input", inputs),
    ):
        # C has no empty arrays.
        numbers = array.reshape(-1).tolist() or [0]
        lines = (numbers[i : i + BYTES_IN_A_LINE] for i in range(0, len(numbers), BYTES_IN_A_LINE))
        body = ",\n".join("    " + ", ".join(f"{number:4d}" for number in line) for line in lines)
        yield f"\nconst {array.dtype}_t {name}[] = {{\n{body}\n}};\n"
    for name, number in (
        ("nnze", int(stored["nnze"][0])),
        ("matrix_rows", rows),
        ("matrix_cols", columns),
    ):
        yield f"\nconst uint32_t {name} = {number};\n"
    yield f"\nuint8_t idx_buffer[{columns}];\nint16_t group_buffer[{-(-columns // GROUP)}];\n"
