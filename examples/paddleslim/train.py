# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's training with unstructured pruning: `python -m examples.paddleslim.train --ratio 0.75 --lr 0.05`."""

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import nn

from examples.export import save_program
from examples.paddleslim.common import Sources, accuracies, device_of, load_weights, sources
from examples.paddleslim.evaluate import evaluate
from examples.paddleslim.flags import filled, train_parser
from sparsec.compat.paddleslim import GMPUnstructuredPruner, UnstructuredPruner
from sparsec.compress.checkpoints import save_checkpoint

SEED = 1


def pruner_of(arguments: argparse.Namespace, model: nn.Module, batches: int) -> UnstructuredPruner:
    """The pruner that the flags describe."""
    if arguments.pruning_strategy == "base":
        return UnstructuredPruner(
            model,
            mode=arguments.pruning_mode,
            ratio=arguments.ratio,
            threshold=arguments.threshold,
            prune_params_type=arguments.prune_params_type,
            local_sparsity=arguments.local_sparsity,
            sparse_block=arguments.sparse_block,
        )
    configs = {
        "stable_iterations": arguments.stable_epochs * batches,
        "pruning_iterations": arguments.pruning_epochs * batches,
        "tunning_iterations": arguments.tunning_epochs * batches,
        "resume_iteration": max(arguments.last_epoch, 0) * batches,
        "pruning_steps": arguments.pruning_steps,
        "initial_ratio": arguments.initial_ratio,
    }
    return GMPUnstructuredPruner(
        model,
        ratio=arguments.ratio,
        prune_params_type=arguments.prune_params_type,
        local_sparsity=arguments.local_sparsity,
        sparse_block=arguments.sparse_block,
        configs=configs,
    )


def learning_rate(arguments: argparse.Namespace, epoch: int) -> float:
    """Of an epoch, from 0 on."""
    if arguments.lr_strategy == "cosine_decay":
        return arguments.lr * 0.5 * (math.cos(epoch * math.pi / arguments.num_epochs) + 1)
    return arguments.lr * 0.1 ** sum(epoch >= step for step in arguments.step_epochs)


def train(arguments: argparse.Namespace) -> None:
    """All epochs from the last one on. Raises ValueError and AssertionError where flags make no sense, OSError."""
    data = sources(arguments.data, arguments.batch_size)
    torch.manual_seed(SEED)
    model = data.network(arguments.model)
    if arguments.pretrained_model is not None:
        load_weights(model, arguments.pretrained_model)
    model.to(device_of(arguments))
    optimizer = torch.optim.SGD(
        model.parameters(),
        arguments.lr,
        momentum=arguments.momentum_rate,
        weight_decay=arguments.l2_decay,
    )
    last = max(arguments.last_epoch, 0)
    if last or arguments.checkpoint is not None:
        path: Path = arguments.checkpoint or arguments.model_path / f"epoch-{last:04}.pt"
        state = load_weights(model, path)
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
    pruner = pruner_of(arguments, model, len(data.train))
    for epoch in range(last, arguments.num_epochs):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(arguments, epoch)
        _epoch(arguments, epoch, model, optimizer, pruner, data)
        pruner.update_params()
        print(f"The current sparsity is: {pruner.total_sparse(model):.4f}")
        done = epoch + 1
        if done % arguments.test_period == 0 or done == arguments.num_epochs:
            first, five = accuracies(model, data.test)
            print(f"Eval epoch[{epoch}] - acc_top1: {first:.4f}; acc_top5: {five:.4f}")
        if done % arguments.model_period == 0 or done == arguments.num_epochs:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(arguments.model_path, done, state)
    examples = next(data.train.in_order())[0][:16]
    if len(examples) > 1:  # a program with an open batch is exported from two or more
        save_program(model.cpu(), examples, arguments.model_path / "model.pt2")


def _epoch(
    arguments: argparse.Namespace,
    epoch: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pruner: UnstructuredPruner,
    data: Sources,
) -> None:
    model.train()
    torch.manual_seed(SEED + epoch)
    device = next(model.parameters()).device
    for number, (x, y) in enumerate(data.train.epoch(SEED + epoch)):
        scores, y = model(x.to(device)), y.to(device)
        loss = nn.functional.cross_entropy(scores, y)
        if not math.isfinite(loss.item()):
            raise ValueError(
                f"the loss is {loss.item():g} in epoch {epoch}: train with a smaller --lr"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pruner.step()
        if number % arguments.log_period == 0:
            accuracy = float((scores.argmax(1) == y).float().mean())
            print(
                f"epoch[{epoch}]-batch[{number}] lr: {optimizer.param_groups[0]['lr']:.6f} - loss: {loss.item():.4f}; "
                f"acc_top1: {accuracy:.4f}",
                flush=True,
            )


def main(argv: list[str] | None = None) -> int:
    try:
        arguments = filled(train_parser().parse_args(argv))
        if arguments.phase == "test":
            evaluate(arguments)
        else:
            train(arguments)
    except (AssertionError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
