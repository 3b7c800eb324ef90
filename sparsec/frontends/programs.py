# SPDX-License-Identifier: Apache-2.0
"""A program of torch.export.save as a module that can be trained and saved into the same archive.

The one rule: as everywhere in `frontends` nothing is unpickled; the calls are those that hold the importer to torch
(`exported_reading`), here with gradients.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from sparsec.frontends.archive import Archive, Kind, kind_of
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.exported_inputs import TYPES
from sparsec.frontends.exported_program import malformed, read_program
from sparsec.frontends.exported_reading import run_graph
from sparsec.frontends.program_calls import Weighted, sizes_of, unread_parameters, weighted_calls
from sparsec.frontends.proof import ReadingError
from sparsec.frontends.tensors import Array
from sparsec.frontends.weights import Json, dtype_name, read_json


class Program(nn.Module):
    """The program in an archive, with its parameters and buffers by their names.

    Raises FrontendError where the archive holds no such program.
    """

    def __init__(self, content: bytes):
        super().__init__()
        if kind_of(content) is not Kind.EXPORTED:
            raise FrontendError(
                "no program of torch.export.save: weights of other files cannot be written back"
            )
        self._content = content
        said = read_program(content)
        self._graph: Json = said.graph_module["graph"]
        self._signature: Json = said.graph_module["signature"]
        with malformed():
            for name, array in said.constants.items():
                self._put(name, array)
            self.weighted: Sequence[Weighted] = tuple(weighted_calls(self._graph, self._signature))
            self.unread = unread_parameters(self._graph, self._signature)
        self.tied = {call.weights: self._tied(call.weights) for call in self.weighted}
        """For weights of layers their other names, by which nothing reads them."""

    def _tied(self, weights: str) -> tuple[str, ...]:
        """torch exports weights that are tied under each of their names, with the same numbers, and reads one."""
        known = dict(self.named_parameters())
        return tuple(
            name
            for name in sorted(self.unread & set(known))
            if torch.equal(known[name], known[weights])
        )

    def _put(self, name: str, array: Array) -> None:
        """Keep a constant of the archive: floats are trained if the graph takes them as parameters."""
        tensor = torch.tensor(array)
        trained = array.dtype.kind == "f" and name in self._parameter_names()
        *path, last = name.split(".")
        module: nn.Module = self
        for step in path:
            inner = module._modules.get(step)
            if inner is None:
                inner = nn.Module()
                module.add_module(step, inner)
            module = inner
        if trained:
            module.register_parameter(last, nn.Parameter(tensor))
        else:
            module.register_buffer(last, tensor)

    def _parameter_names(self) -> set[str]:
        return {
            spec["parameter"]["parameter_name"]
            for spec in self._signature["input_specs"]
            if "parameter" in spec
        }

    @property
    def input_names(self) -> list[str]:
        """The tensors that a user gives."""
        return [
            spec["user_input"]["arg"]["as_tensor"]["name"]
            for spec in self._signature["input_specs"]
            if "as_tensor" in spec.get("user_input", {}).get("arg", {})
        ]

    def input_type(self, name: str) -> np.dtype[np.generic]:
        """The type of an input, float32 for all floats. Raises FrontendError for one that no input has."""
        code = self._graph["tensor_values"][name]["dtype"]
        if code not in TYPES:
            raise FrontendError(f"input '{name}' is {dtype_name(code)}, where numbers are needed")
        return torch.empty(0, dtype=TYPES[code]).numpy().dtype

    @property
    def batch(self) -> int | None:
        """How many samples it runs at once; None where that is open."""
        sizes = self.sizes(self.input_names[0])
        return sizes[0] if sizes else None

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the program gives for inputs of the shapes that it was exported with, the batch apart where it is open.

        Raises FrontendError where torch cannot run it.
        """
        known: dict[str, Tensor] = {**dict(self.named_buffers()), **dict(self.named_parameters())}
        values: dict[str, object] = {}
        given = iter(inputs)
        for spec in self._signature["input_specs"]:
            ((kind, content),) = spec.items()
            if kind == "user_input" and "as_tensor" in content["arg"]:
                values[content["arg"]["as_tensor"]["name"]] = next(given)
            elif kind in ("parameter", "buffer", "tensor_constant"):
                values[content["arg"]["name"]] = known[content[f"{kind}_name"]]
        try:
            for _ in run_graph(self._graph, values):
                pass
        except ReadingError as error:
            raise FrontendError(f"torch cannot run the program: {error}") from error
        results = tuple(
            cast(Tensor, values[spec["user_output"]["arg"]["as_tensor"]["name"]])
            for spec in self._signature["output_specs"]
            if "user_output" in spec and "as_tensor" in spec["user_output"]["arg"]
        )
        return results[0] if len(results) == 1 else results

    def saved(self) -> bytes:
        """The archive with the parameters as they are now, and the means of norms that follow a layer; all else is as it
        was."""
        written = dict(self.named_parameters())
        followers = {name for each in self.weighted for name in each.followers}
        written |= {name: value for name, value in self.named_buffers() if name in followers}
        return with_parameters(
            self._content, {name: value.detach().cpu().numpy() for name, value in written.items()}
        )

    def sizes(self, name: str | None) -> list[int | None]:
        """The sizes of a tensor, None for what is no number."""
        return sizes_of(self._graph, name)


