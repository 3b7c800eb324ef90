# SPDX-License-Identifier: Apache-2.0
"""Masks in training: what goes, what stays away, and what the compiler makes of it."""

import copy
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sparsec
from sparsec.compress.followers import followers_of
from sparsec.compress.importance import IMPORTANCES
from sparsec.compress.layers import Layer, layers_of, selected
from sparsec.compress.pruner import Pruner
from sparsec.pruning.masks import zeros_of
from sparsec.pruning.schedules import Gradual, OneShot
from tests.compress.nets import Crossed, images, small


def train(model: nn.Module, pruner: Pruner, optimizer: torch.optim.Optimizer, steps: int) -> None:
    x, y = images(), torch.arange(16) % 4
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        pruner.step()


def test_exactly_the_share_of_all_weights_goes_and_norms_and_biases_stay() -> None:
    model = small()
    pruner = Pruner(model, ratio=0.7)
    weights = sum(each.weights for each in pruner.by_layer)
    assert [each.layer for each in pruner.by_layer] == ["0", "4", "6", "9"]
    assert sum(each.zeros for each in pruner.by_layer) == zeros_of(0.7, weights)
    before = dict(small().named_parameters())
    for name, value in model.named_parameters():
        assert name in pruner.masks or torch.equal(value, before[name])


def test_local_scope_takes_the_share_of_each_layer() -> None:
    pruner = Pruner(small(), ratio=0.5, scope="local")
    assert [each.ratio for each in pruner.by_layer] == [0.5] * 4


def momentum(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), 1e-2)


@pytest.mark.parametrize("optimizer", [momentum, adamw])
def test_zeros_never_come_back(optimizer: Callable[[nn.Module], torch.optim.Optimizer]) -> None:
    """Nor do momentum and decay bring any, while the ratio grows."""
    model = small()
    schedule = Gradual(0.8, stable=1, pruning=6, tuning=3, steps=3, initial=0.2)
    pruner = Pruner(model, ratio=None, schedule=schedule)
    assert pruner.sparsity == 0
    steps, gone = optimizer(model), torch.zeros(0, dtype=torch.bool)
    seen: list[float] = []
    for _ in range(schedule.iterations):
        train(model, pruner, steps, 1)
        zeros = torch.cat([(layer.weight == 0).reshape(-1) for layer in pruner.layers])
        assert not gone.numel() or bool((zeros >= gone).all())
        gone = zeros
        seen.append(pruner.sparsity)
    assert seen == sorted(seen) and len(set(seen)) == 4
    assert seen[-1] == pytest.approx(0.8, abs=1e-3)


def test_a_run_goes_on_at_any_iteration() -> None:
    schedule = Gradual(0.8, pruning=6, tuning=2, steps=3, initial=0.2)
    whole = small()
    pruner = Pruner(whole, schedule=schedule)
    optimizer = torch.optim.SGD(whole.parameters(), 0.1)
    train(whole, pruner, optimizer, 3)
    half, state = copy.deepcopy(whole.state_dict()), copy.deepcopy(pruner.state_dict())
    train(whole, pruner, optimizer, 5)

    again = small()
    resumed = Pruner(again, schedule=schedule)
    again.load_state_dict(half)
    resumed.load_state_dict(state)
    train(again, resumed, torch.optim.SGD(again.parameters(), 0.1), 5)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_zeros_come_back_where_they_may() -> None:
    """A weight that training makes larger than others takes the place of one of them, with `regrow` alone."""
    for regrow in (False, True):
        model = nn.Sequential(nn.Linear(4, 1, bias=False))
        weight = model.get_parameter("0.weight")
        with torch.no_grad():
            weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        pruner = Pruner(model, ratio=0.5, regrow=regrow)
        assert weight.tolist() == [[0, 0, 3, 4]]
        with torch.no_grad():
            weight.copy_(torch.tensor([[9.0, 0.0, 3.0, 4.0]]))
        pruner.step()
        assert weight.tolist() == [[9, 0, 0, 4] if regrow else [0, 0, 3, 4]]
        pruner.freeze()
        with torch.no_grad():
            weight.fill_(5)
        pruner.step()
        assert weight.tolist() == [[5, 0, 0, 5] if regrow else [0, 0, 5, 5]]


