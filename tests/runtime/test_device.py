# SPDX-License-Identifier: Apache-2.0
"""The kernels as each core compiles them (plain C, DSP, MVE), against CMSIS-NN's bytes from the host,
or numpy's where elements only move.

The host run has the address sanitizer, the QEMU runs a guarded arena and, on MVE, other code.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsec.formats import Delta8
from sparsec.run.execute import run_project
from tests.runtime import test_convolve_delta8 as convolution
from tests.runtime import test_fully_connected as fully_connected
from tests.runtime import test_movement as movement
from tests.runtime import test_reduce as reduce
from tests.runtime.kernel_library import Int8, KernelLibrary, fold_input_offset
from tests.runtime.kernel_project import KernelProject, dims, per_channel


def add_convolution(project: KernelProject, layer: convolution.Convolution) -> None:
    rows = len(layer.weights)
    components = Delta8().pack(layer.weights.reshape(rows, -1))
    tiles = ", ".join(f"{{{w}, {h}}}" for h, w in (layer.stride, layer.padding, layer.dilation))
    low, high = layer.clamp
    bias = fold_input_offset(layer.bias, layer.weights, layer.input_offset)
    project.call(
        "sparsec_convolve_delta8_s8",
        [
            "&scratch",
            f"&(cmsis_nn_conv_params){{{layer.input_offset}, {layer.output_offset}, {tiles}, {{{low}, {high}}}}}",
            per_channel(project, layer.multipliers, layer.shifts),
            dims(1, *layer.input.shape),
            project.array(layer.input),
            dims(*layer.weights.shape),
            project.array(components["entries"]),
            project.array(components["counts"]),
            project.array(bias),
            dims(1, *layer.output, rows),
        ],
        layer.output[0] * layer.output[1] * rows,
    )


def add_fully_connected(
    project: KernelProject, layer: fully_connected.FullyConnected, kernel: fully_connected.Kernel
) -> None:
    outputs, inputs = layer.weights.shape
    if kernel == "delta8":
        components = Delta8().pack(layer.weights)
        weights = [project.array(components["entries"]), project.array(components["counts"])]
    else:
        weights = [dims(inputs, 1, 1, outputs), project.array(layer.weights)]
    low, high = layer.clamp
    project.call(
        f"sparsec_fully_connected_{'delta8' if kernel == 'delta8' else 'per_channel'}_s8",
        [
            f"&(cmsis_nn_fc_params){{{layer.input_offset}, 0, {layer.output_offset}, {{{low}, {high}}}}}",
            per_channel(project, layer.multipliers, layer.shifts),
            project.array(layer.input),
            *weights,
            project.array(fold_input_offset(layer.bias, layer.weights, layer.input_offset)),
            dims(1, 1, 1, outputs),
        ],
        outputs,
    )


def convolutions() -> list[convolution.Convolution]:
    rng = np.random.default_rng(11)

    def layer(*args: object, **other: object) -> convolution.Convolution:
        return convolution.random_layer(rng, *args, **other)  # pyright: ignore[reportArgumentType]

    # Every number of pixels in the last strip of 8 and of 16, then windows of all kinds.
    layers = [layer((1, pixels, 19), 5, (1, 1), 0.5) for pixels in range(1, 18)]
    layers += [
        layer((5, 5, 33), 6, (3, 3), 0.6, padding=(1, 1)),
        layer((9, 7, 17), 4, (3, 2), 0.5, padding=(2, 1), dilation=(2, 3), stride=(2, 1)),
        layer((10, 12, 1), 8, (10, 4), 0.3, padding=(4, 1), stride=(2, 2)),
        layer((4, 4, 16), 4, (1, 1), 0.0, clamp=(-10, 90)),
        layer((3, 3, 300), 3, (3, 3), 0.995, padding=(1, 1)),
    ]
    base = layer((4, 5, 40), 4, (2, 2), 0.3)
    extreme = replace(
        base,
        weights=np.where(base.weights > 0, 127, np.where(base.weights < 0, -128, 0)).astype(
            np.int8
        ),
    )
    for shift in (2, 0, -1, -9, -22, -23, -31):
        for bias in (0, 2**29, -(2**29) - 1, 2_100_000_000):
            case = replace(
                extreme,
                shifts=np.full(4, shift, np.int32),
                bias=np.full(4, bias, np.int32),
                input_offset=0,
            )
            image = case.input.copy()
            image[:2, :2] = convolution.sign_matched(case, row=0)
            layers.append(replace(case, input=image))
    return layers


def fully_connecteds() -> list[fully_connected.FullyConnected]:
    sizes = [(1, 1), (2, 3), (3, 16), (5, 17), (7, 64), (10, 300)]
    layers = [fully_connected.random_layer(seed, *size, 0.4) for seed, size in enumerate(sizes)]
    layers += [fully_connected.random_layer(9, 6, 50, 0.4, shift) for shift in (2, 0, -1, -31)]
    return [*layers, fully_connected.random_layer(8, 9, 80, 0.5, clamp=(-20, 20))]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Its directory and the bytes it writes."""
    result = KernelProject()
    for layer in convolutions():
        add_convolution(result, layer)
    for layer in fully_connecteds():
        add_fully_connected(result, layer, "delta8")
        add_fully_connected(result, layer, "dense")
    movement.add_calls(result)
    reduce.add_calls(result)
    return result.write(tmp_path_factory.mktemp("kernels")), result.output_bytes


@pytest.fixture(scope="module")
def expected(cmsis_nn: KernelLibrary) -> Int8:
    parts = [convolution.dense_output(cmsis_nn, layer) for layer in convolutions()]
    for layer in fully_connecteds():
        parts += [fully_connected.per_channel_output(cmsis_nn, layer)] * 2
    parts += movement.add_calls(KernelProject())
    parts += reduce.add_calls(KernelProject())
    return np.concatenate(parts)


def outputs(
    project: tuple[Path, int], cpu: str, cmsis_nn_dir: Path, sanitize: bool = False
) -> Int8:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project[0], cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    return result.outputs[0][0]


def test_host_with_address_sanitizer(
    project: tuple[Path, int], expected: Int8, cmsis_nn_dir: Path
) -> None:
    np.testing.assert_array_equal(outputs(project, "host", cmsis_nn_dir, sanitize=True), expected)


@pytest.mark.qemu
@pytest.mark.parametrize(
    "cpu", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"]
)
def test_core(project: tuple[Path, int], expected: Int8, cmsis_nn_dir: Path, cpu: str) -> None:
    np.testing.assert_array_equal(outputs(project, cpu, cmsis_nn_dir), expected)
