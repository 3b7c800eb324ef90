# SPDX-License-Identifier: Apache-2.0
"""Statistics of batch norms measured anew."""

import torch
from torch import nn

from sparsec.compress.norm_statistics import measure_norms


def test_norms_get_the_statistics_of_the_batches() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Dropout(0.9), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=0.3)
    ).eval()
    model.append(nn.BatchNorm2d(4, track_running_stats=False).eval())
    first, second = model[2], model[3]
    assert isinstance(first, nn.BatchNorm2d) and isinstance(second, nn.BatchNorm2d)
    batches = [torch.randn(16, 1, 8, 8) for _ in range(3)]
    measure_norms(model, batches)
    with torch.no_grad():
        given = [model[1](batch) for batch in batches]
    means = torch.stack([each.mean((0, 2, 3)) for each in given]).mean(0)
    variances = torch.stack([each.var((0, 2, 3)) for each in given]).mean(0)
    torch.testing.assert_close(first.running_mean, means)
    torch.testing.assert_close(first.running_var, variances)
    assert (first.momentum, second.momentum) == (0.1, 0.3)
    assert not any(each.training for each in model.modules())


def test_a_network_without_norms_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 2)).train()
    measure_norms(model, [torch.ones(1, 9)])  # which it could not take
    assert model.training
