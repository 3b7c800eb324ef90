# SPDX-License-Identifier: Apache-2.0
"""The layers of each kind of block, in the order they run.

A block takes a Writer, its tensors and what it reads, appends its layers and gives what it computes.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from sparsec.frontends.tensor_folder.attention import attention, matmul
from sparsec.frontends.tensor_folder.tensors import Block
from sparsec.frontends.tensor_folder.topology import HEADS, Kind
from sparsec.frontends.tensor_folder.writer import Feature, Writer

Import: TypeAlias = Callable[[Writer, Block, Feature], Feature]


def tokenizer(w: Writer, block: Block, source: Feature) -> Feature:
    """A convolution, and of its result the largest of 3x3 pixels for every other one."""
    check_even(block, source)
    return w.max_pool(
        block.layer("qmaxpool"), w.convolution(block.layer("qconv_relu"), source, size=3)
    )


def downsample(w: Writer, block: Block, source: Feature) -> Feature:
    """An mv2block whose depthwise layer takes every other pixel."""
    check_even(block, source)
    return inverted_residual(w, block, source, stride=2)


def mv2block(w: Writer, block: Block, source: Feature) -> Feature:
    """An inverted residual, to which what it reads is added where it has as many channels."""
    result = inverted_residual(w, block, source, stride=1)
    if result.shape != source.shape:
        return result
    return w.sum(block.layer("qadd"), result, source)


def inverted_residual(w: Writer, block: Block, source: Feature, *, stride: int) -> Feature:
    """Convolutions of one pixel around a depthwise one."""
    wide = w.convolution(block.layer("qconv.0"), source, size=1)
    deep = w.convolution(block.layer("qconv.1"), wide, size=3, stride=stride, depthwise=True)
    return w.convolution(block.layer("qconv.2"), deep, size=1)


def transformer(w: Writer, block: Block, source: Feature) -> Feature:
    """Two convolutions to the width of the tokens, attention and a feed-forward part of two layers, two convolutions back.

    The sum behind the attention is with what its norm reads, the other one with what its norm gives.
    """
    narrow = w.convolution(block.layer("qconv1"), source, size=3)
    image = w.convolution(block.layer("qconv2"), narrow, size=1)
    _, height, width, channels = image.shape
    tokens = w.reshaped(block.layer("qpre_norm"), image, (1, height * width, channels))
    normal = w.norm(block.layer("qpre_norm"), tokens)
    projected = block.layer("self_attn.qproj")
    qkv = w.linear(block.layer("self_attn.qqkv"), normal)
    if qkv.shape[-1] != 3 * channels:
        raise block.layer("self_attn.qqkv").shape_error(
            "fc_module.weight", f"[{3 * channels}, {channels}]"
        )
    heads = HEADS[block.name.split("_")[-2][-1]]
    mixed = w.linear(projected, attention(w, block, qkv, heads))
    tokens = w.norm(block.layer("qnorm1"), w.sum(block.layer("qadd1"), mixed, tokens))
    hidden = w.linear(block.layer("qlinear_relu1"), tokens)
    tokens = w.sum(block.layer("qadd2"), w.linear(block.layer("qlinear2"), hidden), tokens)
    wide = block.layer("qconv3")
    image = w.reshaped(wide, tokens, (1, height, width, channels))
    return w.convolution(block.layer("qconv4"), w.convolution(wide, image, size=3), size=1)


def attention_pooling(w: Writer, block: Block, source: Feature) -> Feature:
    """The pixels, weighted by the softmax of a number of each: one row."""
    _, height, width, channels = source.shape
    pixels = w.reshaped(block.layer("qattention_pool"), source, (1, height * width, channels))
    layer = block.layer("qsoftmax")
    numbers = w.linear(block.layer("qattention_pool"), pixels)
    if numbers.shape[-1] != 1:
        raise block.layer("qattention_pool").shape_error("fc_module.weight", f"[1, {channels}]")
    shares = w.softmax(layer, w.reshaped(layer, numbers, (1, 1, height * width)))
    row = matmul(w, block.layer("qmatmul"), shares, pixels)
    return w.reshaped(block.layer("qmatmul"), row, (1, channels))


def last_conv(w: Writer, block: Block, source: Feature) -> Feature:
    """A convolution of one pixel."""
    return w.convolution(block.layer(), source, size=1)


def average_pooling(w: Writer, block: Block, source: Feature) -> Feature:
    """The average of all pixels, one row."""
    layer = block.layer()
    mean = w.mean(layer, source)
    return w.reshaped(layer, mean, (1, source.shape[-1]))


def classifier(w: Writer, block: Block, source: Feature) -> Feature:
    """A matrix on the one row."""
    return w.linear(block.layer(), source)


def check_even(block: Block, source: Feature) -> None:
    """Raises FrontendError where half of an image is no image."""
    height, width = source.shape[1:3]
    if height % 2 or width % 2:
        raise block.wrong(f"an image of {height}x{width} cannot be halved")


BLOCKS: Mapping[Kind, Import] = {
    Kind.TOKENIZER: tokenizer,
    Kind.DOWNSAMPLE: downsample,
    Kind.MV2BLOCK: mv2block,
    Kind.TRANSFORMER: transformer,
    Kind.LAST_CONV: last_conv,
    Kind.AVERAGE_POOLING: average_pooling,
    Kind.ATTENTION_POOLING: attention_pooling,
    Kind.CLASSIFIER: classifier,
}

_INVERTED = ("qconv.0", "qconv.1", "qconv.2")

LAYERS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TOKENIZER: ("qconv_relu", "qmaxpool"),
    Kind.DOWNSAMPLE: _INVERTED,
    Kind.MV2BLOCK: (*_INVERTED, "qadd"),
    Kind.TRANSFORMER: (
        *("qconv1", "qconv2", "qpre_norm", "self_attn.qqkv", "self_attn.qmatmul_qk"),
        *("self_attn.qsoftmax1", "self_attn.qmatmul_attnv", "self_attn.qproj", "qadd1", "qnorm1"),
        *("qlinear_relu1", "qlinear2", "qadd2", "qconv3", "qconv4"),
    ),
    Kind.LAST_CONV: ("",),
    Kind.AVERAGE_POOLING: ("",),
    Kind.ATTENTION_POOLING: ("qattention_pool", "qsoftmax", "qmatmul"),
    Kind.CLASSIFIER: ("",),
}
"""The layers that a block of a kind can have; "" is the block itself."""
