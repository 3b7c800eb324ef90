# SPDX-License-Identifier: Apache-2.0
"""Attention of tokens whose queries, keys and values one matrix gives, and products of two computed matrices."""

from xdsl.dialects.builtin import TensorType, i8

from sparsec.frontends.tensor_folder.tensors import Block, Layer
from sparsec.frontends.tensor_folder.writer import Feature, Writer
from sparsec.ir import qnn
from sparsec.quantization.attention import Attention
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.scheme import UNIT_INTERVAL


def product(w: Writer, layer: Layer, lhs: Feature, rhs: Feature) -> MatmulParams:
    """The numbers of a product of `lhs` and `rhs`."""
    zero_points = w.reads(layer, lhs, "qi1"), w.reads(layer, rhs, "qi2")
    multiplier, shift = layer.fixed_point([layer.factor()])
    try:
        return MatmulParams(*zero_points, int(multiplier[0]), int(shift[0]), layer.zero_point("qo"))
    except ValueError as error:
        raise layer.wrong(str(error)) from error


def matmul(w: Writer, layer: Layer, lhs: Feature, rhs: Feature) -> Feature:
    """[1, m, k] times [1, k, n]."""
    params = product(w, layer, lhs, rhs)
    shape = (*lhs.shape[:-1], rhs.shape[-1])
    op = qnn.MatmulOp(lhs.value, rhs.value, (False, False), params, TensorType(i8, shape))
    result = Feature(w.add(layer, op), params.output_zp)
    w.note_sizes(layer, None, result.bytes)
    return result


def attention(w: Writer, block: Block, qkv: Feature, heads: int) -> Feature:
    """Of [1, tokens, 3 * width]: all queries, then all keys, then all values, each head after head."""
    _, tokens, triple = qkv.shape
    width = triple // 3
    if width % heads:
        raise block.wrong(f"{width} channels cannot be divided among {heads} heads")
    depth = width // heads
    names = ("qmatmul_qk", "qsoftmax1", "qmatmul_attnv")
    first, second, third = (block.layer(f"self_attn.{name}") for name in names)
    scores = product(w, first, qkv, qkv)
    shares = Feature(qkv.value, UNIT_INTERVAL.zero_point)
    values = product(w, third, shares, qkv)
    over = Attention(
        outer=1,
        heads=heads,
        queries=tokens,
        keys=tokens,
        width=depth,
        value_width=depth,
        query=(0, tokens * triple, depth, triple),
        key=(width, tokens * triple, depth, triple),
        value=(2 * width, tokens * triple, depth, triple),
        result=(0, tokens * width, depth, width),
    )
    op = qnn.AttentionOp(
        (qkv.value, qkv.value, qkv.value, None),
        over,
        scores,
        w.softmax_params(second),
        values,
        TensorType(i8, (1, tokens, width)),
    )
    result = Feature(w.add(first, op, f"{block.title}.self_attn"), values.output_zp)
    square = heads * tokens * tokens
    w.note_sizes(first, qkv.bytes, qkv.bytes)
    w.note_sizes(first, None, square)
    w.note_sizes(second, square, square)
    w.note_sizes(third, None, result.bytes)
    w.note_sizes(third, result.bytes, result.bytes)
    return result
