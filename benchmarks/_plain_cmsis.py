# SPDX-License-Identifier: Apache-2.0
"""An int8 network as the C a person would first write: one static buffer for each tensor, one CMSIS-NN call for each
layer, structs as literals.

The baseline of instruction counts. It shares no code with the backends, so that a slip there cannot hide in both.
Of attention it has the products: heads are moved apart by plain loops, and each calls `arm_nn_mat_mult_nt_t_s8`, softmax and that
again. Layer norm and the mean in another scale are the runtime's own, as CMSIS-NN has none. What else it lacks, it lacks: a layer
without a function raises ValueError.
"""

import json
import shutil
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue

from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.targets.runtime import runtime_dir

Array: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int, ...]

NAME = "plain"
_ALIGNMENT = 16
_LARGEST_BLOCK = 128
"""At least as many channels as CMSIS-NN's Helium depthwise convolution buffers at a time."""


def write_plain_project(quantized: ModuleOp, directory: Path) -> None:
    """Write the project `plain` for a module at the level of `qnn`: plain.h, plain.c, report.json.

    The arena holds inputs and outputs only, side by side. Raises ValueError for a layer that CMSIS-NN has no
    function for.
    """
    writer = _Writer(quantized)
    directory.mkdir(parents=True)
    for file in writer.runtime_files():
        shutil.copy(file, directory)
    (directory / f"{NAME}.h").write_text(
        f"#include <stdint.h>\nint {NAME}_invoke(int8_t *arena);\n", encoding="utf-8"
    )
    (directory / f"{NAME}.c").write_text(writer.source(), encoding="utf-8")
    (directory / "report.json").write_text(json.dumps(writer.report()), encoding="utf-8")