def test_a_users_masking() -> None:
    """Zeros can be put in place softly."""

    def halved(weight: Tensor, mask: Tensor) -> None:
        weight.mul_(torch.where(mask, 1.0, 0.5))

    model = nn.Sequential(nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        model.get_parameter("0.weight").copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    Pruner(model, ratio=0.5, masking=halved)
    assert model.get_parameter("0.weight").tolist() == [[0.5, 1, 3, 4]]


def test_masks_survive_a_state_dict() -> None:
    """A plain module takes it, and static masks find the zeros again and hold them."""
    model = small()
    masks = Pruner(model, ratio=0.6).masks
    with torch.no_grad():
        model.get_parameter("9.weight").add_(1)  # a careless step; what is saved has the zeros
    plain = small()
    plain.load_state_dict(model.state_dict())
    static = Pruner(plain)
    assert all(torch.equal(static.masks[name], mask) for name, mask in masks.items())
    before = static.sparsity
    train(plain, static, torch.optim.Adam(plain.parameters(), 0.1), 3)
    assert static.sparsity == before > 0.59


def test_a_model_can_be_exported_and_copied_while_it_is_pruned() -> None:
    model = small()
    Pruner(model, ratio=0.6)
    program = torch.export.export(model.eval(), (images(2),))
    assert all("mul" not in str(node.target) for node in program.graph.nodes)
    x = images(2)
    assert torch.equal(copy.deepcopy(model)(x), model(x))


PATTERNS = [
    ("unstructured 0.8", "delta8"),
    ("block(1x4) 0.75", "block(1x4)"),
    ("block(4x1) 0.75", "block(4x1)"),
    ("block(1x16) 0.75", "block(1x16)"),
    ("nm(2:4)", "nm(2:4)"),
]


@pytest.mark.builds
@pytest.mark.parametrize(("share", "format"), PATTERNS)
def test_the_compiler_stores_what_the_pattern_says(share: str, format: str) -> None:
    """Behind a flatten too, where the columns of C are others than torch's, and 0 bytes differ."""
    model = small(16).eval()
    pruner = Pruner(model, plan=f"6: {share}; 9: {share}", inputs=[images(2)])
    compiled = sparsec.compile(
        pruner.detach(), images(), name="net", recipe=f"6: {format}; 9: {format}"
    )
    stored = {layer["name"]: layer["format"] for layer in compiled.report["layers"]}
    assert stored["6"] == stored["9"] == format
    assert compiled.run(images(4)).mismatches == 0


BEHIND = {
    "first.weight": {"first.bias", "after_first.bias", "after_first.running_mean"},
    "second.weight": {"after_second.bias", "after_second.running_mean"},
}


@pytest.mark.parametrize("how", ["module", "inputs", "program"])
def test_of_whole_outputs_nothing_is_left(how: str) -> None:
    """Neither after training, whose norms stand in any order, nor in a file, nor by masks that are found again; the last
    layer keeps its outputs."""
    from sparsec.compress.layers import program_of
    from sparsec.compress.quantization import static_masks
    from sparsec.frontends.programs import Program

    net, x = Crossed(), images(2)
    model = program_of(net, [x]) if how == "program" else net
    schedule = Gradual(0.5, pruning=2, tuning=2, steps=2, initial=0.25)
    inputs = [x] if how == "inputs" else None
    pruner = Pruner(model, schedule=schedule, pattern="channels", scope="local", inputs=inputs)
    assert set(pruner.masks) == {*BEHIND, *BEHIND["first.weight"], *BEHIND["second.weight"]}
    train(model, pruner, momentum(model), 5)
    if isinstance(model, Program):
        model = Program(model.saved())
    state = model.state_dict()
    for weights, behind in BEHIND.items():
        gone = (state[weights] == 0).flatten(1).all(1)
        assert int(gone.sum()) == 8
        assert all(torch.equal(state[name] == 0, gone) for name in behind)
    assert "after_first.weight" not in pruner.masks and bool((state["fc.weight"] != 0).all())
    again = Pruner(model)
    assert all(torch.equal(again.masks[name], mask) for name, mask in pruner.masks.items())
    assert set(pruner.masks) - set(static_masks(model)) == set()


def test_what_others_read_too_stays() -> None:
    """A norm behind two layers, a bias of two, and what reads a layer's outputs in front of their norm."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.bias = self.a.bias
            self.norm, self.other = nn.BatchNorm1d(4), nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            both = self.norm(self.a(x)) + self.norm(self.b(x))
            c = self.c(both)
            return c + self.other(c)

    for inputs in ([torch.randn(2, 4)], None):
        model = Shared()
        found = followers_of(model, layers_of(model, inputs))
        assert found == {"a.weight": (), "b.weight": (), "c.weight": ("c.bias",)}


def test_a_model_that_cannot_be_traced_loses_biases() -> None:
    class Untold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.all = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.all(x if bool(x.sum() > 0) else -x)

    model = Untold()
    found = followers_of(model, layers_of(model))
    assert found == {f"all.{name}.weight": (f"all.{name}.bias",) for name in (0, 2)}


def test_the_results_are_kept_unless_named() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 4))
    assert [each.layer for each in Pruner(model, ratio=0.5, pattern="channels").by_layer] == ["0"]
    pruner = Pruner(model, ratio=0.5, pattern="channels", layers="2")
    assert [each.ratio for each in pruner.by_layer] == [0.5]
    with pytest.raises(ValueError, match="the channels of the only layer are the results: name it"):
        Pruner(nn.Linear(8, 4), ratio=0.5, pattern="channels")


@pytest.mark.parametrize(
    "words", [{"ratio": 0.9}, {"threshold": 0.06}, {"plan": "9: block(1x16) 0.9"}]
)
def test_no_result_of_the_network_is_emptied(words: dict[str, Any]) -> None:
    """A class without weights is never told: two of them cost Fashion-MNIST ten points each."""
    model = small()
    with torch.no_grad():
        model.get_parameter("9.weight")[1] /= 1e3
        model.get_parameter("6.weight")[1] /= 1e3
    Pruner(model, **words)
    assert bool((model.get_parameter("9.weight") != 0).any(1).all())
    assert bool((model.get_parameter("6.weight")[1] == 0).all()) == ("plan" not in words)


def test_columns_of_flattened_images_matter() -> None:
    """Without inputs nobody knows that an image is read: the blocks are those of torch's columns."""
    told, untold = (
        Pruner(small(), plan="9: block(1x4) 0.5", inputs=inputs) for inputs in ([images(2)], None)
    )
    assert not torch.equal(told.masks["9.weight"], untold.masks["9.weight"])


def test_static_masks_hold_the_zeros_of_another_module() -> None:
    from sparsec.compress.quantization import hold

    model = small()
    pruner = Pruner(model, ratio=0.6)
    other = copy.deepcopy(model)
    hold(other, pruner.masks)
    optimizer = torch.optim.SGD(other.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        other(images()).square().mean().backward()
        optimizer.step()
    for name, mask in pruner.masks.items():
        assert not dict(other.named_parameters())[name][~mask].any()


@pytest.mark.parametrize("name", ["magnitude", "l2", "taylor", "bn-scale", "geometric-median"])
def test_importance(name: str) -> None:
    model = small()
    model(images()).square().mean().backward()
    layer = layers_of(model)[0]
    found = IMPORTANCES[name](layer, model)
    w, gradient = layer.weight.detach(), layer.weight.grad
    assert gradient is not None
    expected: Tensor | np.ndarray[Any, Any]
    if name == "geometric-median":
        rows = layer.matrix(w).astype(np.float64)
        expected = np.array([sum(np.linalg.norm(a - b) for b in rows) for a in rows])
    else:
        norm = model[1]
        assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None
        scale = 1 / torch.sqrt(norm.running_var + norm.eps)
        expected = {
            "magnitude": w.abs(),
            "l2": w * w,
            "taylor": (w * gradient).abs(),
            "bn-scale": w.abs() * scale.reshape(-1, 1, 1, 1),
        }[name]
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-5)
    Pruner(model, ratio=0.5, layers=["0"], importance=name, pattern="channels")


def test_lamp_compares_layers_of_other_magnitudes() -> None:
    """Within a layer it is magnitude; a layer of small weights is not emptied."""
    model = small()
    layer = layers_of(model)[3]
    w = layer.weight.detach().reshape(-1).double()
    expected = [float(x * x / (w[w.abs() >= x.abs()] ** 2).sum()) for x in w[:20]]
    found = IMPORTANCES["lamp"](layer, model)
    np.testing.assert_allclose(np.asarray(found).reshape(-1)[:20], expected, rtol=1e-6)
    with torch.no_grad():
        model.get_parameter("6.weight").mul_(1e-3)
    ratios = {
        by: {
            each.layer: each.ratio
            for each in Pruner(copy.deepcopy(model), ratio=0.7, importance=by).by_layer
        }
        for by in ("magnitude", "lamp")
    }
    assert ratios["magnitude"]["6"] > 0.99 > 0.9 > ratios["lamp"]["6"]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_importance_of_short_floats(kind: torch.dtype) -> None:
    """Squares of small numbers are not zero, and what is pruned is what the same numbers lose as float32."""
    numbers = ((1 + torch.arange(144) * 55 % 144) * 1e-6).reshape(8, 2, 3, 3).to(kind)

    def masks(type: torch.dtype, importance: str) -> tuple[Tensor, float]:
        model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8)).to(type)
        weight = model.get_parameter("0.weight")
        with torch.no_grad():
            weight.copy_(numbers)
        weight.grad = torch.full_like(numbers, 1e-4).to(type)
        pruner = Pruner(model, ratio=0.5, importance=importance, layers="0")
        assert weight.dtype == type
        return pruner.masks["0.weight"], pruner.sparsity

    for name in ("magnitude", "l2", "lamp", "taylor", "bn-scale", "geometric-median"):
        (short, sparsity), (long, _) = masks(kind, name), masks(torch.float32, name)
        assert torch.equal(short, long) and sparsity == 0.5


