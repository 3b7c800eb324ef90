# SPDX-License-Identifier: Apache-2.0
"""Write the quantized networks of this folder with torchao: `python -m tests.frontends.data.make_pt2e`.

Needs torchao 0.18 (`pip install torchao==0.18.0`), which no test does: the tests read what this
script wrote. Every network is small, quantized by torchao's own PT2E flow, and saved with its 8
example inputs; `expected.npz` holds what torch gives for these, fake-quantized in float32.
"""

# torchao is not installed where types are checked.
# pyright: basic, reportMissingImports=false

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torchao.quantization.pt2e import (
    HistogramObserver,
    PerChannelMinMaxObserver,
    allow_exported_model_train_eval,
)
from torchao.quantization.pt2e._affine_quantization import AffineQuantizedMinMaxObserver
from torchao.quantization.pt2e.observer import MappingType, PerAxis, PerTensor
from torchao.quantization.pt2e.quantize_pt2e import (
    convert_pt2e,
    prepare_pt2e,
    prepare_qat_pt2e,
)
from torchao.quantization.pt2e.quantizer import DerivedQuantizationSpec, QuantizationSpec, Quantizer
from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
    X86InductorQuantizer,
    get_default_x86_inductor_quantization_config,
)
from torchao.testing.pt2e._xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torchao.testing.pt2e._xnnpack_quantizer_utils import QuantizationConfig

_FOLDER = Path(__file__).parent
_ROOT = _FOLDER.parents[2]
_SAMPLES = 8


class Residual(nn.Module):
    """Batch normalization, convolutions of three kinds and a residual; the result is an image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.clamp = nn.Hardtanh(-0.4, 0.5)
        self.pointwise = nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.pointwise(self.clamp(self.norm(self.depthwise(x))))
        return torch.relu(x + y)


class Branches(nn.Module):
    """Two branches side by side, from one quantized value that both dequantize."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.side = nn.Conv2d(6, 4, 1)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = self.average(torch.cat([self.pool(x), self.side(x)], dim=1))
        return self.classifier(torch.flatten(x, 1))


class Chain(nn.Module):
    """The image is flattened, so that the columns of the linear layer are permuted."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU6(), nn.MaxPool2d(2)
        )
        self.hidden = nn.Linear(24, 8, bias=False)
        self.classifier = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.hidden(torch.flatten(self.features(x), 1)))
        return self.classifier(x)


class Convolutions(nn.Module):
    """Only what torchao's affine observers can follow: no value shares another one's observer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.second = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.third = nn.Conv2d(6, 4, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.third(torch.relu(self.second(self.first(x))))


def sample_inputs() -> Tensor:
    """[8, 3, 6, 6]."""
    return torch.randn(_SAMPLES, 3, 6, 6, generator=torch.Generator().manual_seed(7))


def symmetric(*, qat: bool = False) -> Quantizer:
    """int8 activations per tensor, int8 weights per channel."""
    config = get_symmetric_quantization_config(is_per_channel=True, is_qat=qat)
    return XNNPACKQuantizer().set_global(config)


class WithBias(XNNPACKQuantizer):
    """Also keeps each bias as int32, at the scale input * weight, as Arm's quantizers do."""

    def annotate(self, model: GraphModule) -> GraphModule:
        super().annotate(model)
        for node in model.graph.nodes:
            if node.target in (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default):
                value, weight, bias = node.args[:3]
                node.meta["quantization_annotation"].input_qspec_map[bias] = (
                    DerivedQuantizationSpec(
                        derived_from=[(value, node), (weight, node)],
                        derive_qparams_fn=bias_qparams,
                        dtype=torch.int32,
                        quant_min=-(2**31),
                        quant_max=2**31 - 1,
                        qscheme=torch.per_channel_symmetric,
                        ch_axis=0,
                    )
                )
        return model


def bias_qparams(observers: list[Any]) -> tuple[Tensor, Tensor]:
    """Scales and zero points of a bias."""
    (value, _), (weights, _) = (observer.calculate_qparams() for observer in observers)
    scales = value * weights
    return scales, torch.zeros_like(scales, dtype=torch.int32)


def unsigned() -> Quantizer:
    """uint8 activations, int32 biases."""
    activation = QuantizationSpec(
        dtype=torch.uint8,
        quant_min=0,
        quant_max=255,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=HistogramObserver.with_args(eps=2**-12),
    )
    weights = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=2**-12),
    )
    return WithBias().set_global(QuantizationConfig(activation, activation, weights, None))


