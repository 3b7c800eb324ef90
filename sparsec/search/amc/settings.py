# SPDX-License-Identifier: Apache-2.0
"""How an agent learns and explores, known without its library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AgentSettings:
    """Of `ddpg_cfg`: hidden sizes, learning rates of the actor and the critic, noise `init_delta`, which shrinks by
    `delta_decay` with each episode behind the `warmup` ones. `seed` makes a search the same each time."""

    hidden1: int = 300
    hidden2: int = 300
    lr_a: float = 1e-4
    lr_c: float = 1e-3
    bsize: int = 1
    tau: float = 0.01
    discount: float = 1.0
    warmup: int = 100
    num_training_episodes: int = 300
    init_delta: float = 0.5
    delta_decay: float = 0.95
    seed: int = 0

    @property
    def episodes(self) -> int:
        """In all."""
        return self.warmup + self.num_training_episodes

    def __post_init__(self) -> None:
        for name in ("hidden1", "hidden2", "bsize", "num_training_episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in ("lr_a", "lr_c", "tau"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is above 0 and at most 1, not {getattr(self, name):g}")
        for name in ("discount", "delta_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is within 0 and 1, not {getattr(self, name):g}")
        if self.init_delta < 0:
            raise ValueError(f"init_delta is at least 0, not {self.init_delta:g}")
        if self.warmup < 0:
            raise ValueError(f"warmup is at least 0, not {self.warmup}")
