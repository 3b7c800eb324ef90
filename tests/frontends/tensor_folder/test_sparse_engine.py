# SPDX-License-Identifier: Apache-2.0
"""What sparse-engine does, feature by feature (SE-F1 to SE-F14), and what goes wrong there.

Its encoding 2 does not exist there; here a choice of 2 picks among all formats. Its stores of parameters that have not
changed are left out there; here parameters are constant structs, which nothing stores.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.sparse_engine.folder import (
    Network,
    Stage,
    Transformer,
    random_weights,
    save_image,
    write_folder,
    write_pruning,
)
from sparsec.formats import BlockRle, Delta8
from sparsec.frontends import configured_image, load
from sparsec.ir import qnn
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.recipe import Wish, parse_recipe
from sparsec.run import cmsis_nn
from sparsec.tools import run_command, sparsec
from sparsec.tools.compilation import compile_model
from sparsec.tools.emission import project_files
from tests.frontends.tensor_folder.reference import their_multiplier
from tests.tools.support import Tools

NETWORK = Network(
    (
        Stage(("tokenizer",), 6, (0,), (Transformer(0, 6, 5, 6),)),
        Stage(("mv2block",), 6, (1,), (Transformer(1, 8, 10, 6),)),
    ),
    12,
    size=8,
    classes=7,
)
SIZES = (2, 4, 1, 2, 8, 4)
"""Of the blocks that may be sparse: odd rows are crossed, one has single weights, one blocks of eight."""

CANDIDATES = (
    *(f"mv2block0_0_one.qconv.{number}" for number in range(3)),
    *(f"downsample1_0_two.qconv.{number}" for number in range(3)),
    *(f"mv2block1_0_two.qconv.{number}" for number in range(3)),
    *(
        f"transformer{place}.{layer}"
        for place in ("0_0_one", "1_0_two")
        for layer in (
            *("qconv1", "qconv2", "self_attn.qqkv", "self_attn.qproj"),
            *("qlinear_relu1", "qlinear2", "qconv3", "qconv4"),
        )
    ),
    "last_conv",
)


@dataclass(frozen=True)
class Compiled:
    """The files of a project, and what its report says."""

    files: dict[str, str]
    report: dict[str, Any]

    @property
    def formats(self) -> dict[str, str]:
        """How the layers with weights are stored."""
        return {r["name"]: r["format"] for r in self.report["layers"] if r["format"] != "none"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tensors, an image and block sizes; blocks of three quarters of the weights are zero, wherever rows end."""
    home = tmp_path_factory.mktemp("engine")
    write_folder(home / "tensors", NETWORK, random_weights(5, density=0.25, block=2))
    save_image(home / "image.npy", NETWORK)
    write_pruning(home / "configs" / "net" / "pruning_dmtp_single.yml", SIZES)
    return home


def configure(home: Path, choice: int) -> Path:
    (home / "config.yml").write_text(
        f"model_config_path: net\nimage_path: image.npy\nimage_class: 3\nsparse_choice: {choice}\n"
        "tensor_path: tensors/\nsoftmax_opt: False\nmemory_list: statistic.yml\n"
        "func_path: q.c\ndata_path: data.h\nfunc_init: a.txt\ndata_init: b.txt\n"
    )
    return home / "tensors"


@pytest.fixture(scope="module")
def compiled(home: Path) -> Callable[[int], Compiled]:
    """The network for a value of sparse_choice, compiled once."""
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    known: dict[int, Compiled] = {}

    def compile(choice: int) -> Compiled:
        if choice not in known:
            words = [str(configure(home, choice)), "-q", "--name=net"]
            args = sparsec.parser().parse_args(words)
            files = project_files(args, compile_model(args, "c"))
            known[choice] = Compiled(files, json.loads(files["report.json"]))
        return known[choice]

    return compile


Get = Callable[[int], Compiled]


