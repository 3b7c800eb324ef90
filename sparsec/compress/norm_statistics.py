# SPDX-License-Identifier: Apache-2.0
"""Means and variances of batch norms, measured anew where weights went that they were measured with."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sparsec.compress.layers import modules_of


@torch.no_grad()
def measure_norms(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give the batch norms of `model` the mean and variance of `batches`, [N, ..] each, all counting alike; nothing is trained.

    A pruned network that was not trained again is worth most of what it will be worth with these, where with the old ones
    it is worth little (Li et al. 2020, "EagleEye", adaptive batch normalization). Norms without statistics of their own stay.
    """
    norms = [
        each
        for each in modules_of(model).values()
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) and each.track_running_stats
    ]
    if not norms:
        return
    before = [(norm.momentum, norm.training) for norm in norms]
    training = model.training
    model.eval()  # what drops values at random keeps them
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean
            norm.train()
        for batch in batches:
            model(batch)
    finally:
        model.train(training)
        for norm, (momentum, mode) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.train(mode)
