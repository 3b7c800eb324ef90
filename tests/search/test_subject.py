# SPDX-License-Identifier: Apache-2.0
"""Candidates of a small network: made, priced by the compiler, trained, stopped and refused."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sparsec.compress.data import Samples
from sparsec.compress.training import Settings
from sparsec.pruning.patterns import parse_pattern
from sparsec.pruning.plan import Share
from sparsec.search.objectives import parse_objectives
from sparsec.search.space import Candidate, parse_candidate
from sparsec.search.subject import Subject
from sparsec.tools.chip import Chip

ANY = parse_objectives("accuracy, cycles")


def network(width: float = 1.0) -> nn.Module:
    """Two convolutions and a head."""
    channels = int(16 * width)
    model = nn.Sequential(
        *(nn.Conv2d(1, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2)),
    )
    for each in (1, 4):
        nn.init.constant_(
            model.get_submodule(str(each)).get_parameter("bias"), 1.0
        )  # no channel is dead
    return model


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Bright images against dark ones, which anything learns."""
    torch.manual_seed(0)
    labels = torch.arange(96) % 2
    images = torch.rand(96, 1, 8, 8) * 0.3 + labels[:, None, None, None] * 0.6
    data = Samples(images, labels, 16)
    return Subject(
        network().eval(),
        [images[:16]],
        data,
        data,
        Chip([images[:16]], ["--target=cortex-m4"]),
        Settings(epochs=2, learning_rate=1e-2),
        build=network,
    )


def test_prices_are_those_of_the_compilation(subject: Subject) -> None:
    weights = 16 * 9 + 16 * 16 * 9 + 16 * 2
    assert subject.dense.weights == weights
    assert subject.dense.macs == 64 * 16 * 9 + 16 * 16 * 16 * 9 + 32
    sparse = subject.prices(parse_candidate("4: unstructured 0.9; 8: block(1x4) 0.5"))
    assert sparse.cycles < subject.dense.cycles and sparse.flash < subject.dense.flash
    assert 0.05 * weights < sparse.nonzeros < 16 * 9 + 0.1 * 2304 + 16 + 8
    smaller = subject.prices(parse_candidate("0: channels 0.5"))
    assert smaller.macs == 64 * 8 * 9 + 16 * 16 * 8 * 9 + 32 and smaller.ram < subject.dense.ram
    assert subject.prices(parse_candidate("width = 0.5")).macs == smaller.macs
    assert all(bool((each != 0).all()) for each in subject.model[4].parameters())  # pyright: ignore


def test_a_candidate_is_trained_from_the_same_weights(subject: Subject, tmp_path: Path) -> None:
    before = copy.deepcopy(subject.model.state_dict())
    candidate = Candidate({"4": Share(parse_pattern("unstructured"), 0.75)}, {"observer": "mse"})
    outcome = subject.tried(candidate, ANY, folder=tmp_path)
    assert outcome.accuracy == 1.0 and outcome.steps == 12 and not outcome.refused
    assert outcome.value("cycles") == outcome.prices.cycles < subject.dense.cycles
    again = subject.tried(candidate, ANY, folder=tmp_path)  # from its checkpoints
    assert again == outcome
    after = subject.model.state_dict()
    assert all(np.array_equal(before[name].numpy(), after[name].numpy()) for name in before)


def test_what_breaks_a_limit_is_not_trained(subject: Subject) -> None:
    tight = parse_objectives("accuracy", ["cycles<=0.5x", "ram<=10K"])
    outcome = subject.tried(Candidate({}), tight)
    assert outcome.accuracy is None and outcome.steps == 0 and outcome.value("accuracy") == 0.0
    assert outcome.refused == f"cycles <= 0.5x: {subject.dense.cycles:,}"


def test_what_is_hopeless_is_stopped(subject: Subject) -> None:
    asked: list[int] = []

    def hopeless(steps: int, accuracy: float) -> bool:
        asked.append(steps)
        return True

    outcome = subject.tried(parse_candidate("0: unstructured 0.5"), ANY, hopeless=hopeless)
    assert outcome.stopped and outcome.steps == 6 and asked == [6]


def test_what_cannot_be_made(subject: Subject) -> None:
    with pytest.raises(ValueError, match="no layer"):
        subject.prices(parse_candidate("nine: unstructured 0.5"))
    with pytest.raises(ValueError, match="larger than the layer"):
        subject.prices(parse_candidate("0: block(1x16) 0.5"))
    one_width = replace(subject, build=None)
    with pytest.raises(ValueError, match="width is a choice"):
        one_width.prices(parse_candidate("width = 0.5"))
