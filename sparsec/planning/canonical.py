# SPDX-License-Identifier: Apache-2.0
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
    """0 or, if one behind it in the order was placed before it, what its offset is raised to."""
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
    registers: Ints
    """Where the search stands: at first as in `BEGINNING`, with n for its `None`."""


BEGINNING = (-1, 0, 0, None, 0, None, -1, -1, -1)
"""The frame; the tops of agenda, undo and members; the component's members from and to; the buffer
placed last, its offset and its rank."""

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
    for m in range(start, stop):
        j = members[m]
        if not passed[j]:
            continue
        # Something not yet placed must take this place: j lies above that.
        top = offset[j] + size[j]
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
        passed[j] = least
    for t in range(low, high):
        floor[t] = _NEVER
    for m in range(start, stop):
        j = members[m]
        least = max(offset[j], passed[j])
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
    """A hash of 62 bits of all that the completion of a component depends on; never 0.

    Two components are taken for one, and a proof is wrong, once in some 10^13 searches of 10^5
    nodes; a bound that no search has raised does not rest on this.
    """
    offset, rank, members = state.offset, problem.rank, state.members
    one, two = stop - start, 1
    for m in range(start, stop):
        j = members[m]
        passed = offset[j] < last or (offset[j] == last and rank[j] <= last_rank)
        bits = (offset[j] * 2 + (1 if passed else 0)) % _PRIME
        one = ((one * 1103515245 + j) % _PRIME * 1664525 + bits) % _PRIME
        two = ((two * 69069 + bits) % _PRIME * 48271 + j) % _PRIME
    return (one << 31) + two + 1


def list_candidates(
    problem: Problem,
    state: State,
    start: int,
    stop: int,
    last: int,
    last_rank: int,
    limit: int,
    begin: int,
) -> int:
    """Lists from `begin` on what may come next in a component, in order; returns the list's end."""
    first, end, size = problem.first, problem.end, problem.size
    rank, twin = problem.rank, problem.twin
    offset, members, candidates, rest = state.offset, state.members, state.candidates, state.rest
    lowest_top = _NEVER
    for m in range(start, stop):
        lowest_top = min(lowest_top, offset[members[m]] + size[members[m]])
    stop_list = begin
    for m in range(start, stop):
        j = members[m]
        bottom = offset[j]
        if bottom >= lowest_top:  # the buffer with that top could drop below j
            continue
        if bottom < last or (bottom == last and rank[j] <= last_rank):
            continue
        if twin[j] >= 0 and not state.placed[twin[j]]:
            continue
        fits = True
        for t in range(first[j], end[j]):
            if bottom + rest[t] > limit:
                fits = False
                break
        if not fits:
            continue
        c = stop_list
        while c > begin:
            k = candidates[c - 1]
            if offset[k] < bottom or (offset[k] == bottom and rank[k] < rank[j]):
                break
            candidates[c] = k
            c -= 1
        candidates[c] = j
        stop_list += 1
    return stop_list


def withdraw(problem: Problem, state: State, frame: int, undo: int) -> int:
    """Takes back what was placed in a frame; returns the new top of the undo list."""
    j = state.frames[frame + 7]
    state.frames[frame + 7] = -1
    state.placed[j] = 0
    for t in range(problem.first[j], problem.end[j]):
        state.rest[t] += problem.weight[j]
    while undo > state.frames[frame + 4]:
        undo -= 1
        state.offset[state.undo_buffer[undo]] = state.undo_offset[undo]
    return undo