def test_se_f1_one_command_and_no_heap(compiled: Get) -> None:
    files = compiled(2).files
    own = {name for name in files if name.startswith("net") and name.endswith(".c")}
    assert own == {"net.c", "net_weights.c"}
    for name, text in files.items():
        assert name == "CMakeLists.txt" or not re.search(r"\b(malloc|calloc|alloca|free)\(", text)


def test_se_f2_formats_are_chosen_or_forced(compiled: Get) -> None:
    assert set(compiled(0).formats.values()) == {"dense"}
    forced = compiled(1).formats
    assert {name for name, format in forced.items() if format != "dense"} == set(CANDIDATES)
    assert len(set(compiled(2).formats.values())) > 1


def test_se_f2_and_f3_the_golden_vectors() -> None:
    """Encoding 1, with an escape of 255 and records that begin anywhere."""
    dense = np.zeros((1, 700), np.int8)
    dense[0, [3, 4, 600, 601]] = [5, 6, 9, -9]
    stream = np.array([-125, 5, 6, 127, 0, 127, 0, -42, 9, -9], np.int8)
    assert np.array_equal(BlockRle(2).pack(dense)["stream"], stream)
    assert np.array_equal(BlockRle(2).unpack({"stream": stream}, dense.shape), dense)


def test_se_f3_block_sizes_follow_the_pruning_configuration(compiled: Get) -> None:
    """One for each block; depthwise layers store single weights, for which they have a kernel."""
    forced = compiled(1).formats
    blocks = ("mv2block0_0_one", "transformer0_0_one", "downsample1_0_two", "mv2block1_0_two")
    for block, size in zip((*blocks, "transformer1_0_two", "last_conv"), SIZES, strict=True):
        for name in (each for each in CANDIDATES if each.startswith(block)):
            runs = "delta8" if name.endswith("qconv.1") else f"block-rle({size})"
            assert forced[name] == runs


@pytest.mark.builds
@pytest.mark.parametrize("choice", [0, 1, 2])
def test_se_f4_sparse_kernels_give_the_bytes_of_the_interpreter(
    choice: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Convolutions of one and nine taps, depthwise ones of stride 1 and 2, linear layers; blocks of 1, 2, 4 and 8, none of
    them aligned. There the kernel for stride 2 and HWC is wrong, blocks of 1 cannot be read, those of 8 leave a layer without
    weights, and the last record may be cut off."""
    words = ["run", configure(home, choice), "--on=host", "-q"]
    ended = Tools(capsys).sparsec(*words)
    assert (ended.code, ended.err) == (0, "")
    assert "mismatches: 0 of 7 bytes" in ended.out


def test_se_f5_no_layer_is_turned_around(compiled: Get) -> None:
    """There 24 of 74 calls turn images around sparse kernels, and 4 split and join heads."""
    kernels = [row["kernel"] for row in compiled(1).report["layers"]]
    assert not [name for name in kernels if "transpose" in name or "channel_major" in name]


def test_se_f6_and_f7_the_arena_is_computed_scratch_included(compiled: Get) -> None:
    report, files = compiled(2).report, compiled(2).files
    assert report["arena_bytes"] >= report["arena_lower_bound_bytes"] > 0
    assert any(row["scratch_bytes"] for row in report["layers"])
    writable = re.findall(r"^(?!.*\bconst\b).*\b(int8_t|int32_t) net_\w+\[", files["net.c"], re.M)
    assert writable == ["int8_t"]  # the arena


@pytest.mark.builds
@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_se_f8_and_f11_transformers_and_the_test_on_the_device(
    cpu: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its image and class, Top-1 and Top-5, and a table by kinds of layers."""
    folder = configure(home, 2)
    words = ["run", folder, f"--on={cpu}", f"--self-test={home / 'config.yml'}", "-q"]
    ended = Tools(capsys).sparsec(*words)
    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"^sample 0: class [0-6], label 3\nTop-1: [01] of 1\nTop-5:", ended.out, re.M)
    assert "mismatches: 0 of 7 bytes" in ended.out
    kinds = re.findall(r"^(\w+) +\d+ +\d+ +\d+ +[\d.]+$", ended.out, re.M)
    assert {"conv", "attention", "norm", "pool", "add"} <= set(kinds)


