# SPDX-License-Identifier: Apache-2.0
"""What stands beside the tensors: config.yml, the pruning configuration it names, and statistic.yml.

The rule: a path is looked for beside config.yml, in TinySPOS beside the folder of config.yml, and beside the tensors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.numpy_files import Array, read_numbers
from sparsec.tables import (
    FLAG,
    INTEGER,
    TEXT,
    key,
    mapping_of,
    read_table,
    shown,
    unused,
    yaml_values,
)

NAME = "config.yml"
NETWORKS = "TinySPOS"
"""The folder of what trains the networks, whose files config.yml names by their place in it."""


@dataclass(frozen=True)
class Configuration:
    """The keys of config.yml.

    `sparse_choice` is 0 where every layer is to be stored dense, 1 where every layer that may be is to be stored sparse,
    2 where each is to be stored as is best. `softmax_opt` asked for a softmax that is faster and gives the same bytes: ours is
    the same either way. The generated files lie where the command line says, so that `func_path` and `data_path` have no
    effect, nor have `func_init` and `data_init`, text that began them.
    """

    model_config_path: str | None = key(TEXT, None)
    image_path: str | None = key(TEXT, None)
    image_class: int | None = key(INTEGER, None)
    sparse_choice: int = key(INTEGER, 2, (0, 1, 2))
    tensor_path: str | None = key(TEXT, None)
    softmax_opt: bool = key(FLAG, False)
    memory_list: str | None = key(TEXT, "statistic.yml")
    func_path: str | None = unused(TEXT)
    data_path: str | None = unused(TEXT)
    func_init: str | None = unused(TEXT)
    data_init: str | None = unused(TEXT)


@dataclass(frozen=True)
class Surroundings:
    """Where the tensors lie, and what config.yml says, if there is one."""

    tensors: Path
    home: Path
    """The folder of config.yml."""
    configuration: Configuration

    def found(self, name: str | None) -> Path | None:
        """The file that config.yml calls `name`, if it is there."""
        if name is None:
            return None
        try:
            return next((path for path in self._candidates(name) if path.is_file()), None)
        except OSError:  # a name that no file can have
            return None

    def _candidates(self, name: str) -> Iterator[Path]:
        yield self.home / name
        yield self.home.parent / NETWORKS / name
        yield self.tensors.parent / name

    def image(self) -> Array | None:
        """The stored image, [1, C, H, W], None where config.yml names none."""
        name = self.configuration.image_path
        if name is None:
            return None
        path = self.found(name)
        if path is None:
            raise FrontendError(f"{NAME}: image_path {name} is not there")
        try:
            image = read_numbers(path)
        except ValueError as error:
            raise FrontendError(f"image {name}: {error}") from error
        if image.ndim == 3:
            image = image[None]
        if image.ndim != 4 or len(image) != 1 or 0 in image.shape:
            raise FrontendError(
                f"image {name} has shape {list(image.shape)}, not [1, channels, height, width]"
            )
        return image

    def block_sizes(self) -> list[int] | None:
        """How many weights are pruned together, for one prunable block after the other; None where that is not known."""
        folder = self.configuration.model_config_path
        path = self.found(None if folder is None else f"configs/{folder}/pruning_dmtp_single.yml")
        if path is None:
            return None
        try:
            listed = mapping_of(_yaml(path), path.name).get("pruning_config")
            if not isinstance(listed, Sequence) or isinstance(listed, str):
                raise ValueError(f"{path.name} has no list pruning_config")
            items = cast(Sequence[object], listed)
            sizes = [
                mapping_of(item, f"pruning_config[{n}]").get("block_size", 1)
                for n, item in enumerate(items)
            ]
            for number, size in enumerate(sizes):
                if type(size) is not int or not 1 <= size <= 256:
                    raise ValueError(
                        f"pruning_config[{number}].block_size is a whole number in 1..256, not {shown(size)}"
                    )
        except ValueError as error:
            raise FrontendError(str(error)) from error
        return sizes

    def size_list(self) -> list[list[int]] | None:
        """The bytes that each operation reads and writes, as statistic.yml has them; None without it."""
        path = self.found(self.configuration.memory_list)
        if path is None:
            return None
        content = _yaml(path)
        entries = cast(list[object], content) if isinstance(content, list) else [None]
        return [_sizes(path.name, number, entry) for number, entry in enumerate(entries)]


def surroundings_of(folder: Path) -> Surroundings:
    """What is around the tensors of `folder`, which holds them, or a config.yml that says where they are.

    Raises FrontendError.
    """
    home = next((path for path in (folder, folder.parent) if (path / NAME).is_file()), None)
    if home is None:
        return Surroundings(folder, folder, Configuration())
    try:
        configuration = read_table(Configuration, _yaml(home / NAME), NAME)
    except ValueError as error:
        raise FrontendError(str(error)) from error
    if home == folder and not any(folder.glob("*.npy")):
        named = configuration.tensor_path
        if named is None:
            raise FrontendError(f"neither tensors (.npy) nor a tensor_path in {NAME}")
        places = (home / named, home.parent / NETWORKS / named)
        tensors = next((path for path in places if path.is_dir()), None)
        if tensors is None:
            raise FrontendError(f"{NAME}: tensor_path {named} is not there")
        return Surroundings(tensors, home, configuration)
    return Surroundings(folder, home, configuration)


def _yaml(path: Path) -> object:
    """What a YAML file of plain values holds. Raises FrontendError."""
    try:
        return yaml_values(path)
    except OSError as error:
        raise FrontendError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FrontendError(f"{path.name} is {error}") from error


def _sizes(file: str, number: int, entry: object) -> list[int]:
    """An entry of statistic.yml."""
    values = cast(list[Any], entry) if isinstance(entry, list) else []
    if len(values) < 2 or any(type(value) is not int or not 1 <= value < 2**31 for value in values):
        raise FrontendError(f"{file}: entry {number} is not a list of at least two sizes in bytes")
    return values
