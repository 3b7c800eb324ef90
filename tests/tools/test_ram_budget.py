# SPDX-License-Identifier: Apache-2.0
"""`--ram` where only the memory plan tells that the first choice of formats does not fit."""

import json
import re
from pathlib import Path

import pytest
from xdsl.dialects.builtin import IntegerAttr, ModuleOp

from sparsec.analysis.choice.choice_record import record_of
from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal
from sparsec.ir import qnn
from sparsec.ir.attributes import SCRATCH_LIMIT
from sparsec.targets.cpu import cpu_named
from sparsec.tools.compilation import compile_model
from sparsec.tools.printing import module_text
from sparsec.tools.sparsec import parser
from tests.analysis.choice.sparse_networks import Spec, network
from tests.tools.support import Tools

LAYERS = (
    Spec("conv2d", 40, 4, size=3, kernel=3, keep=0.1, seed=381),
    Spec("conv2d", 3, 4, size=3, keep=0.1, seed=944),
    Spec("conv2d", 3, 4, size=1, keep=0.1, seed=749),
)
"""The peak is the first; what waits meanwhile has 27 and 3 bytes, and scratch memory is aligned."""


def compiled(*options: str) -> tuple[list[str], int]:
    """The formats of the layers, and the bytes of the arena."""
    Path("net.mlir").write_text(module_text(network(LAYERS)))
    args = parser().parse_args(["net.mlir", "-q", "--emit=plan", *options])
    module = compile_model(args, "plan").module
    arena = re.search(r"%arena\S* : memref<(\d+)xi8>", module_text(module))
    record = record_of(module)
    assert arena is not None and record is not None
    return [layer.format for layer in record.layers], int(arena[1])


def test_the_second_choice_fits(tools: Tools) -> None:
    """What layers need at least says that the fastest format fits, the plan that it does not."""
    formats, arena = compiled()
    ram = arena - 1
    first, *_ = Problem(network(LAYERS), cpu_named("cortex-m4"), Goal(ram=ram)).decide().layers
    assert first.winner.label == formats[0] == "delta8"
    forced = tools.sparsec(
        "net.mlir", "-q", "--emit=plan", f"--ram={ram}", "--recipe=layer0: delta8"
    )
    assert forced.code == 2 and forced.err.startswith("error: layer 'layer0' needs ")
    second, smaller = compiled(f"--ram={ram}")
    # The others do not pay for the code of a kernel that the first no longer needs.
    assert second == ["dense", "dense", "dense"] and smaller <= ram
    assert compiled(f"--ram={arena}") == (formats, arena)


def test_the_second_choice_is_explained(tools: Tools) -> None:
    _, arena = compiled()
    formats, _ = compiled(f"--ram={arena - 1}")
    ended = tools.sparsec("explain", "net.mlir", "-q", "--json", f"--ram={arena - 1}")
    layers = json.loads(ended.out)["layers"]
    won = [[each for each in layer["candidates"] if each["won"]] for layer in layers]
    assert [winner["format"] for [winner] in won] == formats
    [lost] = [each for each in layers[0]["candidates"] if each["format"] == "delta8"]
    assert re.fullmatch(r"its layer may have \d+ bytes of scratch memory", lost["reason"])


def test_kernels_are_not_explained(tools: Tools) -> None:
    Path("net.mlir").write_text(module_text(network(LAYERS)))
    assert tools.sparsec("net.mlir", "-q", "--emit=kernels", "-o", "kernels.mlir").code == 0
    for options in ((), ("--ram=64K",)):
        ended = tools.sparsec("explain", "kernels.mlir", "-q", *options)
        assert ended.code == 2 and "kernels.mlir is at the level of kernels" in ended.err


def test_no_choice_fits(tools: Tools) -> None:
    _, least = compiled("--objective=ram")
    assert compiled(f"--ram={least}")[1] == least
    ended = tools.sparsec("net.mlir", "-q", "--emit=plan", f"--ram={least - 1}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: layer 'layer0' needs ")
    assert ended.err.endswith(f"; the smallest arena found takes {least} bytes\n")


def limited(bytes: int) -> ModuleOp:
    module = network(LAYERS)
    first = next(op for op in module.walk() if isinstance(op, qnn.WeightedOp))
    first.attributes[SCRATCH_LIMIT] = IntegerAttr(bytes, 64)
    return module


def test_a_layer_with_a_limit_of_its_own() -> None:
    cpu = cpu_named("cortex-m4")
    free, *_ = Problem(network(LAYERS), cpu, Goal()).decide().layers
    for explained in (True, False):
        kept, *_ = Problem(limited(free.winner.scratch), cpu, Goal(), explained).decide().layers
        assert kept.winner.label == free.winner.label
        bytes = free.winner.scratch - 1
        tight, *_ = Problem(limited(bytes), cpu, Goal(), explained).decide().layers
        assert tight.winner.scratch <= bytes
    reasons = {verdict.label: verdict.reason for verdict in tight.verdicts}
    assert reasons["delta8"] == f"its layer may have {bytes} bytes of scratch memory"
    with pytest.raises(ValueError, match="layer 'layer0' needs more than 0 bytes of scratch mem"):
        Problem(limited(0), cpu, Goal())


@pytest.mark.usefixtures("tools")
def test_layouts_are_counted() -> None:
    """Channel-major activations end with some bytes more than NHWC: a budget between the two takes another kernel."""
    layer = Spec("conv2d", 64, 64, size=12, kernel=1, keep=0.1, seed=5)
    Path("net.mlir").write_text(module_text(network((layer,))))

    def arena(*options: str) -> tuple[bool, int]:
        words = ["net.mlir", "-q", "--emit=plan", "--target=cortex-m55", *options]
        module = compile_model(parser().parse_args(words), "plan").module
        text = module_text(module)
        found = re.search(r"%arena\S* : memref<(\d+)xi8>", text)
        assert found is not None
        return "rt.convolve_pixels_s8" in text, int(found[1])

    in_planes, bytes = arena()
    assert in_planes and bytes > 2 * 12 * 12 * 64
    still, smaller = arena(f"--ram={bytes - 1}")
    assert not still and smaller < bytes
