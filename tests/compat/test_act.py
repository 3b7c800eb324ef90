# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's files of auto compression: read as they are, and done to a module of torch."""

import io
from pathlib import Path

import pytest
import torch

from examples.fashion.transformers import TinyViT
from sparsec.compat.paddleslim.act import (
    ActConfig,
    Distillation,
    QuantAware,
    TrainConfig,
    UnstructurePrune,
    compress,
    read_act,
)
from sparsec.compress.data import Samples
from sparsec.frontends.modules import saved
from tests.compress.nets import images, small

SPARSE = """
Global:
  input_list: ['image']
  model_dir: ./MobileNetV1_infer
Distillation:
  alpha: 1.0
  loss: l2
  node:
  - "6"
UnstructurePrune:
  prune_strategy: gmp
  prune_mode: ratio
  ratio: 0.75
  gmp_config:
    stable_iterations: 0
    pruning_iterations: 11
    tunning_iterations: 4500
    resume_iteration: -1
    pruning_steps: 1
    initial_ratio: 0.15
  prune_params_type: None
  local_sparsity: True
TrainConfig:
  epochs: 4
  eval_iter: 400
  learning_rate: 5e-2
  optimizer_builder:
    optimizer:
      type: SGD
    weight_decay: 0.0005
"""
QUANTIZED = """
Distillation:
  loss: soft_label
ChannelPrune:
  pruned_ratio: 0.25
  prune_params_name:
  - 6.weight
  criterion: l1_norm
UnstructurePrune:
  ratio: 0.5
QuantAware:
  use_pact: true
  activation_bits: 8
  is_full_quantize: false
  activation_quantize_type: moving_average_abs_max
  weight_quantize_type: channel_wise_abs_max
  not_quant_pattern: [skip_quant]
  quantize_op_types: [conv2d, depthwise_conv2d]
  weight_bits: 8
TrainConfig:
  epochs: 1
  learning_rate: {type: CosineAnnealingDecay, learning_rate: 0.01, T_max: 8000}
  optimizer_builder: {optimizer: {type: Adam}}
"""


def read(folder: Path, text: str) -> ActConfig:
    path = folder / "config.yaml"
    path.write_text(text)
    return read_act(path)


def data() -> Samples:
    return Samples(images(24), torch.arange(24) % 4, 8)


def test_what_its_files_say(tmp_path: Path) -> None:
    config = read(tmp_path, SPARSE)
    assert config.notes == ("Global", "TrainConfig.eval_iter")
    prune = config.unstructure_prune
    assert prune is not None and prune.prune_params_type is None and prune.local_sparsity
    settings = config.settings
    assert (settings.epochs, settings.learning_rate, settings.cosine) == (4, 0.05, False)
    assert (settings.optimizer, settings.momentum, settings.weight_decay) == ("sgd", 0, 5e-4)
    config = read(tmp_path, QUANTIZED)
    assert config.settings.cosine and config.settings.optimizer == "adam"
    assert config.notes == (
        *(
            "QuantAware.use_pact",
            "QuantAware.is_full_quantize",
            "QuantAware.activation_quantize_type",
        ),
        *("QuantAware.not_quant_pattern", "QuantAware.quantize_op_types"),
    )


def test_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, "UnstructurePrune:\nDistillation:\nQuantAware:\n")
    assert config.unstructure_prune == UnstructurePrune(
        None, "ratio", 0.55, 0.01, None, None, False
    )
    assert config.distillation == Distillation(1.0, "l2")
    assert (config.quant_aware, config.train, config.channel_prune) == (
        QuantAware(),
        TrainConfig(),
        None,
    )


def test_sparse_with_distillation(tmp_path: Path) -> None:
    """Gradually, each layer to the ratio; the module that is given stays as it is."""
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = compress(model, read(tmp_path, SPARSE), data(), [images(2)], test=data(), quiet=True)
    assert result.sparsity == pytest.approx(0.75, abs=1e-3) and result.program is None
    assert [round(row.sparsity or 0, 2) for row in result.history] == [0.15, 0.15, 0.15, 0.75]
    for layer in ("0", "4", "6", "9"):
        share = result.model.get_parameter(f"{layer}.weight").eq(0).float().mean()
        assert share == pytest.approx(0.75, abs=0.01)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_channels_zeros_and_int8_together(tmp_path: Path) -> None:
    """A quarter of the channels, half of what is left zero, and in the int8 program the same zeros."""
    result = compress(
        small(), read(tmp_path, QUANTIZED), data(), [images(2)], folder=tmp_path, quiet=True
    )
    assert result.channels is not None and result.channels.lost[0].after == 12
    assert result.sparsity == pytest.approx(0.5, abs=1e-3)
    assert result.program is not None
    zeros, count = 0, 0
    loaded = torch.export.load(io.BytesIO(saved(result.program)))
    for name, value in [*loaded.state_dict.items(), *loaded.constants.items()]:
        if isinstance(value, torch.Tensor) and value.dtype == torch.int8:
            zeros, count = zeros + int((value == 0).sum()), count + value.numel()
            assert name.endswith("weight")
    assert count == 9 * 16 + 9 * 16 + 12 * 16 + 4 * 12 * 16 and zeros >= count // 2
    assert {path.name for path in tmp_path.iterdir()} >= {"pruning", "quantization"}


