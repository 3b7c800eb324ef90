# SPDX-License-Identifier: Apache-2.0
"""What --help and README.md show runs as it is written, on the networks that are shipped.

The file names they use stand for files of the repository: `FILES` says for which.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from examples.sparse_engine.folder import (
    Network,
    Stage,
    random_weights,
    save_image,
    write_folder,
)
from sparsec.tools import (
    accuracy_command,
    analyze_command,
    compress_tflite_command,
    diff_command,
    explain_command,
    formats_command,
    pareto_command,
    prune_command,
    quantize_command,
    run_command,
    search_command,
    selftest_command,
    sensitivity_command,
    sparsec,
    sparsec_opt,
    what_if_command,
)
from tests.frontends.tflite.support import network
from tests.tools.support import Tools

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
HELP = {
    module.__name__.rpartition(".")[2]: module.EXAMPLES
    for module in (
        sparsec,
        accuracy_command,
        analyze_command,
        compress_tflite_command,
        diff_command,
        explain_command,
        formats_command,
        pareto_command,
        prune_command,
        quantize_command,
        run_command,
        search_command,
        selftest_command,
        sensitivity_command,
        what_if_command,
    )
}
LENET = ROOT / "examples/mnist/model.pt"


def shell_lines(text: str, margin: int) -> Iterator[str]:
    """The commands of `text`: lines behind a margin of so many spaces, without the remarks beside them."""
    pattern = rf"^ {{{margin}}}(?:\$ )?((?:sparsec|python|make)\b\S* .*)$"
    for line in re.findall(pattern, text, re.MULTILINE):
        yield re.split(r"\s{2,}", line.strip())[0]


def images(count: int) -> np.ndarray:
    """Pictures as LeNet takes them, float32 [N, 1, 28, 28]."""
    pixels = np.load(ROOT / "examples/mnist/test_images.npz")["images"][:count]
    return (pixels.reshape(-1, 1, 28, 28) / 255).astype(np.float32)


def labels(count: int) -> np.ndarray:
    """The digits on them."""
    return np.load(ROOT / "examples/mnist/test_images.npz")["labels"][:count]


def as_text(level: str, source: str) -> Callable[[Path, Tools], None]:
    """A file of IR made from another file."""

    def write(path: Path, tools: Tools) -> None:
        FILES[source](Path(source), tools)
        assert tools.sparsec(source, f"--emit={level}", "-q", "-o", path).code == 0

    return write


def shipped(path: Path, _: Tools) -> None:
    """The LeNet of the examples."""
    path.write_bytes(LENET.read_bytes())


def begun(path: Path, tools: Tools) -> None:
    """A search that can be gone on with."""
    for name in ("lenet.pt2", "train.npz", "test.npz"):
        FILES[name](Path(name), tools)
    words = "lenet.pt2", "--data=train.npz", "--test=test.npz", "--space=fc1: unstructured 0.9"
    ended = tools.sparsec("search", *words, "--engine=uniform", "--epochs=1", f"--folder={path}")
    assert ended.code == 0, ended.err


def tensors(path: Path, _: Tools) -> None:
    """A network of sparse-engine, and its image."""
    network = Network((Stage(("tokenizer", "mv2block"), 4, (0,)),), 6, size=8)
    write_folder(path, network, random_weights(1, density=0.4, block=2))
    save_image(path.parent / "image.npy", network)
    (path / "config.yml").write_text("image_path: ../image.npy\nimage_class: 3\n")


def mlperf(name: str) -> Callable[[Path, Tools], None]:
    """A network of MLPerf Tiny, if it is there."""

    def write(path: Path, _: Tools) -> None:
        path.write_bytes(network(name))

    return write


FILES: dict[str, Callable[[Path, Tools], None]] = {
    "model.pt": shipped,
    "lenet.pt": shipped,
    "lenet.pt2": shipped,
    "images.npz": lambda path, _: np.savez(path, images=images(16)),
    "x.npy": lambda path, _: np.save(path, images(2)),
    "y.npy": lambda path, _: np.save(path, labels(2)),
    "test.npz": lambda path, _: np.savez(path, images=images(16), labels=labels(16)),
    "train.npz": lambda path, _: np.savez(path, images=images(16), labels=labels(16)),
    "run1": begun,
    "tensors/": tensors,
    "w.npy": lambda path, _: np.save(path, np.eye(8, dtype=np.int8)),
    "net.mlir": as_text("nn", "lenet.pt"),
    "lenet-int8.mlir": as_text("qnn", "lenet.pt"),
    "before.mlir": as_text("qnn", "lenet.pt"),
    "after.mlir": as_text("qnn", "lenet.pt"),
    "kws.tflite": mlperf("kws_ref_model_int8"),
    "kws-dcsr.tflite": mlperf("kws_ref_model_int8"),
    "kws_ref_model_int8.tflite": mlperf("kws_ref_model_int8"),
    "model.tflite": mlperf("ic_resnet8_int8"),
    "vww.tflite": mlperf("vww_96_int8"),
    "vww_96_int8.tflite": mlperf("vww_96_int8"),
    "vww.mlir": as_text("qnn", "vww.tflite"),
}


CODES = {"sparsec diff lenet.pt2 lenet-int8.mlir --input=x.npy": 1}
"""Exit codes that are not 0: `diff` says that outputs differ."""


def parameters() -> Iterator[object]:
    """Every example once, with what it needs."""
    every = [line for text in HELP.values() for line in shell_lines(text, 2)]
    for line in dict.fromkeys([*every, *shell_lines(README, 4)]):
        if not line.startswith("make "):
            qemu = [pytest.mark.qemu] if "--on=cortex" in line else []
            yield pytest.param(line, marks=[pytest.mark.builds, *qemu])


@pytest.mark.parametrize("line", list(parameters()))
def test_runs(line: str, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line, comments=True)
    for word in words:
        name = word.rpartition("=")[2]
        if name in FILES and not Path(name).exists():
            FILES[name](Path(name), tools)
    piped = ""
    for command in shlex.join(words).split(" '|' "):
        program, *arguments = shlex.split(command)
        if program == "python":
            subprocess.run([sys.executable, *arguments], check=True)
            continue
        monkeypatch.setattr(sys, "stdin", StringIO(piped))
        main = {"sparsec": sparsec.main, "sparsec-opt": sparsec_opt.main}[program]
        ended = tools.call(main, *arguments)
        assert ended.code == CODES.get(line, 0), ended.err
        piped = ended.out


def test_options_in_the_text(tools: Tools) -> None:
    """Options that README names in a sentence."""
    options = [re.sub(r"\s+", " ", each) for each in re.findall(r"`(--[^`]*?=[^`]*)`", README)]
    recipe = next(each for each in options if each.startswith("--recipe="))
    memories = next(each for each in options if each.startswith("--memory="))
    assert " in " in recipe
    shipped(Path("lenet.pt2"), tools)
    ended = tools.sparsec("lenet.pt2", "-q", *shlex.split(memories), *shlex.split(recipe))
    assert ended.code == 0, ended.err


def test_every_command_has_examples() -> None:
    assert len(HELP) == len(sparsec.COMMANDS) + 1
    assert all(list(shell_lines(text, 2)) for text in HELP.values())
    assert len(list(shell_lines(README, 4))) > 20


def test_make_targets() -> None:
    targets = re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"\bmake ([a-z-]+)", README)
    assert named
    assert all(name in targets or name.startswith("bench-") for name in named)
