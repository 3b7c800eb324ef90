# SPDX-License-Identifier: Apache-2.0
"""Folders that cannot be compiled: one line that names block and tensor."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from examples.sparse_engine.folder import (
    Network,
    Stage,
    Transformer,
    random_weights,
    save_image,
    write_folder,
    write_pruning,
)
from sparsec.frontends import FrontendError, load
from sparsec.frontends.numpy_files import Array
from tests.tools.support import Tools

NETWORK = Network((Stage(("tokenizer",), 4, (0, 1)), Stage(("mv2block",), 4)), 3, size=8, classes=2)

TRANSFORMED = Network(
    (Stage(("tokenizer", "mv2block"), 4, (0,), (Transformer(0, 4, 6, 4),)),),
    3,
    size=8,
    classes=2,
    pooling="attention",
)

Mutilate = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that compiles, in which config.yml is, and what that names beside it."""
    home = tmp_path_factory.mktemp("network")
    folder = home / "tensors"
    write_folder(folder, NETWORK, random_weights(1))
    save_image(home / "image.npy", NETWORK)
    write_pruning(home / "configs" / "net" / "pruning_dmtp_single.yml", [2, 2, 2, 4])
    (home / "config.yml").write_text(
        "model_config_path: net\nimage_path: image.npy\nimage_class: 1\nsparse_choice: 2\n"
    )
    return home


def copied(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder / "copy", copy_function=shutil.copyfile)
    return folder / "copy" / "tensors"


def save(name: str, value: Array | float) -> Mutilate:
    return lambda folder: np.save(folder / name, np.asarray(value, np.float32))


def change(name: str, edit: Callable[[Array], Array]) -> Mutilate:
    def apply(folder: Path) -> None:
        np.save(folder / name, edit(np.load(folder / name)))

    return apply


