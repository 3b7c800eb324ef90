# SPDX-License-Identifier: Apache-2.0
"""Mutated real files: the reader gives a module or one FrontendError, soon and in little memory."""

import os
import resource
import time
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsec.frontends import FrontendError
from sparsec.frontends.tflite import import_tflite
from tests.frontends.tflite.support import NETWORKS, OperatorSpec, TensorSpec, network, write

Places: TypeAlias = NDArray[np.int64]

MUTATIONS = int(os.environ.get("SPARSEC_MUTATIONS", "200"))
"""Of each file; CI raises it."""

LONGEST_SECONDS = 20.0
MOST_MEMORY = 256 << 20

INTERESTING = (0, 1, 2, 4, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)


def mutated(content: bytes, rng: np.random.Generator, structure: Places) -> bytes:
    """Some bytes or words changed, mostly outside the weights, or the end cut off."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        position = (
            int(rng.choice(structure)) if rng.random() < 0.9 else int(rng.integers(len(data)))
        )
        position = min(position, len(data) - 4)
        match int(rng.integers(0, 4)):
            case 0:
                data[position] ^= 1 << int(rng.integers(0, 8))
            case 1:
                data[position] = int(rng.integers(0, 256))
            case 2:
                word = INTERESTING[int(rng.integers(len(INTERESTING)))]
                data[position & ~3 : (position & ~3) + 4] = word.to_bytes(4, "little")
            case _:
                source = min(int(rng.choice(structure)), len(data) - 4)
                data[position : position + 4] = data[source : source + 4]
    if rng.random() < 0.1:
        del data[int(rng.integers(8, len(data))) :]
    return bytes(data)


def survives(content: bytes) -> bool:
    """Whether it is imported; fails for any error but FrontendError."""
    start = time.monotonic()
    message = ""
    try:
        import_tflite(content).verify()
    except FrontendError as error:
        message = str(error)
    assert time.monotonic() - start < LONGEST_SECONDS
    assert len(message) < 20_000
    return not message


def peak_memory() -> int:
    """The most bytes this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def structure_of(content: bytes) -> Places:
    """Positions outside the weights: where a byte, taken as zero, makes a difference to the reader.

    A flatbuffer keeps its vectors of weights together; regions of high entropy are left out.
    """
    block = 64
    places: list[int] = []
    for start in range(0, len(content) - block, block):
        if content.count(0, start, start + block) >= block // 4:
            places.extend(range(start, start + block))
    return np.array(places)


@pytest.mark.parametrize("name", NETWORKS)
def test_mutated_networks(name: str) -> None:
    content = network(name)
    structure = structure_of(content)
    rng = np.random.default_rng(0)
    before = peak_memory()
    imported = sum(survives(mutated(content, rng, structure)) for _ in range(MUTATIONS))
    assert peak_memory() - before < MOST_MEMORY
    # Changes that reach the reader are refused, and others leave the model as good as it was.
    assert 0 < imported < MUTATIONS


def test_truncated_files() -> None:
    content = network("kws_ref_model_int8")
    assert not any(survives(content[:size]) for size in range(8, len(content), 997))


def test_shared_weights_do_not_multiply() -> None:
    """Thousands of operators that share one tensor of weights cost thousands of multipliers."""
    count, channels = 4000, 4000
    tensors = [
        TensorSpec("x", (1, 4), [0.5]),
        TensorSpec("w", (channels, 4), [0.5] * channels, data=np.ones((channels, 4), np.int8)),
        *(TensorSpec("y", (1, channels), [0.5]) for _ in range(count)),
    ]
    operators = [
        OperatorSpec("FULLY_CONNECTED", [0, 1], [2 + i], "FullyConnectedOptions", {})
        for i in range(count)
    ]
    with pytest.raises(FrontendError, match="share weights so often"):
        import_tflite(write(tensors, operators))
