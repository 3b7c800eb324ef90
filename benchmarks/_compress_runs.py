# SPDX-License-Identifier: Apache-2.0
"""One run: train or prune a network, quantize it, compile it, and run it on a Cortex-M4 under QEMU.

A run depends on its name alone, (network, variant, seed), so that any machine goes on where another one stopped.
"""

import copy
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from benchmarks._compress_data import DataSet
from benchmarks._compress_networks import NETWORKS
from examples.export import save_program
from sparsec.analysis.choice.choice_record import record_of
from sparsec.compress.channels.prune import prune_channels
from sparsec.compress.layers import Layer, layers_of
from sparsec.compress.pruner import Pruner
from sparsec.compress.quantization import convert, prepare_qat, static_masks
from sparsec.compress.training import Settings, accuracy_of, fit
from sparsec.frontends.modules import saved
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import quantized
from sparsec.pruning.patterns import Array, parse_pattern
from sparsec.pruning.plan import Plan, Share
from sparsec.pruning.schedules import Gradual, OneShot
from sparsec.run.execute import run_project
from sparsec.tools import run_command, what_if_command
from sparsec.tools.compilation import compile_model
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.inputs import as_bytes
from sparsec.tools.what_if import WhatIf, plan_for, shares_of

CORE = "cortex-m4"
INTERPRETED, ON_DEVICE = 200, 20
"""Test samples that the interpreter and the device compute too; all of their bytes are compared."""

LONGER = 2
"""How many times the epochs of the dense network it is trained on for, by every variant, the dense one too."""

QAT_EPOCHS = 2

WORK = Path("build/compress")
"""Where networks lie between the runs; whatever is not there is trained again."""


@dataclass(frozen=True)
class Result:
    """What a run gave: accuracies on the whole test set as shares, bytes, cycles of the layers with weights."""

    network: str
    variant: str
    seed: int
    float_accuracy: float
    int8_accuracy: float
    interpreter_accuracy: float
    device_accuracy: float
    mismatches: int
    zeros: float
    flash: int
    arena: int
    instructions: int
    cycles: int
    seconds: float


def base(network: str, seed: int) -> nn.Module:
    """The network trained once, dense."""
    recipe = NETWORKS[network]
    torch.manual_seed(seed)
    model = recipe.build()
    settings = Settings(recipe.epochs, recipe.learning_rate, seed=seed)
    folder = WORK / f"{network.replace(' ', '-')}-{seed}"
    fit(model, recipe.data().train, settings, folder=folder, quiet=True)
    return model


def is_large(layer: Layer, columns: int) -> bool:
    """Whether a layer reads all its channels in rows of so many columns."""
    return layer.groups == 1 and layer.weight[0].numel() >= columns


def pruner_of(model: nn.Module, variant: str, data: DataSet, iterations: int) -> Pruner | None:
    """The zeros of a variant: `unstructured 0.9` (by `lamp`), `magnitude 0.9` (as it is in all layers), `one shot 0.9`,
    `threshold 0.41`, `block(1x16) 0.75` (by `lamp`), `nm(2:4)` in each layer; of patterns in layers that are no depthwise
    ones and have rows of 16 weights or more, others stay dense. `channels 0.5` makes the model smaller, `dense` has none."""
    variant = variant.removeprefix("qat ")
    word, _, number = (
        variant.partition(" ")
        if not variant.startswith("one shot")
        else ("one shot", "", variant[9:])
    )
    if word == "dense":
        return None
    inputs = [data.calibration[:2]]
    if word == "channels":
        prune_channels(model, inputs, float(number), group_size=4)
        return None
    ramp = iterations // 2
    if word == "threshold":
        threshold = Pruner(copy.deepcopy(model), ratio=0.0).summarize_weights(float(number))
        return Pruner(model, threshold=threshold)
    if word == "one shot":
        return Pruner(model, schedule=OneShot(float(number)))
    if word in ("unstructured", "magnitude"):
        by = "lamp" if word == "unstructured" else word
        return Pruner(model, schedule=gradual(float(number), ramp, iterations), importance=by)
    pattern = parse_pattern(word)
    large = [layer.name for layer in layers_of(model) if is_large(layer, 16)]
    if not number:
        share = Share(pattern, 0.5)
        plan = Plan(tuple((name, share) for name in large))
        schedule = gradual(share.ratio, ramp, iterations)
        return Pruner(model, plan=plan, schedule=schedule, inputs=inputs)
    return Pruner(
        model,
        pattern=pattern,
        layers=large,
        importance="lamp",
        schedule=gradual(float(number), ramp, iterations),
        inputs=inputs,
    )


def gradual(target: float, ramp: int, iterations: int) -> Gradual:
    """Up to the middle of the training."""
    return Gradual(
        target,
        pruning=ramp,
        tuning=iterations - ramp,
        steps=min(50, ramp),
        initial=min(0.15, target),
    )