class _Writer:
    """Collects constants, buffers and calls, in the order of the network."""

    def __init__(self, quantized: ModuleOp):
        (main,) = (op for op in quantized.ops if isinstance(op, func.FuncOp))
        block = main.body.block
        self.constants: list[str] = []
        self.buffers: list[str] = []
        self.calls: list[str] = []
        self.places: dict[SSAValue, str] = {}
        self.runtime: set[str] = set()
        self.arena_bytes = 0
        self.scratch_bytes = 1
        self.inputs = [self.in_arena(argument) for argument in block.args]
        results = block.last_op
        assert isinstance(results, func.ReturnOp)
        self.outputs = [self.in_arena(_origin(value)) for value in results.operands]
        for op in block.ops:
            self.operation(op)

    def in_arena(self, value: SSAValue) -> tuple[int, int]:
        """Put `value` at the end of the arena: (offset, bytes)."""
        offset, size = self.arena_bytes, prod(_shape(value))
        self.places[value] = f"(arena + {offset})"
        self.arena_bytes += -(-size // _ALIGNMENT) * _ALIGNMENT
        return offset, size

    def place(self, value: SSAValue) -> str:
        """A C expression for the address of a tensor; makes its buffer when it has none."""
        if value not in self.places:
            name = f"t{len(self.buffers)}"
            self.buffers.append(
                f"static _Alignas({_ALIGNMENT}) int8_t {name}[{prod(_shape(value))}];"
            )
            self.places[value] = name
        return self.places[value]

    def constant(self, array: Array) -> str:
        """The name of a constant array in flash."""
        name = f"c{len(self.constants)}"
        numbers = ",".join(map(str, array.ravel().tolist()))
        self.constants.append(
            f"static const _Alignas({_ALIGNMENT}) {array.dtype}_t {name}[{array.size}] = {{{numbers}}};"
        )
        return name

    def call(self, function: str, *arguments: object, status: bool = True) -> None:
        """A call, and a return if it fails."""
        text = f"{function}({', '.join(map(str, arguments))})"
        self.calls.append(
            f"    if ({text} != ARM_CMSIS_NN_SUCCESS) return 1;" if status else f"    {text};"
        )

    def operation(self, op: Operation) -> None:
        """One layer."""
        match op:
            case qnn.ConstantOp() | func.ReturnOp():
                pass
            case qnn.ReshapeOp():
                if op.result not in self.places:
                    self.places[op.result] = self.place(op.input)
            case qnn.Conv2dOp() | qnn.DepthwiseConv2dOp():
                self.convolution(op)
            case qnn.LinearOp():
                self.linear(op)
            case qnn.MaxPool2dOp() | qnn.AvgPool2dOp():
                self.pooling(op)
            case qnn.AddOp():
                p = op.params.data
                self.call(
                    "arm_elementwise_add_s8",
                    *(self.place(op.lhs), self.place(op.rhs)),
                    *(-p.input1_zp, p.input1_multiplier, p.input1_shift),
                    *(-p.input2_zp, p.input2_multiplier, p.input2_shift),
                    *(p.left_shift, self.place(op.result)),
                    *(p.output_zp, p.output_multiplier, p.output_shift),
                    *(*p.clamp, prod(_shape(op.result))),
                )
            case qnn.SoftmaxOp():
                *rows, row = _shape(op.input)
                p = op.params.data
                self.call(
                    "arm_softmax_s8",
                    *(self.place(op.input), prod(rows), row),
                    *(p.multiplier, p.shift, p.diff_min, self.place(op.result)),
                    status=False,
                )
            case qnn.AttentionOp():
                self.attention(op)
            case qnn.NormalizeOp():
                self.normalize(op)
            case qnn.MeanOp():
                self.mean(op)
            case _:
                raise ValueError(f"CMSIS-NN has no function for {op.name}")

    def attention(self, op: qnn.AttentionOp) -> None:
        """Heads apart, values transposed, and three calls for each."""
        a, scores, values, p = op.over.data, op.scores.data, op.values.data, op.softmax.data
        if op.mask is not None or a.causal or a.outer != 1 or scores.rhs_zp or values.rhs_zp:
            raise ValueError(
                "CMSIS-NN has no attention with masks, or with keys whose zero is not 0"
            )
        wide, deep = a.keys * a.width, a.keys * a.value_width
        sizes = (a.queries * a.width, wide, deep, a.queries * a.keys, a.queries * a.value_width)
        self.buffers.append(
            "".join(
                f"static _Alignas({_ALIGNMENT}) int8_t {name}{len(self.calls)}[{size}]; "
                for name, size in zip(("q", "k", "v", "s", "r"), sizes, strict=True)
            )
        )
        q, k, v, s, r = (f"{name}{len(self.calls)}" for name in "qkvsr")
        factors = [
            self.constant(np.full(count, number, np.int32))
            for count, each in ((a.keys, scores), (a.value_width, values))
            for number in (each.multiplier, each.shift)
        ]
        self.calls.append(f"    for (int h = 0; h < {a.heads}; h++) {{")
        for name, value, place, rows, width, transposed in (
            (q, op.query, a.query, a.queries, a.width, False),
            (k, op.key, a.key, a.keys, a.width, False),
            (v, op.value, a.value, a.keys, a.value_width, True),
        ):
            there = f"{name}[c * {rows} + i]" if transposed else f"{name}[i * {width} + c]"
            source = f"{self.place(value)}[{place[0]} + h * {place[2]} + i * {place[3]} + c]"
            self.calls.append(
                f"    for (int i = 0; i < {rows}; i++) for (int c = 0; c < {width}; c++) {there} = {source};"
            )
        self.call(
            "arm_nn_mat_mult_nt_t_s8",
            *(q, k, "0", s, f"(int32_t *){factors[0]}", f"(int32_t *){factors[1]}"),
            *(a.queries, a.keys, a.width, -scores.lhs_zp, scores.output_zp, *scores.clamp, a.width),
        )
        softmax = (p.multiplier, p.shift, p.diff_min)
        self.call("arm_softmax_s8", s, a.queries, a.keys, *softmax, s, status=False)
        self.call(
            "arm_nn_mat_mult_nt_t_s8",
            *(s, v, "0", r, f"(int32_t *){factors[2]}", f"(int32_t *){factors[3]}"),
            *(a.queries, a.value_width, a.keys, -values.lhs_zp, values.output_zp, *values.clamp),
            a.keys,
        )
        there = f"{self.place(op.result)}[h * {a.result[2]} + i * {a.result[3]} + c]"
        self.calls.append(
            f"    for (int i = 0; i < {a.queries}; i++) for (int c = 0; c < {a.value_width}; c++) "
            f"{there} = {r}[i * {a.value_width} + c]; }}"
        )

    def normalize(self, op: qnn.NormalizeOp) -> None:
        """The runtime's."""
        p = op.params.data
        self.runtime.add("sparsec_normalize_s8")
        multiplier, shift = (
            self.constant(_constant(op.multiplier)),
            self.constant(_constant(op.shift)),
        )
        self.call(
            "sparsec_normalize_s8",
            *(-p.input_zp, p.output_zp, f"&(cmsis_nn_activation){_range(p.clamp)}"),
            *(p.groups, p.centered, p.epsilon),
            "&(cmsis_nn_per_channel_quant_params)"
            f"{{.multiplier = (int32_t *){multiplier}, .shift = (int32_t *){shift}}}",
            self.constant(_constant(op.bias)),
            *(_dims(_shape(op.input)), self.place(op.input), self.place(op.result)),
            status=False,
        )

    def mean(self, op: qnn.MeanOp) -> None:
        """The runtime's, of an image."""
        p = op.params.data
        self.runtime.add("sparsec_mean_s8")
        self.call(
            "sparsec_mean_s8",
            *(-p.input_zp, p.output_zp, f"&(cmsis_nn_activation){_range(p.clamp)}"),
            f"&(cmsis_nn_per_tensor_quant_params){{.multiplier = {p.multiplier}, .shift = {p.shift}}}",
            *(_dims(_shape(op.input)), self.place(op.input), self.place(op.result)),
            status=False,
        )

    def runtime_files(self) -> list[Path]:
        """The C files of the runtime's functions that are called, and its headers."""
        folder = runtime_dir()
        headers = [*(folder / "include").glob("*.h"), *(folder / "src").glob("*.h")]
        return (
            [*headers, *(folder / "src" / f"{name}.c" for name in self.runtime)]
            if self.runtime
            else []
        )

    def convolution(self, op: qnn.ConvolutionOp) -> None:
        """Dense or depthwise, by the wrapper that picks the variant."""
        _, kernel_height, kernel_width, depth = _shape(op.weights)
        taps = kernel_height * kernel_width
        window, requant = op.window.data, op.requant.data
        fields = (
            f".input_offset = {-requant.input_zp}, .output_offset = {requant.output_zp}, "
            f".stride = {_tile(window.strides)}, .padding = {_tile(window.padding[:2])}, "
            f".dilation = {_tile(window.dilations)}, .activation = {_range(requant.clamp)}"
        )
        if isinstance(op, qnn.DepthwiseConv2dOp):
            kind, function = "dw_conv", "arm_depthwise_conv_wrapper_s8"
            fields += f", .ch_mult = {depth // _shape(op.input)[3]}"
            scratch = 4 * taps * max(depth, _LARGEST_BLOCK)
        else:
            kind, function = "conv", "arm_convolve_wrapper_s8"
            scratch = 4 * (taps * depth + _ALIGNMENT)
        self.call(
            function,
            self.context(scratch),
            f"&(cmsis_nn_{kind}_params){{{fields}}}",
            *self.weighted(op, _shape(op.input), _shape(op.weights), _shape(op.result)),
        )

    def linear(self, op: qnn.LinearOp) -> None:
        """One multiplier: fully connected. One each: CMSIS-NN has it as a 1x1 convolution only."""
        features, depth = _shape(op.weights)
        rows = prod(_shape(op.input)[:-1])
        requant = op.requant.data
        offsets = f".input_offset = {-requant.input_zp}, .output_offset = {requant.output_zp}"
        multiplier, shift = _constant(op.multiplier), _constant(op.shift)
        if multiplier.size > 1:
            self.call(
                "arm_convolve_wrapper_s8",
                self.context(4 * (depth + _ALIGNMENT)),
                f"&(cmsis_nn_conv_params){{{offsets}, .stride = {{1, 1}}, .padding = {{0, 0}}, "
                f".dilation = {{1, 1}}, .activation = {_range(requant.clamp)}}}",
                *self.weighted(
                    op, (1, rows, 1, depth), (features, 1, 1, depth), (1, rows, 1, features)
                ),
            )
            return
        weights = _constant(op.weights)
        # Helium code reads the sums of the weights; other code takes no buffer.
        sums = self.constant(weights.sum(axis=1, dtype=np.int32))
        self.constants[-1] = (
            f"#ifdef __ARM_FEATURE_MVE\n{self.constants[-1]}\n#else\n#define {sums} 0\n#endif"
        )
        self.call(
            "arm_fully_connected_s8",
            f"&(cmsis_nn_context){{.buf = (void *){sums}, .size = {4 * features}}}",
            f"&(cmsis_nn_fc_params){{{offsets}, .filter_offset = 0, .activation = {_range(requant.clamp)}}}",
            f"&(cmsis_nn_per_tensor_quant_params){{.multiplier = {multiplier[0]}, .shift = {shift[0]}}}",
            *(_dims((rows, 1, 1, depth)), self.place(op.input)),
            *(_dims((depth, 1, 1, features)), self.constant(weights)),
            *(_dims((1, 1, 1, features)), self.constant(_constant(op.bias))),
            *(_dims((rows, 1, 1, features)), self.place(op.result)),
        )

    def weighted(
        self, op: qnn.WeightedOp, input: Shape, weights: Shape, output: Shape
    ) -> list[str]:
        """The arguments from the multipliers on, which all convolutions share."""
        multiplier, shift = (
            self.constant(_constant(op.multiplier)),
            self.constant(_constant(op.shift)),
        )
        return [
            "&(cmsis_nn_per_channel_quant_params)"
            f"{{.multiplier = (int32_t *){multiplier}, .shift = (int32_t *){shift}}}",
            *(_dims(input), self.place(op.input)),
            *(_dims(weights), self.constant(_constant(op.weights))),
            *(_dims((1, 1, 1, output[3])), self.constant(_constant(op.bias))),
            *(_dims(output), self.place(op.result)),
        ]

    def pooling(self, op: qnn.Pool2dOp) -> None:
        """Maximum or average."""
        pool = op.pool.data
        self.call(
            "arm_max_pool_s8" if isinstance(op, qnn.MaxPool2dOp) else "arm_avgpool_s8",
            self.context(4 * _shape(op.input)[3]),
            f"&(cmsis_nn_pool_params){{.stride = {_tile(pool.strides)}, "
            f".padding = {_tile(pool.padding[:2])}, .activation = {_range(op.requant.data.clamp)}}}",
            *(_dims(_shape(op.input)), self.place(op.input)),
            _dims((1, *pool.kernel, 1)),
            *(_dims(_shape(op.result)), self.place(op.result)),
        )

    def context(self, scratch: int) -> str:
        """The scratch memory that all layers share, as large as the largest wants it."""
        self.scratch_bytes = max(self.scratch_bytes, scratch)
        return "&(cmsis_nn_context){.buf = scratch, .size = (int32_t)sizeof(scratch)}"

    def source(self) -> str:
        """plain.c."""
        return "\n".join(
            [
                f'#include "{NAME}.h"',
                '#include "arm_nnfunctions.h"',
                '#include "arm_nnsupportfunctions.h"',
                *(['#include "sparsec.h"'] if self.runtime else []),
                *self.constants,
                f"static _Alignas({_ALIGNMENT}) int8_t scratch[{self.scratch_bytes}];",
                *self.buffers,
                f"int {NAME}_invoke(int8_t *arena)",
                "{",
                *self.calls,
                "    return 0;",
                "}",
                "",
            ]
        )

    def report(self) -> dict[str, Any]:
        """What the harness reads of report.json."""

        def rows(what: str, places: list[tuple[int, int]]) -> list[dict[str, Any]]:
            return [
                {"name": f"{what}{number}", "offset": offset, "bytes": size}
                for number, (offset, size) in enumerate(places)
            ]

        return {
            "name": NAME,
            "entry": f"{NAME}_invoke",
            "header": f"{NAME}.h",
            "arena_bytes": self.arena_bytes,
            "inputs": rows("input", self.inputs),
            "outputs": rows("output", self.outputs),
        }


def _origin(value: SSAValue) -> SSAValue:
    """What `value` is but for its shape."""
    return _origin(value.owner.input) if isinstance(value.owner, qnn.ReshapeOp) else value


def _shape(value: SSAValue) -> Shape:
    assert isinstance(value.type, TensorType)
    return value.type.get_shape()


def _constant(value: SSAValue) -> Array:
    array = constant_array(value)
    if array is None:
        raise ValueError("weights that are computed have no place in a plain call")
    return array


def _dims(shape: Shape) -> str:
    n, h, w, c = shape
    return f"&(cmsis_nn_dims){{.n = {n}, .h = {h}, .w = {w}, .c = {c}}}"


def _tile(height_width: Shape) -> str:
    height, width = height_width
    return f"{{.w = {width}, .h = {height}}}"


def _range(clamp: tuple[int, int]) -> str:
    return f"{{.min = {clamp[0]}, .max = {clamp[1]}}}"
