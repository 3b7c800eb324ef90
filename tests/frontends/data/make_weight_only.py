# SPDX-License-Identifier: Apache-2.0
"""Write weight_only/*.pt2, a network whose weights torchao stored as int8: `python -m tests.frontends.data.make_weight_only`.

Needs torchao 0.18 (`pip install torchao==0.18.0`), which no test does. `wrapped.pt2` has the weights as torchao keeps them,
objects of a class of its own; `unwrapped.pt2` as plain tensors, behind `unwrap_tensor_subclass`; `expected.npz` holds what
torch gives for the 4 example inputs of both.
"""

# torchao is not installed where types are checked.
# pyright: basic, reportMissingImports=false

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_
from torchao.utils import unwrap_tensor_subclass

from tests.frontends.data.make_pt2e import shorten

_FOLDER = Path(__file__).parent / "weight_only"


def quantized() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    quantize_(net, Int8WeightOnlyConfig())
    return net


def save(name: str, net: nn.Module, inputs: torch.Tensor) -> None:
    program = torch.export.export(net, (inputs,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    for node in program.graph.nodes:
        shorten(node.meta)
    path = _FOLDER / f"{name}.pt2"
    torch.export.save(program, path)
    with zipfile.ZipFile(path) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # a fifth of it
        for entry, content in members:
            archive.writestr(zipfile.ZipInfo(entry), content, zipfile.ZIP_DEFLATED)


def main() -> None:
    inputs = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        np.savez(_FOLDER / "expected.npz", quantized()(inputs).numpy())
        save("wrapped", quantized(), inputs)
        save("unwrapped", unwrap_tensor_subclass(quantized()), inputs)


if __name__ == "__main__":
    main()
