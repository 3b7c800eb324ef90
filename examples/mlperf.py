# SPDX-License-Identifier: Apache-2.0
"""The int8 networks of MLPerf Tiny, where they are: files of others, no part of this repository.

`SPARSEC_MODELS` is a folder with `mlperf-tiny/NAME.tflite`, by default `../shared/models` beside the repository. They come
from https://github.com/mlcommons/tiny (Apache-2.0), `benchmark/training/`; `SOURCES` says which file is which. Whoever
sets the variable means the files to be there: that one is missing is an error then, else what needs it is left out.
"""

import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SPARSEC_MODELS"
FOLDER = "mlperf-tiny"
PUBLISHED = "https://github.com/mlcommons/tiny/tree/master/benchmark/training"


@dataclass(frozen=True)
class Source:
    """A file below `PUBLISHED` and the sha256 of what it holds."""

    path: str
    sha256: str


SOURCES: dict[str, Source] = {
    "ad01_int8": Source(
        "anomaly_detection/trained_models/ad01_int8.tflite",
        "87cf24194ef93d1d9b11a591d805526b98008e351655d29883c825c9c106ba24",
    ),
    "ic_resnet8_int8": Source(
        "image_classification/trained_models/pretrainedResnet_quant.tflite",
        "3c002613d1b2475eb51dd78dfb85a546c8ae658dee71cf6ade43b022fe205415",
    ),
    "kws_ref_model_int8": Source(
        "keyword_spotting/trained_models/kws_ref_model.tflite",
        "aeea436800704fce17b17292e4412630ad856e9d777c044c64ef748a880bd0ae",
    ),
    "vww_96_int8": Source(
        "visual_wake_words/trained_models/vww_96_int8.tflite",
        "597a384c8c2c8a1276f04702f25013b7838f2f814f1ca7c174d295b73e3d6b7b",
    ),
}
"""By the name that the file has here, without `.tflite`."""


def find(name: str) -> Path | None:
    """The file of a network, None where nobody said that it is there.

    Raises KeyError on an unknown name, FileNotFoundError with what to do when `SPARSEC_MODELS` has it not.
    """
    source = SOURCES[name]
    given = os.environ.get(VARIABLE)
    root = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "models"
    path = root / FOLDER / f"{name}.tflite"
    if path.is_file():
        return path
    if given:
        raise FileNotFoundError(
            f"{VARIABLE}={given} has no {FOLDER}/{name}.tflite: save {PUBLISHED}/{source.path} "
            f"there, or leave {VARIABLE} unset"
        )
    return None


def require(name: str) -> Path:
    """The file of a network; FileNotFoundError, with what to do, where it is not."""
    path = find(name)
    if path is None:
        raise FileNotFoundError(
            f"{name}.tflite is not there: set {VARIABLE} to a folder with {FOLDER}/{name}.tflite, "
            f"which is {PUBLISHED}/{SOURCES[name].path}"
        )
    return path
