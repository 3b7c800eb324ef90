# SPDX-License-Identifier: Apache-2.0
"""torchvision's small networks on images of 64 by 64: they compile, and interpreter, calls and C give the same bytes."""

# torchvision is not installed where types are checked.
# pyright: basic, reportMissingImports=false

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.end_to_end.road import compile_to, expect_exact, extreme_and_random
from tests.frontends.support import export_bytes

models = pytest.importorskip(
    "torchvision.models",
    reason="torchvision is not installed: pip install 'sparsec[vision]' brings it and the torch it needs",
)

NETWORKS: tuple[str, ...] = (
    *("mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5", "shufflenet_v2_x0_5"),
    *("squeezenet1_1", "resnet18", "regnet_x_400mf", "regnet_y_400mf", "efficientnet_b0"),
)


def warmed(make: Callable[..., nn.Module], images: torch.Tensor) -> nn.Module:
    """A network of random weights whose norms have seen images."""
    torch.manual_seed(0)
    net = make(weights=None, num_classes=10)
    with torch.no_grad():
        net.train()(images)
    return net.eval()


@pytest.mark.slow
@pytest.mark.builds
@pytest.mark.parametrize("name", NETWORKS)
def test_compiles(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    path = tmp_path / f"{name}.pt2"
    path.write_bytes(export_bytes(warmed(getattr(models, name), images), [images]))
    compiled = compile_to(path, "host", "-q", "--max-slowdown=0", "--plan-seconds=0")
    accuracy = compiled.compilation.accuracy
    assert accuracy is not None
    print(f"{name}: {accuracy.text}")
    expect_exact(compiled, "host", extreme_and_random(compiled.input_shapes, random=0, seed=0))
