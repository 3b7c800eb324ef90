# SPDX-License-Identifier: Apache-2.0
"""--self-test: a program that carries samples, says what differs and what each kind of layer takes."""

import re
from pathlib import Path

import numpy as np
import pytest

from sparsec.run.errors import RunError
from sparsec.run.self_test import run_self_test
from tests.tools.support import Tools, images
from tests.tools.test_bad_input import fails


@pytest.fixture
def samples(elsewhere: Path) -> Path:
    """Three samples of the small model, whose classes are made up."""
    path = elsewhere / "images.npz"
    np.savez(path, images=images(3).numpy(), labels=np.array([0, 4, 1]))
    return path


@pytest.mark.parametrize("cpu", ["cortex-m0plus", "cortex-m4", "cortex-m55"])
def test_on_qemu(cpu: str, tools: Tools, model: Path, samples: Path, cmsis: Path) -> None:
    """The bytes of the interpreter, and the instructions that a run counts, but for what reads the counter."""
    del cmsis
    ended = tools.sparsec("run", model, f"--on={cpu}", f"--self-test={samples}", "-q")
    assert (ended.code, ended.err) == (0, "")
    assert "mismatches: 0 of 15 bytes\n" in ended.out
    assert re.search(r"^sample 1: class [0-4], label 4$", ended.out, re.MULTILINE)
    assert re.search(r"^Top-1: [0-3] of 3\nTop-5: 3 of 3$", ended.out, re.MULTILINE)
    np.save("x.npy", np.load(samples)["images"])
    counted = tools.sparsec("run", model, f"--on={cpu}", "--input=x.npy", "-q").out
    (average,) = re.findall(r"instructions per inference: ([\d,]+)", counted)
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +([\d.]+)$", ended.out, re.MULTILINE)
    assert {"conv", "linear"} <= {row[0] for row in rows}
    ((layers, total),) = re.findall(r"^together +(\d+) +(\d+)$", ended.out, re.MULTILINE)
    assert sum(int(row[1]) for row in rows) == int(layers)
    assert abs(sum(int(row[2]) for row in rows) - int(total)) <= len(rows)
    assert abs(sum(float(row[4]) for row in rows) - 100) < 0.1
    assert abs(int(total) - int(average.replace(",", ""))) <= 20 * int(layers)


def test_what_differs_is_told(tools: Tools, model: Path, samples: Path, cmsis: Path) -> None:
    """With one expected byte changed, the program says so and ends with 1; the project has one more C file to choose."""
    ended = tools.sparsec(model, "-o", "out", f"--self-test={samples}", "-q")
    assert ended.code == 0
    source = Path("out", "tiny_self_test.c")
    text = source.read_text()
    changed = re.sub(
        r"(expected\[15\] = \{\n    )(-?\d+)",
        lambda m: f"{m[1]}{(int(m[2]) + 129) % 256 - 128}",
        text,
    )
    assert changed != text
    assert run_self_test(Path("out"), "host", cmsis_nn=cmsis).passed
    source.write_text(changed)
    ran = run_self_test(Path("out"), "host", cmsis_nn=cmsis)
    assert not ran.passed
    assert "sample 0: class" in ran.text
    assert "differs in bytes: 1 of 5" in ran.text
    assert "mismatches: 1 of 15 bytes" in ran.text
    assert "nothing counts cycles here" in ran.text


@pytest.mark.parametrize("options", [["--io=caller"], ["--arena=caller", "--memory=sample=4096"]])
def test_memories_of_the_caller(
    options: list[str], tools: Tools, two_inputs: Path, cmsis: Path
) -> None:
    """Two inputs and two outputs, which the program gives room; without labels nothing is said of classes. The names of
    memories are the user's, and those of arrays say what they are."""
    x, y = np.random.default_rng(0).normal(size=(2, 4, 6))
    np.savez("two.npz", y=y, x=x)
    assert tools.sparsec(two_inputs, "-o", "out", "--self-test=two.npz", "-q", *options).code == 0
    ran = run_self_test(Path("out"), "host", cmsis_nn=cmsis)
    assert ran.passed, ran.text
    assert "mismatches: 0 of 40 bytes" in ran.text
    assert "Top" not in ran.text
    named = Path("out", "two_self_test.c").read_text()
    np.savez("two.npz", x, y)
    assert tools.sparsec(two_inputs, "-o", "out", "--self-test=two.npz", "-q", *options).code == 0
    assert Path("out", "two_self_test.c").read_text() == named


def test_mistakes(tools: Tools, model: Path, samples: Path, cmsis: Path) -> None:
    fails(tools.sparsec(model, f"--self-test={samples}", "--emit=qnn"), "--self-test writes C")
    fails(tools.sparsec("run", model, f"--self-test={samples}", "--json"), "leave --input")
    fails(tools.sparsec(model, "-q", "--self-test=nowhere.npz"), "cannot read nowhere.npz")
    fails(tools.sparsec(model, "-q", "--self-test=config.yml"), "belongs to a folder of tensors")
    np.savez("other.npz", images=np.ones((3, 4)))
    fails(tools.sparsec(model, "-q", "--self-test=other.npz"), "other.npz has shape [3, 4]")
    np.savez("labels.npz", images=images(3).numpy(), labels=np.array([0, 5, 1]))
    fails(
        tools.sparsec(model, "-q", "--self-test=labels.npz"),
        "--self-test: labels goes from 0 to 5, and the output has the classes 0 to 4",
    )
    np.savez("more.npz", images(3).numpy(), images(3).numpy())
    fails(
        tools.sparsec(model, "-q", "--self-test=more.npz"), "the model has 1 inputs, more.npz has 2"
    )
    assert tools.sparsec(model, "-o", "plain", "-q").code == 0
    with pytest.raises(RunError, match="plain has no self-test; write it with --self-test"):
        run_self_test(Path("plain"), "host", cmsis_nn=cmsis)
