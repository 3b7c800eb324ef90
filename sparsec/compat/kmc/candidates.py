# SPDX-License-Identifier: Apache-2.0
"""What pruning leaves in its folder: a row and the files of each new best network.

The one rule: a file is whole or not there, and a row is written behind the files that it names.
"""

import csv
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from sparsec.compat.kmc.models import save_file, write_bytes
from sparsec.frontends.modules import exported, saved
from sparsec.quiet import only_our_messages

COLUMNS = (
    *("episode", "ckpt_name", "ind1", "ind2", "infer_time", "op_num"),
    *("total_macs", "normalized_macs", "normalized_nnz"),
)
TABLE = "kmc-pruning.csv"
LAST = "pruning_last_checkpoint"


def ckpt_name(episode: int) -> str:
    """Of the files of a new best network, without their endings."""
    return f"pruning_episode_{episode:03}_best"


class Candidates:
    """The folder. Files have the same weights: `.pth` a state dict, `.pt2` a program for sparsec, `.onnx` where torch can."""

    def __init__(
        self, folder: Path, inputs: Sequence[Tensor], say: Callable[[str], None] = print
    ) -> None:
        self.folder, self._inputs = folder, list(inputs)
        missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
        self._writes_onnx = not missing
        if missing:
            say(f"no .onnx is written: pip install {' '.join(missing)}")
        self._before = {row["ckpt_name"]: row for row in _rows(folder / TABLE)}
        self._rows: list[Mapping[str, str]] = []

    def known(self, name: str) -> Mapping[str, str] | None:
        """The row of a network that was written before, with its files."""
        endings = (".pth", ".pt2", ".onnx") if self._writes_onnx else (".pth", ".pt2")
        if not all((self.folder / f"{name}{ending}").is_file() for ending in endings):
            return None
        return self._before.get(name)

    def add(self, row: Mapping[str, str]) -> None:
        """A row more, behind those of this search."""
        self._rows.append(row)
        content = io.StringIO()
        writer = csv.DictWriter(content, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_bytes(self.folder / TABLE, content.getvalue().encode())

    def save(self, model: nn.Module, name: str, extras: Mapping[str, object]) -> None:
        """The files of a network. Raises ValueError where torch cannot export it, OSError."""
        path = self.folder / name
        program = exported(model, self._inputs, open_batch=True)
        save_file(
            path.with_name(f"{name}.pth"),
            {"state_dict": model.state_dict(), "masks": {}, "extras": dict(extras)},
        )
        write_bytes(path.with_name(f"{name}.pt2"), saved(program))
        if self._writes_onnx:
            write_bytes(path.with_name(f"{name}.onnx"), _onnx(program))


def _onnx(program: torch.export.ExportedProgram) -> bytes:
    with only_our_messages(), tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        path = Path(folder, "model.onnx")
        try:
            made = torch.onnx.export(program, dynamo=True, verbose=False)
            assert made is not None
            made.save(path, external_data=False)
        except Exception as error:  # torch has no one type for what it cannot write
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(f"torch cannot write the model as ONNX: {line}") from error
        return path.read_bytes()


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            return []
        return [row for row in reader if None not in row.values()]
