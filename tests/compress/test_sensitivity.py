# SPDX-License-Identifier: Apache-2.0
"""Accuracy with one layer pruned at a time, and the table of it."""

import csv

import torch

from sparsec.compress.data import Samples
from sparsec.compress.pruner import Pruner
from sparsec.compress.sensitivity import scan, scan_text
from sparsec.compress.training import Settings, accuracy_of, fit
from tests.compress.nets import images, small


def learned() -> tuple[torch.nn.Module, Samples]:
    labels = torch.arange(64) % 4
    x = images(64)
    x[torch.arange(64), 0, 2 * labels] += 1.5
    model, data = small(), Samples(x, labels, 16)
    fit(model, data, Settings(4, 0.01))
    return model, data


def test_each_layer_by_itself() -> None:
    """What is told of a layer is what pruning that layer alone gives; the model is as it was."""
    model, data = learned()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = list(scan(model, data, (0.5, 0.98), pattern="block(1x16)", inputs=[images(2)]))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert rows[0].accuracy == accuracy_of(model, data) > 0.9
    assert [(row.layer, row.ratio) for row in rows[1:]] == [
        (layer, ratio) for layer in ("6", "9") for ratio in (0.5, 0.98)
    ]  # the others have rows of 9 weights
    Pruner(model, plan="9: block(1x16) 0.98", inputs=[images(2)]).detach()
    assert rows[-1].accuracy == accuracy_of(model, data) < rows[0].accuracy
    assert list(csv.DictReader(scan_text(rows).splitlines()))[1]["layer"] == "6"


def test_n_of_m_has_one_ratio() -> None:
    model, data = small(), Samples(images(8), torch.arange(8) % 4)
    rows = list(scan(model, data, (0.1, 0.2), pattern="nm(1:4)", layers="9"))
    assert [row.ratio for row in rows] == [0.0, 0.75]
