"""The planner: no two live buffers share a byte, and the arena is close to the bound."""

from hypothesis import given
from hypothesis import strategies as st

from sparsec.planning.arena import Buffer, lower_bound, plan


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    result: list[Buffer] = []
    for _ in range(draw(st.integers(0, 12))):
        first = draw(st.integers(0, 10))
        last = first + draw(st.integers(0, 5))
        alignment = draw(st.sampled_from([1, 4, 8]))
        result.append(Buffer(draw(st.integers(1, 100)), first, last, alignment))
    return result


@given(buffers())
def test_live_buffers_never_share_a_byte(given: list[Buffer]) -> None:
    layout = plan(given)
    placed = list(zip(given, layout.offsets, strict=True))
    for i, (a, start) in enumerate(placed):
        assert start >= 0 and start % a.alignment == 0
        assert start + a.size <= layout.arena_bytes
        for b, other in placed[:i]:
            live_together = bool(set(range(a.first, a.last + 1)) & set(range(b.first, b.last + 1)))
            shared = set(range(start, start + a.size)) & set(range(other, other + b.size))
            assert not (live_together and shared)


@given(buffers())
def test_the_lower_bound_is_the_largest_live_set(given: list[Buffer]) -> None:
    live = [sum(b.size for b in given if b.first <= time <= b.last) for time in range(20)]
    assert lower_bound(given) == max(live)
    assert plan(given).arena_bytes >= lower_bound(given)


@given(buffers())
def test_a_plan_is_the_same_every_time(given: list[Buffer]) -> None:
    assert plan(given) == plan(list(given))


def test_a_chain_takes_no_more_than_its_largest_pair() -> None:
    sizes = [784, 4704, 1176, 1600, 400, 120, 84, 10]
    chain = [Buffer(size, time, time + 1, 4) for time, size in enumerate(sizes)]
    assert plan(chain).arena_bytes == lower_bound(chain) == 4704 + 1176


def test_nothing_needs_no_bytes() -> None:
    assert plan([]).arena_bytes == lower_bound([]) == 0
