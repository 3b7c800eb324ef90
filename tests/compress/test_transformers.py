# SPDX-License-Identifier: Apache-2.0
"""Heads and hidden units: the smaller network is the one in which nothing reads them, in torch, to the last bits."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.fashion.transformers import TinyFormer, TinyViT
from sparsec.compress.attention import SplitAttention, split_attention
from sparsec.compress.channels.graph import ChannelGraph
from sparsec.compress.channels.prune import prune_channels
from sparsec.compress.transformers import prune_transformer

TOKENS = torch.rand(4, 7, 12, generator=torch.Generator().manual_seed(1))


class Encoder(nn.Module):
    """Torch's own layers."""

    def __init__(self, batch_first: bool = True, norm_first: bool = False, bias: bool = True):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            12, 3, 16, batch_first=batch_first, norm_first=norm_first, bias=bias
        )
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.scores = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.layers(x).mean(1))


class Joint(nn.Module):
    """One matrix for queries, keys and values, taken apart as `way` says."""

    def __init__(self, way: str, bias: bool = False):
        super().__init__()
        self.num_heads, self.head_dim, self.way = 4, 3, way
        self.all_head_size = 12
        self.qkv, self.project = nn.Linear(12, 36), nn.Linear(12, 12)
        self.places = nn.Parameter(torch.randn(4, 7, 7)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        if self.way == "permute":
            y = self.qkv(x).reshape(n, t, 3, self.num_heads, self.head_dim)
            q, k, v = y.permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = (
                each.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
                for each in self.qkv(x).chunk(3, -1)
            )
        if self.way == "fused":
            y = functional.scaled_dot_product_attention(q, k, v, self.places)
        else:
            scores = (q * self.head_dim**-0.5) @ k.transpose(-2, -1)
            y = (scores if self.places is None else scores + self.places).softmax(-1) @ v
        return self.project(y.transpose(1, 2).reshape(n, t, self.all_head_size))


class Fixed(Joint):
    """A number of heads that does not follow."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(2, (4, -1)).transpose(1, 2) for each in self.qkv(x).chunk(3, -1))
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.project(y.transpose(1, 2).reshape(-1, 7, 12))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor, dict[str, int]]] = {
    "vit": (
        lambda: TinyViT(24, 2, 8),
        torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(2)),
        {"blocks.1.attention.query": 16, "blocks.1.body.0": 24},
    ),
    "hybrid": (
        lambda: TinyFormer(8, 48, 1),
        torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(3)),
        {"mixed.blocks.0.attention.value": 32, "mixed.blocks.0.body.0": 48},
    ),
    "encoder": (
        lambda: Encoder(norm_first=True),
        TOKENS,
        {"layers.layers.0.self_attn.key": 8, "layers.layers.1.linear1": 8},
    ),
    "encoder, tokens first": (
        lambda: Encoder(False, bias=False),
        TOKENS,
        {"layers.layers.0.self_attn.key": 8, "layers.layers.1.linear1": 8},
    ),
    "permute": (lambda: Joint("permute", bias=True), TOKENS, {"qkv": 27}),
    "chunk": (lambda: Joint("chunk"), TOKENS, {"qkv": 27}),
    "fused": (lambda: Joint("fused", bias=True), TOKENS, {"qkv": 27}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_smaller_network_is_the_masked_one(name: str) -> None:
    build, x, outputs = NETWORKS[name]
    torch.manual_seed(0)
    model = build().eval()
    whole = copy.deepcopy(model)
    split_attention(whole)
    graph = ChannelGraph(copy.deepcopy(whole), x)
    share = 0.3 if name != "fused" else 0.25
    pruned = prune_transformer(model, x, share, 0.5, group_size=1)
    sizes = {name: model.get_parameter(f"{name}.weight").shape[0] for name in outputs}
    assert sizes == outputs
    # The mask: columns of what reads the rows that went are zero.
    gone = {layer: list(rows) for layer, rows in pruned.rows.items()}
    with torch.no_grad():
        for parameter, axes in graph.columns(gone).items():
            for axis, stays in axes.items():
                index = (~stays).nonzero()[:, 0]
                whole.get_parameter(parameter).index_fill_(axis, index, 0.0)
    found, expected = model.double()(x.double()), whole.double()(x.double())
    assert not torch.equal(expected, build().double().eval()(x.double()))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    # It stays an ordinary network, that trains and is exported.
    model.float().train()(x).sum().backward()
    torch.export.export(model.eval(), (x,))


@pytest.mark.parametrize("masks", ["none", "booleans", "numbers", "padding"])
@pytest.mark.parametrize("same", [True, False])
def test_split_attention_is_attention(masks: str, same: bool) -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True, kdim=None if same else 5).eval()
    ours = SplitAttention(theirs)
    key = TOKENS if same else torch.rand(4, 7, 5)
    words: dict[str, Tensor] = {}
    if masks == "booleans":
        words["attn_mask"] = torch.ones(7, 7, dtype=torch.bool).triu(1)
    elif masks != "none":
        words["attn_mask"] = torch.rand(12, 7, 7)
    if masks == "padding":
        words["key_padding_mask"] = torch.zeros(4, 7).masked_fill(torch.arange(7) > 4, -torch.inf)
    torch.testing.assert_close(
        ours(TOKENS, key, TOKENS, **words)[0],
        theirs(TOKENS, key, TOKENS, need_weights=False, **words)[0],
    )
    with pytest.raises(ValueError, match="keeps its heads"):
        SplitAttention(nn.MultiheadAttention(12, 3, add_zero_attn=True))
    with pytest.raises(ValueError, match="a batch of sequences"):
        ours(TOKENS[0], TOKENS[0], TOKENS[0])


def test_what_the_loss_does_not_need_goes() -> None:
    """The weights of a head are large, but nothing reads it; likewise a hidden unit."""
    torch.manual_seed(0)
    model = Encoder().eval()
    split_attention(model)
    weight = "layers.layers.1.{}.weight".format
    with torch.no_grad():
        model.get_parameter(weight("self_attn.out_proj"))[:, 4:8] *= 1e-4
        model.get_parameter(weight("self_attn.value"))[4:8] *= 50
        model.get_parameter(weight("linear2"))[:, 3] = 0
        model.get_parameter(weight("linear1"))[3] *= 50
    by_size = copy.deepcopy(model)
    labels = torch.tensor([0, 1, 2, 3])
    pruned = prune_transformer(model, TOKENS, 0.3, 0.1, [(TOKENS, labels)], group_size=1)
    assert pruned.rows["layers.layers.1.self_attn.value"] == (4, 5, 6, 7)
    assert 3 in pruned.rows["layers.layers.1.linear1"]
    assert all(each.grad is None for each in model.parameters())
    rows = prune_transformer(by_size, TOKENS, 0.3, 0.1, group_size=1).rows
    assert rows["layers.layers.1.self_attn.value"] != (4, 5, 6, 7)
    assert 3 not in rows["layers.layers.1.linear1"]


def test_mistakes_leave_the_model() -> None:
    model = Encoder().eval()
    with pytest.raises(ValueError, match="no batch to tell by"):
        prune_transformer(model, TOKENS, 0.5, batches=[])
    assert isinstance(model.get_submodule("layers.layers.0.self_attn"), nn.MultiheadAttention)
    for ratio in (1.0, -0.1):
        with pytest.raises(ValueError, match="ratio"):
            prune_transformer(model, TOKENS, ratio)
    with pytest.raises(ValueError, match="no attention by heads"):
        prune_transformer(nn.Sequential(nn.Linear(12, 4)), TOKENS, 0.5)
    with pytest.raises(ValueError, match="sizes that are fixed"):
        prune_transformer(Fixed("chunk"), TOKENS, 0.5)


def test_a_product_of_one_head_keeps_its_channels() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(12, 6), nn.Linear(12, 6), nn.Linear(7, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.a(x)[:, None] @ self.b(x)[:, None].transpose(-2, -1))

    with pytest.raises(ValueError, match="product of two activations"):
        prune_channels(Plain(), TOKENS, 0.5, layers="a")