def test_zeros_of_a_sparse_model_are_kept(tmp_path: Path) -> None:
    """By the flag sparse_model."""
    model = small()
    with torch.no_grad():
        model.get_parameter("6.weight")[:, ::2] = 0
    config = read(tmp_path, "TrainConfig: {sparse_model: true, learning_rate: 0.1}")
    result = compress(model, config, data(), [images(2)], quiet=True)
    assert torch.equal(
        result.model.get_parameter("6.weight") == 0, model.get_parameter("6.weight") == 0
    )


def test_a_transformer(tmp_path: Path) -> None:
    """PS-F13: heads and hidden units go, by the loss, and what is left is trained."""
    config = read(tmp_path, "TransformerPrune: {pruned_ratio: 0.25}\nTrainConfig: {epochs: 1}")
    torch.manual_seed(0)
    model = TinyViT(16, 1, 4)
    x = torch.rand(16, 1, 28, 28)
    samples = Samples(x, torch.arange(16) % 10, 8)
    result = compress(model, config, samples, [x[:2]], quiet=True)
    assert result.heads is not None and len(result.history) == 1 and result.channels is None
    assert [(lost.before, lost.after) for lost in result.heads.lost] == [(4, 3), (32, 24)]
    assert result.model.get_parameter("blocks.0.attention.query.weight").shape == (12, 16)
    assert model.get_parameter("blocks.0.attention.query.weight").shape == (16, 16)


def test_a_threshold(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        "UnstructurePrune: {prune_mode: threshold, threshold: 0.05, prune_params_type: conv1x1_only}",
    )
    result = compress(small(), config, data(), [images(2)], quiet=True)
    weight = result.model.get_parameter("6.weight").detach()
    assert weight.eq(0).any() and weight[weight != 0].abs().min() >= 0.05
    assert result.model.get_parameter("9.weight").all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ASPPrune: {}", "a section ASPPrune, which is not read: known: UnstructurePrune, ChannelPrune"),
        ("TransformerPrune: {}", "TransformerPrune.pruned_ratio is missing"),
        ("TransformerPrune: {pruned_ratio: 1}", "a ratio of zeros is at least 0 and below 1"),
        ("TransformerPrune: {ratio: 0.25}", "TransformerPrune has no key 'ratio'"),
        ("QuantPost: {}", "a section QuantPost, which is not read"),
        ("HyperParameterOptimization: {}", "a section HyperParameterOptimization, which is not read"),
        ("UnstructurePrune: {prune_ratio: 0.5}", "UnstructurePrune has no key 'prune_ratio'"),
        ("UnstructurePrune: {ratio: much}", "UnstructurePrune.ratio is a number, not 'much'"),
        ("UnstructurePrune: {ratio: 1.5}", "a ratio of zeros is at least 0 and below 1, not 1.5"),
        ("UnstructurePrune: {local_sparsity: 1}", "UnstructurePrune.local_sparsity is true or false, not 1"),
        ("UnstructurePrune: {prune_mode: threshold, local_sparsity: true}", "are for prune_mode ratio alone"),
        ("UnstructurePrune: {prune_strategy: agp}", "UnstructurePrune.prune_strategy is one of gmp, not 'agp'"),
        ("UnstructurePrune: {prune_strategy: gmp}", "UnstructurePrune.gmp_config.pruning_iterations is missing"),
        ("UnstructurePrune: {prune_strategy: gmp, gmp_config: {pruning_iterations: 9, tunning_iterations: 9, pruning_steps: 1}}", "is above 10, not 9 / 1"),
        ("ChannelPrune: {}", "ChannelPrune.pruned_ratio is missing"),
        ("ChannelPrune: {pruned_ratio: 0.5, criterion: l2}", "criterion is one of l1_norm, bn_scale, geometry_median, not 'l2'"),
        ("Distillation: {loss: fsp}", "Distillation.loss is one of l2, soft_label, not 'fsp'"),
        ("Distillation: {alpha: [1, 2]}", "Distillation.alpha is one value for all nodes, not 2"),
        ("Distillation: {loss: soft_label, node: [a]}", "soft_label is of the outputs"),
        ("QuantAware: {weight_bits: 4}", "QuantAware.weight_bits is one of 8, not 4"),
        ("QuantAware: {weight_quantize_type: abs_max}", "weight_quantize_type is one of channel_wise_abs_max"),
        ("TrainConfig: {epochs: 2.5}", "TrainConfig.epochs is a whole number, not 2.5"),
        ("TrainConfig: {epochs: 0}", "training takes one epoch or more"),
        ("TrainConfig: {learning_rate: {type: PiecewiseDecay}}", "learning_rate.type is one of CosineAnnealingDecay"),
        ("TrainConfig: {optimizer_builder: {optimizer: {type: Lamb}}}", "optimizer.type is one of SGD, Momentum, Adam, AdamW"),
        ("TrainConfig: [1]", r"TrainConfig is keys with values, not \[1\]"),
    ],
)  # fmt: skip
def test_files_without_sense(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_what_only_the_model_tells(tmp_path: Path) -> None:
    def run(text: str) -> None:
        compress(small(), read(tmp_path, text), data(), [images(2)], quiet=True)

    with pytest.raises(
        ValueError, match=r"teacher_model_dir names a model of Paddle: give a module"
    ):
        run("Distillation: {teacher_model_dir: ./inference_model}")
    with pytest.raises(ValueError, match="no layer with weights matches 'relu_30.tmp_0'"):
        run("Distillation: {node: [relu_30.tmp_0]}")
    with pytest.raises(ValueError, match="no layer with weights matches 'conv1_weights'"):
        run("ChannelPrune: {pruned_ratio: 0.25, prune_params_name: [conv1_weights]}")
