# SPDX-License-Identifier: Apache-2.0
"""The example networks by name, with reproducible random weights and inputs for tests and benchmarks.

Everything random comes from a generator seeded by an argument: torch's global random state is neither read nor left
changed.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.models import DSCNN, AutoEncoder, LeNet5, MobileNetV1, MobileNetV2, ResNet8, TinyVGG


class ZooEntry(NamedTuple):
    """How to make a network and what it takes: `input_shape` is without the batch, channels first."""

    factory: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    example_batch: int
    """How many example inputs an exported program of the network carries."""


ZOO: dict[str, ZooEntry] = {
    "lenet": ZooEntry(LeNet5, (1, 28, 28), 32),
    "kws": ZooEntry(DSCNN, (1, 49, 10), 32),
    "ic": ZooEntry(ResNet8, (3, 32, 32), 16),
    "vww": ZooEntry(MobileNetV1, (3, 96, 96), 8),
    "ad": ZooEntry(AutoEncoder, (640,), 32),
    "mobilenetv2": ZooEntry(MobileNetV2, (3, 96, 96), 8),
    "vgg": ZooEntry(TinyVGG, (3, 32, 32), 16),
}


def example_inputs(name: str, n: int, seed: int) -> Tensor:
    """`n` inputs of the network `name`, float32 [n, *input_shape]: coarse structure plus fine noise, about unit scale.

    White noise alone would not do: after average pooling every input of it looks the same. Raises KeyError on an
    unknown name.
    """
    return _structured_noise((n, *ZOO[name].input_shape), torch.Generator().manual_seed(seed))


def random_model(name: str, seed: int = 0) -> nn.Module:
    """The network `name` with the random weights and statistics of `randomise`, in eval mode."""
    return randomise(ZOO[name].factory(), seed)


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Give a network of the zoo weights and statistics like those of a trained one; returns it in eval mode.

    Weights are He-normal (He et al. 2015), batch norms get random scales and shifts and the true statistics of a
    random batch, and the last linear layer is standardised so that its outputs differ between inputs. Raises
    ValueError for a model that is not of a class in `ZOO` or has no linear layer.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = _structured_noise((32, *_input_shape(model)), generator)
    with torch.no_grad():
        for module in model.modules():
            _randomise_module(module, generator)
        _measure_batch_norms(model, inputs)
        _standardise_last_linear(model, inputs, generator)
    return model.eval()


def _input_shape(model: nn.Module) -> tuple[int, ...]:
    for entry in ZOO.values():
        if entry.factory is type(model):
            return entry.input_shape
    raise ValueError(f"{type(model).__name__} is not a network of the zoo: {', '.join(ZOO)}")


def _structured_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    n = shape[0]
    channels, height, width = shape[1:] if len(shape) == 4 else (1, 1, shape[1])
    coarse = torch.randn((n, channels, -(-height // 8), -(-width // 8)), generator=generator)
    smooth = functional.interpolate(
        coarse, size=(height, width), mode="bilinear", align_corners=False
    )
    return (smooth + 0.3 * torch.randn(smooth.shape, generator=generator)).reshape(shape)


def _randomise_module(module: nn.Module, generator: torch.Generator) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        fan_in = module.weight[0].numel()
        module.weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
        if module.bias is not None:
            module.bias.normal_(0.0, 0.1, generator=generator)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        module.weight.uniform_(0.5, 1.5, generator=generator)
        module.bias.normal_(0.0, 0.3, generator=generator)


def _measure_batch_norms(model: nn.Module, inputs: Tensor) -> None:
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    # Only the norms train: dropout would draw from the global random state.
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # one batch, taken whole
        norm.train()
    model(inputs)
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


def _standardise_last_linear(model: nn.Module, inputs: Tensor, generator: torch.Generator) -> None:
    linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if not linears:
        raise ValueError(f"{type(model).__name__} has no linear layer")
    last = linears[-1]
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.append(output)

    handle = last.register_forward_hook(keep)
    model(inputs)
    handle.remove()
    scale = 2.0 / seen[0].std(dim=0).mean()
    last.weight.mul_(scale)
    mean = (seen[0] - last.bias).mean(dim=0) * scale
    last.bias.normal_(0.0, 0.5, generator=generator).sub_(mean)
