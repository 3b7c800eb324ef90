# SPDX-License-Identifier: Apache-2.0
"""A program that tests the kernels where it runs: each row of each kernel against CMSIS-NN, PASS or FAIL.

The rule: every kernel runs one of a few layers, of all sizes that matter to it (what is left behind vectors and fours, more
than 256 columns, rows without weights), and CMSIS-NN's own function runs the same layer with its zeros filled in. All stand
side by side in one network that is compiled as any other.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType, i8
from xdsl.ir import Block, Region, SSAValue

from sparsec import pipelines
from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.interpreters.signature import entry_quantizations
from sparsec.ir import qnn
from sparsec.ir.attributes import KERNEL, NAME, QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.kernels.cmsis_convolution import Convolve
from sparsec.kernels.cmsis_depthwise import DepthwiseConv
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, ways
from sparsec.passes.select_sparse_formats import encode
from sparsec.quantization.params import Requant
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Window
from sparsec.recipe.recipe import DENSE
from sparsec.targets.cpu import Cpu
from sparsec.tools.compilation import Compilation, pipeline_options, run_passes
from sparsec.tools.emission import project_files
from sparsec.tools.registry import context

ENTRY = "sparsec_selftest"
NETWORK = "selftest_kernels"
SEED = 5
REQUANT = Requant(input_zp=-3, output_zp=-2)


@dataclass(frozen=True)
class Shape:
    """A layer: its image (height, width, channels), outputs, and window; `reference` is CMSIS-NN's function for it."""

    image: tuple[int, int, int]
    outputs: int
    kernel: int
    window: Window
    reference: str
    is_linear: bool = False


SAME = (1, 1, 1, 1)
CONVOLVE, DEPTHWISE = Convolve.function, DepthwiseConv.function
SHAPES = (
    Shape((5, 5, 36), 13, 1, Window(), CONVOLVE),
    Shape((6, 5, 32), 7, 3, Window(padding=SAME), CONVOLVE),
    Shape((7, 5, 19), 19, 3, Window(padding=SAME), DEPTHWISE),
    Shape((1, 1, 300), 21, 1, Window(), CONVOLVE, is_linear=True),
)


@dataclass(frozen=True)
class Check:
    """The rows of one kernel, which is given its weights as `format`, for a layer of `size` like 3x3: by the number of its
    output and of CMSIS-NN's."""

    kernel: str
    format: str
    size: str
    found: int
    expected: int
    rows: int
    pixels: int

    @property
    def label(self) -> str:
        """What is printed in front of the number of a row."""
        return f"{self.kernel} {self.size} {self.format}"