def affine() -> Quantizer:
    """The operations of torchao, quantize_affine and dequantize_affine."""

    def observer(mapping: MappingType, granularity: Any, low: int) -> Any:
        return AffineQuantizedMinMaxObserver.with_args(
            mapping_type=mapping,
            target_dtype=torch.int8,
            granularity=granularity,
            quant_min=low,
            quant_max=127,
            eps=2**-12,
            scale_dtype=torch.float32,
            zero_point_dtype=torch.int32,
        )

    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=observer(MappingType.ASYMMETRIC, PerTensor(), -128),
    )
    weights = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=observer(MappingType.SYMMETRIC, PerAxis(0), -127),
    )
    return XNNPACKQuantizer().set_global(QuantizationConfig(activation, activation, weights, None))


def inductor() -> Quantizer:
    """uint8 inputs of convolutions and linear layers; what is between and behind stays in float."""
    return X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())


_BATCH = ({0: torch.export.Dim.AUTO},)


def calibrated(model: nn.Module, quantizer: Quantizer) -> GraphModule:
    """Quantized after training."""
    inputs = sample_inputs()
    exported = torch.export.export(model.eval(), (inputs,), dynamic_shapes=_BATCH).module()
    prepared = prepare_pt2e(exported, quantizer)
    prepared(inputs)
    return convert_pt2e(prepared)


def trained(model: nn.Module, quantizer: Quantizer) -> GraphModule:
    """Quantized in training: a few steps towards small outputs."""
    inputs = sample_inputs()
    exported = torch.export.export(model.train(), (inputs,), dynamic_shapes=_BATCH).module()
    prepared = prepare_qat_pt2e(exported, quantizer)
    allow_exported_model_train_eval(prepared)
    optimizer = torch.optim.SGD(prepared.parameters(), lr=0.5)
    for _ in range(5):
        optimizer.zero_grad()
        prepared(inputs).square().mean().backward()
        optimizer.step()
    prepared.eval()
    return convert_pt2e(prepared)


def shorten(meta: dict[str, Any]) -> None:
    """Keep the source lines of this script alone: no folder of this machine, and a smaller file."""
    for key in ("from_node", "torch_fn"):
        meta.pop(key, None)
    frames = re.findall(r' *File "[^"]*", line .*\n.*', meta.get("stack_trace", ""))
    own = [frame.replace(f"{_ROOT}/", "") for frame in frames if __file__ in frame]
    meta["stack_trace"] = "\n".join(own)


def save(name: str, model: GraphModule, decompose: bool = False) -> np.ndarray[Any, Any]:
    """Write `NAME.pt2`; returns what torch gives for the example inputs."""
    inputs = sample_inputs()
    program = torch.export.export(model, (inputs,), dynamic_shapes=_BATCH)
    if decompose:
        program = program.run_decompositions()
    for node in program.graph.nodes:
        shorten(node.meta)
    path = _FOLDER / f"{name}.pt2"
    torch.export.save(program, path)
    print(f"{path.name}  {path.stat().st_size / 1000:.0f} kB")
    with torch.no_grad():
        return program.module()(inputs).numpy()


NETWORKS: dict[str, Callable[[], GraphModule]] = {
    "ptq_residual": lambda: calibrated(Residual(), symmetric()),
    "ptq_branches": lambda: calibrated(Branches(), symmetric()),
    "ptq_decomposed": lambda: calibrated(Chain(), symmetric()),
    "qat_residual": lambda: trained(Residual(), symmetric(qat=True)),
    "qat_branches": lambda: trained(Branches(), symmetric(qat=True)),
    "affine": lambda: calibrated(Convolutions(), affine()),
    "uint8": lambda: calibrated(Convolutions(), unsigned()),
    "inductor": lambda: calibrated(Chain(), inductor()),
}
"""How the network of each file comes about."""


def main() -> None:
    expected: dict[str, np.ndarray[Any, Any]] = {}
    for name, make in NETWORKS.items():
        torch.manual_seed(1)
        expected[name] = save(name, make(), decompose=name == "ptq_decomposed")
    np.savez_compressed(_FOLDER / "expected.npz", allow_pickle=False, **expected)


if __name__ == "__main__":
    main()
