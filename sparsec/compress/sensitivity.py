# SPDX-License-Identifier: Apache-2.0
"""How much each layer minds: the accuracy with one layer pruned in one shot, all others as they are."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from sparsec.compress.checkpoints import write_atomically
from sparsec.compress.data import Samples
from sparsec.compress.followers import tensor_of
from sparsec.compress.importance import Importance
from sparsec.compress.layers import Select, layers_of, selected
from sparsec.compress.pruner import Pruner
from sparsec.compress.training import accuracy_of
from sparsec.pruning.patterns import NOfM, Pattern, parse_pattern
from sparsec.pruning.plan import Plan, Share


@dataclass(frozen=True)
class Sensitivity:
    """The accuracy with a share of a layer's weights zero; `layer` and `pattern` are empty for the network as it is."""

    layer: str
    pattern: str
    ratio: float
    accuracy: float


def scan(
    model: nn.Module,
    data: Samples,
    ratios: Sequence[float],
    *,
    pattern: str | Pattern = "unstructured",
    layers: Select = None,
    importance: str | Importance = "magnitude",
    inputs: Sequence[Tensor] | None = None,
    measure: Callable[[nn.Module, Samples], float] = accuracy_of,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Sensitivity]:
    """The network as it is, then each layer at each ratio; the model is left as it was.

    Layers that are too small for the pattern are left out; an N:M pattern has one ratio, its own. Raises ValueError as
    `Pruner` does for what makes no sense.
    """
    kind = parse_pattern(pattern) if isinstance(pattern, str) else pattern
    chosen = selected(layers_of(model, inputs), layers)
    shares = (
        [Share(kind, kind.ratio)]
        if isinstance(kind, NOfM)
        else [Share(kind, ratio) for ratio in ratios]
    )
    yield Sensitivity("", "", 0.0, measure(model, data))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for layer in chosen:
        for share in shares:
            progress(f"{layer.name} {share.text}")
            try:
                pruner = Pruner(
                    model, plan=Plan(((layer.name, share),)), importance=importance, inputs=inputs
                )
            except ValueError as error:
                if "is larger than the layer" in str(error):
                    break
                raise
            pruner.detach()
            accuracy = measure(model, data)
            with torch.no_grad():
                for name in pruner.masks:
                    tensor_of(model, name).copy_(before[name])
            yield Sensitivity(layer.name, kind.label, share.ratio, accuracy)


def scan_text(rows: Sequence[Sensitivity]) -> str:
    """A scan as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([field.name for field in fields(Sensitivity)])
    writer.writerows(astuple(row) for row in rows)
    return file.getvalue()


def draw_scan(rows: Sequence[Sensitivity], path: Path) -> None:
    """The accuracy over the ratio, a line for each layer, in the format that the ending says. Raises OSError, ValueError."""
    from matplotlib import rc_context  # pyright: ignore[reportUnknownVariableType]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    dense = rows[0].accuracy
    for layer in dict.fromkeys(row.layer for row in rows[1:]):
        shown = [(0.0, dense), *((row.ratio, row.accuracy) for row in rows if row.layer == layer)]
        axes.plot([x for x, _ in shown], [y for _, y in shown], marker="o", ms=3, label=layer)
    axes.set(xlabel="share of zeros in one layer", ylabel="accuracy")
    axes.grid(alpha=0.3)
    if len(rows) > 1:
        axes.legend(fontsize="small")
    ending = path.suffix.lower()
    key = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[ending]
    with rc_context({"svg.hashsalt": "sparsec"}):
        write_atomically(
            path, lambda target: figure.savefig(target, format=ending[1:], metadata={key: None})
        )
