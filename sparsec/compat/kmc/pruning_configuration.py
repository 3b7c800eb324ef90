# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's `pruning_template.yaml`: its sections, keys and defaults."""

from dataclasses import dataclass, fields
from pathlib import Path

from sparsec.compat.kmc.configuration import AppArgs, read_network, read_sections
from sparsec.compress.channels.prune import METHODS
from sparsec.pruning.patterns import NOfM, Pattern, Rows, parse_pattern
from sparsec.search.amc.protocols import Protocol, parse_protocol
from sparsec.tables import FLAG, INTEGER, NUMBER, TEXT, key, list_of, read_table

_SECTIONS = ("app_args", "network", "amc_cfg", "ddpg_cfg", "docker_cfg")
_NETWORK_SEARCH = ("nas_cfg", "network_search", "search_cfg")


@dataclass(frozen=True)
class AmcCfg:
    """The section `amc_cfg`. Protocols and patterns are Knight-MC's and those of sparsec."""

    agent_algo: str = key(TEXT, "DDPG", ("DDPG",))
    protocol: str = key(TEXT, "mac-constrained")
    pruning_pattern: str = key(TEXT, "channels")
    pruning_method: str = key(TEXT, "fm-reconstruction", METHODS)
    target_density: float = key(NUMBER, 0.5)
    n_points_per_fm: int = key(INTEGER, 10)
    group_size: int = key(INTEGER, 1)
    action_range: tuple[float, float] = key(list_of(NUMBER, 2), (0.05, 0.95))


@dataclass(frozen=True)
class DdpgCfg:
    """The section `ddpg_cfg`. The noise of actions is `init_delta`, times `delta_decay` with each episode; the noise of
    another agent, its window and its epsilon are read and have no effect."""

    bsize: int = key(INTEGER, 1)
    tau: float = key(NUMBER, 0.01)
    discount: float = key(NUMBER, 1.0)
    epsilon: int = key(INTEGER, 50000)
    init_delta: float = key(NUMBER, 0.5)
    delta_decay: float = key(NUMBER, 0.95)
    hidden1: int = key(INTEGER, 300)
    hidden2: int = key(INTEGER, 300)
    window_length: int = key(INTEGER, 1)
    heatup_noise: float = key(NUMBER, 0.5)
    initial_training_noise: float = key(NUMBER, 0.5)
    training_noise_decay: float = key(NUMBER, 0.95)
    warmup: int = key(INTEGER, 100)
    num_training_episodes: int = key(INTEGER, 300)
    lr_a: float = key(NUMBER, 1e-4)
    lr_c: float = key(NUMBER, 1e-3)

    @property
    def idle(self) -> list[str]:
        """The keys without effect that were given another value than their default."""
        without = (*("epsilon", "window_length", "heatup_noise"),)
        without += ("initial_training_noise", "training_noise_decay")
        return [
            each.name
            for each in fields(self)
            if each.name in without and getattr(self, each.name) != each.default
        ]


@dataclass(frozen=True)
class DockerCfg:
    """The section `docker_cfg`: no image is started, and the chip is not ours."""

    run_latency: bool = key(FLAG, False)
    chip: str | None = key(TEXT, None)
    image_path: str | None = key(TEXT, None)
    localhost_dir: str | None = key(TEXT, None)
    container_dir: str | None = key(TEXT, None)
    workspace_dir: str | None = key(TEXT, None)
    container_name: str | None = key(TEXT, None)
    bit_width: int = key(INTEGER, 8)
    is_sparse: bool = key(FLAG, False)


@dataclass(frozen=True)
class PruningConfig:
    """The file: `layers` are the names of the modules that are listed for the network."""

    app_args: AppArgs
    layers: tuple[str, ...]
    amc_cfg: AmcCfg
    ddpg_cfg: DdpgCfg
    docker_cfg: DockerCfg
    protocol: Protocol
    patterns: tuple[Pattern | None, ...]
    has_docker: bool

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of an input, with its batch."""
        assert self.app_args.input_shape is not None
        return self.app_args.input_shape


def read_pruning_config(path: Path) -> PruningConfig:
    """The configuration in a YAML file. Raises ValueError where it is none, OSError."""
    sections = read_sections(path, (*_SECTIONS, *_NETWORK_SEARCH), "pruning")
    for name in _NETWORK_SEARCH:
        if name in sections:
            raise ValueError(
                f"{name}: Knight-MC's network search is not there; sparsec search looks for the pattern and share of each "
                "layer, and for the width of the network"
            )
    app, names = read_network(sections)
    if not names:
        raise ValueError(f"network.{app.arch} lists no layers")
    if len(set(names)) < len(names):
        raise ValueError(f"network.{app.arch} lists a layer twice")
    if app.input_shape is None or len(app.input_shape) < 2 or min(app.input_shape) < 1:
        raise ValueError("app_args.input_shape is the shape of an input, e.g. [1, 3, 32, 32]")
    amc = read_table(AmcCfg, sections.get("amc_cfg"), "amc_cfg")
    docker = read_table(DockerCfg, sections.get("docker_cfg"), "docker_cfg")
    low, high = amc.action_range
    if not 0 <= low <= high < 1:
        raise ValueError(
            f"amc_cfg.action_range is the least and the most of a layer that goes, within 0 and 1, not [{low:g}, {high:g}]"
        )
    if not 0 < amc.target_density <= 1:
        raise ValueError(
            f"amc_cfg.target_density is above 0 and at most 1, not {amc.target_density:g}"
        )
    if docker.bit_width != 8:
        raise ValueError(f"docker_cfg.bit_width is 8: no kernels have {docker.bit_width} bits")
    try:
        protocol = parse_protocol(amc.protocol)
        patterns = _patterns(parse_pattern(amc.pruning_pattern), low, high)
    except ValueError as error:
        raise ValueError(f"amc_cfg: {error}") from None
    return PruningConfig(
        app,
        names,
        amc,
        read_table(DdpgCfg, sections.get("ddpg_cfg"), "ddpg_cfg"),
        docker,
        protocol,
        patterns,
        "docker_cfg" in sections,
    )


def _patterns(pattern: Pattern, low: float, high: float) -> tuple[Pattern | None, ...]:
    """What a layer may become; of N:M all shares within the range, from which an action chooses."""
    if not isinstance(pattern, NOfM):
        return (pattern,)
    able = [NOfM(n, pattern.m) for n in range(1, pattern.m)]
    found = [each for each in able if each.ratio <= high]
    return (*found, None) if found else (pattern,)


def takes_channels(config: PruningConfig) -> bool:
    """Whether whole channels go."""
    return isinstance(config.patterns[0], Rows)
