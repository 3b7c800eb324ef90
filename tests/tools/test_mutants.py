# SPDX-License-Identifier: Apache-2.0
"""Files with random faults: exit 0, or exit 2 with one line; never a traceback, never more than ten seconds.

Each kind of file is mutated where it matters: the JSON of an archive as JSON, IR text by its tokens,
all of them by bytes. The suite tries the same few in every run, `make fuzz` new ones as long as it runs.
"""

import io
import json
import math
import os
import random
import re
import signal
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import pytest

from tests.frontends.tflite.support import OperatorSpec, TensorSpec, write
from tests.fuzz import SEED
from tests.tools.support import Tools, images

MUTANTS = 100
"""Of each kind in one run."""

SECONDS = 10

NUMBERS = (0, 1, -1, 2, 127, -128, 255, 65536, 2**31 - 1, 2**31, -(2**31), 2**63, 2**64, 10**30)
TEXTS = (
    "",
    "..",
    "../../etc/passwd",
    "x" * 5000,
    "\x1b[2J",
    "\n",
    "self",
    "torch.ops.aten.relu.default",
    "é",
)
VALUES: tuple[object, ...] = (
    *NUMBERS,
    *TEXTS,
    None,
    True,
    0.5,
    math.nan,
    math.inf,
    json.loads("[]"),
    json.loads("{}"),
    json.loads("[[]]"),
)
TOKENS = (*map(str, NUMBERS), "i8", "f32", "tensor<", ">", "(", ")", "{", "}", "%0", "@main", '"', ",", ":", "->", "dense<")  # fmt: skip


def bytes_changed(content: bytes, rng: random.Random) -> bytes:
    """Some bytes set, taken out, doubled or cut off."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(changed) or 1)
        match rng.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del changed[at : at + rng.choice((1, 4, 64))]
            case 2:
                changed[at:at] = changed[at : at + rng.choice((1, 4, 64))]
            case 3:
                word = rng.choice((0, 1, 0x7F, 0xFF, 0x80000000, 0xFFFFFFFF)).to_bytes(4, "little")
                changed[at : at + 4] = word
            case _:
                if rng.random() < 0.1:
                    del changed[at:]
    return bytes(changed)


def json_changed(value: object, rng: random.Random) -> object:
    """One place of a JSON value changed, somewhere in its depth."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        table = dict(cast(dict[str, object], value))
        key = rng.choice(list(table))
        if rng.random() < 0.1:
            del table[key]
        else:
            table[key] = json_changed(table[key], rng)
        return table
    if isinstance(value, list) and value and rng.random() < 0.9:
        items = list(cast(list[object], value))
        at = rng.randrange(len(items))
        match rng.randrange(10):
            case 0:
                del items[at]
            case 1:
                items.insert(at, items[at])
            case 2:
                items[at] = rng.choice(items)
            case _:
                items[at] = json_changed(items[at], rng)
        return items
    return rng.choice(VALUES)


def archive_changed(content: bytes, rng: random.Random) -> bytes:
    """One member of a zip archive changed, taken out or doubled; or its bytes."""
    if rng.random() < 0.2:
        return bytes_changed(content, rng)
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(stream, "w") as target,
    ):
        names = source.namelist()
        texts = [name for name in names if name.endswith(".json")]
        chosen = rng.choice(texts if texts and rng.random() < 0.8 else names)
        for name in names:
            data = source.read(name)
            if name == chosen:
                if rng.random() < 0.05:
                    continue
                if name.endswith(".json"):
                    data = json.dumps(json_changed(json.loads(data), rng)).encode()
                elif data:
                    data = bytes_changed(data, rng)
            target.writestr(name, data)
    return stream.getvalue()


