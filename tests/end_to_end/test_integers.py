# SPDX-License-Identifier: Apache-2.0
"""Images of bytes and indices as inputs: within what the scales allow of torch, the same bytes everywhere."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsec.frontends.exported_inputs import Inputs
from sparsec.interpreters.signature import dequantized
from tests.end_to_end.road import compile_to, expect_exact
from tests.frontends.support import expected, export_bytes

SAMPLES, ROWS = 3, 9


class OfIntegers(nn.Module):
    """What models make of an image of bytes and of words by their numbers."""

    def __init__(self) -> None:
        super().__init__()
        # Numbers that int8 holds without error, from the lowest to the highest.
        table = torch.arange(ROWS * 4).reshape(ROWS, 4) * 7.0 - 128
        table[-1, -1] = 127
        self.words = nn.Embedding.from_pretrained(table)
        self.places = nn.Embedding.from_pretrained(table[[8, 0, 3, 2, 1, 4]])

    def forward(self, image: Tensor, words: Tensor, more: Tensor) -> tuple[Tensor, ...]:
        real = image.float()
        return (
            image / 255,
            real / 255.0,
            (real - 100) * 0.25,
            image.permute(0, 2, 3, 1).to(torch.float32) * 2,
            image.flatten(1)[:, 3:40].float() - 128,
            self.words(words),
            self.words(words.long()) + self.places(torch.arange(6)),
            self.words(more.unsqueeze(1)).mean(2),
            real.argmax(1),
            words,
        )


STEPS = (0, 0, 0, 0, 0, 0, 0.5, 0.5, 0, 0)
"""By how many steps of its scale each result may differ from torch's."""


def inputs() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (SAMPLES, 3, 4, 5), generator=generator, dtype=torch.uint8)
    image.view(SAMPLES, -1)[:, 0], image.view(SAMPLES, -1)[:, -1] = 0, 255
    words = torch.randint(0, ROWS, (SAMPLES, 6), generator=generator, dtype=torch.int32)
    more = torch.randint(0, ROWS, (SAMPLES, 5), generator=generator)
    return [image, words, more]


def arrays(given: Sequence[Tensor]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.integer]]]:
    """Inputs as the device takes them."""
    image, words, more = (tensor.numpy() for tensor in given)
    return [image, words, more.astype(np.int32)]


@pytest.mark.parametrize(
    "cpu",
    [
        "host",
        *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
    ],
)
def test_inputs_of_integers(cpu: str, tmp_path: Path) -> None:
    path, given = tmp_path / "integers.pt2", inputs()
    path.write_bytes(export_bytes(OfIntegers(), given))
    compiled = compile_to(path, cpu, "--plan-seconds=0", "--verify-semantics")
    schemes = compiled.compilation.outputs
    outputs = expect_exact(compiled, cpu, arrays(given), canaries=True)
    torchs = expected(OfIntegers(), given)
    for number, (ours, wanted, scheme) in enumerate(
        zip(dequantized(outputs, schemes), torchs, schemes, strict=True)
    ):
        apart = np.abs(ours - wanted).max() / scheme.scale
        assert apart <= STEPS[number] + 1e-3, f"output {number}: {apart:.3f} steps"


def test_indices_that_no_table_has(tmp_path: Path) -> None:
    """They count as the nearest that it has, on the device and in the interpreter."""
    path = tmp_path / "integers.pt2"
    path.write_bytes(export_bytes(OfIntegers(), inputs()))
    compiled = compile_to(path, "host", "--plan-seconds=0")
    image, words, more = arrays(inputs())
    words[0, :4], more[1, 0] = (-1, ROWS, -(2**31), 2**31 - 1), 1000
    outputs = expect_exact(compiled, "host", [image, words, more])
    rows = dequantized(outputs, compiled.compilation.outputs)[5][0]
    assert rows[:4, 0].tolist() == [-128, 7 * 32 - 128, -128, 7 * 32 - 128]


def test_random_inputs_of_integers() -> None:
    """For a file without examples: of the types that torch takes, and rows that every table has."""
    sizes = [{"as_int": 1}, {"as_int": 400}]
    dtypes = {"image": 1, "words": 5, "more": 4}
    tensors = {name: {"dtype": dtype, "sizes": sizes} for name, dtype in dtypes.items()}
    graph = {"tensor_values": tensors}
    image, words, more = Inputs(graph, list(tensors)).to_run(None)
    assert (image.dtype, words.dtype, more.dtype) == (torch.uint8, torch.int64, torch.int32)
    assert int(image.max()) == 255
    assert words.unique().tolist() == more.unique().tolist() == [0, 1]


def test_report_and_header_say_the_types(tmp_path: Path) -> None:
    path = tmp_path / "integers.pt2"
    path.write_bytes(export_bytes(OfIntegers(), inputs()))
    compiled = compile_to(path, "host", "--plan-seconds=0")
    report, header = compiled.files["report.json"], compiled.files["integers.h"]
    assert report.count('"type": "uint8"') == 1
    assert report.count('"type": "int32"') == 4
    assert "Numbers of the type int32_t: input1, input2, output8, output9." in " ".join(
        line.strip(" *") for line in header.splitlines()
    )
    assert "Numbers of the type uint8_t: input0." in header
    assert "INTEGERS_INPUT0_SCALE" not in header
    assert "INTEGERS_OUTPUT8_BYTES" in header
