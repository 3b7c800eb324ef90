# SPDX-License-Identifier: Apache-2.0
"""Kernel calls in one program."""

import numpy as np
import pytest

from sparsec.calibration.image import KernelImage, in_parts
from sparsec.formats import Delta4, Delta8
from sparsec.ir import cmsis, rt
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.rt.decode import DecodeDelta4Op
from sparsec.quantization import int8
from sparsec.quantization.params import Requant
from sparsec.run import cmsis_nn
from sparsec.run.toolchain import find_tool

REQUANT = Requant(input_zp=-3, output_zp=2)
SHIFT = -9


def linear_layer(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input int8 [1, 20], weights int8 [6, 20], bias int32 [6]."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (6, 20)) * (rng.random((6, 20)) < 0.4)
    return (
        rng.integers(-128, 128, (1, 20)).astype(np.int8),
        weights.astype(np.int8),
        rng.integers(-500, 500, 6).astype(np.int32),
    )


@pytest.mark.qemu
def test_calls_count_to_their_layers_and_outputs_come_back() -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    find_tool("arm-none-eabi-gcc")
    input, weights, bias = linear_layer(1)
    multiplier, shift = np.full(6, 2**30, np.int32), np.full(6, SHIFT, np.int32)
    image = KernelImage()
    given, flash = image.input(input), image.constant(input)
    dense, sparse = image.buffer((1, 6)), image.buffer((1, 6))
    image.call(
        cmsis.FullyConnectedOp(
            *(given, image.constant(weights), image.constant(bias), dense),
            *(REQUANT, 2**30, SHIFT),
        ),
        "dense",
    )
    components = Delta4().pack(weights)
    entries = image.buffer((len(Delta8().pack(weights)["entries"]),), ui8)
    counts = image.buffer((6,), ui16)
    folded = int8.fold_input_zero_point(weights, bias, REQUANT.input_zp)
    decoder = DecodeDelta4Op(
        Delta4(), 20, {k: image.constant(v) for k, v in components.items()}, entries, counts
    )
    image.call(decoder, "sparse")
    image.call(
        rt.FullyConnectedDelta8Op(
            *(flash, entries, counts, image.constant(folded)),
            *(image.constant(multiplier), image.constant(shift), sparse, REQUANT),
        ),
        "sparse",
    )
    image.result(dense)
    image.result(sparse)
    found, outputs = image.measure("cortex-m4")
    assert found.keys() == {"dense", "sparse"}
    assert found["dense"].kernels == ("arm_fully_connected_s8",)
    assert found["sparse"].kernels == (
        "sparsec_decode_delta4_s8",
        "sparsec_fully_connected_delta8_s8",
    )
    assert 6 * 20 < found["dense"].cost.instructions < found["dense"].cost.cycles
    expected = int8.fully_connected(
        *(input, weights, bias),
        input_zp=REQUANT.input_zp,
        output_zp=REQUANT.output_zp,
        multiplier=multiplier,
        shift=shift,
    )[0]
    for output in outputs:
        np.testing.assert_array_equal(output, expected)


def test_parts() -> None:
    sizes = [3, 4, 9, 1, 1]
    assert [sizes[part] for part in in_parts(sizes, 7)] == [[3, 4], [9], [1, 1]]
    assert list(in_parts([], 7)) == []