def text_changed(content: bytes, rng: random.Random) -> bytes:
    """Some tokens of IR text replaced, taken out, doubled or exchanged."""
    tokens = re.findall(r"\s+|[\w.%@#]+|.", content.decode(), flags=re.DOTALL)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(tokens))
        match rng.randrange(5):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[at])
            case 2:
                tokens[at] = rng.choice(TOKENS)
            case 3:
                tokens[at] = rng.choice(tokens)
            case _:
                numbers = [i for i, token in enumerate(tokens) if token.isdigit()]
                if numbers:
                    tokens[rng.choice(numbers)] = str(rng.choice(NUMBERS))
    return "".join(tokens).encode()


def arrays_file() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, images().numpy())
    return stream.getvalue()


def tflite_file() -> bytes:
    """A convolution, a clamp, a pool and a softmax."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    image, small = (1, 6, 6, 4), (1, 3, 3, 4)
    pool = {"Padding": 1, "StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2}
    tensors = [
        TensorSpec("x", (1, 8, 8, 3), [0.05], 3),
        TensorSpec("w", weights.shape, [0.01], data=weights),
        TensorSpec("b", (4,), [0.0005], dtype="INT32", data=np.arange(4, dtype=np.int32)),
        TensorSpec("c", image, [0.1], -5),
        TensorSpec("r", image, [0.1], -5),
        TensorSpec("p", small, [0.1], -5),
        TensorSpec("y", small, [1 / 256], -128),
    ]
    convolution = {
        "Padding": 1,
        "StrideW": 1,
        "StrideH": 1,
        "DilationWFactor": 1,
        "DilationHFactor": 1,
    }
    operators = [
        OperatorSpec("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", convolution),
        OperatorSpec("RELU", [3], [4]),
        OperatorSpec("MAX_POOL_2D", [4], [5], "Pool2DOptions", pool),
        OperatorSpec("SOFTMAX", [5], [6], "SoftmaxOptions", {"Beta": 1.0}),
    ]
    return write(tensors, operators)


Mutate = Callable[[bytes, random.Random], bytes]
KINDS: dict[str, tuple[str, Mutate]] = {
    "pt2": ("net.pt2", archive_changed),
    "tflite": ("net.tflite", bytes_changed),
    "npz": ("x.npz", bytes_changed),
    "nn": ("net.mlir", text_changed),
    "qnn": ("net.mlir", text_changed),
    "kernels": ("net.mlir", text_changed),
}


FOUND: dict[str, tuple[str, ...]] = {
    "pt2": ("2019 pt2 29",),
    "qnn": ("2012 qnn 23",),
    "kernels": ("3 kernels 20", "13 kernels 19", "14 kernels 22", "56 kernels 15"),
}
"""Seeds of mutants that were no error of one line, by kind."""


@contextmanager
def no_longer_than(seconds: int) -> Generator[None]:
    """Ends the block with a TimeoutError once it has taken so much of the processor."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.fixture(scope="session")
def originals(model: Path, texts: dict[str, Path]) -> dict[str, bytes]:
    files = {"pt2": model.read_bytes(), "tflite": tflite_file(), "npz": arrays_file()}
    return files | {level: path.read_bytes() for level, path in texts.items()}


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", KINDS)
def test_mutants(tools: Tools, originals: dict[str, bytes], model: Path, kind: str) -> None:
    name, mutate = KINDS[kind]
    count = MUTANTS // 3 if name == "net.mlir" else MUTANTS
    emit = ["--emit=c", "-o", "out"] if kind == "kernels" else ["--emit=qnn", "-o", "out.mlir"]
    drawn = [f"{os.environ.get(SEED, 0)} {kind} {number}" for number in range(count)]
    for seed in (*FOUND.get(kind, ()), *drawn):
        Path(name).write_bytes(mutate(originals[kind], random.Random(seed)))
        arguments: list[Any] = [model, f"--calibrate={name}"] if kind == "npz" else [name]
        with no_longer_than(SECONDS):
            ended = tools.sparsec(*arguments, "-q", *emit)
        assert ended.code in (0, 2), f"seed '{seed}': {ended.err}"
        if ended.code == 2:
            assert ended.err.startswith("error: "), f"seed '{seed}': {ended.err}"
            assert "\x1b" not in ended.err
            assert len(ended.err) < 3000
