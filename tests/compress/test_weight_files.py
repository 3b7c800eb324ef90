# SPDX-License-Identifier: Apache-2.0
"""Files of FPGAI's layouts: written and read, from its own quantization of a module and from compiled networks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from examples.fpgai.networks import LeNet
from sparsec.compress.weight_files import as_fpgai, load_stored, shapes_of
from sparsec.layouts.weight_files import (
    Rescaling,
    StoredLayer,
    binary_of,
    fpgai_bytes,
    fpgai_scale,
    layers_of_binary,
    layers_of_text,
    own_rescaling,
    rescalings_of,
    rescalings_text,
    text_of,
)

LAYER = StoredLayer(
    np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2), np.array([-7, 2**31 - 1], np.int32)
)
SHAPES = [(2, 3, 2, 2), (1, 2)]


def layers() -> list[StoredLayer]:
    return [LAYER, StoredLayer(np.array([[255, 0]], np.uint8), np.array([5], np.int32))]


def test_text() -> None:
    text = text_of(layers())
    assert text == (
        "#\n0,1,2,3,4,5,6,7,8,9\n10,11,12,13,14,15,16,17,18,19\n20,21,22,23\n$\n-7,2147483647\n"
        "#\n255,0\n$\n5\n"
    )
    assert_same(layers_of_text(text, SHAPES))


def test_binary() -> None:
    weights, biases = binary_of(layers())
    assert weights == bytes([*range(24), 255, 0])
    assert biases == bytes([249, 255, 255, 255, 255, 255, 255, 127, 5, 0, 0, 0])
    assert_same(layers_of_binary(weights, biases, SHAPES))


def assert_same(found: list[StoredLayer]) -> None:
    for one, other in zip(found, layers(), strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.biases, other.biases)
        assert (one.weights.dtype, one.biases.dtype) == (np.uint8, np.int32)


def test_rescalings() -> None:
    lines = "25,12,80\n1,8,154\n1,9,129\n1,9,110\n75,14,120\n"
    found = rescalings_of(lines)
    assert found[0] == Rescaling(25, 12, 80)
    assert found[1].factor == 1 / 256
    assert rescalings_text(found) == lines


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: layers_of_text("", SHAPES), "it has 0 layers, and 2 are asked for"),
        (lambda: layers_of_text("#1,2#3", SHAPES), "layer 1 has no biases"),
        (lambda: layers_of_text("#\n1,256\n$\n1\n", [(1, 2)]), "layer 1 holds numbers outside"),
        (lambda: layers_of_text("#\n1,x\n$\n1\n", [(1, 2)]), "layer 1 holds what is no whole"),
        (lambda: layers_of_text("#\n1\n$\n1\n", [(1, 2)]), r"1 weights and 1 biases.*\[1, 2\]"),
        (lambda: layers_of_binary(b"12", b"1234", [(1, 3)]), "there are 2 weights and 1 biases"),
        (lambda: rescalings_of("1,2,3\n1,2\n"), "line 2 is '1,2', not scale,shift,zero_point"),
        (lambda: rescalings_of("1,40,3\n"), "1,40,3 is no rescaling"),
        (lambda: own_rescaling(300.0, 0), "a factor of 300 has no scale of 8 bits"),
    ],
)
def test_files_that_are_wrong(read: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read()


def test_scales() -> None:
    """FPGAI's choice is far off for one scale in seven, as its error counts in shifted units; ours never is."""
    factors = np.exp(np.random.default_rng(0).uniform(np.log(5e-4), np.log(3e-2), 4000)).tolist()

    def errors(choice: Callable[[float], tuple[int, int]]) -> np.ndarray:
        pairs = [(factor, choice(factor)) for factor in factors]
        return np.array([abs(m / 2**n - factor) / factor for factor, (m, n) in pairs])

    theirs = errors(fpgai_scale)
    assert np.median(theirs) == pytest.approx(0.005, abs=0.001)
    assert np.quantile(theirs, 0.9) == pytest.approx(0.068, abs=0.01)
    assert np.quantile(theirs, 0.99) == pytest.approx(0.176, abs=0.01)
    assert theirs.max() == pytest.approx(0.21, abs=0.005)
    assert float(np.mean(theirs > 0.05)) == pytest.approx(0.14, abs=0.02)
    ours = errors(lambda factor: (own_rescaling(factor, 0).scale, own_rescaling(factor, 0).shift))
    assert ours.max() <= 0.004
    assert fpgai_scale(1.0) == (1, 0)
    assert max(fpgai_scale(factor)[0] for factor in factors) <= 256


def test_fpgai_bytes() -> None:
    stored, scale, zero_point = fpgai_bytes(np.array([-0.5, 0.0, 0.775, 1.54]))
    assert scale == pytest.approx(2.04 / 255)
    assert zero_point == 62  # 62.5, cut
    assert stored.tolist() == [0, 62, 159, 254]


def test_a_module_comes_back() -> None:
    """A module that FPGAI wrote, read into another one: weights within a step, and its scales' error on top."""
    torch.manual_seed(3)
    model, other = LeNet(width=0.5), LeNet(width=0.5)
    stored, rescalings = as_fpgai(model)
    read = layers_of_text(text_of(stored), shapes_of(other))
    load_stored(other, read, rescalings_of(rescalings_text(rescalings)))
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            found = other.get_parameter(name)
            largest = float(parameter.abs().max())
            assert float((found - parameter).abs().max()) <= 0.22 * largest + 1e-3
    with pytest.raises(ValueError, match=r"layer 1 of the files is \[3, 1, 5, 5\], of the model"):
        load_stored(LeNet(), read, rescalings)
    with pytest.raises(ValueError, match="the model has 1 layers, the files have 5 and 5 lines"):
        load_stored(nn.Linear(2, 2), read, rescalings)
