# SPDX-License-Identifier: Apache-2.0
"""Rewards and actions that are held to a target, against numbers computed by hand."""

import math

import pytest

from sparsec.search.amc.protocols import COSTS, RULES, Protocol, held, parse_protocol

WHOLE = 1000.0


@pytest.mark.parametrize(
    ("rule", "accuracy", "cost", "target", "reward"),
    [
        ("mac-constrained", 0.83, 499.0, 0.5, 0.83),
        ("mac-constrained", 0.83, 900.0, 0.5, 0.83),
        ("accuracy-guaranteed", 0.9, 1000.0, 0.5, -0.1 * math.log(1000)),
        ("accuracy-guaranteed", 0.5, 500.0, 0.5, -3.1073040492),
        ("accuracy-guaranteed", 0.25, 0.0, 0.5, 0.0),
        ("mac-constrained-experimental", 0.83, 502.0, 0.5, 1.83),
        ("mac-constrained-experimental", 0.83, 503.0, 0.5, -3.503),
        ("punish-agent", 0.83, 500.0, 0.5, 0.83),
        ("punish-agent", 0.83, 501.0, 0.5, -0.001),
        ("punish-agent", 0.99, 1000.0, 0.5, -0.5),
    ],
)
def test_rewards(rule: str, accuracy: float, cost: float, target: float, reward: float) -> None:
    for metric in COSTS.values():
        protocol = Protocol(rule, metric)
        assert protocol.reward(accuracy, cost, WHOLE, target) == pytest.approx(reward)
        assert protocol.is_clamped is (rule == "mac-constrained")


@pytest.mark.parametrize(
    ("action", "removed", "behind", "layer", "high", "taken"),
    [
        (0.1, 0, 800, 200, 0.8, 0.1),  # 640 can go behind it, of 500
        (0.1, 100, 300, 200, 0.8, 0.8),  # (500 - 100 - 240) / 200
        (0.9, 100, 300, 200, 0.8, 0.9),
        (0.1, 100, 300, 200, 0.95, 0.65),  # 0.9 is counted on, not 0.95
        (0.1, 0, 0, 200, 0.95, 1.0),  # 500 of 200
        (0.4, 0, 0, 0, 0.95, 0.4),
    ],
)
def test_actions_are_held_to_the_target(
    action: float, removed: float, behind: float, layer: float, high: float, taken: float
) -> None:
    assert held(
        action, target=0.5, whole=WHOLE, removed=removed, behind=behind, layer=layer, high=high
    ) == pytest.approx(taken)


@pytest.mark.parametrize("rule", RULES)
def test_protocols_are_their_text(rule: str) -> None:
    assert parse_protocol(rule) == Protocol(rule) and Protocol(rule).text == rule
    for metric in COSTS.values():
        protocol = Protocol(rule, metric)
        assert parse_protocol(protocol.text) == protocol


def test_words_of_protocols() -> None:
    assert parse_protocol("cycles-constrained") == Protocol("mac-constrained", "cycles")
    assert parse_protocol("ram-constrained-experimental") == Protocol(
        "mac-constrained-experimental", "ram"
    )
    assert parse_protocol("accuracy-guaranteed(flash)") == Protocol("accuracy-guaranteed", "flash")
    with pytest.raises(ValueError, match="no protocol 'mac-constraint': did you mean 'mac-const"):
        parse_protocol("mac-constraint")
    with pytest.raises(ValueError, match="no protocol 'x': known: mac-constrained, "):
        parse_protocol("x")
    with pytest.raises(ValueError, match="'accuracy': it is what is made better"):
        parse_protocol("punish-agent(accuracy)")
