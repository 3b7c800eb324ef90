# SPDX-License-Identifier: Apache-2.0
"""The pipelines of the compiler, as text that `sparsec-opt -p` takes.

A module goes on from its level. Our passes leave modules of a lower level alone; xDSL's `cse` does not know that planned
memory sees each buffer by a `memref.view` of its own, and would make one buffer of two that lie at the same place.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import cpu_named
from sparsec.targets.memory import parse_memories

Emit = Literal["nn", "qnn", "kernels", "plan", "plan-svg", "plan-png", "c"]
STAGES: tuple[Emit, ...] = get_args(Emit)
"""What the passes lead to, from the highest level down."""

MAX_SLOWDOWN = 2
"""Percent of the cycles that a smaller arena may cost if nobody says otherwise, but for `flash`: loops over strips are code."""


@dataclass(frozen=True)
class PipelineOptions:
    """What a user can choose about the passes.

    `calibrate` is a file of calibration data, or a model file whose example inputs are used.
    """

    target: str = "cortex-m4"
    cmsis_nn: Release = PACKAGED
    calibrate: str | None = None
    observer: str = "min-max"
    percentile: float = 99.99
    equalize: bool = False
    correct_biases: bool = False
    input_layout: Literal["nchw", "nhwc"] = "nchw"
    linear_weights: str = "per-channel"
    weights: str = "auto"
    objective: str = "latency"
    flash: int | None = None
    ram: int | None = None
    recipe: str = ""
    plan_seconds: float | None = None
    max_slowdown: int | None = None
    io: str = "arena"
    memories: str = ""
    pins: str = ""


PLAIN = PipelineOptions()
"""Where a user chose nothing."""


NOT_QUOTED = "\r\f\v"
"""What xDSL's strings in the text of passes have no way to write."""


def quoted(text: str) -> str:
    """`text` as a value of a pass option, which can hold no character of `NOT_QUOTED`."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def number(value: float) -> str:
    """`value` as a value of a pass option, which knows no exponents."""
    return format(Decimal(str(float(value))), "f")


def target(options: PipelineOptions) -> str:
    """The processor as an option of a pass, and the release of CMSIS-NN where it is not the packaged one."""
    release = "" if options.cmsis_nn == PACKAGED else f" cmsis-nn={options.cmsis_nn}"
    return f"target={options.target}{release}"


def nn(options: PipelineOptions) -> list[str]:
    """From an imported network to a fused, calibrated one."""
    passes = [
        *("fold-batch-norm", "fold-transpose", "fuse-layers"),
        *(
            "canonicalize",
            "cse",
            "fuse-functions",
            "fuse-norms",
            "fuse-scores",
            "dce",
            "fold-constant-channels",
        ),
    ]
    return passes + calibration(options)


def calibration(options: PipelineOptions) -> list[str]:
    """What looks at the calibration data: ranges, and what makes them serve better."""
    if options.calibrate is None:
        return []
    data = f"file={quoted(options.calibrate)}"
    if options.input_layout != "nchw":
        data += f" input-layout={options.input_layout}"
    chooses = options.observer == "auto"
    observer = f"observer={'min-max' if chooses else options.observer}"
    if options.observer == "percentile":
        observer += f" percentile={number(options.percentile)}"
    rounded = data
    if options.linear_weights != "per-channel":
        rounded += f" linear-weights={options.linear_weights}"
    return [
        *([f"equalize{{{data}}}"] if options.equalize else []),
        f"calibrate{{{data} {observer}}}",
        *([f"choose-ranges{{{rounded}}}"] if chooses else []),
        "round-constant-channels",
        *([f"correct-biases{{{rounded}}}"] if options.correct_biases else []),
    ]


def qnn(options: PipelineOptions) -> list[str]:
    """From a float network to an int8 one."""
    return [f"quantize{{linear-weights={options.linear_weights}}}", "fold-qdq", "cse", "dce"]


def wishes(options: PipelineOptions) -> str:
    """What the user asks weights to be stored as, as options of a pass."""
    asked = [] if options.weights == "auto" else [f"format={quoted(options.weights)}"]
    return " ".join([*asked, *([f"recipe={quoted(options.recipe)}"] if options.recipe else [])])


def lossless(options: PipelineOptions = PLAIN) -> list[str]:
    """From an int8 network to a smaller one that gives the same bytes for every input."""
    asked = wishes(options)
    return [
        "merge-duplicates",
        "fold-requantize",
        "fuse-pad",
        f"eliminate-dead-channels{{{asked}}}" if asked else "eliminate-dead-channels",
        "fold-requantize",  # of what became constant
        "merge-duplicates",
        "fuse-attention",
        "dce",
    ]


def overlap_buffers(options: PipelineOptions) -> str:
    """How outputs come to lie over their inputs."""
    overlap = target(options)
    if options.objective == "ram":
        overlap += " objective=ram"
    slack = options.max_slowdown
    if slack is None and options.objective == "flash":
        slack = 0
    if slack not in (None, MAX_SLOWDOWN):
        overlap += f" slack={slack}"
    budgets = [] if options.ram is None else [options.ram]
    if options.memories:
        budgets.append(sum(memory.capacity for memory in parse_memories(options.memories)))
    if budgets:
        overlap += f" ram={min(budgets)}"
    if options.flash is not None:
        overlap += f" flash={options.flash}"
    if options.io != "arena":
        overlap += f" io={options.io}"
    return f"overlap-buffers{{{overlap}}}"


def assign_layouts(options: PipelineOptions) -> list[str]:
    """How activations lie, on cores whose kernels want them otherwise than NHWC."""
    if cpu_named(options.target).vector_unit != "mve":
        return []
    return [f"assign-layouts{{target={options.target}}}"]


def kernels(options: PipelineOptions) -> list[str]:
    """From an int8 network to calls of kernels in planned memory."""
    select = f"{target(options)} objective={options.objective}"
    if options.flash is not None:
        select += f" flash={options.flash}"
    if options.ram is not None and options.io == "arena":  # it counts inputs and outputs
        select += f" ram={options.ram}"
    if asked := wishes(options):
        select += f" {asked}"
    return [
        f"order-layers{{{target(options)}}}",
        f"select-sparse-formats{{{select}}}",
        f"convert-qnn-to-kernels{{{target(options)}}}",
        "bufferize",
        *assign_layouts(options),
        "alias-buffers",
        overlap_buffers(options),
        plan_memory(options),
    ]


def plan_memory(options: PipelineOptions) -> str:
    """The pass that places the buffers."""
    plan: list[str] = []
    if options.plan_seconds is not None:
        plan.append(f"seconds={number(options.plan_seconds)}")
    if options.memories:
        plan.append(f"memories={quoted(options.memories)}")
    if options.pins:
        plan.append(f"pins={quoted(options.pins)}")
    if options.io != "arena":
        plan.append(f"io={options.io}")
    return f"plan-memory{{{' '.join(plan)}}}" if plan else "plan-memory"


def pipeline(emit: Emit, options: PipelineOptions, start: Emit = "nn") -> str:
    """The passes down to `emit` for a module at the level `start`."""
    passes: list[str] = []
    if start != "kernels":
        passes += nn(options)
        if emit != "nn":
            passes += qnn(options) + lossless(options)
    if emit not in ("nn", "qnn"):
        passes += kernels(options)
    return ",".join(passes)
