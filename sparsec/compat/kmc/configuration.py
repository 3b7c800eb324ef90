# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's `sparsity_template.yaml`: its sections, keys and defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsec.pruning.masks import check_ratio
from sparsec.tables import (
    INTEGER,
    NUMBER,
    TEXT,
    TEXTS,
    did_you_mean,
    either,
    key,
    list_of,
    mapping_of,
    read_table,
    read_yaml,
)

PATTERNS = {"CustomPruner": "cin32cout64", "Pruner2to4": "nm(2:4)"}
"""What its methods are called here."""

_SECTIONS = ("app_args", "network", "asp_cfg")


@dataclass(frozen=True)
class AppArgs:
    """The section `app_args`. A `device` is `cpu` or the number of a GPU, which is used where there is one."""

    arch: str = key(TEXT)
    dataset: str = key(TEXT)
    input_shape: tuple[int, ...] | None = key(list_of(INTEGER), None)
    device: str | int = key(either(INTEGER, TEXT), 0)
    output_dir: str | None = key(TEXT, None)


@dataclass(frozen=True)
class AspCfg:
    """The section `asp_cfg`."""

    sparsity_method: str = key(TEXT, "CustomPruner", tuple(PATTERNS))
    target_sparsity: float = key(NUMBER, 0.5)


@dataclass(frozen=True)
class SparsityConfig:
    """The file: `parameters` are the names of the weights that are listed for the network."""

    app_args: AppArgs
    parameters: tuple[str, ...]
    asp_cfg: AspCfg


@dataclass(frozen=True)
class _Listed:
    names: tuple[str, ...] = key(TEXTS)


def read_sparsity_config(path: Path) -> SparsityConfig:
    """The configuration in a YAML file. Raises ValueError where it is none, OSError."""
    sections = read_sections(path, _SECTIONS, "sparsity")
    app, names = read_network(sections)
    if not names:
        raise ValueError(f"network.{app.arch} lists no weights")
    asp = read_table(AspCfg, sections.get("asp_cfg"), "asp_cfg")
    check_ratio(asp.target_sparsity)
    if asp.sparsity_method == "Pruner2to4" and asp.target_sparsity != 0.5:
        raise ValueError(
            f"Pruner2to4 makes a target_sparsity of 0.5, not {asp.target_sparsity:g}: choose CustomPruner for others"
        )
    return SparsityConfig(app, names, asp)


def read_sections(path: Path, known: Sequence[str], what: str) -> dict[str, Any]:
    """The sections of a file for `what`. Raises ValueError where one is not `known`, OSError."""
    sections = read_yaml(path)
    for name in sections:
        if name not in known:
            raise ValueError(
                f"{path} has a section '{name}' that {what} does not have: {did_you_mean(name, known)}"
            )
    return sections


def read_network(sections: Mapping[str, Any]) -> tuple[AppArgs, tuple[str, ...]]:
    """The section `app_args`, and what `network` lists for its arch. Raises ValueError."""
    app = read_table(AppArgs, sections.get("app_args"), "app_args")
    if isinstance(app.device, str) and app.device != "cpu":
        raise ValueError(f"app_args.device is cpu or the number of one GPU, not '{app.device}'")
    networks = mapping_of(sections.get("network"), "network")
    if app.arch not in networks:
        raise ValueError(
            f"app_args.arch is '{app.arch}', which network does not list: {did_you_mean(app.arch, list(networks))}"
        )
    return app, read_table(_Listed, {"names": networks[app.arch]}, f"network.{app.arch}").names
