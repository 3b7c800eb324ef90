# SPDX-License-Identifier: Apache-2.0
"""Names on their way to C."""

import pytest

from sparsec.backends.c.names import check_identifiers, check_network_name, network_name


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("lenet", "lenet"),
        ("My-Net (2)", "my_net_2"),
        ("2-layers", "net_2_layers"),
        ("sparsec", "net_sparsec"),
        ("stdint", "net_stdint"),
        ("all", "net_all"),
        ("arm_nnfunctions", "net_arm_nnfunctions"),
        ("sparsec_add_s8", "net_sparsec_add_s8"),
        ("int", "int"),
    ],
)
def test_of_a_file(stem: str, name: str) -> None:
    assert network_name(stem) == name
    check_network_name(name)


def test_of_files_without_a_letter_of_ascii() -> None:
    names = {network_name(stem) for stem in ("модель", "模型", "___", "--")}
    assert len(names) == 4
    for name in names:
        check_network_name(name)


@pytest.mark.parametrize("name", ["", "2", "a-b", "ü", "a\n", "a;b", "сеть"])
def test_no_name_of_c(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits and _"):
        check_network_name(name)
    with pytest.raises(ValueError, match="letters, digits and _"):
        check_identifiers(["fine", name])


@pytest.mark.parametrize("name", ["sparsec", "StdInt", "test", "arm_softmax_s8", "cmsis_nn"])
def test_taken(name: str) -> None:
    with pytest.raises(ValueError, match=f"a network cannot be called '{name}': "):
        check_network_name(name)