@pytest.mark.parametrize("pattern", ["nm(2:4)", "block(1x4)", "channels", "unstructured"])
def test_a_ratio_of_zero_takes_nothing(pattern: str) -> None:
    """With a plan or without, in one shot and while a schedule stands still."""
    waiting = Gradual(0.6, stable=2, initial=0.0)
    share = "nm(2:4)" if pattern == "nm(2:4)" else f"{pattern} 0.5"
    cases: tuple[dict[str, Any], ...] = (
        {"ratio": 0.0, "pattern": pattern},
        {"ratio": 0.0, "pattern": pattern, "scope": "local"},
        {"schedule": waiting, "pattern": pattern},
        {"schedule": waiting, "plan": f"6: {share}"},
        {"schedule": OneShot(0.0), "plan": f"6: {share}"},
    )
    for words in cases:
        model = small()
        pruner = Pruner(model, layers=["6"], **words)
        assert pruner.sparsity == 0
        for _ in range(3):
            pruner.step()
        assert (pruner.sparsity > 0) == (words.get("schedule") is waiting)


def test_a_users_importance_and_layers() -> None:
    def last(layer: Layer, model: nn.Module) -> Tensor:
        return torch.arange(layer.weight.numel(), dtype=torch.float32).reshape(layer.weight.shape)

    model = small()
    pruner = Pruner(
        model,
        ratio=0.25,
        importance=last,
        layers=lambda name, module: isinstance(module, nn.Linear),
    )
    assert [layer.name for layer in pruner.layers] == ["9"]
    gone = (model.get_parameter("9.weight").detach().reshape(-1) == 0).nonzero().reshape(-1)
    assert gone.tolist() == [*range(255), 256]  # of the first class one is left


