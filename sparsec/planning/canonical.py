"""Depth-first search for offsets within a capacity: buffers are placed by non-decreasing offset.

A plan is canonical when no buffer can drop to a lower free place; dropping never raises a plan, so
it is enough to look for canonical ones, and each has one order by (offset, rank). In that order a
buffer always lies at the lowest offset above its placed neighbours. Sources: Moffitt, MiniMalloc
(2023), for canonical plans, the order of search, floors and the split into components; Maas et al.,
TelaMalloc (2022), for remembering where a search failed. Added here: a buffer that was passed over
must be blocked by a later one, and dead components are remembered.

The rule of this file: its functions use integers and indexing only, so that they run as Python on
lists and, compiled by numba, on arrays.
"""

from typing import NamedTuple

Ints = list[int]
"""A list of integers; an array of int64 when compiled."""


class Problem(NamedTuple):
    """What is to be placed. A section is a set of buffers live together that no other contains."""

    first: Ints
    """For each buffer the first section in which it is live;"""
    end: Ints
    """the one behind its last;"""
    size: Ints
    """its bytes;"""
    weight: Ints
    """its bytes as a section counts them: never less than its size;"""
    alignment: Ints
    """what its offset is a multiple of;"""
    pinned: Ints
    """whether its offset is given;"""
    rank: Ints
    """its place among those of equal offset;"""
    twin: Ints
    """an equal buffer that comes before it, or -1;"""
    neighbour_start: Ints
    """where its neighbours begin, and one entry more."""
    neighbours: Ints
    """The buffers that are live together with each buffer, one buffer's after another's."""


class State(NamedTuple):
    """The memory of a search, all 0 at first but for what is said here; n is the buffers' count."""

    offset: Ints
    """For each buffer its offset or, until it is placed, a lower bound; at first that of the pin;"""
    placed: Ints
    """whether it is placed;"""
    passed: Ints
    """whether one behind it in the order was placed before it."""
    rest: Ints
    """For each section the weight of what is not yet placed: at first of all;"""
    floor: Ints
    """a bound below which nothing more can be placed."""
    blame: Ints
    """How many dead ends each section, and behind them each buffer, has led to."""
    members: Ints
    """The components on the way, n * n; at first the buffers by first section."""
    candidates: Ints
    """The candidates of each frame, n * n."""
    undo_buffer: Ints
    """The buffers whose bound was raised, n * n."""
    undo_offset: Ints
    """What it was, n * n."""
    memory: Ints
    """Digests of dead components: a power of two."""
    frames: Ints
    """`FRAME` integers each, n + 2."""
    agenda: Ints
    """`TASK` integers each, n + 2."""


FRAME = 10
"""A component in which one buffer is placed: its members from and to, its parent frame, the tops of
agenda and undo, its next and last candidate, the buffer placed, the top of members, its digest."""

TASK = 6
"""A component still to be done: its members from and to, its parent frame, offset and rank of the
buffer placed before it, its slack."""

FOUND, DEAD, UNKNOWN = 1, 0, -1
"""There is a plan; there is none; the budget of nodes is spent."""

_NEVER = 1 << 60
_PRIME = (1 << 31) - 1


