# SPDX-License-Identifier: Apache-2.0
"""The agent as distiller has it, its environment as gymnasium wants it, and searches that are cut off and go on."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from torch import nn

from sparsec.search.amc.agent import Agent, AgentSettings, Replay, truncated
from sparsec.search.amc.costs import MacCosts
from sparsec.search.amc.environment import STATE, Environment
from sparsec.search.amc.journal import NAME, Journal
from sparsec.search.amc.protocols import Protocol
from sparsec.search.amc.search import Episode, Judged, search
from sparsec.search.amc.spaces import walk_over
from sparsec.search.amc.walks import Walk
from sparsec.search.space import Candidate, parse_space

SETTINGS = AgentSettings(warmup=3, num_training_episodes=4, bsize=8, hidden1=16, hidden2=16)


def walk() -> Walk:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()),
        *(nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(4, 2)),
    ).eval()
    space = parse_space("[024]: unstructured 0.05..0.9", ["0", "2", "4", "6"])
    return walk_over(net, [torch.rand(2, 1, 9, 9)], space)


def judge(model: nn.Module, candidate: Candidate) -> Judged:
    """The more zeros are at the end the better; draws from generators that others use too."""
    drawn = (random.random(), np.random.random(), float(torch.rand(1)))
    assert all(0 <= each < 1 for each in drawn)
    shares = {name: share.ratio for name, share in candidate.shares.items()}
    worth = 0.3 + 0.5 * shares.get("4", 0) - 0.2 * shares.get("0", 0)
    assert float((model.get_parameter("4.weight") == 0).float().mean()) == pytest.approx(
        shares.get("4", 0), abs=0.01
    )
    return Judged(worth, {"ind2": 99.5})


def environment(found: Walk, protocol: Protocol | None = None) -> Environment:
    return Environment(found, MacCosts(found), protocol or Protocol(), 0.5, lambda levels: 0.7)


def test_the_environment_is_one_of_gymnasium() -> None:
    with pytest.warns(UserWarning, match=".*"):  # it advises a range of -1 to 1, and a spec
        check_env(environment(walk()), skip_render_check=True)


def test_states() -> None:
    """Scaled by column; what is gone and what is behind are parts of all MACs."""
    found = walk()
    env = environment(found, Protocol("punish-agent"))
    state, _ = env.reset()
    facts = [step.facts for step in found.steps]
    whole = 49 * 54 + 9 * 432 + 288 + 8
    named = dict(zip(STATE, state.tolist(), strict=True))
    assert len(STATE) == 13 and named["rest"] == pytest.approx((9 * 432 + 288) / whole)
    assert [named[each] for each in ("t", "type", "k", "reduced", "prev_a")] == [0, 0, 0, 0, 0]
    assert named["h"] == 1.0 and named["Weights"] == 0.0 and named["stride"] == 0.0
    state, *_ = env.step(np.array([0.5], np.float32))
    named = dict(zip(STATE, state.tolist(), strict=True))
    share = found.steps[0].ratios[found.steps[0].level(0.5)]
    assert named["prev_a"] == pytest.approx(share) and 0.48 < share <= 0.5
    assert named["reduced"] == pytest.approx(round(share * 54) * 49 / whole)
    assert named["MACs"] == 1.0 and named["stride"] == 1.0 and named["t"] == 0.5
    assert facts[1].macs == 9 * 432 and named["n"] == 1.0


def agent(**words: Any) -> tuple[Agent, Environment]:
    env = environment(walk())
    return Agent(env, 3, replace(SETTINGS, **words)), env


def test_settings_reach_the_library() -> None:
    made, _ = agent(bsize=7, tau=0.02, discount=0.9, lr_a=3e-4, lr_c=2e-3, hidden1=5, hidden2=6)
    assert (made.batch_size, made.tau, made.gamma, made.learning_starts) == (7, 0.02, 0.9, 9)
    assert made.replay_buffer is not None and made.replay_buffer.buffer_size == 9
    shapes = [tuple(each.shape) for each in made.actor.parameters()]
    assert shapes == [(5, 13), (5,), (6, 5), (6,), (1, 6), (1,)]
    made.learn(15)
    rates = {
        group["lr"]: optimizer
        for optimizer in (made.actor.optimizer, made.critic.optimizer)
        for group in optimizer.param_groups
    }
    assert rates == {3e-4: made.actor.optimizer, 2e-3: made.critic.optimizer}
    assert made._n_updates == 3 * 2  # pyright: ignore[reportPrivateUsage]  # behind each episode but those of the warm-up


def test_each_step_has_the_reward_of_the_last_one() -> None:
    made, _ = agent()
    made.learn(6)
    buffer = made.replay_buffer
    assert buffer is not None
    assert buffer.rewards[:6, 0].tolist() == pytest.approx([0.7] * 6)
    assert buffer.dones[:6, 0].tolist() == [0, 0, 1, 0, 0, 1]
    assert isinstance(buffer, Replay)
    last, following = buffer.observations[2, 0], buffer.next_observations[2, 0]
    assert buffer.next_observations[1, 0].tolist() == last.tolist()
    assert following[-3] > last[-3] and following[0] == 1.0  # more is gone behind the last step


def test_rewards_are_less_their_moving_average() -> None:
    space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    buffer = Replay(4, space, space, device="cpu")
    zero = np.zeros((1, 1), np.float32)

    def add(reward: float) -> None:
        for _ in range(4):
            buffer.add(zero, zero, zero, np.array([reward]), np.array([0.0]), [{}])

    add(0.8)
    assert buffer.sample(3).rewards.tolist() == [[0.0]] * 3 and buffer.average == pytest.approx(0.8)
    add(0.4)
    assert buffer.sample(2).rewards[0, 0] == pytest.approx(0.4 - 0.6)
    assert buffer.sample(2).rewards[0, 0] == pytest.approx(0.4 - 0.5)


def test_noise_is_truncated_and_decays() -> None:
    made, _ = agent(init_delta=0.4, delta_decay=0.5)
    deviations: list[float] = []
    for episode in (0, 3, 4, 5):
        made._episode_num = episode  # pyright: ignore[reportPrivateUsage]
        deviations.append(made.noise)
    assert deviations == [0.4, 0.4, 0.2, 0.1]
    drawn = truncated(np.random.default_rng(0), np.full(4000, 0.9), 1.0)
    assert np.abs(drawn).max() <= 1
    # of the normal distribution between -1.9 and 0.1 around its middle
    assert drawn.mean() == pytest.approx(0.9 - 0.6484, abs=0.03)
    assert (truncated(np.random.default_rng(0), np.array([1.0000001]), 0.0) == 1).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"bsize": 0}, "bsize is at least 1"),
        ({"lr_c": 0.0}, "lr_c is above 0"),
        ({"discount": 1.5}, "discount is within 0 and 1"),
        ({"init_delta": -1.0}, "init_delta is at least 0"),
        ({"warmup": -1}, "warmup is at least 0"),
    ],
)
def test_settings_without_sense(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AgentSettings(**words)


Judge = Callable[[nn.Module, Candidate], Judged]


def searched(folder: Path | None, judge: Judge = judge, **words: Any) -> list[Episode]:
    found = walk()
    return search(
        found,
        MacCosts(found),
        Protocol(),
        0.5,
        judge,
        replace(SETTINGS, **words),
        folder=folder,
        identity={"network": "three"},
    )


def test_a_search_that_was_cut_off_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole")
    assert len(whole) == SETTINGS.episodes == 7
    assert all(each.density <= 0.5 and each.judged.more == {"ind2": 99.5} for each in whole)
    best = [each.reward for each in whole if each.is_best]
    assert best == sorted(set(best)) and max(best) == max(each.reward for each in whole)
    assert whole == searched(None)
    assert whole != searched(None, seed=1)

    asked: list[str] = []

    def fails(model: nn.Module, candidate: Candidate) -> Judged:
        if len(asked) == 5:
            raise OSError("no power")
        asked.append(candidate.text)
        return judge(model, candidate)

    folder = tmp_path / "cut"
    with pytest.raises(OSError, match="no power"):
        searched(folder, fails)
    path = folder / NAME
    assert len(path.read_text().splitlines()) == 6
    with path.open("a") as file:
        file.write('{"episode": 5, "lev')  # killed while it was written
    asked.clear()
    assert searched(folder, fails) == whole and len(asked) == 2
    assert path.read_text() == (tmp_path / "whole" / NAME).read_text()


def test_folders_of_other_searches(tmp_path: Path) -> None:
    searched(tmp_path, num_training_episodes=1, warmup=0)
    before = (tmp_path / NAME).read_text()
    with pytest.raises(ValueError, match=r"holds another search \(agent differ\): take another"):
        searched(tmp_path, num_training_episodes=2, warmup=0)
    assert (tmp_path / NAME).read_text() == before
    (tmp_path / NAME).write_text(before + json.dumps({"levels": [1]}) + "\n")
    with pytest.raises(ValueError, match=r"line 3 of .* is no episode of this search"):
        searched(tmp_path, num_training_episodes=1, warmup=0)
    (tmp_path / NAME).write_text("[]\n")
    with pytest.raises(ValueError, match="holds no episodes of a search"):
        Journal(tmp_path, {})
