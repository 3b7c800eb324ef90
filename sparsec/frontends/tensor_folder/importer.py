# SPDX-License-Identifier: Apache-2.0
"""From a folder of tensors to a module, with what its configuration asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from sparsec.formats import BlockRle, Delta8, SparseFormat
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.numpy_files import Array
from sparsec.frontends.tensor_folder.blocks import BLOCKS, LAYERS
from sparsec.frontends.tensor_folder.configuration import NAME, surroundings_of
from sparsec.frontends.tensor_folder.sizes import compare_sizes
from sparsec.frontends.tensor_folder.summary import deployed, described
from sparsec.frontends.tensor_folder.tensors import Block
from sparsec.frontends.tensor_folder.topology import Kind, Placed, read_blocks, with_block_sizes
from sparsec.frontends.tensor_folder.writer import Writer
from sparsec.quantization.scheme import Quantization
from sparsec.recipe import Recipe, Wish


@dataclass
class FolderNetwork:
    """A network at `qnn`, how config.yml wants its layers stored, and a line for each tensor and block."""

    module: ModuleOp
    recipe: Recipe
    summary: tuple[str, ...]


def import_folder(folder: Path, shapes: Sequence[Sequence[int]] | None = None) -> FolderNetwork:
    """The network in `folder`; `shapes` has that of the image, [1, C, H, W], where neither an image nor statistic.yml tells
    it. Raises FrontendError.
    """
    around = surroundings_of(folder)
    placed, unknown = read_blocks(around.tensors)
    placed = with_block_sizes(placed, around.block_sizes())
    for each in placed:
        check_layers(each)
    image, listed = around.image(), around.size_list()
    writer = Writer(
        input_shape(placed[0].block, image, listed, shapes), input_quantization(placed[0].block)
    )
    feature = writer.image
    lines = [f"Cannot resolve {name}" for name in unknown]
    for each in placed:
        feature = BLOCKS[each.kind](writer, each.block, feature)
        lines += [*described(each), deployed(each)]
    last = placed[-1].block
    quantization = quantization_of(last, "qo")
    if listed is not None:
        lines.append(compare_sizes(writer.sizes, listed))
    module = writer.module(feature, quantization)
    return FolderNetwork(
        module,
        recipe_of(around.configuration.sparse_choice, placed),
        tuple(lines),
    )


def read_image(configuration: Path) -> tuple[Array, int | None]:
    """The image that a config.yml names, int8 [1, H, W, C], and its class. Raises FrontendError."""
    if configuration.name != NAME or not configuration.is_file():
        raise FrontendError(f"this is no {NAME} of a folder of tensors")
    around = surroundings_of(configuration.parent)
    image = around.image()
    if image is None:
        raise FrontendError("there is no image_path")
    return stored_image(image), around.configuration.image_class


def check_layers(placed: Placed) -> None:
    """Raises FrontendError where a block has a tensor of a layer that its kind does not have."""
    known = LAYERS[placed.kind]
    for name in placed.block.layers():
        if name not in known:
            raise placed.block.wrong(
                f"it has tensors of a layer '{name}', and such a block has {', '.join(known) or 'none'}: this is another topology"
            )


def first_layer(block: Block) -> str:
    """The layer that reads the image."""
    return "qconv_relu" if "qconv_relu" in block.layers() else "qconv.0"


def input_quantization(block: Block) -> Quantization:
    layer = block.layer(first_layer(block))
    return Quantization((layer.scale("qi"),), layer.zero_point("qi"))


def quantization_of(block: Block, what: str) -> Quantization:
    layer = block.layer()
    return Quantization((layer.scale(what),), layer.zero_point(what))


def input_shape(
    block: Block,
    image: Array | None,
    listed: Sequence[Sequence[int]] | None,
    shapes: Sequence[Sequence[int]] | None,
) -> tuple[int, int, int, int]:
    """[1, H, W, C] of the image: as the user says, as the image is, or square with the bytes that the first layer reads."""
    channels = block.layer(first_layer(block)).weights("conv_module", 4).shape[1]
    if shapes is not None:
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1:
            raise FrontendError("--input-shape is 1,C,H,W: such a network has one image")
        shape = tuple(shapes[0])
    elif image is not None:
        shape = image.shape
    elif listed:
        side = isqrt(listed[0][0] // channels)
        if side * side * channels != listed[0][0]:
            raise block.wrong(
                f"the first layer reads {listed[0][0]} bytes, which is no square image of {channels} channels"
            )
        shape = (1, channels, side, side)
    else:
        raise FrontendError(
            "neither an image_path in config.yml nor statistic.yml tells how large the image is: give "
            f"--input-shape=1,{channels},H,W"
        )
    if shape[1] != channels:
        raise block.wrong(f"it reads {channels} channels and the image has {shape[1]}")
    return 1, shape[2], shape[3], channels


def recipe_of(choice: int, placed: Sequence[Placed]) -> Recipe:
    """How layers are to be stored: dense for a choice of 0, sparse where they may be and dense elsewhere for 1; for 2 no wish."""
    dense = Wish("*", None)
    if choice != 1:
        return Recipe() if choice == 2 else Recipe((dense,))
    forced = (
        Wish(each.block.layer(name).title, _sparse_format(each, name))
        for each in placed
        if each.sparse
        for name in LAYERS[each.kind]
        if _has_matrix(each.block, name)
    )
    return Recipe((dense, *forced))


def _sparse_format(placed: Placed, layer: str) -> SparseFormat:
    """Runs as long as the blocks that were pruned together. Depthwise layers, whose runs are of three there, have no kernel that
    reads runs, but one for single weights."""
    depthwise = placed.kind in (Kind.MV2BLOCK, Kind.DOWNSAMPLE) and layer == "qconv.1"
    return Delta8() if depthwise else BlockRle(placed.block_size)


def _has_matrix(block: Block, name: str) -> bool:
    layer = block.layer(name)
    return layer.has("conv_module.weight") or layer.has("fc_module.weight")


def stored_image(image: Array) -> Array:
    """The bytes of an image with its channels last. Raises FrontendError for what are none."""
    if not np.all((image == np.round(image)) & (image >= -128) & (image <= 127)):
        raise FrontendError("the image must hold whole numbers from -128 to 127, as it is stored")
    return image.transpose(0, 2, 3, 1).astype(np.int8)