def for_cycles(model: nn.Module, keep: float, data: DataSet, iterations: int) -> Pruner:
    """The shares that `sparsec prune --for=latency --keep` finds, growing over half of the training."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.pt2")
        save_program(model, data.calibration, path)
        args = what_if_command.parser().parse_args([str(path), "-q", f"--target={CORE}"])
        what_if = WhatIf(compile_model(args, "qnn"), args)
        patterns = [
            parse_pattern(each)
            for each in ("unstructured", "block(1x4)", "block(4x1)", "block(1x16)")
        ]
        shares = shares_of(patterns, (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95))
        plan = plan_for(what_if, "latency", keep, shares, lambda _: None)
    return Pruner(
        model,
        plan=plan,
        schedule=gradual(0.95, iterations // 2, iterations),
        inputs=[data.calibration[:2]],
    )


def run(network: str, variant: str, seed: int) -> Result:
    """Train, prune, quantize, compile and run."""
    began = time.monotonic()
    recipe = NETWORKS[network]
    data = recipe.data()
    model = base(network, seed)
    epochs = LONGER * recipe.epochs
    iterations = epochs * len(data.train)
    if variant.startswith("cycles "):
        pruner: Pruner | None = for_cycles(model, float(variant.split()[1]), data, iterations)
    else:
        pruner = pruner_of(model, variant, data, iterations)
    settings = Settings(epochs, recipe.learning_rate, seed=seed + 1000)
    fit(model, data.train, settings, pruner=pruner, quiet=True)
    if pruner is not None:
        pruner.detach()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.pt2")
        if variant.startswith("qat "):
            trained = in_training(model, data, recipe.learning_rate / 20, seed)
            path.write_bytes(saved(trained))
        else:
            save_program(model, data.calibration, path)
        figures = on_chip(path, data)
    layers = layers_of(model)
    weights = sum(layer.weight.numel() for layer in layers)
    zeros = sum(int((layer.weight.detach() == 0).sum()) for layer in layers)
    return Result(
        network,
        variant,
        seed,
        accuracy_of(model, data.test),
        **figures,
        zeros=zeros / weights,
        seconds=round(time.monotonic() - began, 1),
    )


def in_training(
    model: nn.Module, data: DataSet, learning_rate: float, seed: int
) -> ExportedProgram:
    """The int8 network after two more epochs with int8 simulated, its zeros held."""
    prepared = prepare_qat(model, [data.calibration], static_masks(model))
    settings = Settings(QAT_EPOCHS, learning_rate, seed=seed + 2000)
    fit(prepared.module, data.train, settings, quiet=True)
    return convert(prepared)


def on_chip(path: Path, data: DataSet) -> dict[str, Any]:
    """The network of a file compiled for the core: all test samples by its C on this machine, some of them by the interpreter
    and on the device too."""
    x, labels = data.test.inputs.numpy(), data.test.labels.numpy()
    with tempfile.TemporaryDirectory() as folder:
        words = [str(path), "-q", "--on=host", f"--target={CORE}", "--input=none.npy"]
        args = run_command.parser().parse_args(words)
        compilation = compile_model(args, "c")
        files = project_files(args, compilation)
        project = Path(folder, "net")
        write_files(files, project)
        samples = quantized([x], compilation.inputs)
        flat = as_bytes(samples[0])
        cmsis_nn = cmsis_nn_directory(args)
        outputs = run_project(project, "host", [flat], cmsis_nn=cmsis_nn).outputs[0]
        device = run_project(project, CORE, [flat[:ON_DEVICE]], cmsis_nn=cmsis_nn)
    assert compilation.quantized is not None and device.instructions is not None
    expected = interpret(compilation.quantized, [samples[0][:INTERPRETED]])[0]
    expected = expected.reshape(len(expected), -1)
    chosen = record_of(compilation.module)
    assert chosen is not None
    report = json.loads(files["report.json"])
    return {
        "int8_accuracy": _accuracy(outputs, labels),
        "interpreter_accuracy": _accuracy(expected, labels),
        "device_accuracy": _accuracy(device.outputs[0], labels),
        "mismatches": int(np.count_nonzero(expected != outputs[: len(expected)]))
        + int(np.count_nonzero(device.outputs[0] != outputs[:ON_DEVICE])),
        "flash": report["flash_bytes"],
        "arena": report["arena_bytes"],
        "instructions": round(float(np.mean(device.instructions))),
        "cycles": sum(layer.cycles or 0 for layer in chosen.layers),
    }


def _accuracy(outputs: Array, labels: Array) -> float:
    """The share of outputs [N, classes] whose largest is the label."""
    best = outputs.argmax(axis=1)
    return int(np.count_nonzero(best == labels[: len(best)])) / len(best)
