# SPDX-License-Identifier: Apache-2.0
"""The C of a self-test: samples, what they must give, and how the network is called; the runtime does the rest.

`name_self_test.c` is compiled in the place of `name.c`, which it includes with the hooks around layers in use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.backends.c.text import ARENA_ALIGNMENT, IO_ALIGNMENT, bytes_macro
from sparsec.targets.runtime import runtime_dir

RUNTIME_FILES = ("sparsec_self_test.c", "sparsec_self_test.h")
_NUMBERS_PER_LINE = 24

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("softmax", ("softmax",)),
    ("attention", ("attention",)),
    ("matmul", ("matmul",)),
    ("norm", ("normalize",)),
    ("linear", ("fully_connected",)),
    ("conv", ("convolve", "depthwise", "transpose_conv")),
    ("pool", ("pool", "mean", "reduce")),
    ("add", ("add",)),
    (
        "trans",
        (
            "transpose",
            "channel_major",
            "slice",
            "concatenate",
            "gather",
            "pad",
            "resize",
            "embedding",
        ),
    ),
)
"""Kinds of layers, and the parts of the names of C functions that tell them; the first that fits holds."""

OTHER = "other"


@dataclass(frozen=True)
class SelfTest:
    """Samples as the device keeps them: the bytes of all inputs [N, bytes], of all expected outputs, and classes [N] of the
    first output, None where they are not known."""

    inputs: NDArray[np.int8]
    expected: NDArray[np.int8]
    labels: NDArray[np.uint16] | None = None


def kind_of(function: str) -> str:
    """The kind of layer that a C function runs."""
    return next((kind for kind, parts in KINDS if any(part in function for part in parts)), OTHER)


def self_test_files(
    name: str, facts: Mapping[str, Any], arena: str, test: SelfTest
) -> dict[str, str]:
    """The files that the self-test of a network adds to its project."""
    folder = runtime_dir() / "self_test"
    files = {file: Path(folder, file).read_text(encoding="utf-8") for file in RUNTIME_FILES}
    return {f"{name}_self_test.c": _source(name, facts, arena, test), **files}


def _source(name: str, facts: Mapping[str, Any], arena: str, test: SelfTest) -> str:
    functions = [layer["kernel"] for layer in facts["layers"]]
    kinds = [kind for kind, _ in KINDS] + [OTHER]
    used = [kind for kind in kinds if kind in {kind_of(function) for function in functions}]
    numbers = [used.index(kind_of(function)) for function in functions]
    first = facts["outputs"][0]
    labels = "NULL"
    parts = [_HEAD.format(name=name)]
    parts += _arrays("static const int8_t", "inputs", test.inputs.reshape(-1).tolist())
    parts += _arrays("static const int8_t", "expected", test.expected.reshape(-1).tolist())
    if test.labels is not None:
        parts += _arrays("static const uint16_t", "labels", test.labels.tolist())
        labels = "labels"
    parts += _arrays("static const uint8_t", "kind_of_layer", numbers or [0])
    names = ", ".join(f'"{kind}"' for kind in used) or "NULL"
    parts.append(f"static const char *const kind_names[] = {{{names}}};\n")
    parts.append(f"static uint64_t counts[{max(len(used), 1)}];\n")
    parts.append(f"static int8_t outputs[{test.expected.shape[1]}];\n")
    parts += _run(name, facts, arena)
    parts.append(
        _MAIN.format(
            name=name,
            samples=len(test.inputs),
            input_bytes=test.inputs.shape[1],
            output_bytes=test.expected.shape[1],
            labels=labels,
            classes=first["bytes"] if first["type"] == "int8" else 0,
            layers=len(functions),
            kinds=len(used),
        )
    )
    return "".join(parts)


def _arrays(type: str, name: str, numbers: Sequence[int]) -> Iterator[str]:
    yield f"{type} {name}[{len(numbers)}] = {{\n"
    for start in range(0, len(numbers), _NUMBERS_PER_LINE):
        yield f"    {', '.join(map(str, numbers[start : start + _NUMBERS_PER_LINE]))},\n"
    yield "};\n"


def _run(name: str, facts: Mapping[str, Any], arena: str) -> Iterator[str]:
    """The function that copies a sample in, runs the network and copies its outputs out."""
    arguments: list[str] = []
    for memory in facts["memories"]:
        if arena == "static":
            arguments.append(f"{name}_{memory['name']}")
            continue
        size = bytes_macro(name, memory) if memory["bytes"] else "1"
        own = f"own_{memory['name']}"
        yield f"static _Alignas({ARENA_ALIGNMENT}) int8_t {own}[{size}];\n"
        arguments.append(own)
    owners = dict(zip((memory["name"] for memory in facts["memories"]), arguments, strict=True))
    copies: dict[str, list[str]] = {"inputs": [], "outputs": []}
    for kind, lines in copies.items():
        offset = 0
        for place in facts[kind]:
            prefix = f"{name}_{place['name']}".upper()
            if place["memory"] is None:
                own = f"own_{place['name']}"
                yield f"static _Alignas({IO_ALIGNMENT}) int8_t {own}[{prefix}_BYTES];\n"
                arguments.append(own)
            else:
                own = f"{owners[place['memory']]} + {prefix}_OFFSET"
            there = f"{kind if kind == 'outputs' else 'sample'} + {offset}"
            ends = (own, there) if kind == "inputs" else (there.replace("outputs", "results"), own)
            lines.append(f"    memcpy({ends[0]}, {ends[1]}, {prefix}_BYTES);\n")
            offset += place["bytes"]
    yield "\nstatic int run(const int8_t *sample, int8_t *results)\n{\n"
    yield from copies["inputs"]
    yield f"    const int status = {name}_invoke({', '.join(arguments)});\n"
    yield from copies["outputs"]
    yield "    return status;\n}\n"


_HEAD = """\
/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Generated by sparsec.
 *
 * The network on samples, with a main(). Compile it in the place of {name}.c; the functions of sparsec_self_test.h that
 * write and count may be replaced.
 */

#include "sparsec_self_test.h"

#include <stddef.h>
#include <string.h>

#define SPARSEC_BEFORE_LAYER(index) sparsec_self_test_before_layer(index)
#define SPARSEC_AFTER_LAYER(index) sparsec_self_test_after_layer(index)
#include "{name}.c"

"""

_MAIN = """
int main(void)
{{
    const sparsec_self_test test = {{
        .name = "{name}",
        .samples = {samples},
        .input_bytes = {input_bytes},
        .output_bytes = {output_bytes},
        .inputs = inputs,
        .expected = expected,
        .labels = {labels},
        .classes = {classes},
        .layers = {layers},
        .kind_of_layer = kind_of_layer,
        .kinds = {kinds},
        .kind_names = kind_names,
        .run = run,
        .outputs = outputs,
        .counts = counts,
    }};
    return sparsec_self_test_run(&test) == 0 ? 0 : 1;
}}
"""
