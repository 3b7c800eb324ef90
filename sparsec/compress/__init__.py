# SPDX-License-Identifier: Apache-2.0
"""Makes networks of torch sparse and int8: pruning, channels, training that keeps zeros, quantization.

The one rule: what is made here is what the compiler stores and runs, so every mask is held to the storage format that it
is for before anything is trained. With `frontends`, `search` and `compat` the only folder that imports torch.
"""

from sparsec.compress.channels.prune import prune_channels
from sparsec.compress.data import Loader, Samples
from sparsec.compress.distillation import Distillation
from sparsec.compress.pruner import Pruner
from sparsec.compress.sensitivity import scan
from sparsec.compress.training import Settings, accuracy_of, fit
from sparsec.compress.transformers import prune_transformer
from sparsec.pruning.schedules import Gradual, OneShot

__all__ = [
    "Distillation",
    "Gradual",
    "Loader",
    "OneShot",
    "Pruner",
    "Samples",
    "Settings",
    "accuracy_of",
    "fit",
    "prune_channels",
    "prune_transformer",
    "scan",
]