def remove(pattern: str) -> Mutilate:
    def apply(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return apply


def rename(old: str, new: str) -> Mutilate:
    def apply(folder: Path) -> None:
        for path in folder.glob(f"{old}*"):
            path.rename(folder / path.name.replace(old, new))

    return apply


def write(name: str, text: str) -> Mutilate:
    return lambda folder: (folder.parent / name).write_text(text)


def nested_anchors(depth: int) -> str:
    """A list of 10 ** `depth` values in YAML."""
    text = "&a0 [x, x, x, x, x, x, x, x, x, x]"
    for level in range(1, depth):
        text = f"&a{level} [{text}{f', *a{level - 1}' * 9}]"
    return text


MV2 = "mv2block_one.mv2block0_0"
CASES: dict[str, tuple[Mutilate, str]] = {
    "a tensor is missing": (
        remove(f"{MV2}.qconv.1.M.npy"),
        r"block 'mv2block0_0_one': tensor 'qconv\.1\.M' is missing",
    ),
    "a zero point is missing": (
        remove(f"{MV2}.qadd.qi2.zero_point.npy"),
        r"block 'mv2block0_0_one': tensor 'qadd\.qi2\.zero_point' is missing",
    ),
    "the classifier is missing": (remove("qclassifier*"), "block 'classifier': all of its tensors"),
    "no pooling": (remove("qglobal_pooling*"), "neither of the blocks 'global_pooling' and"),
    "both poolings": (save("global_pooling.qsoftmax.qi.scale.npy", 1), "both of the blocks"),
    "no downsample": (remove("downsample*"), "no tensors of a downsample block"),
    "axes": (
        save(f"{MV2}.qconv.0.conv_module.weight.npy", np.ones((8, 4))),
        r"tensor 'qconv\.0\.conv_module\.weight' has shape \[8, 4\], not 4 axes",
    ),
    "channels": (
        save(f"{MV2}.qconv.0.conv_module.weight.npy", np.ones((8, 5, 1, 1))),
        r"block 'mv2block0_0_one': tensor 'qconv\.0\.conv_module\.weight' has shape \[8, 5, 1, 1\], not that of 4",
    ),
    "taps": (
        save(f"{MV2}.qconv.0.conv_module.weight.npy", np.ones((8, 4, 3, 3))),
        "not 1x1 taps",
    ),
    "bias": (save(f"{MV2}.qconv.0.conv_module.bias.npy", np.ones(3)), "not 8 values"),
    "multipliers": (save(f"{MV2}.qconv.0.M.npy", np.ones(3)), "not 1 or 8 values"),
    "fractions": (
        change(f"{MV2}.qconv.0.conv_module.weight.npy", lambda w: w + 0.5),
        r"must hold whole numbers from -128 to 127",
    ),
    "a scale of zero": (
        save("qglobal_pooling.qo.scale.npy", 0),
        "block 'qglobal_pooling': tensor 'qo.scale' must be positive",
    ),
    "a multiplier that is no number": (
        save(f"{MV2}.qconv.2.M.npy", np.nan),
        r"tensor 'qconv\.2\.M' must be positive and finite",
    ),
    "a multiplier that is too large": (save(f"{MV2}.qconv.2.M.npy", 1e12), "too large"),
    "a zero point outside int8": (
        save(f"{MV2}.qconv.2.qo.zero_point.npy", 200),
        r"tensor 'qconv\.2\.qo\.zero_point' must hold whole numbers",
    ),
    "another topology": (
        save(f"{MV2}.qconv.3.M.npy", 1),
        r"block 'mv2block0_0_one': it has tensors of a layer 'qconv\.3'",
    ),
    "an order that cannot be": (
        rename("mv2block_one.mv2block1_1", "mv2block_one.mv2block1_2"),
        "block 'mv2block1_2': there is no mv2block block of number 1",
    ),
    "one number twice": (
        rename("mv2block_one.mv2block1_1", "mv2block_one.mv2block1_0"),
        "blocks 'mv2block0_0' and 'mv2block1_0' have one number",
    ),
    "blocks that changed places": (
        lambda folder: [
            rename("mv2block_one.mv2block1_1", "x")(folder),
            rename("mv2block_one.mv2block0_0", "mv2block_one.mv2block0_1")(folder),
            rename("x", "mv2block_one.mv2block1_0")(folder),
        ],
        "block 'mv2block1_0_one': .* where what it reads has",
    ),
    "no number": (
        rename("mv2block_one.mv2block1_1", "mv2block_one.mv2block1"),
        "block 'mv2block1': a mv2block block has a number",
    ),
    "an unknown type": (
        rename("mv2block_one.mv2block1_1", "mv2block_one.mv2block7_1"),
        "block 'mv2block7_1_one': there are mv2blocks of type 0, 1, 2, not '7'",
    ),
    "mixed stages": (rename("mv2block_one", "mv2block"), "the folder mixes two networks"),
    "only a second stage": (
        lambda folder: [remove(f"{kind}_one*")(folder) for kind in ("downsample", "mv2block")],
        "none of 'one'",
    ),
    "an odd image": (
        lambda folder: np.save(folder.parent / "image.npy", np.ones((1, 3, 6, 6), np.float32)),
        "block 'downsample1_0_two': an image of 3x3 cannot be halved",
    ),
    "no array": (
        lambda folder: (folder / "qlast_conv.M.npy").write_bytes(b"no array"),
        r"qlast_conv\.M\.npy: it is no \.npy",
    ),
    "an unknown key": (
        write("config.yml", "sparse_choise: 1"),
        r"config\.yml has no key 'sparse_choise': did you mean 'sparse_choice'\?",
    ),
    "a wrong type": (
        write("config.yml", "sparse_choice: often"),
        r"config\.yml\.sparse_choice is a whole number, not 'often'",
    ),
    "an unknown choice": (
        write("config.yml", "sparse_choice: 3"),
        r"config\.yml\.sparse_choice is one of 0, 1, 2, not 3",
    ),
    "no YAML": (write("config.yml", "a: ["), r"config\.yml is no YAML"),
    "a list": (write("config.yml", "- 1"), r"config\.yml is keys with values"),
    "no image": (write("config.yml", "image_path: nowhere.npy"), "nowhere.npy is not there"),
    "no size": (
        write("config.yml", ""),
        "tells how large the image is: give --input-shape=1,3,H,W",
    ),
    "block sizes": (
        write("configs/net/pruning_dmtp_single.yml", "pruning_config: [{block_size: 0}]"),
        r"pruning_config\[0\]\.block_size is a whole number in 1\.\.256, not 0",
    ),
    "too few block sizes": (
        write("configs/net/pruning_dmtp_single.yml", "pruning_config: [{}, {block_size: 2}]"),
        "block 'downsample1_0_two': pruning_config lists 2 blocks, and none for this one",
    ),
    "sizes that are others": (
        write("statistic.yml", "[[192, 256], [256, 65]]"),
        r"statistic\.yml: entry 1 has 256 and 65 bytes, and 'downsample0_0_one\.qmaxpool'",
    ),
    "too few sizes": (
        write("statistic.yml", "[[192, 256]]"),
        r"statistic\.yml has 1 entries, and none for 'downsample0_0_one\.qmaxpool'",
    ),
    "a bias that float32 rounds to 2^31": (
        save(f"{MV2}.qconv.0.conv_module.bias.npy", np.full(8, 2**31 - 1)),
        r"tensor 'qconv\.0\.conv_module\.bias' must hold whole numbers",
    ),
    "complex numbers": (
        lambda folder: np.save(folder / f"{MV2}.qconv.0.M.npy", np.array(1 + 1j)),
        r"qconv\.0\.M\.npy: it holds complex numbers",
    ),
    "an image of complex numbers": (
        lambda folder: np.save(folder.parent / "image.npy", np.zeros((1, 3, 8, 8), np.complex64)),
        r"image image\.npy: it holds complex numbers",
    ),
    "several arrays": (
        lambda folder: (
            np.savez(folder / "x.npz", 1, 2)
            or (folder / "x.npz").rename(folder / "qlast_conv.M.npy")
        ),
        r"qlast_conv\.M\.npy: it holds 2 arrays, not one",
    ),
    "one tensor in two files": (
        save("mv2block_2_one.mv2block0_0.qconv.0.M.npy", 0.5),
        r"another file has the tensor 'qconv\.0\.M' of this block",
    ),
    "a layer of a block without layers": (
        save("qclassifier.one.M.npy", 1),
        "layer 'one', and such a block has none",
    ),
    "a key twice": (
        write("config.yml", "image_path: image.npy\nsparse_choice: 1\nimage_path: other.npy\n"),
        "config.yml is no YAML of plain values: the key 'image_path' stands there twice",
    ),
    "anchors of anchors": (
        write("config.yml", f"sparse_choice: {nested_anchors(9)}"),
        r"config\.yml\.sparse_choice is a whole number, not \[\[\[",
    ),
    "a number of thousands of digits": (
        write("config.yml", f"sparse_choice: 0x{'f' * 5000}"),
        "is one of 0, 1, 2, not a number of thousands of digits",
    ),
    "a size of thousands of digits": (
        write("statistic.yml", f"[[0x{'f' * 5000}, 256]]"),
        "entry 0 is not a list of at least two sizes",
    ),
    "a name that no file can have": (
        write("config.yml", f"image_path: {'a' * 5000}"),
        "image_path a+ is not there",
    ),
    "no sizes": (write("statistic.yml", "[[192]]"), "entry 0 is not a list of at least two sizes"),
}


def odd_width(folder: Path) -> None:
    """A transformer of six channels and four heads."""
    rename("transformer.transformer0_0", "transformer.transformer1_0")(folder)
    for name, value in {
        "qconv2.conv_module.weight": np.ones((6, 4, 1, 1)),
        "qconv2.conv_module.bias": np.ones(6),
        "qconv2.M": np.ones(1),
        "qpre_norm.layernorm_module.weight": np.ones(6),
        "qpre_norm.layernorm_module.bias": np.ones(6),
        "self_attn.qqkv.fc_module.weight": np.ones((18, 6)),
    }.items():
        save(f"transformer.transformer1_0.{name}.npy", value)(folder)


ATTENTION = "transformer.transformer0_0.self_attn"
TRANSFORMED_CASES: dict[str, tuple[Mutilate, str]] = {
    "heads": (
        odd_width,
        "block 'transformer1_0': 6 channels cannot be divided among 4 heads",
    ),
    "queries, keys and values": (
        save(f"{ATTENTION}.qqkv.fc_module.weight.npy", np.ones((8, 4))),
        r"block 'transformer0_0': tensor 'self_attn\.qqkv\.fc_module\.weight' has shape \[8, 4\], not \[12, 4\]",
    ),
    "a missing softmax": (
        remove(f"{ATTENTION}.qsoftmax1.qi.scale.npy"),
        r"tensor 'self_attn\.qsoftmax1\.qi\.scale' is missing",
    ),
    "a norm of another width": (
        save("transformer.transformer0_0.qnorm1.layernorm_module.weight.npy", np.ones(5)),
        r"tensor 'qnorm1\.layernorm_module\.weight' has shape \[5\], not \[4\]",
    ),
    "pooling by several numbers": (
        lambda folder: [
            remove("global_pooling.qattention_pool.fc_module.bias.npy")(folder),
            save("global_pooling.qattention_pool.fc_module.weight.npy", np.ones((2, 3)))(folder),
        ],
        r"block 'global_pooling': tensor 'qattention_pool\.fc_module\.weight' has shape \[2, 3\], not \[1, 3\]",
    ),
}


@pytest.mark.parametrize("case", TRANSFORMED_CASES)
def test_one_line_names_what_is_wrong_with_attention(
    case: str, mutilated: Path, tmp_path: Path
) -> None:
    mutilate, message = TRANSFORMED_CASES[case]
    folder = tmp_path / "tensors"
    shutil.copytree(mutilated, folder, copy_function=shutil.copyfile)
    mutilate(folder)
    with pytest.raises(FrontendError, match=message) as raised:
        load(folder, input_shape=[(1, 3, 8, 8)])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("case", CASES)
def test_one_line_names_what_is_wrong(case: str, whole: Path, tmp_path: Path) -> None:
    mutilate, message = CASES[case]
    folder = copied(whole, tmp_path)
    mutilate(folder)
    with pytest.raises(FrontendError, match=message) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_the_command_ends_with_2(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(whole, tmp_path)
    (folder / "qclassifier.M.npy").unlink()
    ended = Tools(capsys).sparsec(folder, "-o", tmp_path / "out")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"error: {folder}: block 'classifier': tensor 'M' is missing\n"
    assert not (tmp_path / "out").exists()


def test_tensors_that_are_no_ones_are_listed(whole: Path, tmp_path: Path) -> None:
    """With what a terminal would obey left out."""
    folder = copied(whole, tmp_path)
    for name in (f"{MV2}.qconv.0.conv_module.bais", "qclassifier2.M", "\x1b[31m\n"):
        np.save(folder / f"{name}.npy", 1)
    summary = load(folder).summary
    assert sorted(line for line in summary if "resolve" in line) == [
        "Cannot resolve \x1b[31m\n.npy",
        f"Cannot resolve {MV2}.qconv.0.conv_module.bais.npy",
        "Cannot resolve qclassifier2.M.npy",
    ]


def test_control_characters_reach_no_terminal(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(whole, tmp_path)
    np.save(folder / "\x1b[31m\n.npy", 1)
    ended = Tools(capsys).sparsec(folder, "--emit=qnn", "-o", tmp_path / "qnn.mlir")
    assert ended.code == 0
    assert "Cannot resolve ?[31m?.npy\n" in ended.err


def test_a_class_that_is_none(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(whole, tmp_path)
    configuration = folder.parent / "config.yml"
    configuration.write_text("image_path: image.npy\nimage_class: 2\n")
    ended = Tools(capsys).sparsec(
        folder, f"--self-test={configuration}", "-q", "-o", tmp_path / "out"
    )
    assert ended.code == 2
    assert ended.err == (
        "error: --self-test: image_class goes from 2 to 2, and the output has the classes 0 to 1\n"
    )


@pytest.fixture(scope="module")
def mutilated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutilated") / "tensors"
    write_folder(folder, TRANSFORMED, random_weights(1))
    return folder


def refusal(folder: Path) -> str:
    """What is said of a folder that is not read."""
    try:
        load(folder, input_shape=[(1, 3, 8, 8)])
    except FrontendError as error:
        return str(error)
    return ""


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 5), st.integers(0, 10**6))
@example(0, 0, 0)
def test_mutilated_folders_are_read_or_refused(
    mutilated: Path, which: int, how: int, seed: int
) -> None:
    """One tensor removed, emptied, reshaped, replaced by other numbers, called otherwise or cut off."""
    paths = sorted(mutilated.glob("*.npy"))
    path = paths[which % len(paths)]
    content, array, random = path.read_bytes(), np.load(path), np.random.default_rng(seed)
    added = path
    try:
        match how:
            case 0:
                path.unlink()
            case 1:
                np.save(path, np.zeros((0, *array.shape), np.float32))
            case 2:
                shape: list[int] = random.integers(1, 5, random.integers(0, 5)).tolist()
                np.save(path, np.resize(array, shape))
            case 3:
                values: Array = random.choice(
                    [0, -1, 0.5, 1e30, np.nan, np.inf, 127, -129], array.shape
                )
                np.save(path, values)
            case 4:
                words = path.name.split(".")
                words[random.integers(len(words) - 1)] = "other_0"
                added = path.rename(mutilated / ".".join(words))
            case _:
                path.write_bytes(content[: int(random.integers(len(content)))])
        message = refusal(mutilated)
        assert "\n" not in message
        assert "malformed" not in message
    finally:
        added.unlink(missing_ok=True)
        path.write_bytes(content)
