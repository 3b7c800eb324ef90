# SPDX-License-Identifier: Apache-2.0
"""What an attention on tensors and its call on buffers share: where heads lie, and that they lie inside."""

from math import prod

from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.shapes import shape_of
from sparsec.quantization.attention import Attention, end_of


def verify_attention(
    a: Attention,
    query: Attribute,
    key: Attribute,
    value: Attribute,
    mask: Attribute | None,
    result: Attribute,
) -> None:
    """All rows lie in their tensors, and those of the result fill it."""
    for name, type, place, shape in (
        ("query", query, a.query, a.query_shape),
        ("key", key, a.key, a.key_shape),
        ("value", value, a.value, a.value_shape),
        ("result", result, a.result, a.result_shape),
    ):
        if end_of(place, shape) > prod(shape_of(type)):
            raise VerifyException(f"{name} reaches beyond {type}")
    if prod(shape_of(result)) != prod(a.result_shape):
        raise VerifyException(f"{result} does not have {prod(a.result_shape)} elements")
    if mask is None:
        return
    found = shape_of(mask)
    if len(found) != 4 or any(n not in (1, m) for n, m in zip(found, a.mask_shape, strict=True)):
        raise VerifyException(f"mask must broadcast to {list(a.mask_shape)}, got {mask}")
    if found[3] != a.keys:
        raise VerifyException(f"mask must have an element for each of {a.keys} keys, got {mask}")