def as_taken(program: Program, arrays: Sequence[Array]) -> list[Array]:
    """`arrays`, one for each input, in the types that the program takes: any numbers for float32, else those integers.

    Raises ValueError for numbers that are no such integers.
    """
    taken: list[Array] = []
    for name, array in zip(program.input_names, arrays, strict=True):
        dtype = program.input_type(name)
        with np.errstate(all="ignore"):
            taken.append(array.astype(dtype))
        if dtype.kind != "f" and not np.array_equal(taken[-1], array):
            raise ValueError(f"input {name} must be {dtype} numbers, not {array.dtype}")
    return taken


def input_shapes(program: Program) -> list[tuple[int | None, ...]]:
    """The shapes of the inputs, None for an open size."""
    return [tuple(program.sizes(name)) for name in program.input_names]


def with_parameters(content: bytes, arrays: Mapping[str, Array]) -> bytes:
    """An archive of torch.export.save with other values for its parameters, in the types and the order they have there.

    Raises FrontendError where the archive has no such parameter.
    """
    archive = Archive(content)
    folder = "data/weights/"
    configs = [
        name for name in archive.names if name.startswith(folder) and name.endswith("_config.json")
    ]
    records: dict[str, bytes] = {}
    for config in configs:
        for name, meta in cast(
            dict[str, Json], read_json(archive, config).get("config", {})
        ).items():
            if name in arrays and not meta.get("use_pickle"):
                path = folder + str(meta["path_name"])
                data = records.get(path, archive.read(path))
                records[path] = _overwritten(data, arrays[name], meta["tensor_meta"], archive)
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as result:
        for entry in source.infolist():
            name = entry.filename.partition("/")[2]
            info = zipfile.ZipInfo(entry.filename, entry.date_time)
            result.writestr(info, records.get(name, source.read(entry)))
    return target.getvalue()


_FLOATS = {6: "f2", 7: "f4", 8: "f8"}


def _overwritten(data: bytes, array: Array, meta: Json, archive: Archive) -> bytes:
    """The bytes of a storage in which the view `meta` holds `array`."""
    big = "byteorder" in archive and archive.read("byteorder") == b"big"
    if meta["dtype"] == 13:  # the upper half of a float32 is a bfloat16
        flat = np.frombuffer(bytearray(data), "<u2")
        values = torch.from_numpy(array.astype(np.float32)).bfloat16().view(torch.int16).numpy()
        values = values.view(np.uint16)
    else:
        flat = np.frombuffer(bytearray(data), f"{'>' if big else '<'}{_FLOATS[meta['dtype']]}")
        values = array
    sizes = [int(size["as_int"]) for size in meta["sizes"]]
    strides = [int(stride["as_int"]) * flat.itemsize for stride in meta["strides"]]
    start = flat[int(meta["storage_offset"]["as_int"]) :]
    np.lib.stride_tricks.as_strided(start, sizes, strides)[...] = values
    return flat.tobytes()
