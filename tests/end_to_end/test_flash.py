# SPDX-License-Identifier: Apache-2.0
"""What a network takes of flash is what was said, and never more than plain CMSIS-NN calls where flash is what counts."""

import pytest

from benchmarks.flash import MOST_ERROR, measured
from examples import mlperf
from sparsec.run import cmsis_nn
from sparsec.run.toolchain import find_tool


@pytest.mark.qemu
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("name", ["ad01_int8", "kws_ref_model_int8"])
def test_the_smallest_is_no_larger_than_plain_calls(name: str, core: str) -> None:
    path = mlperf.find(name)
    if path is None or cmsis_nn.locate() is None:
        pytest.skip(f"{name}.tflite or CMSIS-NN is not there")
    find_tool("arm-none-eabi-gcc")
    found = measured(path, core, "flash")
    assert found.linked <= found.plain
    assert abs(found.error) <= MOST_ERROR


@pytest.mark.qemu
def test_the_fastest_takes_what_was_said() -> None:
    path = mlperf.find("kws_ref_model_int8")
    if path is None or cmsis_nn.locate() is None:
        pytest.skip("kws_ref_model_int8.tflite or CMSIS-NN is not there")
    find_tool("arm-none-eabi-gcc")
    assert abs(measured(path, "cortex-m4", "latency").error) <= MOST_ERROR
