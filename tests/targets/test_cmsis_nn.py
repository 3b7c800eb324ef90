# SPDX-License-Identifier: Apache-2.0
"""Which release of CMSIS-NN a header is of, and what each wants on Helium where they differ."""

from pathlib import Path
from typing import Literal

import pytest

from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import PACKAGED, REVISIONS, Release, read_release, release_of

HEADER = """
/* ----------------------------------------------------------------------
 * Title:        arm_nnfunctions.h
 * $Date:        15 July 2026
 * $Revision:    V.{}
 */
"""


@pytest.mark.parametrize(
    ("revision", "release"),
    [
        ("12.4.0", "v5"),  # tag v5.0.0
        ("12.5.1", "v5"),  # as packaged
        ("13.0.1", "v5"),
        ("15.0.0", "v6"),
        ("16.0.0", "v6"),  # tag v6.0.0
        ("17.2.0", "v6"),
        ("18.0.0", "v7"),  # tag v7.0.0
        ("19.1.0", "v7"),
    ],
)
def test_known_releases(revision: str, release: Release) -> None:
    assert release_of(HEADER.format(revision), "h") == release


@pytest.mark.parametrize("revision", ["11.3.0", "12.3.9", "14.0.0", "17.3.0", "19.2.0", "20.0.0"])
def test_others_are_refused(revision: str) -> None:
    said = revision.rpartition(".")[0]
    with pytest.raises(ValueError, match=f"^the.h says revision V.{said}, which sparsec does not"):
        release_of(HEADER.format(revision), "the.h")


def test_a_header_without_a_revision(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="says no revision, .* knows V.12.4 to before V.14.0"):
        release_of("int arm_convolve_s8(void);", "the.h")
    with pytest.raises(ValueError, match="cannot read the header .*arm_nnfunctions.h: No such"):
        read_release(tmp_path)


def test_the_packaged_one_is_the_default() -> None:
    first, end = REVISIONS[PACKAGED]
    assert first <= (12, 5) < end


WANTED: list[
    tuple[
        Literal["convolve", "depthwise"],
        tuple[int, int, int],
        tuple[int, int, int, int],
        Window,
        tuple[int, int, int],
    ]
] = [
    ("convolve", (8, 8, 8), (16, 3, 3, 8), Window((1, 1), (1, 1, 1, 1)), (288, 320, 320)),
    ("convolve", (8, 8, 5), (16, 3, 3, 5), Window((1, 1), (1, 1, 1, 1)), (192, 192, 192)),
    ("convolve", (8, 8, 3), (4, 2, 5, 3), Window((1, 1), (0, 0, 0, 0)), (128, 128, 128)),
    ("convolve", (8, 8, 16), (4, 1, 1, 16), Window((1, 1), (0, 0, 0, 0)), (0, 0, 0)),
    ("convolve", (8, 8, 16), (4, 1, 1, 16), Window((2, 2), (0, 0, 0, 0)), (0, 0, 0)),
    ("convolve", (8, 8, 10), (4, 1, 1, 10), Window((1, 1), (1, 1, 1, 1)), (64, 64, 64)),
    ("convolve", (1, 20, 4), (6, 1, 8, 4), Window((1, 1), (0, 3, 0, 4)), (0, 44, 44)),
    ("convolve", (1, 20, 4), (6, 1, 8, 4), Window((1, 1), (0, 0, 0, 0)), (0, 32, 32)),
    ("convolve", (1, 20, 4), (6, 1, 3, 4), Window((1, 2), (0, 1, 0, 1)), (0, 16, 16)),
    ("convolve", (1, 21, 4), (6, 1, 3, 4), Window((1, 2), (0, 1, 0, 1)), (0, 16, 16)),
    ("convolve", (1, 22, 4), (6, 1, 3, 4), Window((1, 3), (0, 0, 0, 0)), (0, 12, 12)),
    ("convolve", (1, 9, 1), (6, 1, 5, 1), Window((1, 4), (0, 2, 0, 3)), (0, 7, 7)),
    ("convolve", (1, 20, 3), (6, 1, 5, 3), Window((1, 1), (0, 2, 0, 2)), (64, 64, 64)),
    ("convolve", (1, 4, 4), (6, 1, 3, 4), Window((1, 1), (0, 2, 0, 2)), (0, 20, 20)),
    ("convolve", (1, 20, 4), (6, 1, 3, 4), Window((1, 1), (0, 2, 0, 2), (1, 2)), (64, 64, 64)),
    ("depthwise", (8, 8, 8), (1, 3, 3, 8), Window((1, 1), (1, 1, 1, 1)), (4464, 4464, 4464)),
    ("depthwise", (8, 8, 8), (1, 5, 5, 8), Window((1, 1), (2, 2, 2, 2)), (12400, 12400, 12400)),
    ("depthwise", (8, 8, 1), (1, 3, 3, 8), Window((1, 1), (1, 1, 1, 1)), (0, 0, 136)),
    ("depthwise", (8, 8, 1), (1, 3, 3, 16), Window((1, 1), (1, 1, 1, 1)), (0, 0, 208)),
    ("depthwise", (49, 10, 1), (1, 10, 4, 64), Window((2, 2), (4, 1, 5, 1)), (0, 0, 2752)),
    ("depthwise", (8, 8, 1), (1, 3, 3, 1), Window((1, 1), (1, 1, 1, 1)), (4464, 4464, 4464)),
    ("depthwise", (8, 8, 2), (1, 3, 3, 16), Window((1, 1), (1, 1, 1, 1)), (0, 0, 0)),
    ("depthwise", (1, 20, 1), (1, 1, 5, 8), Window((1, 4), (0, 2, 0, 2)), (0, 0, 47)),
    ("depthwise", (8, 8, 1), (1, 3, 3, 4), Window((1, 1), (0, 0, 0, 0), (2, 2)), (0, 0, 100)),
]
"""Of images (height, width, channels) and weights, the bytes that `_get_buffer_size_mve` of the wrapper returns in each
release: printed by the functions at the tags v5.0.0, v6.0.0 and v7.0.0. At V.12.5.1 they are those of v5, at V.19.1.0 of v7.

tests/backends/test_scratch.py compares with the functions of the CMSIS-NN in use, for any shape."""


@pytest.mark.parametrize(("kind", "image", "weights", "window", "wanted"), WANTED)
def test_scratch_on_helium(
    kind: Literal["convolve", "depthwise"],
    image: tuple[int, int, int],
    weights: tuple[int, int, int, int],
    window: Window,
    wanted: tuple[int, int, int],
) -> None:
    size = scratch.convolve if kind == "convolve" else scratch.depthwise_convolve
    found = [size("mve", window, (1, *image), weights, release) for release in REVISIONS]
    assert found == list(wanted)
    if kind == "convolve":
        others = {size("dsp", window, (1, *image), weights, release) for release in REVISIONS}
        assert len(others) == 1