def test_1x1_only() -> None:
    assert [layer.name for layer in selected(layers_of(small()), "1x1")] == ["6"]


def test_the_threshold_for_a_ratio() -> None:
    model = small()
    pruner = Pruner(model, ratio=0.0)
    values = torch.cat([layer.weight.detach().abs().reshape(-1) for layer in pruner.layers])
    assert pruner.summarize_weights(1.0) == values.max()
    threshold = pruner.summarize_weights(0.4)
    assert Pruner(model, threshold=threshold).sparsity == pytest.approx(0.4, abs=0.002)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"ratio": 1.0}, "a ratio of zeros is at least 0 and below 1, not 1"),
        ({"ratio": 0.5, "threshold": 0.1}, "give one of them"),
        ({"ratio": 0.5, "schedule": OneShot(0.9)}, "a schedule says the ratio itself"),
        ({"threshold": 0.5, "schedule": OneShot(0.9)}, "a threshold has none: leave one out"),
        ({"ratio": 0.5, "layers": "convolution"}, "no layer with weights matches 'convolution': layers: 0, 4"),
        ({"plan": "10: nm(2:4)"}, "no layer with weights matches '10': layers: 0, 4, 6, 9"),
        ({"plan": "0: block(1x64) 0.5"}, r"layer 0: block\(1x64\) is larger than the layer, .*: say by layers or a plan which"),
        ({"ratio": 0.5, "importance": "taylor"}, "importance taylor needs gradients and 0 has none"),
        ({"ratio": 0.5, "importance": "bn-scale"}, "needs a batch norm right behind 4"),
        ({"ratio": 0.5, "importance": "hessian"}, "there is no importance 'hessian', known: magnitude"),
        ({"ratio": 0.5, "pattern": "nm(4:2)"}, "keeps more weights than there are"),
        ({"ratio": 0.5, "scope": "all"}, "the scope is 'global' or 'local', not 'all'"),
        ({"plan": "*: dense"}, "the plan keeps every layer dense"),
        ({"plan": "0 nm(2:4)"}, "is no part of a plan"),
        ({"plan": "0: unstructured"}, "needs one ratio"),
        ({"plan": "0: unstructured much"}, "'much' is no ratio of zeros"),
        ({"plan": " ; "}, "the plan is empty"),
    ],
)  # fmt: skip
def test_what_makes_no_sense(words: dict[str, Any], message: str) -> None:
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message):
        Pruner(model, **words)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_checkpoint_of_another_model() -> None:
    other = Pruner(nn.Sequential(nn.Linear(4, 4)), ratio=0.5)
    with pytest.raises(ValueError, match="masks of other layers: it is of another model"):
        Pruner(small(), ratio=0.5).load_state_dict(other.state_dict())


