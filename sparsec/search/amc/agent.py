# SPDX-License-Identifier: Apache-2.0
"""The agent of AMC: DDPG of stable-baselines3 with distiller's exploration, rewards and two learning rates."""

from typing import Any, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DDPG
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from sparsec.search.amc.settings import AgentSettings as AgentSettings

MEMORY = 0.5
"""How fast the mean that rewards are compared with follows those that are drawn."""


class Replay(ReplayBuffer):
    """Rewards that are drawn are less their moving average."""

    average: float | None = None

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """A batch."""
        drawn = super().sample(batch_size, env)
        mean = float(drawn.rewards.mean())
        if self.average is None:
            self.average = mean
        self.average += MEMORY * (mean - self.average)
        return drawn._replace(rewards=drawn.rewards - self.average)


class Agent(DDPG):
    """DDPG as AMC has it.

    Actions are drawn uniformly for the warm-up, then around the actor's with normal noise, cut to the range by drawing
    again. Each step of an episode is rewarded with what its last one was. As many updates follow an episode as it has steps.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], steps: int, settings: AgentSettings) -> None:
        """`steps` is the length of an episode."""
        self.settings = settings
        self._episode: list[tuple[Any, ...]] = []
        self._random = np.random.default_rng(settings.seed)
        super().__init__(
            "MlpPolicy",
            env,
            learning_rate=settings.lr_a,
            buffer_size=max(settings.warmup, 1) * steps,
            learning_starts=settings.warmup * steps,
            batch_size=settings.bsize,
            tau=settings.tau,
            gamma=settings.discount,
            train_freq=(1, "episode"),
            gradient_steps=-1,
            replay_buffer_class=Replay,
            policy_kwargs={"net_arch": [settings.hidden1, settings.hidden2]},
            seed=settings.seed,
            device="cpu",
        )

    @property
    def noise(self) -> float:
        """The standard deviation of what is added to actions, as a share of a layer."""
        past = max(self._episode_num - self.settings.warmup, 0)
        return self.settings.init_delta * self.settings.delta_decay**past

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        space = cast(Any, self.action_space)
        assert self._last_obs is not None
        if self.num_timesteps < learning_starts:
            return super()._sample_action(learning_starts, None, n_envs)
        action, _ = self.predict(np.asarray(self._last_obs))
        middle = np.asarray(self.policy.scale_action(action))
        spread = float(space.high[0] - space.low[0])
        scaled = truncated(self._random, middle, 2 * self.noise / spread if spread else 0.0)
        return self.policy.unscale_action(scaled), scaled

    def _update_learning_rate(
        self, optimizers: "list[torch.optim.Optimizer] | torch.optim.Optimizer"
    ) -> None:
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            is_critic = optimizer is self.critic.optimizer
            for group in optimizer.param_groups:
                group["lr"] = self.settings.lr_c if is_critic else self.settings.lr_a

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: Any,
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        after = infos[0]["terminal_observation"][None] if dones[0] else np.array(new_obs)
        self._episode.append((np.array(self._last_obs), after, buffer_action, dones.copy(), infos))
        self._last_obs = new_obs
        if dones[0]:
            for before, following, action, done, info in self._episode:
                replay_buffer.add(before, following, action, reward, done, info)
            self._episode = []


def truncated(
    random: np.random.Generator, middle: NDArray[Any], deviation: float
) -> NDArray[np.float32]:
    """`middle`, within -1 and 1, with normal noise that leaves it there."""
    middle = np.clip(middle, -1, 1)
    found = middle + deviation * random.standard_normal(middle.shape)
    while (outside := np.abs(found) > 1).any():
        again = middle + deviation * random.standard_normal(middle.shape)
        found[outside] = again[outside]
    return found.astype(np.float32)