class SelfTest:
    """The network, whose layers say how they are stored and run, and what of it is compared."""

    def __init__(self, cpu: Cpu):
        self.checks: list[Check] = []
        self._block = Block()
        self._results: list[SSAValue] = []
        self._rng = np.random.default_rng(SEED)
        for shape in SHAPES:
            self._add(shape, cpu)

    def module(self) -> ModuleOp:
        """The layers side by side, at `qnn`."""
        self._block.add_op(func.ReturnOp(*self._results))
        inputs = [argument.type for argument in self._block.args]
        outputs = [value.type for value in self._results]
        attribute = DictionaryAttr({QUANTIZATION: QuantizationAttr(Quantization((1.0,), 0))})
        main = func.FuncOp(
            "main",
            (inputs, outputs),
            Region([self._block]),
            arg_attrs=ArrayAttr([attribute] * len(inputs)),
            res_attrs=ArrayAttr([attribute] * len(outputs)),
        )
        module = ModuleOp([main])
        module.attributes[NAME] = StringAttr(NETWORK)
        return module

    def _add(self, shape: Shape, cpu: Cpu) -> None:
        image = self._block.insert_arg(TensorType(i8, (1, *shape.image)), len(self._block.args))
        constants = _constants(shape, self._rng)
        asked = list(_kernels(Layer(self._layer(shape, image, constants)), cpu))
        # CMSIS-NN has no linear layer with a scale for each output; a convolution of one pixel is the same.
        windowed = replace(shape, is_linear=False)
        expected = self._result(self._layer(windowed, image, constants), None, shape.reference)
        for format, kernel in asked:
            if kernel == shape.reference:
                continue
            op = self._layer(shape, image, constants)
            name = DENSE if format is None else format.label
            found = self._result(op, format, kernel)
            *pixels, rows = shape_of(op.results[0].type)
            size = f"{shape.kernel}x{shape.kernel}"
            self.checks.append(Check(kernel, name, size, found, expected, rows, prod(pixels)))

    def _constant(self, array: NDArray[np.int8 | np.int32]) -> SSAValue:
        op = qnn.ConstantOp(array)
        self._block.add_op(op)
        return op.result

    def _layer(
        self, shape: Shape, image: SSAValue, constants: Sequence[NDArray[np.int8 | np.int32]]
    ) -> qnn.WeightedOp:
        """With constants of its own: what two layers read is stored once, in one format."""
        matrix, *numbers = constants
        if shape.is_linear:
            matrix = matrix.reshape(shape.outputs, -1)
        weights, bias, multiplier, shift = (self._constant(array) for array in (matrix, *numbers))
        if shape.is_linear:
            type = TensorType(i8, (1, 1, 1, shape.outputs))
            op = qnn.LinearOp(image, weights, bias, multiplier, shift, REQUANT, type)
        else:
            size = shape.window.output_size(shape.image[:2], (shape.kernel, shape.kernel))
            make = qnn.DepthwiseConv2dOp if shape.reference == DEPTHWISE else qnn.Conv2dOp
            type = TensorType(i8, (1, *size, shape.outputs))
            op = make(image, weights, bias, multiplier, shift, REQUANT, shape.window, type)
        self._block.add_op(op)
        return op

    def _result(self, op: qnn.WeightedOp, format: SparseFormat | None, kernel: str) -> int:
        """The number of the output that is a layer's, which is run as said."""
        name = f"layer{len(self._results)}"
        set_layer(op, name)
        op.attributes[KERNEL] = StringAttr(kernel)
        if format is not None:
            weights = op.weights.owner
            assert isinstance(weights, qnn.ConstantOp)
            encode(weights, format)
        self._results.append(op.results[0])
        return len(self._results) - 1