def search(problem: Problem, state: State, capacity: int, limit: int, budget: int) -> int:
    """FOUND, with the plan in `state.offset`, DEAD, or UNKNOWN after `budget` nodes: then go on.

    The plan has `capacity` bytes at most; sections count weights against `limit`.
    """
    first, end, starts = problem.first, problem.end, problem.neighbour_start
    offset, placed, members, rest = state.offset, state.placed, state.members, state.rest
    undo_buffer, undo_offset = state.undo_buffer, state.undo_offset
    memory, frames, agenda = state.memory, state.frames, state.agenda
    mask, nodes, registers = len(memory) - 1, 0, state.registers
    depth, todo, undo, top_member = registers[0], registers[1], registers[2], registers[3]
    start, stop, chosen = registers[4], registers[5], registers[6]
    last, last_rank = registers[7], registers[8]
    while True:
        if nodes == budget:
            registers[0], registers[1], registers[2], registers[3] = depth, todo, undo, top_member
            registers[4], registers[5], registers[6] = start, stop, chosen
            registers[7], registers[8] = last, last_rank
            return UNKNOWN
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
                if slack < 0:
                    alive = False
                    break
                key = digest(problem, state, begin, top_member, last, last_rank)
                if memory[key & mask] == key:
                    alive = False
                    break
                a = todo  # the tightest is done first
                while a > base and agenda[TASK * a - 1] < slack:
                    for field in range(TASK):
                        agenda[TASK * a + field] = agenda[TASK * a - TASK + field]
                    a -= 1
                a *= TASK
                agenda[a], agenda[a + 1], agenda[a + 2] = begin, top_member, depth
                agenda[a + 3], agenda[a + 4], agenda[a + 5] = last, last_rank, slack
                todo += 1
                begin = top_member
            if m < stop:
                members[top_member] = j
                top_member += 1
                reach = max(reach, end[j])
            m += 1
        if alive and todo == 0:
            return FOUND
        if not alive and depth < 0:
            return DEAD
        if alive:
            nodes += 1
            todo -= 1
            start, stop = agenda[TASK * todo], agenda[TASK * todo + 1]
            last, last_rank = agenda[TASK * todo + 3], agenda[TASK * todo + 4]
            from_candidate = frames[FRAME * depth + 6] if depth >= 0 else 0
            depth += 1
            to_candidate = list_candidates(
                problem, state, start, stop, last, last_rank, limit, from_candidate
            )
            f = FRAME * depth
            frames[f], frames[f + 1], frames[f + 2] = start, stop, agenda[TASK * todo + 2]
            frames[f + 3], frames[f + 4], frames[f + 5] = todo, undo, from_candidate
            frames[f + 6], frames[f + 7], frames[f + 8] = to_candidate, -1, top_member
            frames[f + 9] = digest(problem, state, start, stop, last, last_rank)
        while True:  # the next candidate of this frame or, when there is none, of its parent
            f = FRAME * depth
            if frames[f + 7] >= 0:
                undo = withdraw(problem, state, f, undo)
            if frames[f + 5] < frames[f + 6]:
                break
            key = frames[f + 9]
            memory[key & mask] = key
            parent = frames[f + 2]
            if parent < 0:
                return DEAD
            depth -= 1
            while depth > parent:  # other components of the parent: solved, and of no use now
                undo = withdraw(problem, state, FRAME * depth, undo)
                depth -= 1
        chosen = state.candidates[frames[f + 5]]
        frames[f + 5] += 1
        frames[f + 7] = chosen
        start, stop, todo, top_member = frames[f], frames[f + 1], frames[f + 3], frames[f + 8]
        last, last_rank = offset[chosen], problem.rank[chosen]
        placed[chosen] = 1
        top = last + problem.size[chosen]
        for t in range(first[chosen], end[chosen]):
            rest[t] -= problem.weight[chosen]
        for n in range(starts[chosen], starts[chosen + 1]):
            k = problem.neighbours[n]
            if not placed[k] and offset[k] < top:
                if problem.pinned[k]:
                    placed[chosen] = 2  # in the way of a pinned buffer
                    break
                undo_buffer[undo], undo_offset[undo] = k, offset[k]
                undo += 1
                offset[k] = -(-top // problem.alignment[k]) * problem.alignment[k]


HELPERS = (evaluate, digest, list_candidates, withdraw)
"""What `search` calls: to be compiled with it."""
