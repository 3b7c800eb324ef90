# SPDX-License-Identifier: Apache-2.0
"""Services that keep the history of runs, where they are installed."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

SERVICES = ("tensorboard", "mlflow")


@contextmanager
def tracker(service: str | None, folder: Path | None) -> Generator[Callable[[Any], None]]:
    """What takes each row of a history. Raises ValueError where there is no such service, or it is not installed."""
    if service is None:
        yield lambda row: None
        return
    if service not in SERVICES:
        raise ValueError(
            f"there is no service '{service}' to track with, known: {', '.join(SERVICES)}"
        )
    try:
        library: Any = import_module(
            "torch.utils.tensorboard" if service == "tensorboard" else "mlflow"
        )
    except ImportError:
        raise ValueError(f"{service} is not installed: pip install {service}") from None
    if service == "tensorboard":
        writer = library.SummaryWriter(None if folder is None else str(folder))

        def note(row: Any) -> None:
            for name, value in _numbers(row).items():
                writer.add_scalar(name, value, row.epoch)

        try:
            yield note
        finally:
            writer.close()
    else:
        with library.start_run():
            yield lambda row: library.log_metrics(_numbers(row), step=row.epoch)


def _numbers(row: Any) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in asdict(row).items()
        if value is not None and name != "epoch"
    }
