# SPDX-License-Identifier: Apache-2.0
"""`nn.MultiheadAttention` as three linear layers, an attention and a fourth, so that heads can go.

The one rule: torch's own module keeps queries, keys and values in one matrix and insists on its size; what takes its place
computes the same numbers with weights of its own, which are ordinary linear layers.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsec.compress.layers import modules_of


class SplitAttention(nn.Module):
    """What `nn.MultiheadAttention` does, called as it is; it gives no weights of attention, but None."""

    in_proj_bias = None
    """That there is none keeps `nn.TransformerEncoderLayer` from its fused kernel, which reads torch's own weights."""
    _qkv_same_embed_dim = False

    def __init__(self, like: nn.MultiheadAttention) -> None:
        """With the weights of `like`. Raises ValueError where it does more than attention."""
        super().__init__()
        if like.bias_k is not None or like.bias_v is not None or like.add_zero_attn:
            raise ValueError(
                "nn.MultiheadAttention with add_bias_kv or add_zero_attn keeps its heads"
            )
        self.num_heads = like.num_heads
        self.head_dim = like.head_dim
        self.batch_first = like.batch_first
        self.dropout = like.dropout
        if like._qkv_same_embed_dim:  # pyright: ignore[reportPrivateUsage]
            weights = like.in_proj_weight.chunk(3)
        else:
            weights = (like.q_proj_weight, like.k_proj_weight, like.v_proj_weight)
        bias = cast(Tensor | None, like.in_proj_bias)
        biases = (None, None, None) if bias is None else bias.chunk(3)
        self.query, self.key, self.value = map(_linear, weights, biases)
        self.out_proj = _linear(like.out_proj.weight, like.out_proj.bias)
        self.train(like.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """[N, T, width], or [T, N, width] without `batch_first`; the masks are torch's. Raises ValueError for no batch."""
        if query.dim() != 3:
            raise ValueError("attention takes a batch of sequences")
        if not self.batch_first:
            query, key, value = (each.transpose(0, 1) for each in (query, key, value))
        q, k, v = (
            each.unflatten(2, (-1, self.head_dim)).transpose(1, 2)
            for each in (self.query(query), self.key(key), self.value(value))
        )
        mask = self._mask(attn_mask, key_padding_mask, q)
        dropout = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(q, k, v, mask, dropout)
        y = self.out_proj(y.transpose(1, 2).flatten(2))
        return (y if self.batch_first else y.transpose(0, 1)), None

    def _mask(self, mask: Tensor | None, padding: Tensor | None, q: Tensor) -> Tensor | None:
        """What is added to the scores [N, heads, T, T]."""
        found = None if mask is None else _added(mask, q)
        if found is not None and found.dim() == 3:  # [N * heads, T, T]
            found = found.reshape(len(q), -1, *found.shape[1:])
        if padding is None:
            return found
        added = _added(padding, q)[:, None, None, :]
        return added if found is None else found + added


def split_attention(model: nn.Module) -> tuple[str, ...]:
    """Put a `SplitAttention` in the place of each `nn.MultiheadAttention` of `model`; gives their paths.

    Raises ValueError where one does more than attention, and leaves `model` as it was.
    """
    found = {
        name: SplitAttention(module)
        for name, module in modules_of(model).items()
        if isinstance(module, nn.MultiheadAttention) and name
    }
    for name, module in found.items():
        model.set_submodule(name, module)
    return tuple(found)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A linear layer with copies."""
    rows, columns = weight.shape
    layer = nn.Linear(columns, rows, bias is not None, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """A mask as numbers that are added: of booleans -inf where it is true."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype, device=mask.device).masked_fill(
        mask, float("-inf")
    )
