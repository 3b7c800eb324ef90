# SPDX-License-Identifier: Apache-2.0
"""IR goes on from its text: read back after any pass, it compiles to the same files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from xdsl.parser import Parser

from examples.zoo import ZOO
from sparsec import pipelines
from sparsec.ir.attributes import NAME
from sparsec.tools.compilation import compile_model, pipeline_options, read_model, run_passes
from sparsec.tools.emission import project_files
from sparsec.tools.printing import module_text
from sparsec.tools.registry import context
from sparsec.tools.sparsec import parser
from tests.end_to_end.conftest import SHIPPED, FindModel
from tests.end_to_end.road import compile_to
from tests.frontends.tflite.support import NETWORKS, network


def through_texts(model: Path, levels: tuple[str, ...], cpu: str, folder: Path) -> dict[str, str]:
    """The files of the project when each of `levels` is printed, and read back for the next step."""
    for level in levels:
        args = parser().parse_args([str(model), f"--emit={level}", f"--target={cpu}", "-q"])
        text = module_text(compile_model(args, args.emit).module)
        model = folder / f"{level}.mlir"
        model.write_text(text)
    args = parser().parse_args([str(model), f"--target={cpu}"])
    return project_files(args, compile_model(args, "c"))


def without_accuracy(files: dict[str, str]) -> dict[str, str]:
    """The files, but for how far int8 is from float: text knows no float network to compare with."""
    report = json.loads(files["report.json"])
    report["accuracy"] = None
    return {**files, "report.json": json.dumps(report)}


def expect_same(model: Path, levels: tuple[str, ...], folder: Path) -> None:
    """Every level on M4; on M55, where only the last one differs, that."""
    files = through_texts(model, levels, "cortex-m4", folder)
    assert json.loads(files["report.json"])["accuracy"] is None
    assert without_accuracy(files) == without_accuracy(compile_to(model, "cortex-m4").files)

    compiled = compile_to(model, "cortex-m55")
    path = folder / "kernels.mlir"
    path.write_text(module_text(compiled.compilation.module))
    again = through_texts(path, (), "cortex-m55", folder)
    assert without_accuracy(again) == without_accuracy(compiled.files)


@pytest.mark.parametrize("name", [*SHIPPED, *ZOO])
def test_levels_of_the_zoo(name: str, find_model: FindModel, tmp_path: Path) -> None:
    expect_same(find_model(name), ("nn", "qnn", "kernels"), tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_levels_of_mlperf_tiny(name: str, tmp_path: Path) -> None:
    model = tmp_path / f"{name}.tflite"
    model.write_bytes(network(name))
    expect_same(model, ("qnn", "kernels"), tmp_path)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_pass(name: str, find_model: FindModel) -> None:
    model = find_model(name)
    compiled = compile_to(model, "cortex-m4")
    args = parser().parse_args([str(model), "-q"])
    module, examples = read_model(args)
    module.attributes[NAME] = compiled.compilation.module.attributes[NAME]
    options = pipeline_options(args, compiled.compilation.cpu, module, examples)
    for each in (
        *pipelines.nn(options),
        *pipelines.qnn(options),
        *pipelines.lossless(),
        *pipelines.kernels(options),
    ):
        ctx = context()
        run_passes(ctx, module, [each], ())
        text = module_text(module)
        module = Parser(ctx, text).parse_module()
        assert module_text(module) == text, each
    again = replace(compiled.compilation, module=module)
    assert project_files(args, again) == compiled.files
