# SPDX-License-Identifier: Apache-2.0
"""Running a project on many inputs, on this machine or on QEMU: outputs, instruction counts, sizes."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sparsec.run.build import Image, Sizes, build_image
from sparsec.run.errors import RunError, StatusError
from sparsec.run.machines import ICOUNT_SHIFT, MACHINES, Layout, Machine
from sparsec.run.project import Buffer, read_project
from sparsec.run.toolchain import GCC, Cc, find_tool

# The exit codes of harness/platform.h, in words. Where the harness prints details they follow.
_STATUS = 12
_EXIT_CODES = {
    10: "the harness could not read its inputs or write its results",
    11: "the model wrote outside its arena",
    _STATUS: "a kernel reported an error",
    13: "the processor faulted (bad address, unaligned access or stack overflow)",
}
_CMSIS_NN_STATUS = {
    -1: "ARM_CMSIS_NN_ARG_ERROR",
    -2: "ARM_CMSIS_NN_NO_IMPL_ERROR",
    -3: "ARM_CMSIS_NN_FAILURE",
}
_POLL_SECONDS = 0.05

Result = TypeVar("Result")


@dataclass(frozen=True)
class RunResult:
    """What N inferences gave.

    `outputs`: one int8 array [N, bytes] per model output. `instructions`: uint64 [N], every
    instruction from the first of the entry to its return, exact; None on the host and where
    counting was off. `total` and `model`: see `Image`.
    """

    outputs: list[NDArray[np.int8]]
    instructions: NDArray[np.uint64] | None
    total: Sizes
    model: Sizes
    printed: str = ""


def run_project(
    project: Path,
    cpu: str,
    inputs: Sequence[NDArray[np.int8]],
    *,
    cmsis_nn: Path,
    sanitize: bool = False,
    layout: Layout = "large",
    counting: bool = True,
    cc: Cc = GCC,
    time_limit: float = 600.0,
    progress: Callable[[str], None] | None = None,
) -> RunResult:
    """Builds the project directory for `cpu` by `cc` and runs it on `inputs`, one int8 [N, bytes] per model input.

    The arena is poisoned before every inference and guarded on both sides. `counting=False` leaves
    out the instruction counts, which makes QEMU faster. `time_limit` in seconds ends a run that hangs.
    Raises RunError when the project does not build or the run goes wrong, ValueError for inputs of
    another shape; a StatusError says which layer's call failed.
    """
    loaded = read_project(project)

    def run(telling: bool) -> RunResult:
        with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
            image = build_image(
                loaded,
                cpu,
                Path(directory),
                cmsis_nn=cmsis_nn,
                sanitize=sanitize,
                layout=layout,
                telling=telling,
                cc=cc,
                progress=progress,
            )
            return run_image(
                image, inputs, counting=counting, time_limit=time_limit, progress=progress
            )

    return naming_layers(run)


def naming_layers(run: Callable[[bool], Result]) -> Result:
    """What `run` gives; where a call fails, it is run with a model that is `telling`, whose StatusError names the layer."""
    try:
        return run(False)
    except StatusError:
        run(True)
        raise


def run_image(
    image: Image,
    inputs: Sequence[NDArray[np.int8]],
    *,
    counting: bool = True,
    time_limit: float = 600.0,
    progress: Callable[[str], None] | None = None,
    qemu_options: Sequence[str] = (),
) -> RunResult:
    """Runs a built image; arguments and errors as for `run_project`. QEMU gets `qemu_options` as well."""
    records = _join(image.project.inputs, inputs)
    machine = MACHINES.get(image.cpu)
    command = [str(image.path)]
    if machine is not None:
        command = [*qemu_command(machine, image.path, counting), *qemu_options]
    output_bytes = sum(buffer.bytes for buffer in image.project.outputs)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as name:
        directory = Path(name)
        with open(directory / "inputs.bin", "wb") as file:
            file.write(np.array([len(records)], dtype="<u4").tobytes())
            file.write(records.tobytes())

        def report(done_bytes: int) -> None:
            if progress is not None:
                done = min(done_bytes // max(output_bytes, 1), len(records))
                progress(f"running {image.project.name} on {image.cpu}: {done}/{len(records)}")

        printed = _run(command, directory, time_limit, report, image.project.layers)
        output = np.fromfile(directory / "outputs.bin", dtype=np.int8)
        ticks = np.fromfile(directory / "ticks.bin", dtype="<u8")
    if output.size != len(records) * output_bytes or ticks.size != len(records) + 1:
        raise RunError(
            f"{image.project.name} on {image.cpu} ended early: its results are incomplete"
        )
    outputs = _split(image.project.outputs, output.reshape(len(records), output_bytes))
    counts = _instructions(machine, ticks) if machine is not None and counting else None
    return RunResult(outputs, counts, image.total, image.model, printed)


def _join(buffers: Sequence[Buffer], inputs: Sequence[NDArray[np.int8]]) -> NDArray[np.int8]:
    """The inputs side by side: int8 [N, sum of bytes]."""
    if len(inputs) != len(buffers):
        raise ValueError(f"the model has {len(buffers)} inputs, {len(inputs)} were given")
    for buffer, array in zip(buffers, inputs, strict=True):
        if array.dtype != np.int8 or array.ndim != 2 or array.shape[1] != buffer.bytes:
            raise ValueError(
                f"input '{buffer.name}' must be int8 [N, {buffer.bytes}], not {array.dtype} {list(array.shape)}"
            )
    if len({len(array) for array in inputs}) > 1:
        raise ValueError("the inputs differ in their number of samples")
    return np.concatenate(inputs, axis=1)


def _split(buffers: Sequence[Buffer], records: NDArray[np.int8]) -> list[NDArray[np.int8]]:
    ends = np.cumsum([buffer.bytes for buffer in buffers])
    return [
        records[:, end - buffer.bytes : end].copy()
        for buffer, end in zip(buffers, ends, strict=True)
    ]


def qemu_command(machine: Machine, image: Path, counting: bool) -> list[str]:
    """QEMU with an image; where it is `counting`, an instruction takes a fixed time."""
    icount = ["-icount", f"shift={ICOUNT_SHIFT},sleep=off,align=off"] if counting else []
    return [
        str(find_tool("qemu-system-arm")),
        *("-machine", machine.qemu_name),
        *("-display", "none", "-serial", "none", "-monitor", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        *icount,
        *("-kernel", str(image)),
    ]


def _run(
    command: list[str],
    directory: Path,
    time_limit: float,
    report: Callable[[int], None],
    layers: Sequence[str],
) -> str:
    """Runs `command` in `directory` to its end and gives what it printed; reports the size of outputs.bin as it grows. `layers` are the calls in
    words, for what goes wrong."""
    # Nothing here has a heap, and the leak search fails under debuggers and in some containers.
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    deadline = time.monotonic() + time_limit
    with open(directory / "messages.txt", "w+b") as messages:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    code = process.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        raise RunError(
                            f"the run was ended after {time_limit:g} s; raise the time limit"
                        ) from None
                    outputs = directory / "outputs.bin"
                    report(outputs.stat().st_size if outputs.exists() else 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        messages.seek(0)
        printed = messages.read().decode(errors="replace")
        if code != 0:
            problem = _problem(code, printed, layers)
            raise StatusError(problem) if code == _STATUS else RunError(problem)
        return printed


def _problem(code: int, messages: str, layers: Sequence[str]) -> str:
    """One line for an exit code, followed by what the program printed, with layers and CMSIS-NN's status by name."""
    meaning = _EXIT_CODES.get(code)
    if meaning is None:
        meaning = (
            f"the run ended with exit code {code}"
            if code > 0
            else f"the run was ended by signal {-code}"
        )
    if code == _STATUS:
        messages = re.sub(r"layer (\d+)(?= returned)", lambda n: layers[int(n[1])], messages)
        messages = re.sub(
            r"(?<=returned status )(-[123])$",
            lambda status: f"{status[1]} ({_CMSIS_NN_STATUS[int(status[1])]})",
            messages,
            flags=re.MULTILINE,
        )
    details = [line for line in messages.splitlines() if line.strip()][:12]
    return "\n".join([meaning, *details])


def _instructions(machine: Machine, ticks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Ticks to instructions. The first record is the cost of timing a single instruction, a return."""
    counts = [machine.instructions(int(tick)) for tick in ticks]
    return np.array([count - counts[0] + 1 for count in counts[1:]], dtype=np.uint64)