def test_se_f9_multipliers_saturate() -> None:
    """Those of convolutions are by channel, of linear layers for all; there one that rounds to 2^31 stays that."""
    assert their_multiplier(0.37) == quantize_multiplier(0.37)
    assert their_multiplier(1 - 1e-12) == (2**31, 0)
    assert quantize_multiplier(1 - 1e-12) == (2**30, 1)


def test_se_f10_parameters_are_constant(compiled: Get) -> None:
    assert not re.findall(r"^\s*\w+(?:\.\w+)+ = ", compiled(2).files["net.c"], re.M)


@pytest.mark.parametrize(
    ("pooling", "kind"), [("average", qnn.MeanOp), ("attention", qnn.MatmulOp)]
)
def test_se_f12_pooling_by_which_tensors_are_there(
    pooling: str, kind: type[qnn.MeanOp | qnn.MatmulOp], tmp_path: Path
) -> None:
    network = Network((Stage(("tokenizer",), 3),), 4, size=8, classes=2, pooling=pooling)
    write_folder(tmp_path, network, random_weights(1))
    module = load(tmp_path, input_shape=[(1, 3, 8, 8)]).module
    assert sum(isinstance(op, qnn.MeanOp | qnn.MatmulOp) for op in module.walk()) == 1
    assert any(isinstance(op, kind) for op in module.walk())


def blocks_of(summary: Sequence[str]) -> list[str]:
    return re.findall(r"^block: (\w+)$", "\n".join(summary), re.M)


def test_se_f13_one_or_two_stages(home: Path, tmp_path: Path) -> None:
    two = ["downsample0_0_one", "mv2block0_0_one", "transformer0_0_one", "downsample1_0_two"]
    rest = ["mv2block1_0_two", "transformer1_0_two", "last_conv", "qglobal_pooling", "classifier"]
    summary = load(configure(home, 2)).summary
    assert blocks_of(summary) == [*two, *rest]
    assert "Block:transformer1_0_two deploy completed, block_size: 8" in summary
    write_folder(
        tmp_path,
        Network((Stage(("tokenizer", "mv2block"), 3, (0,)),), 4, size=8, classes=2),
        random_weights(1),
    )
    one = blocks_of(load(tmp_path, input_shape=[(1, 3, 8, 8)]).summary)
    assert one[:3] == ["downsample_tokenizer_0", "downsample_mv2block_1", "mv2block0_0"]


def test_se_f14_what_may_be_sparse(home: Path) -> None:
    """mv2blocks, transformers, the downsampling of the second stage and the last convolution, and nothing else."""
    recipe = load(configure(home, 1)).recipe
    assert {wish.pattern for wish in recipe.wishes if wish.format} == set(CANDIDATES)
    assert recipe.wishes[0] == Wish("*", None)


def test_options_go_before_the_configuration(home: Path) -> None:
    """--weights takes its place, --recipe comes behind it."""
    folder = str(configure(home, 0))
    args = run_command.parser().parse_args([folder, "-q", "--recipe=last_conv: delta8"])
    assert parse_recipe(compiled_recipe(args)).wish_for("last_conv") == Wish("last_conv", Delta8())
    assert parse_recipe(compiled_recipe(args)).wish_for("classifier") == Wish("*", None)
    args = run_command.parser().parse_args([folder, "-q", "--weights=delta8"])
    assert compiled_recipe(args) == ""


def compiled_recipe(args: argparse.Namespace) -> str:
    """The recipe with which a network is compiled."""
    compile_model(args, "qnn")
    return args.recipe


def test_the_image_is_stored_with_channels_last(home: Path) -> None:
    configure(home, 2)
    image, label = configured_image(home / "config.yml")
    assert label == 3
    stored = np.load(home / "image.npy")
    assert np.array_equal(image, stored.transpose(0, 2, 3, 1).astype(np.int8))
