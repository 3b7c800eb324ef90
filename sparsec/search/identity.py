# SPDX-License-Identifier: Apache-2.0
"""What a study is of, as whoever began it noted."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparsec.search.storages import check_installed, close_storage, open_storage, patiently

if TYPE_CHECKING:
    import optuna

IDENTITY = "sparsec.identity"
ASKED = "sparsec.asked"
"""How it is to go on where a worker does not say."""
PAUSE = 2.0
"""Seconds between looks at a study that has just been begun."""


def identity_of(study: "optuna.Study", pause: float = 0.0) -> dict[str, str]:
    """What a study is of. Raises ValueError where it does not say."""
    for _ in range(5):
        found = patiently(lambda: study.user_attrs).get(IDENTITY)
        if found is not None:
            return dict(found)
        time.sleep(pause)  # who began it has not said so yet
    raise ValueError(
        f"study '{study.study_name}' was not made by sparsec search: choose another name"
    )


def stored(storage: str, name: str) -> tuple[dict[str, str], dict[str, Any]] | None:
    """What the study of that name is of and what was noted of how it goes on; None where there is no study.

    Raises ValueError where it was not made by a search, or the storage cannot be reached.
    """
    check_installed()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened = open_storage(storage)
    try:
        study = patiently(lambda: optuna.load_study(study_name=name, storage=opened))
        return identity_of(study, PAUSE), dict(study.user_attrs.get(ASKED, {}))
    except KeyError:
        return None
    finally:
        close_storage(opened)


def check_identity(name: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """ValueError where a study is of something else."""
    other = [part for part in ours if theirs.get(part) != ours[part]]
    if other:
        raise ValueError(
            f"study '{name}' is of another {' and another '.join(other)}: choose another name, or give what it was begun with"
        )
