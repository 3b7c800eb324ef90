# SPDX-License-Identifier: Apache-2.0
"""Folders of tensors against a second reader: byte for byte in our arithmetic, and how far theirs is from it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from examples.sparse_engine.folder import (
    Network,
    Stage,
    Transformer,
    random_weights,
    save_image,
    write_folder,
)
from sparsec.frontends import load
from sparsec.interpreters.run import interpret
from sparsec.ir import qnn
from sparsec.quantization.requantize import quantize_multiplier
from tests.frontends.tensor_folder.reference import Reference, their_multiplier

Run: TypeAlias = Callable[[Reference, NDArray[np.int8]], NDArray[np.int8]]

ONE_STAGE = Network((Stage(("tokenizer", "mv2block"), 6, (0, 2)),), 12, size=16, classes=5)
TWO_STAGES = Network(
    (Stage(("tokenizer",), 4, (0,)), Stage(("mv2block",), 6, (1,))), 12, size=16, classes=5
)

WHOLE = Network(
    (
        Stage(("tokenizer",), 4, (0,), (Transformer(0, 6, 5, 4),)),
        Stage(("mv2block",), 4, (1,), (Transformer(1, 8, 10, 6),)),
    ),
    12,
    size=16,
    classes=5,
    pooling="attention",
)


def images(network: Network, count: int = 6) -> NDArray[np.int8]:
    random = np.random.default_rng(3)
    shape = (count, network.size, network.size, network.image_channels)
    return random.integers(-128, 128, shape).astype(np.int8)


def one_stage(reference: Reference, x: NDArray[np.int8]) -> NDArray[np.int8]:
    x = reference.tokenizer(x, "downsample.downsample_tokenizer_0.")
    x = reference.mv2block(x, "downsample.downsample_mv2block_1.", 2)
    x = reference.mv2block(x, "mv2block.mv2block0_0.")
    return reference.tail(reference.mv2block(x, "mv2block.mv2block2_1."))


def two_stages(reference: Reference, x: NDArray[np.int8]) -> NDArray[np.int8]:
    x = reference.tokenizer(x, "downsample_one.downsample0_0.")
    x = reference.mv2block(x, "mv2block_one.mv2block0_0.")
    x = reference.mv2block(x, "downsample_two.downsample1_0.", 2)
    return reference.tail(reference.mv2block(x, "mv2block_two.mv2block1_0."))


def whole(reference: Reference, x: NDArray[np.int8]) -> NDArray[np.int8]:
    x = reference.tokenizer(x, "downsample_one.downsample0_0.")
    x = reference.mv2block(x, "mv2block_one.mv2block0_0.")
    x = reference.transformer(x, "transformer_one.transformer0_0.", 2)
    x = reference.mv2block(x, "downsample_two.downsample1_0.", 2)
    x = reference.mv2block(x, "mv2block_two.mv2block1_0.")
    x = reference.transformer(x, "transformer_two.transformer1_0.", 4)
    return reference.tail(x, "attention")


@pytest.mark.parametrize(
    ("network", "run"),
    [(ONE_STAGE, one_stage), (TWO_STAGES, two_stages), (WHOLE, whole)],
    ids=["one", "two", "transformers"],
)
def test_networks(tmp_path: Path, network: Network, run: Run) -> None:
    """Ours to the byte. Theirs differs by a step where it rounds each term of a sum and each average, and by up to half of
    a norm, whose 128 / deviation it cuts to a whole number (docs/sparse-engine.md)."""
    write_folder(tmp_path, network, random_weights(1))
    module = load(
        tmp_path, input_shape=[(1, network.image_channels, network.size, network.size)]
    ).module
    given = images(network)
    ours, theirs = Reference(tmp_path, theirs=False), Reference(tmp_path, theirs=True)
    expected = [run(ours, x[None]) for x in given]
    (result,) = interpret(module, [given])
    assert np.array_equal(result.reshape(len(given), -1), np.concatenate(expected))
    assert np.unique(result).size > 10
    other = np.concatenate([run(theirs, x[None]) for x in given])
    norms = {name for name in ours.differences if name.endswith("norm.") or "qnorm1" in name}
    assert all(ours.differences[name] <= 1 for name in ours.differences.keys() - norms)
    assert all(8 < ours.differences[name] < 64 for name in norms)
    assert not np.array_equal(other, result.reshape(other.shape))


def test_multipliers_are_theirs_but_for_one() -> None:
    """`frexp` of any float32; they do not saturate where the mantissa rounds to 2^31."""
    random = np.random.default_rng(0)
    for factor in np.exp(random.uniform(-12, 3, 200)).astype(np.float32).tolist():
        assert quantize_multiplier(factor) == their_multiplier(factor)
    assert their_multiplier(1 - 1e-12) == (2**31, 0)
    assert quantize_multiplier(1 - 1e-12) == (2**30, 1)


def test_size_of_the_image(tmp_path: Path) -> None:
    """It is that of image_path, or follows from the bytes in statistic.yml."""
    folder = tmp_path / "tensors"
    network = Network((Stage(("tokenizer",), 2),), 3, size=8, classes=2)
    write_folder(folder, network, random_weights(1))
    (tmp_path / "statistic.yml").write_text("[[192, 128], [128, 32], [32, 48], [3, 2]]")
    listed = load(folder)
    assert listed.summary[-1] == "Remaining size list count: 0 (0 is correct)"
    (tmp_path / "statistic.yml").unlink()
    save_image(tmp_path / "image.npy", network)
    (folder / "config.yml").write_text("image_path: ../image.npy\nsoftmax_opt: True\n")
    pictured = load(folder)
    for loaded in (listed, pictured):
        main = next(iter(loaded.module.ops))
        assert [op.name for op in main.walk() if isinstance(op, qnn.Conv2dOp)]
        assert "tensor<1x8x8x3xi8>" in str(main)
