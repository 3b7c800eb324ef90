# SPDX-License-Identifier: Apache-2.0
"""Where studies lie: a file of SQLite, Optuna's journal, a server of PostgreSQL; and how to live with one that restarts.

The one rule: what a user reads has no password in it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sparsec.quiet import only_our_messages

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

Result = TypeVar("Result")

PATIENCE = 120.0
"""Seconds for which a storage may be away while a study runs: a server is restarted in less."""
PAUSE = 0.5
OPENINGS = 8
"""Workers that come at once make the tables at once; all but one are refused by the data base and try again."""
JOURNAL = "journal:"


def check_installed() -> None:
    """ValueError where Optuna is missing."""
    try:
        import optuna  # pyright: ignore[reportUnusedImport]  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "a search needs Optuna, which is not installed: pip install 'sparsec[search]'"
        ) from error


def storage_url(text: str) -> str:
    """`text` as Optuna takes it: files become those of SQLite, PostgreSQL gets its driver. Raises ValueError."""
    if text.startswith((JOURNAL, "sqlite:")):
        return text
    if "://" not in text:
        return f"sqlite:///{text}"
    scheme, _, rest = text.partition("://")
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(
            f"a storage is a file, journal:FILE or postgresql://USER@HOST/NAME, not {scheme[:40]}://"
        )
    check_installed()
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    url = f"postgresql+psycopg://{rest}"
    try:
        make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "the storage is no URL of PostgreSQL: write postgresql://USER@HOST:PORT/NAME"
        ) from None  # what was wrong may be a part of the password
    return url


def shown(url: str) -> str:
    """The storage as it may be printed."""
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    hidden = f"{user.partition(':')[0]}{':***' if ':' in user else ''}{at}"
    return f"{scheme}{separator}{hidden}{place.partition('?')[0]}"


def open_storage(url: str) -> "BaseStorage":
    """The storage of a `storage_url`. Raises ValueError, one line, where it cannot be had."""
    check_installed()
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    if url.startswith(JOURNAL):
        path = Path(url.removeprefix(JOURNAL))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with only_our_messages():
                return JournalStorage(JournalFileBackend(str(path)))
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot open the journal {path}: {_why(error)}") from error
    arguments: dict[str, object] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    if url.startswith("sqlite:"):
        arguments = {"connect_args": {"timeout": 60}}
    for left in reversed(range(OPENINGS)):
        try:
            if url.startswith("sqlite:///"):
                Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            with only_our_messages():
                return RDBStorage(url, engine_kwargs=arguments)
        except (ImportError, NoSuchModuleError) as error:
            raise ValueError(
                "a study on PostgreSQL needs its driver: pip install 'psycopg[binary]'"
            ) from error
        except (SQLAlchemyError, OSError, RuntimeError, ValueError) as error:
            if left == 0 or not _made_by_another(error):
                raise ValueError(f"cannot reach the storage {shown(url)}: {_why(error)}") from error
            time.sleep(PAUSE / 4)
    raise AssertionError


def close_storage(storage: "BaseStorage") -> None:
    """Give back its connections; a storage that is used again opens others."""
    from optuna.storages import RDBStorage

    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def _made_by_another(error: Exception) -> bool:
    """Whether a data base says that what is to be made is there already."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    known = isinstance(error, IntegrityError | OperationalError | ProgrammingError)
    return known and any(word in str(error).lower() for word in ("exist", "duplicate", "unique"))


def _why(error: Exception) -> str:
    """In the words of the driver, which never repeats a password, on one line."""
    inner = getattr(error, "orig", None) or error
    return (str(inner).strip() or type(inner).__name__).splitlines()[0].strip()[:200]


def patiently(action: Callable[[], Result], patience: float = PATIENCE) -> Result:
    """What `action` gives, tried again while the storage is away. Raises ValueError where it stays away."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    until = time.monotonic() + patience
    while True:
        try:
            return action()
        except (StorageInternalError, DBAPIError) as error:
            if time.monotonic() > until:
                cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
                raise ValueError(f"the storage is away: {_why(cause)}") from error
            time.sleep(PAUSE)
