# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's pruning: `MCPruning` lets an agent choose how much of each layer goes that a YAML file lists.

As there, a layer that is listed loses channels that it reads, and the layer in front the filters that give them; where
another layer would change it is an error. Candidates and `kmc-pruning.csv` are written as networks get better.
"""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from sparsec.compat.kmc.candidates import LAST, Candidates, ckpt_name
from sparsec.compat.kmc.contracts import ValFn, Validation, check_need_args, validated
from sparsec.compat.kmc.models import inner_of, load_file, model_of, plain_names, save_file
from sparsec.compat.kmc.pruning_configuration import (
    PruningConfig,
    read_pruning_config,
    takes_channels,
)
from sparsec.compress.channels.cut import take_sizes
from sparsec.compress.layers import layers_of, no_such_layer
from sparsec.compress.pruner import Pruner
from sparsec.search.amc.costs import CompiledCosts, MacCosts
from sparsec.search.amc.facts import weights_of
from sparsec.search.amc.search import Episode, Judged, search
from sparsec.search.amc.settings import AgentSettings
from sparsec.search.amc.spaces import walk_over
from sparsec.search.amc.walks import Walk
from sparsec.search.space import Candidate, Choice, Space
from sparsec.tables import mapping_of
from sparsec.targets.cpu import cpu_named
from sparsec.tools.chip import Chip

MEGAHERTZ = 168.0
"""The clock that `infer_time` is told at where none is given: of an STM32F4."""

_OPTIONAL = ("inputs", "target", "megahertz", "measure", "accuracy", "seed", "on_episode")
_PRUNER = "_kmc_pruner"
"""The attribute of a model that has its masks."""


class MCPruning:
    """The three entries of `kmc.pruning`."""

    @staticmethod
    def prune_model(need_args: Mapping[str, Any]) -> nn.Module:
        """The best network that was found, its channels or weights gone, not trained again.

        `need_args` has `model_fn`, a model or a function that makes it, trained; `val_fn`, from a model to its `ind1` and
        `ind2` in percent; and `config_file`. It may have `inputs`, real ones [N, ..], which fm-reconstruction and int8
        need; `target`, a core, and `megahertz`, for `infer_time`, which is estimated, or with `measure` true comes from
        QEMU; `accuracy="int8"`, by which `val_fn` is given the int8 network; `seed`; and `on_episode`, which hears of each.

        The same search goes on in its folder. Raises ValueError where something makes no sense, or `val_fn` fails, OSError;
        the episodes before are kept.
        """
        args = check_need_args(need_args, ("model_fn", "val_fn", "config_file"), _OPTIONAL)
        return _Pruning(read_pruning_config(Path(args["config_file"])), args).run()

    @staticmethod
    def save_pruned_model(
        model: nn.Module, save_name: str | Path, extras: Mapping[str, Any] | None = None
    ) -> None:
        """Write the weights, the masks if there are, and `extras`, tensors and plain values, whole or not at all.

        Raises ValueError where the extras hold other objects, OSError.
        """
        inner = inner_of(model)
        pruner = getattr(inner, _PRUNER, None)
        masks: dict[str, Tensor] = {}
        if isinstance(pruner, Pruner):
            masks = pruner.state_dict()["masks"]
        state = {"state_dict": inner.state_dict(), "masks": masks, "extras": dict(extras or {})}
        save_file(Path(save_name), state)

    @staticmethod
    def load_pruned_model(model: nn.Module, weight_file: str | Path) -> nn.Module:
        """`model`, the network before it was pruned, with the sizes and weights of a file, whose zeros it keeps.

        The file is a candidate, one of `save_pruned_model`, or holds a state dict, perhaps of a model trained on several
        GPUs. Raises ValueError where it is of another model or holds pickled objects, OSError.
        """
        state = load_file(Path(weight_file))
        found = mapping_of(state.get("state_dict", state), f"state_dict of {weight_file}")
        weights = dict(zip(plain_names(found), found.values(), strict=True))
        inner = inner_of(model)
        try:
            take_sizes(
                inner,
                {
                    name: tuple(value.shape) if isinstance(value, Tensor) else ()
                    for name, value in weights.items()
                },
            )
            inner.load_state_dict(weights)
        except (RuntimeError, ValueError) as error:
            line = str(error).splitlines()[0]
            raise ValueError(f"{weight_file} is of another model: {line}") from error
        before = getattr(inner, _PRUNER, None)
        if isinstance(before, Pruner):
            before.detach()
        layers = [layer for layer in layers_of(inner) if bool((layer.weight == 0).any())]
        if layers:
            names = {layer.name for layer in layers}
            setattr(inner, _PRUNER, Pruner(inner, layers=lambda name, module: name in names))
        return model

    @staticmethod
    def load_extras(weight_file: str | Path) -> dict[str, Any]:
        """The extras of a file of `save_pruned_model`. Raises ValueError, OSError."""
        return mapping_of(load_file(Path(weight_file)).get("extras"), f"extras of {weight_file}")


class _Pruning:
    """A run: the network, what it is judged by, and where its candidates go."""

    def __init__(self, config: PruningConfig, args: Mapping[str, Any]) -> None:
        self.config = config
        self.model = copy.deepcopy(inner_of(model_of(args["model_fn"]))).cpu().eval()
        self.val_fn = cast(ValFn, args["val_fn"])
        self.accuracy = _one_of("accuracy", args.get("accuracy", "float"), ("float", "int8"))
        self.target = str(args.get("target", "cortex-m4"))
        self.core = cpu_named(self.target)
        self.megahertz = float(args.get("megahertz", MEGAHERTZ))
        if not self.megahertz > 0:
            raise ValueError(f"megahertz is above 0, not {self.megahertz:g}")
        self.measure = bool(args.get("measure", False))
        self.seed = int(args.get("seed", 0))
        self.heard = cast(Callable[[Episode], None] | None, args.get("on_episode"))
        self.inputs = self._inputs(args.get("inputs"))
        words = [f"--target={self.target}"]
        if not config.docker_cfg.is_sparse and takes_channels(config):
            words.append("--weights=dense")
        self.chip = Chip(self.inputs, words)
        self.folder = Path(config.app_args.output_dir or "output")
        self._say()
        self.walk = self._walk()
        whole_nnz = weights_of(self.model, nonzero=True)
        self.whole = self.walk.macs([-1] * len(self.walk.steps)), max(whole_nnz, 1)

    def _say(self) -> None:
        config = self.config
        if idle := config.ddpg_cfg.idle:
            print(f"ddpg_cfg: without effect here: {', '.join(idle)}")
        if config.has_docker:
            chip = config.docker_cfg.chip or "none"
            print(
                f"docker_cfg: chip {chip} is not ours, no image is started: {self.target} at {self.megahertz:g} MHz is taken"
            )

    def _inputs(self, given: object) -> list[Tensor]:
        if given is None:
            shape = self.config.input_shape
            random = torch.Generator().manual_seed(self.seed)
            if self.config.amc_cfg.pruning_method == "fm-reconstruction" or self.accuracy == "int8":
                print(
                    "need_args has no inputs: random numbers take their place, real ones do better"
                )
            return [torch.randn((max(shape[0], 8), *shape[1:]), generator=random)]
        inputs = [given] if isinstance(given, Tensor) else given
        if not isinstance(inputs, list | tuple) or not all(
            isinstance(each, Tensor) and each.ndim > 0 for each in cast(Sequence[object], inputs)
        ):
            raise ValueError("inputs are a tensor [N, ..], or one for each argument of the model")
        found = [each.detach().cpu() for each in cast(Sequence[Tensor], inputs)]
        wanted = self.config.input_shape[1:]
        if found and tuple(found[0].shape[1:]) != wanted:
            raise ValueError(
                f"inputs are [N, {', '.join(map(str, found[0].shape[1:]))}], app_args.input_shape says "
                f"{list(self.config.input_shape)}"
            )
        return found

    def _walk(self) -> Walk:
        config, names = self.config, plain_names(self.config.layers)
        known = [layer.name for layer in layers_of(self.model)]
        for name in names:
            if name not in known:
                raise ValueError(no_such_layer(name, known))
        low, high = config.amc_cfg.action_range
        choice = Choice(config.patterns, low, high)
        try:
            return walk_over(
                self.model,
                self.inputs,
                Space(dict.fromkeys(names, choice)),
                method=cast(Any, config.amc_cfg.pruning_method),
                group_size=config.amc_cfg.group_size,
                side="inputs",
                strict=True,
                n_points_per_fm=config.amc_cfg.n_points_per_fm,
                seed=self.seed,
            )
        except RuntimeError as error:  # what the model itself says of inputs that it does not take
            line = str(error).splitlines()[0]
            raise ValueError(
                f"app_args.input_shape is {list(config.input_shape)}: {line}"
            ) from error

    def run(self) -> nn.Module:
        """All episodes."""
        config = self.config
        settings = AgentSettings(
            **{
                name: value
                for name, value in asdict(config.ddpg_cfg).items()
                if name in AgentSettings.__dataclass_fields__
            },
            seed=self.seed,
        )
        metric = config.protocol.metric
        costs = (
            MacCosts(self.walk)
            if metric == "macs"
            else CompiledCosts(self.walk, lambda model: self.chip.prices(model, {}), metric)
        )
        dense = self._validated(copy.deepcopy(self.model), is_pruned=False)
        print(f"dense: ind1 {dense.ind1:g}  ind2 {dense.ind2:g}")
        self.files = Candidates(self.folder, self.inputs)
        episodes = search(
            self.walk,
            costs,
            config.protocol,
            config.amc_cfg.target_density,
            self._judged,
            settings,
            folder=self.folder,
            identity=self._identity(),
            on_episode=self._ended,
        )
        best = max(episodes, key=lambda each: (each.reward, -each.number))
        last = self._made(episodes[-1])
        self.files.save(last, LAST, _extras(episodes[-1]))
        return self._made(best)

    def _identity(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for name, value in self.model.state_dict().items():
            digest.update(name.encode() + value.detach().contiguous().numpy().tobytes())
        return {
            "network": digest.hexdigest()[:16],
            "amc_cfg": asdict(self.config.amc_cfg),
            "accuracy": self.accuracy,
            "core": self.target
            if self.accuracy == "int8" or self.config.protocol.metric != "macs"
            else "",
        }

    def _judged(self, model: nn.Module, candidate: Candidate) -> Judged:
        try:
            result = self._validated(model, is_pruned=True)
        except ValueError as error:
            raise ValueError(f"{error} (the episodes before are kept in {self.folder})") from error
        return Judged(result.ind1 / 100, {"ind1": result.ind1, "ind2": result.ind2})

    def _validated(self, model: nn.Module, *, is_pruned: bool) -> Validation:
        """What `val_fn` gives. Raises ValueError where it fails."""
        given = model
        if self.accuracy == "int8":
            given = Int8(self.chip, model)
        elif isinstance(self.config.app_args.device, int) and torch.cuda.is_available():
            given = model.to(torch.device("cuda", self.config.app_args.device))
        try:
            return validated(self.val_fn, given, is_pruned=is_pruned)
        except ValueError:
            raise
        except Exception as error:  # whatever the function raises
            line = (str(error).strip() or "no message").splitlines()[0]
            raise ValueError(f"val_fn raised {type(error).__name__}: {line}") from error

    def _made(self, episode: Episode) -> nn.Module:
        return self.walk.made(episode.levels)

    def _ended(self, episode: Episode) -> None:
        if self.heard is not None:
            self.heard(episode)
        if not episode.is_best:
            return
        name = ckpt_name(episode.number)
        row = self.files.known(name)
        if row is None:
            model = self._made(episode)
            self.files.save(model, name, _extras(episode))
            row = self._row(episode, name, model)
        self.files.add(row)
        print(
            "episode {episode}: ind1 {ind1}  ind2 {ind2}  macs {normalized_macs} %  nnz {normalized_nnz} %".format(
                **row
            )
        )

    def _row(self, episode: Episode, name: str, model: nn.Module) -> dict[str, str]:
        time, calls = None, None
        if self.config.docker_cfg.run_latency:
            core = self.target if self.measure else None
            time, calls = self.chip.profile(model, self.megahertz, core)
        macs, nnz = self.walk.counted(model), weights_of(model, nonzero=True)
        whole_macs, whole_nnz = self.whole
        return {
            "episode": str(episode.number),
            "ckpt_name": name,
            "ind1": f"{episode.judged.more['ind1']:g}",
            "ind2": f"{episode.judged.more['ind2']:g}",
            "infer_time": "None" if time is None else f"{time:.3f}",
            "op_num": str(calls),
            "total_macs": str(macs),
            "normalized_macs": f"{100 * macs / whole_macs:.6g}",
            "normalized_nnz": f"{100 * nnz / whole_nnz:.6g}",
        }


class Int8(nn.Module):
    """The int8 network that the compiler makes of a module, byte for byte the device's, called as the module is."""

    def __init__(self, chip: Chip, model: nn.Module) -> None:
        super().__init__()
        self._run = chip.int8_network(model)
        self.nothing = nn.Parameter(torch.zeros(0))  # for those who ask for the device

    def forward(self, *inputs: Tensor) -> Any:
        """Real numbers in, real numbers out."""
        outputs = self._run([each.detach().cpu().numpy() for each in inputs])
        found = tuple(torch.from_numpy(each) for each in outputs)
        return found[0] if len(found) == 1 else found


def _extras(episode: Episode) -> dict[str, Any]:
    return {
        "episode": episode.number,
        "candidate": episode.candidate.text,
        **{name: value for name, value in episode.judged.more.items()},
    }


def _one_of(name: str, value: object, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
    return str(value)
