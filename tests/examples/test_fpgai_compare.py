# SPDX-License-Identifier: Apache-2.0
"""What FPGAI's arithmetic costs beside exact factors and beside ours."""

from examples.fpgai.compare import figures


def test_what_its_scheme_costs() -> None:
    (right, _), (shifted_right, shifted), (_, exact), (our_right, ours) = figures(
        epochs=12
    ).values()
    assert right > 0.3
    assert 1.2 * exact < shifted < 0.02  # cutting and the scales' errors
    assert ours < shifted
    assert max(abs(our_right - right), abs(shifted_right - right)) < 0.05
