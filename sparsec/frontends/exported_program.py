# SPDX-License-Identifier: Apache-2.0
"""What an archive of torch.export.save says, before anything of it is read as a network.

The one rule: nothing is unpickled; torch runs a program by the calls that `ExportedReading` knows.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from sparsec.frontends.archive import Archive
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.exported_inputs import Inputs
from sparsec.frontends.exported_reading import ExportedReading
from sparsec.frontends.proof import ReadingError
from sparsec.frontends.tensors import Array
from sparsec.frontends.weights import Json, float_types, read_constants, read_json

SCHEMA_MAJOR = 8


@dataclass(frozen=True)
class Archived:
    """What the archive says, before anything of it is read as a network: the graph in its JSON and its constants.

    `types` are the float types in it by their numbers in the schema, `sample_inputs` is a record of the archive.
    """

    graph_module: Json
    constants: Mapping[str, Array]
    inputs: Inputs
    types: frozenset[int]
    sample_inputs: bytes


def read_program(content: bytes) -> Archived:
    """The program in an archive of torch.export.save. Raises FrontendError where there is none."""
    archive = Archive(content)
    models = [name for name in archive.names if name.startswith("models/")]
    if len(models) != 1 or not models[0].endswith(".json"):
        raise FrontendError(f"the archive holds {len(models)} models: export one alone")
    name = models[0].removeprefix("models/").removesuffix(".json")
    program = read_json(archive, models[0])
    with malformed():
        major = program["schema_version"]["major"]
        if major != SCHEMA_MAJOR:
            raise FrontendError(
                f"the program has schema version {major} instead of {SCHEMA_MAJOR}: "
                "export the model again with PyTorch 2.13"
            )
        constants: dict[str, Array] = {}
        types: set[int] = set()
        for folder in ("data/weights/", "data/constants/"):
            constants |= read_constants(archive, folder, name)
            types |= float_types(archive, folder, name)
        graph_module: Json = program["graph_module"]
        inputs = Inputs(graph_module["graph"], list(_user_inputs(graph_module["signature"])))
        types |= inputs.float_types
        samples = archive.read(f"data/sample_inputs/{name}.pt")
        return Archived(graph_module, constants, inputs, frozenset(types), samples)


def results_of(content: bytes, inputs: Sequence[Array]) -> list[Array]:
    """What torch gives for inputs [N, ..]: as many samples at once as the program is for. Raises FrontendError."""
    program = read_program(content)
    sizes = list(program.inputs.sizes.values())
    if len(inputs) != len(sizes):
        raise FrontendError(f"the program takes {len(sizes)} inputs, not {len(inputs)}")
    fixed = sizes[0][0]
    at_once = fixed if isinstance(fixed, int) else len(inputs[0])
    if len(inputs[0]) % at_once:
        raise FrontendError(f"the program runs {at_once} samples at once, not {len(inputs[0])}")
    parts: list[list[Array]] = []
    try:
        for first in range(0, len(inputs[0]), at_once):
            given = [torch.tensor(each[first : first + at_once]) for each in inputs]
            parts.append(ExportedReading(program.graph_module, program.constants, given).results())
    except ReadingError as error:
        raise FrontendError(f"torch does not run it: {error}") from error
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


@contextmanager
def malformed() -> Generator[None]:
    """What a program that is not one breaks becomes a FrontendError."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise FrontendError(
            f"the program in the archive is malformed ({type(error).__name__}: {error}): "
            "export the model again with PyTorch 2.13"
        ) from error


def _user_inputs(signature: Json) -> Iterator[str]:
    """The names of the tensors that a user gives."""
    for spec in signature["input_specs"]:
        argument: Json = spec.get("user_input", {}).get("arg", {})
        if "as_tensor" in argument:
            yield argument["as_tensor"]["name"]
