# SPDX-License-Identifier: Apache-2.0
"""The candidate that was chosen: trained, compiled, with what each layer became and why."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsec.tools.chip import Chip
from sparsec.tools.console import Progress
from sparsec.tools.emission import write_bytes, write_files

if TYPE_CHECKING:
    from sparsec.search.subject import Subject
    from sparsec.search.trials import Tried

SCHEMA_VERSION = 1
HEADER = (
    "| layer | pattern | zeros | format | kernel | weights B | cycles before | cycles | why |\n"
    "|---|---|---:|---|---|---:|---:|---:|---|\n"
)


@dataclass(frozen=True)
class Made:
    """A project with the network that it is of, and what is to be said of it."""

    files: Mapping[str, str]
    program: bytes
    report: dict[str, Any]
    text: str


def made(subject: "Subject", tried: "Tried", words: list[str], report_progress: Progress) -> Made:
    """The candidate trained by the settings of `subject`. Raises ValueError where it cannot be trained or compiled."""
    from sparsec.compress.training import accuracy_of
    from sparsec.frontends.programs import Program

    candidate = tried.candidate
    report_progress("training")
    model, rows = subject.trained(candidate)
    assert isinstance(model, Program)
    report_progress("compiling")
    chip = Chip(subject.inputs, [*words, "--name=network"])
    files = chip.compiled(model, candidate.settings)[1]
    before = chip.compiled(subject.model, {})[1]
    why = _reasons(chip.explained(model, candidate.settings))
    report = {
        "schema_version": SCHEMA_VERSION,
        "number": tried.number,
        "candidate": candidate.text,
        "epochs": len(rows),
        "accuracy": {
            "float": accuracy_of(model, subject.test),
            "int8": chip.int8_accuracy(model, candidate.settings, subject.test),
            "float_before": accuracy_of(subject.model, subject.test),
        },
        "before": _figures(before),
        "after": _figures(files),
        "layers": _layers(tried, files, before, why),
    }
    text = _text(report)
    more = {"search.json": json.dumps(report, indent=2) + "\n", "search.md": text}
    return Made({**files, **more}, model.saved(), report, text)


def write(found: Made, output: Path) -> None:
    """The project with its report and model.pt2, whole or not at all."""
    write_files(dict(found.files), output)
    write_bytes(found.program, output / "model.pt2")


def _figures(files: Mapping[str, str]) -> dict[str, int]:
    report = json.loads(files["report.json"])
    return {
        "estimated_cycles": sum(layer["predicted_cycles"] or 0 for layer in report["layers"]),
        "flash_bytes": report["flash_bytes"],
        "arena_bytes": report["arena_bytes"],
        "macs": report["macs"],
    }


def _reasons(explained: Mapping[str, Any]) -> dict[str, str]:
    """By layer why its storage won."""
    return {
        layer["layer"]: next((each["reason"] for each in layer["candidates"] if each["won"]), "")
        for layer in explained["layers"]
    }


def _layers(
    tried: "Tried", files: Mapping[str, str], before: Mapping[str, str], why: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What each layer with weights became; layers that went with their channels are not among them."""
    was = {each["name"]: each for each in json.loads(before["report.json"])["layers"]}
    rows: list[dict[str, Any]] = []
    for layer in json.loads(files["report.json"])["layers"]:
        if layer["name"] not in why:
            continue  # it has no weights
        share = tried.candidate.shares.get(layer["name"])
        old = was.get(layer["name"])
        rows.append(
            {
                "layer": layer["name"],
                "pattern": "dense" if share is None else share.pattern.label,
                "ratio": None if share is None else share.ratio,
                "zeros": 1 - layer["density"],
                "format": layer["format"],
                "kernel": layer["kernel"],
                "weight_bytes": layer["weight_bytes_stored"],
                "cycles_before": None if old is None else old["predicted_cycles"],
                "cycles": layer["predicted_cycles"],
                "reason": why[layer["name"]],
            }
        )
    return rows


def _text(report: Mapping[str, Any]) -> str:
    """As Markdown."""
    accuracy, before, after = report["accuracy"], report["before"], report["after"]
    figures = "".join(
        f"| {label} | {before[name]:,} | {after[name]:,} | {after[name] / max(before[name], 1):.2f} |\n"
        for name, label in (
            ("estimated_cycles", "estimated cycles"),
            ("flash_bytes", "flash, bytes"),
            ("arena_bytes", "arena, bytes"),
            ("macs", "multiplications"),
        )
    )
    rows = "".join(
        f"| {row['layer']} | {row['pattern']} | {row['zeros']:.3f} | {row['format']} | {row['kernel']} | "
        f"{row['weight_bytes']:,} | {_number(row['cycles_before'])} | {_number(row['cycles'])} | {row['reason']} |\n"
        for row in report["layers"]
    )
    return (
        f"# Candidate {report['number']}\n\n"
        f"Trained for {report['epochs']} epochs: {accuracy['int8']:.4f} of the test data right as int8, "
        f"{accuracy['float']:.4f} as float; {accuracy['float_before']:.4f} before.\n\n"
        f"| | before | now | of it |\n|---|---:|---:|---:|\n{figures}\n{HEADER}{rows}"
    )


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
