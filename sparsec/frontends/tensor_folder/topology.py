# SPDX-License-Identifier: Apache-2.0
"""Which blocks a folder has, and in which order they run: their names say it.

The rule: one or two stages, each of downsampling blocks, mv2blocks and transformers in the order of their numbers; then
one convolution, a pooling of the whole image, and a classifier.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.numpy_files import Array, read_numbers
from sparsec.frontends.tensor_folder.tensors import Block


class Kind(Enum):
    """What a block does."""

    TOKENIZER = auto()
    DOWNSAMPLE = auto()
    MV2BLOCK = auto()
    TRANSFORMER = auto()
    LAST_CONV = auto()
    AVERAGE_POOLING = auto()
    ATTENTION_POOLING = auto()
    CLASSIFIER = auto()


@dataclass(frozen=True)
class Placed:
    """A block in its place. `sparse` says whether its layers may be stored sparse; `block_size` is how many of their weights
    were pruned together."""

    kind: Kind
    block: Block
    sparse: bool = False
    block_size: int = 1


TAIL = {
    "qlast_conv": Kind.LAST_CONV,
    "global_pooling": Kind.ATTENTION_POOLING,
    "qglobal_pooling": Kind.AVERAGE_POOLING,
    "qclassifier": Kind.CLASSIFIER,
}
"""The blocks behind the stages, by the first word of their files."""

HEADS = {"0": 2, "1": 4}
"""Heads of the attention by the type of a transformer."""

_STAGED = ("downsample", "mv2block", "transformer")
_STAGES = ("", "one", "two")

_TENSOR = re.compile(
    r"(.+\.)?(M[12]?|(qi[12]?|qo|qw)\.(scale|zero_point)|(conv|fc|layernorm)_module\.(weight|bias))"
)
"""What a tensor of a layer can be called."""


@dataclass
class _Found:
    """The tensors of a folder: of the stages by kind and stage, of the tail by name; and files that are none of them."""

    staged: dict[tuple[str, str], dict[str, dict[str, Array]]] = field(
        default_factory=dict[tuple[str, str], dict[str, dict[str, Array]]]
    )
    tail: dict[str, dict[str, Array]] = field(default_factory=dict[str, dict[str, Array]])
    unknown: list[str] = field(default_factory=list[str])


def read_blocks(folder: Path) -> tuple[list[Placed], list[str]]:
    """The blocks of a folder in the order they run, and the names of .npy files that belong to none. Raises FrontendError."""
    found = _read(folder)
    stages = {stage for _, stage in found.staged}
    if "" in stages and len(stages) > 1:
        raise FrontendError(
            "some blocks belong to a stage 'one' or 'two' and others to none: the folder mixes two networks"
        )
    if not any(kind == "downsample" for kind, _ in found.staged):
        raise FrontendError(
            "there are no tensors of a downsample block, with which such a network begins"
        )
    if stages == {"two"}:
        raise FrontendError("there are blocks of the stage 'two' and none of 'one'")
    placed: list[Placed] = []
    for stage in _STAGES:
        for kind in _STAGED:
            blocks = found.staged.get((kind, stage), {})
            placed += [_placed(kind, stage, name, blocks[name]) for name in _ordered(kind, blocks)]
    for name, kind in TAIL.items():
        if name in found.tail:
            title = name.removeprefix("q") if kind is not Kind.AVERAGE_POOLING else name
            sparse = kind is Kind.LAST_CONV
            placed.append(Placed(kind, Block(name, title, found.tail[name]), sparse))
    _check_tail(found.tail)
    for each in placed:
        each.block.check_numbers()
    return placed, found.unknown


def _read(folder: Path) -> _Found:
    found = _Found()
    try:
        paths = sorted(folder.glob("*.npy"))
    except OSError as error:
        raise FrontendError(f"cannot be read: {error.strerror}") from error
    if not paths:
        raise FrontendError(
            "this is a directory: give the file of an exported model, or a folder of tensors (.npy)"
        )
    for path in paths:
        group, *words = path.name.removesuffix(".npy").split(".")
        kind = next((each for each in _STAGED if group.startswith(each)), None)
        if kind is not None and len(words) >= 2:
            stage = next((each for each in ("one", "two") if group.endswith(each)), "")
            blocks = found.staged.setdefault((kind, stage), {})
            tensors, name = blocks.setdefault(words[0], {}), ".".join(words[1:])
        elif group in TAIL and words:
            tensors, name = found.tail.setdefault(group, {}), ".".join(words)
        else:
            found.unknown.append(path.name)
            continue
        if _TENSOR.fullmatch(name) is None:
            found.unknown.append(path.name)
            continue
        if name in tensors:
            raise FrontendError(f"{path.name}: another file has the tensor '{name}' of this block")
        try:
            tensors[name] = read_numbers(path)
        except ValueError as error:
            raise FrontendError(f"{path.name}: {error}") from error
    return found


def _ordered(kind: str, blocks: Mapping[str, object]) -> list[str]:
    """The names of blocks by the numbers behind their last underscore, which count from 0 on."""
    numbered: dict[int, str] = {}
    for name in blocks:
        match = re.fullmatch(r".*_(\d{1,3})", name)
        if match is None:
            raise FrontendError(
                f"block '{name}': a {kind} block has a number behind an underscore, by which it is placed"
            )
        number = int(match[1])
        if number in numbered:
            raise FrontendError(
                f"blocks '{numbered[number]}' and '{name}' have one number: their order cannot be known"
            )
        numbered[number] = name
    for number in range(len(numbered)):
        if number not in numbered:
            raise FrontendError(
                f"block '{numbered[max(numbered)]}': there is no {kind} block of number {number} in front of it"
            )
    return [numbered[number] for number in range(len(numbered))]


def _placed(kind: str, stage: str, name: str, tensors: Mapping[str, Array]) -> Placed:
    """A block of a stage. Those that downsample are never stored sparse but in the stage 'two'."""
    block = Block(name, f"{name}_{stage}" if stage else name, tensors)
    if kind == "downsample":
        what = _downsampling(name, stage)
        if what is None:
            raise block.wrong("its name says neither that it is a tokenizer nor an mv2block")
        return Placed(what, block, sparse=stage == "two")
    type = name.split("_")[-2][-1:]
    known = HEADS if kind == "transformer" else ("0", "1", "2")
    if type not in known:
        raise block.wrong(f"there are {kind}s of type {', '.join(known)}, not '{type}'")
    return Placed(Kind.TRANSFORMER if kind == "transformer" else Kind.MV2BLOCK, block, sparse=True)


def _downsampling(name: str, stage: str) -> Kind | None:
    """A network of one stage spells it out, one of two has a digit."""
    words = name.split("_")
    if stage:
        return {"0": Kind.TOKENIZER, "1": Kind.DOWNSAMPLE}.get(words[0][-1:])
    return {"tokenizer": Kind.TOKENIZER, "mv2block": Kind.DOWNSAMPLE}.get(words[-2])


def _check_tail(tail: Mapping[str, object]) -> None:
    for name in ("qlast_conv", "qclassifier"):
        if name not in tail:
            raise FrontendError(f"block '{name.removeprefix('q')}': all of its tensors are missing")
    pools = [name for name in ("global_pooling", "qglobal_pooling") if name in tail]
    if len(pools) != 1:
        count = "both" if pools else "neither"
        raise FrontendError(
            f"there are tensors of {count} of the blocks 'global_pooling' and 'qglobal_pooling': one of them pools"
        )


def with_block_sizes(placed: Sequence[Placed], sizes: Sequence[int] | None) -> list[Placed]:
    """The blocks with how many of their weights were pruned together, which is listed for those that may be sparse.

    Depthwise layers have blocks of their own. Raises FrontendError where the list is too short.
    """
    if sizes is None:
        return list(placed)
    rest = list(sizes)
    result: list[Placed] = []
    for each in placed:
        if not each.sparse:
            result.append(each)
            continue
        if not rest:
            raise each.block.wrong(
                f"pruning_config lists {len(sizes)} blocks, and none for this one"
            )
        result.append(replace(each, block_size=rest.pop(0)))
    return result