def evaluate(
    problem: Problem,
    state: State,
    start: int,
    stop: int,
    last: int,
    last_rank: int,
    capacity: int,
    limit: int,
) -> int:
    """Bytes to spare in the tightest section of a component, -1 when it cannot be completed.

    The component is `members[start:stop]`; the buffer placed before it has offset `last` and rank
    `last_rank`.
    """
    first, end, size, alignment = problem.first, problem.end, problem.size, problem.alignment
    rank, starts, neighbours = problem.rank, problem.neighbour_start, problem.neighbours
    offset, placed, passed, members = state.offset, state.placed, state.passed, state.members
    rest, floor, blame = state.rest, state.floor, state.blame
    low, high, lowest_top = _NEVER, 0, _NEVER
    for m in range(start, stop):
        j = members[m]
        top = offset[j] + size[j]
        if top > capacity:
            return -1
        if offset[j] < last or (offset[j] == last and rank[j] <= last_rank):
            passed[j] = 1
        else:
            passed[j] = 0
            lowest_top = min(lowest_top, top)
        low = min(low, first[j])
        high = max(high, end[j])
    for t in range(low, high):
        floor[t] = _NEVER
    for m in range(start, stop):
        j = members[m]
        least = offset[j]
        if passed[j]:  # something not yet placed must take this place: j lies above that
            top = least + size[j]
            least = _NEVER
            for n in range(starts[j], starts[j + 1]):
                k = neighbours[n]
                if placed[k]:
                    continue
                bottom = lowest_top if passed[k] else offset[k]
                if bottom < top:
                    least = min(least, bottom + size[k])
            least = -(-least // alignment[j]) * alignment[j]
            if problem.pinned[j] or least + size[j] > capacity:
                blame[len(rest) + j] += 1
                return -1
        for t in range(first[j], end[j]):
            floor[t] = min(floor[t], least)
    slack, tightest = _NEVER, low
    for t in range(low, high):
        if floor[t] < _NEVER and limit - floor[t] - rest[t] < slack:
            slack, tightest = limit - floor[t] - rest[t], t
    if slack < 0:
        blame[tightest] += 1
        return -1
    return slack


def digest(problem: Problem, state: State, start: int, stop: int, last: int, last_rank: int) -> int:
    """A hash of 62 bits of all that the completion of a component depends on; never 0."""
    offset, rank, members = state.offset, problem.rank, state.members
    one, two = stop - start, 1
    for m in range(start, stop):
        j = members[m]
        passed = offset[j] < last or (offset[j] == last and rank[j] <= last_rank)
        state = (offset[j] * 2 + (1 if passed else 0)) % _PRIME
        one = ((one * 1103515245 + j) % _PRIME * 1664525 + state) % _PRIME
        two = ((two * 69069 + state) % _PRIME * 48271 + j) % _PRIME
    return (one << 31) + two + 1


def search(
    problem: Problem, state: State, capacity: int, limit: int, budget: int
) -> tuple[int, int]:
    """What came of it (FOUND, DEAD or UNKNOWN), and the nodes used, at most `budget`.

    The plan is in `state.offset`, within `capacity` bytes; sections count weights against `limit`.
    """
    first, end, size, weight = problem.first, problem.end, problem.size, problem.weight
    rank, starts, neighbours = problem.rank, problem.neighbour_start, problem.neighbours
    offset, placed, members, rest = state.offset, state.placed, state.members, state.rest
    candidates, undo_buffer, undo_offset = state.candidates, state.undo_buffer, state.undo_offset
    memory, frames, agenda = state.memory, state.frames, state.agenda
    count, mask = len(size), len(memory) - 1
    depth, nodes, todo, undo, top_member = -1, 0, 0, 0, count
    start, stop, chosen, last, last_rank = 0, count, -1, -1, -1
    while True:
        alive, base, begin, reach = not (chosen >= 0 and placed[chosen] == 2), todo, top_member, -1
        m = start
        while alive and m <= stop:  # split what is left where no buffer crosses
            j = members[m] if m < stop else -1
            if m < stop and j == chosen:
                m += 1
                continue
            if top_member > begin and (m == stop or first[j] >= reach):
                slack = evaluate(
                    problem, state, begin, top_member, last, last_rank, capacity, limit
                )
                key = digest(problem, state, begin, top_member, last, last_rank)
                if slack < 0 or memory[key & mask] == key:
                    alive = False
                    break
                a = todo  # the tightest is done first
                while a > base and agenda[TASK * a - 1] < slack:
                    for field in range(TASK):
                        agenda[TASK * a + field] = agenda[TASK * a - TASK + field]
                    a -= 1
                agenda[TASK * a], agenda[TASK * a + 1], agenda[TASK * a + 2] = (
                    begin,
                    top_member,
                    depth,
                )
                agenda[TASK * a + 3], agenda[TASK * a + 4], agenda[TASK * a + 5] = (
                    last,
                    last_rank,
                    slack,
                )
                todo += 1
                begin = top_member
            if m < stop:
                members[top_member] = j
                top_member += 1
                reach = max(reach, end[j])
            m += 1
        if alive and todo == 0:
            return FOUND, nodes
        if not alive and depth < 0:
            return DEAD, nodes
        if alive:
            nodes += 1
            if nodes > budget:
                return UNKNOWN, nodes
            todo -= 1
            start, stop = agenda[TASK * todo], agenda[TASK * todo + 1]
            last, last_rank = agenda[TASK * todo + 3], agenda[TASK * todo + 4]
            from_candidate = frames[FRAME * depth + 6] if depth >= 0 else 0
            to_candidate = from_candidate
            depth += 1
            lowest_top = _NEVER
            for m in range(start, stop):
                lowest_top = min(lowest_top, offset[members[m]] + size[members[m]])
            for m in range(start, stop):
                j = members[m]
                if offset[j] >= lowest_top:  # the buffer with that top could drop below j
                    continue
                if offset[j] < last or (offset[j] == last and rank[j] <= last_rank):
                    continue
                if twin[j] >= 0 and not placed[twin[j]]:
                    continue
                fits = True
                for t in range(first[j], end[j]):
                    if offset[j] + rest[t] > limit:
                        fits = False
                        break
                if not fits:
                    continue
                c = to_candidate
                while c > from_candidate and (
                    offset[candidates[c - 1]] > offset[j]
                    or (
                        offset[candidates[c - 1]] == offset[j] and rank[candidates[c - 1]] > rank[j]
                    )
                ):
                    candidates[c] = candidates[c - 1]
                    c -= 1
                candidates[c] = j
                to_candidate += 1
            f = FRAME * depth
            frames[f], frames[f + 1], frames[f + 2] = start, stop, agenda[TASK * todo + 2]
            frames[f + 3], frames[f + 4], frames[f + 5] = todo, undo, from_candidate
            frames[f + 6], frames[f + 7], frames[f + 8] = to_candidate, -1, top_member
            frames[f + 9] = digest(problem, state, start, stop, last, last_rank)
        while True:  # the next candidate of this frame or, when there is none, of its parent
            f = FRAME * depth
            j = frames[f + 7]
            if j >= 0:
                frames[f + 7] = -1
                placed[j] = 0
                for t in range(first[j], end[j]):
                    rest[t] += weight[j]
                while undo > frames[f + 4]:
                    undo -= 1
                    offset[undo_buffer[undo]] = undo_offset[undo]
            if frames[f + 5] < frames[f + 6]:
                break
            key = frames[f + 9]
            memory[key & mask] = key
            parent = frames[f + 2]
            if parent < 0:
                return DEAD, nodes
            depth -= 1
            while depth > parent:  # other components of the parent: solved, and of no use now
                f = FRAME * depth
                j = frames[f + 7]
                frames[f + 7] = -1
                placed[j] = 0
                for t in range(first[j], end[j]):
                    rest[t] += weight[j]
                while undo > frames[f + 4]:
                    undo -= 1
                    offset[undo_buffer[undo]] = undo_offset[undo]
                depth -= 1
        chosen = candidates[frames[f + 5]]
        frames[f + 5] += 1
        frames[f + 7] = chosen
        start, stop, todo, top_member = frames[f], frames[f + 1], frames[f + 3], frames[f + 8]
        last, last_rank = offset[chosen], rank[chosen]
        placed[chosen] = 1
        top = last + size[chosen]
        for t in range(first[chosen], end[chosen]):
            rest[t] -= weight[chosen]
        for n in range(starts[chosen], starts[chosen + 1]):
            k = neighbours[n]
            if not placed[k] and offset[k] < top:
                if problem.pinned[k]:
                    placed[chosen] = 2  # in the way of a pinned buffer
                    break
                undo_buffer[undo], undo_offset[undo] = k, offset[k]
                undo += 1
                offset[k] = -(-top // alignment[k]) * alignment[k]