def _constants(shape: Shape, rng: np.random.Generator) -> list[NDArray[np.int8 | np.int32]]:
    """Weights in whole blocks of 16 and of single zeros, of which two rows have none; numbers of all sizes."""
    outputs, kernel, channels = shape.outputs, shape.kernel, shape.image[2]
    matrix = rng.integers(-127, 128, (outputs, kernel * kernel * channels))
    if shape.reference == DEPTHWISE:
        matrix = matrix[:, : kernel * kernel]
    columns = matrix.shape[1]
    blocks = rng.random((outputs, -(-columns // 16))).repeat(16, axis=1)[:, :columns]
    matrix[(blocks < 0.6) | (rng.random(matrix.shape) < 0.3)] = 0
    matrix[[1, outputs - 1]] = 0
    weights = matrix.astype(np.int8)
    if shape.reference == DEPTHWISE:
        weights = np.ascontiguousarray(weights.T).reshape(1, kernel, kernel, outputs)
    else:
        weights = weights.reshape(outputs, kernel, kernel, channels)
    usual = -6 - int(np.log2(np.sqrt(columns)))
    return [
        weights,
        rng.integers(-2000, 2000, outputs).astype(np.int32),
        rng.integers(2**30, 2**31, outputs).astype(np.int32),
        (usual - rng.integers(0, 3, outputs)).astype(np.int32),
    ]


def _kernels(layer: Layer, cpu: Cpu) -> Iterator[tuple[SparseFormat | None, str]]:
    """Every format that the layer can be run by, and the C function that then does."""
    for format in (None, *COMMON_FORMATS):
        found = ways(layer, cpu, format)
        for way in [] if isinstance(found, NoWay) else found:
            try:
                way.arrays(layer)
            except ValueError:
                continue
            yield format, way.kernel.function


def compiled_files(args: argparse.Namespace, cpu: Cpu) -> tuple[SelfTest, dict[str, str]]:
    """The test, and the files of the C project that runs it; `args` are options of the compiler."""
    test = SelfTest(cpu)
    args.arena = "caller"
    module = test.module()
    options = pipeline_options(args, cpu, module, None)
    chosen = ("order-layers", "select-sparse-formats")
    passes = [each for each in pipelines.kernels(options) if not each.startswith(chosen)]
    compilation = Compilation(NETWORK, cpu, module, ",".join(passes), module.clone())
    compilation.inputs, compilation.outputs = entry_quantizations(module)
    run_passes(context(), module, passes, (), verify_each=False)
    files = project_files(args, compilation)
    report = json.loads(files["report.json"])
    return test, files | {
        "selftest.c": _source(test, report),
        "selftest.h": _header(report["arena_bytes"]),
    }


def on_harness(files: dict[str, str]) -> dict[str, str]:
    """The same project with an entry that the harness calls, which prints by it."""
    report = json.loads(files["report.json"])
    report |= {"entry": "selftest_entry", "header": "selftest.h", "layers": []}
    glue = (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        '#include "selftest.h"\n'
        "int selftest_entry(int8_t *arena);\n"
        "void platform_print(const char *text);\n"
        "int selftest_entry(int8_t *arena)\n"
        "{\n"
        f"    {ENTRY}(arena, platform_print);\n"
        "    return 0;\n"
        "}\n"
    )
    header = files["selftest.h"].replace(
        "#endif\n", "int selftest_entry(int8_t *arena);\n\n#endif\n"
    )
    return files | {
        "selftest_harness.c": glue,
        "selftest.h": header,
        "report.json": json.dumps(report),
    }


def _header(arena_bytes: int) -> str:
    return f"""\
/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Generated by sparsec selftest.
 */

#ifndef SELFTEST_H
#define SELFTEST_H

#include <stdint.h>

#define SPARSEC_SELFTEST_ARENA_BYTES {arena_bytes}

/*
 * Runs every kernel and CMSIS-NN's on the same layers and prints a line for each row of each kernel, which begins with PASS
 * or FAIL. The arena has SPARSEC_SELFTEST_ARENA_BYTES bytes and is aligned to 16. Returns how many rows failed, or
 * CMSIS-NN's status, which is negative.
 */
int {ENTRY}(int8_t *arena, void (*print)(const char *text));

#endif
"""


def _source(test: SelfTest, report: dict[str, list[dict[str, int]]]) -> str:
    inputs = "\n".join(f"    {{{each['offset']}, {each['bytes']}}}," for each in report["inputs"])
    places = [each["offset"] for each in report["outputs"]]
    checks = "\n".join(
        f'    {{"{each.label}", {places[each.found]}, {places[each.expected]}, {each.rows}, {each.pixels}}},'
        for each in test.checks
    )
    return f"""\
/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Generated by sparsec selftest.
 */

#include "selftest.h"
#include "{NETWORK}.h"

static const struct
{{
    int32_t offset;
    int32_t bytes;
}} inputs[] = {{
{inputs}
}};

static const struct
{{
    const char *label;
    int32_t found;
    int32_t expected;
    int32_t rows; /* Output channels, beside each other in a pixel */
    int32_t pixels;
}} checks[] = {{
{checks}
}};

static void print_number(int32_t number, void (*print)(const char *text))
{{
    char text[12];
    char *digit = text + sizeof(text) - 1;
    *digit = '\\0';
    do
    {{
        *--digit = (char)('0' + number % 10);
        number /= 10;
    }}
    while (number > 0);
    print(digit);
}}

int {ENTRY}(int8_t *arena, void (*print)(const char *text))
{{
    uint32_t state = 1;
    for (uint32_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
    {{
        for (int32_t k = 0; k < inputs[i].bytes; k++)
        {{
            state = state * 1664525u + 1013904223u;
            arena[inputs[i].offset + k] = (int8_t)((int32_t)(state >> 24) - 128);
        }}
    }}
    const int status = {NETWORK}_invoke(arena);
    if (status != 0)
    {{
        print("FAIL a kernel reported an error\\n");
        return status;
    }}
    int failed = 0;
    for (uint32_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
    {{
        for (int32_t row = 0; row < checks[i].rows; row++)
        {{
            int same = 1;
            for (int32_t pixel = 0; pixel < checks[i].pixels; pixel++)
            {{
                const int32_t at = pixel * checks[i].rows + row;
                same &= arena[checks[i].found + at] == arena[checks[i].expected + at];
            }}
            failed += !same;
            print(same ? "PASS " : "FAIL ");
            print(checks[i].label);
            print(" row ");
            print_number(row, print);
            print("\\n");
        }}
    }}
    return failed;
}}
"""
