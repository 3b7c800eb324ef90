# SPDX-License-Identifier: Apache-2.0
"""The network that sparse-engine ships for the STM32F746 (CIFAR-10, 32x32x3, 10 classes), but for its weights.

Shapes, blocks, numbers of non-zeros and of channels without weights are those counted in what it generated; the values and
their places are random.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.sparse_engine.folder import (
    Network,
    Stage,
    Transformer,
    Weights,
    nonzero,
    save_image,
    write_folder,
    write_pruning,
)

SHIPPED = Network(
    (
        Stage(("tokenizer",), 128, (0,), (Transformer(1, 44, 256, 128),)),
        Stage(("mv2block",), 128, (1,), (Transformer(1, 192, 128, 256),)),
    ),
    768,
)

BLOCK_SIZES = (2, 2, 2, 2, 2, 4)
"""Weights that were pruned together, for each block that may be sparse: those of the first stage, which are dense all the
same, the three of the second, and the last convolution. Depthwise layers have 3."""

SPARSE: dict[str, tuple[int, int, int]] = {
    "stage2.mv2block1_0.qconv.0": (2, 7373, 14699),
    "stage2.mv2block1_0.qconv.1": (3, 346, 1035),
    "stage2.mv2block1_0.qconv.2": (2, 7373, 14688),
    "stage2.transformer1_0.qconv1": (2, 29488, 58717),
    "stage2.transformer1_0.qconv2": (2, 4916, 9811),
    "stage2.transformer1_0.self_attn.qqkv": (2, 22119, 44034),
    "stage2.transformer1_0.self_attn.qproj": (2, 7373, 14653),
    "stage2.transformer1_0.qlinear_relu1": (2, 4916, 9773),
    "stage2.transformer1_0.qlinear2": (2, 4916, 9800),
    "stage2.transformer1_0.qconv3": (2, 66351, 132127),
    "stage2.transformer1_0.qconv4": (2, 9831, 19578),
    "qlast_conv": (4, 14746, 58518),
}
"""Layers that sparse-engine stores sparse: the length of their blocks, how many are not zero, and how many weights of these."""

DEPTHWISE = "stage2.mv2block1_0.qconv.1"
LIVING_CHANNELS = 300
"""Channels of the one sparse depthwise layer, of 384, that have a weight: the compiler removes the others, and what feeds them."""

DENSE: dict[str, int] = {
    "stage1.downsample0_0.qconv_relu": 3416,
    "stage1.mv2block0_0.qconv.0": 32118,
    "stage1.mv2block0_0.qconv.1": 2272,
    "stage1.mv2block0_0.qconv.2": 32379,
    "stage1.transformer1_0.qconv1": 144856,
    "stage1.transformer1_0.qconv2": 5555,
    "stage1.transformer1_0.self_attn.qqkv": 5705,
    "stage1.transformer1_0.self_attn.qproj": 1912,
    "stage1.transformer1_0.qlinear_relu1": 11076,
    "stage1.transformer1_0.qlinear2": 11090,
    "stage1.transformer1_0.qconv3": 17073,
    "stage1.transformer1_0.qconv4": 5560,
    "stage2.downsample1_0.qconv.0": 32440,
    "stage2.downsample1_0.qconv.1": 2297,
    "stage2.downsample1_0.qconv.2": 32332,
    "qclassifier": 7208,
}
"""Its other layers, and how many of their weights are not zero."""

STORED_SPARSE = 569_082
"""Bytes of the twelve sparse layers in its encoding."""

READ_ONLY = 1_008_320
"""Bytes of its image in flash, constants and code."""

RAM = 319_192
"""Bytes of its image in RAM."""


def shipped_weights(seed: int = 0) -> Weights:
    """Random weights with its blocks and numbers of non-zeros."""
    random = np.random.default_rng(seed)

    def draw(name: str, shape: tuple[int, ...]) -> NDArray[np.int8]:
        count = int(np.prod(shape))
        weights = np.zeros(count, np.int8)
        if name in DENSE:
            places = random.permutation(count)[: DENSE[name]]
        else:
            block, kept, wanted = SPARSE[name]
            if name == DEPTHWISE:
                chosen = _spread(random, shape[0], count // block // shape[0], kept)
            else:
                chosen = random.permutation(count // block)[:kept]
            begins = np.sort(chosen) * block
            # Zeros within a block lie behind its first weight: it would begin later otherwise.
            inner = (begins[:, None] + np.arange(1, block)).reshape(-1)
            places = np.append(begins, random.permutation(inner)[: wanted - kept])
        weights[places] = nonzero(random, len(places))
        return weights.reshape(shape)

    return draw


def _spread(
    random: np.random.Generator, channels: int, blocks: int, kept: int
) -> NDArray[np.int64]:
    """`kept` blocks of `channels` with so many each, of which `LIVING_CHANNELS` have one at least."""
    living = random.permutation(channels)[:LIVING_CHANNELS]
    every = living[:, None] * blocks + np.arange(blocks)
    every = random.permuted(every, axis=1)
    rest = random.permutation(every[:, 1:].reshape(-1))
    return np.append(every[:, 0], rest[: kept - LIVING_CHANNELS])


def write_shipped(home: Path, *, seed: int = 0) -> Path:
    """The network as sparse-engine finds it: tensors in a folder of `home`, which is given back, config.yml and what that names
    beside it."""
    folder = home / "tensors"
    write_folder(folder, SHIPPED, shipped_weights(seed), seed=seed, symmetric=True)
    save_image(home / "image.npy", SHIPPED, seed=seed)
    write_pruning(home / "configs" / "shipped" / "pruning_dmtp_single.yml", BLOCK_SIZES)
    (home / "config.yml").write_text(
        "model_config_path: shipped\nimage_path: image.npy\nimage_class: 3\nsparse_choice: 2\n"
    )
    return folder