class Functional(nn.Module):
    """Weights that no layer of torch owns, one of them used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(8, 8))
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(torch.relu(self.inner(nn.functional.linear(x, self.in_proj_weight))))


def test_weights_of_other_names_in_a_file() -> None:
    from sparsec.compress.layers import program_of

    program = program_of(Functional(), [torch.randn(2, 8)])
    pruner = Pruner(program, plan="in_proj_weight: unstructured 0.5; inner: nm(2:4)")
    assert [(each.layer, each.ratio) for each in pruner.by_layer] == [
        ("in_proj_weight", 0.5),
        ("inner", 0.5),
    ]


class Tied(nn.Module):
    """Two layers with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = (nn.Linear(8, 8) for _ in range(3))
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


@pytest.mark.parametrize("name", ["first", "second"])
def test_tied_weights_have_all_their_names(name: str) -> None:
    """In a module and in a file, where torch reads one of them, and what is written is what was pruned."""
    import io

    from sparsec.compress.layers import program_of

    half = cast(float, torch.tensor(0.5))  # any number will do
    cases: list[dict[str, Any]] = [{"ratio": half, "layers": name}, {"plan": f"{name}: nm(2:4)"}]
    for words in cases:
        program = program_of(Tied(), [torch.randn(2, 8)])
        for model in (Tied(), program):
            pruner = Pruner(model, **words)
            assert [each.ratio for each in pruner.by_layer] == [0.5]
            assert set(pruner.layers[0].names) == {"first", "second"}
        loaded = torch.export.load(io.BytesIO(program.saved())).module()
        zeros = {each: int((value == 0).sum()) for each, value in loaded.named_parameters()}
        assert zeros["first.weight"] == zeros["second.weight"] == 32 and zeros["last.weight"] == 0


def test_what_is_trained_from_a_file_is_written_back() -> None:
    """A program is trained as its own calls, and only its weights change in the archive."""
    import io

    from sparsec.compress.layers import program_of
    from sparsec.frontends.programs import Program

    program = program_of(small(), [images(2)])
    assert torch.equal(program(images(3)), small().eval()(images(3)))
    pruner = Pruner(program, plan="6: nm(2:4); 9: block(1x4) 0.75")
    assert torch.equal(
        pruner.masks["9.weight"],
        Pruner(small(), plan="9: block(1x4) 0.75", inputs=[images(2)]).masks["9.weight"],
    )
    train(program, pruner, torch.optim.SGD(program.parameters(), 0.1, momentum=0.9), 3)
    again = Program(program.saved())
    assert Pruner(again, layers=["6", "9"]).sparsity == pruner.sparsity
    loaded = torch.export.load(io.BytesIO(program.saved())).module()
    assert torch.equal(loaded(images(3)), program(images(3)))


@pytest.mark.builds
@pytest.mark.qemu
def test_what_was_pruned_in_training_runs_on_a_core() -> None:
    """From training with growing zeros to a Cortex-M4, and no byte differs."""
    model = small(16)
    schedule = Gradual(0.8, pruning=4, tuning=4, steps=2, initial=0.1)
    pruner = Pruner(
        model,
        plan="6: block(1x4) 0.75; 9: nm(1:4); 0: unstructured 0.5",
        schedule=schedule,
        inputs=[images(2)],
    )
    train(model, pruner, adamw(model), schedule.iterations)
    compiled = sparsec.compile(pruner.detach().eval(), images(), name="net", target="cortex-m4")
    assert compiled.run(images(4), on="cortex-m4").mismatches == 0
