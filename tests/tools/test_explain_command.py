# SPDX-License-Identifier: Apache-2.0
"""`sparsec explain`: what it says is what the compiler does."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.support import Tools


def explained(tools: Tools, model: Path, *options: str) -> dict[str, Any]:
    ended = tools.sparsec("explain", model, "-q", "--json", *options)
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


@pytest.mark.parametrize("options", [(), ("--objective=flash",), ("--recipe=fc: block(1x4)",)])
def test_the_compiler_does_what_is_explained(
    tools: Tools, model: Path, cmsis: Path, options: tuple[str, ...]
) -> None:
    report = explained(tools, model, *options)
    compiled = tools.sparsec(model, "-q", "--json", *options)
    made = json.loads(compiled.out)
    assert report["flash_bytes"] == made["flash_bytes"]
    assert report["flash_code_bytes"] == made["flash_code_bytes"]
    assert report["objective"] == made["objective"]
    weighted = {layer["name"]: layer for layer in made["layers"] if layer["weight_bytes_dense"]}
    assert [layer["layer"] for layer in report["layers"]] == list(weighted)
    for layer in report["layers"]:
        (winner,) = [each for each in layer["candidates"] if each["won"]]
        real = weighted[layer["layer"]]
        assert winner["kernel"] == real["kernel"]
        assert (winner["format"], winner["layout"]) == (real["format"], real["layout"])
        assert winner["instructions"] == real["predicted_instructions"]
        assert winner["estimated_cycles"] == real["predicted_cycles"]
        assert layer["candidates"][0]["format"] == "dense" or options


def test_the_table(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("explain", model, "-q", "--recipe=conv: dense")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "tiny for cortex-m4, objective latency"
    stars = [line.split() for line in lines if line.startswith("* ")]
    assert stars[0][1:4] == ["dense", "plain", "arm_convolve_wrapper_s8"]
    assert "'conv' of the recipe asks for it" in ended.out
    assert any(line.startswith("  not nm(1:16): row 0 has") for line in lines)
    assert lines[-1].startswith("flash  ")


def test_refusals(tools: Tools, model: Path, texts: dict[str, Path]) -> None:
    for options, message in (
        (("--flash=10",), "--flash allows 10 bytes and the smallest choice takes"),
        (("--ram=10",), "layer 'conv' needs"),
        (("--recipe=x: dense",), "no layer is called 'x', known: conv"),
    ):
        ended = tools.sparsec("explain", model, "-q", *options)
        assert (ended.code, ended.out) == (2, "")
        assert message in ended.err and ended.err.count("\n") == 1
    ended = tools.sparsec("explain", texts["kernels"], "-q")
    assert (ended.code, ended.out) == (2, "")


def test_the_passes_before(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("explain", model, "-q", "--print-pipeline")
    assert ended.code == 0 and "quantize" in ended.out and "select-sparse" not in ended.out
