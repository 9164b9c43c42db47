"""Houses as navigation graphs: places, the ways between them, and what is seen from where, all houses in one set of arrays.

`n` places of all houses, at most `w` ways out of a place, `k` names seen along a way. Headings are in radians, clockwise from
north (+y), elevations upwards from the horizon, lengths in metres.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from segue.errors import InvalidInput

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

NOWHERE = -1
"""Stands where a place has fewer ways than another."""
NOTHING = 0
"""The number of no name."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Something seen from a place: its name, the heading of its middle, and half of the angle that it takes up."""

    name: str
    heading: float
    half_width: float = 0.0


@dataclass(frozen=True, slots=True)
class House:
    """One house: a position [x, y, z] and sights for each of its places, and the pairs of places that one can walk between."""

    places: Sequence[str]
    positions: Floats
    ways: Sequence[tuple[int, int]]
    sights: Sequence[Sequence[Sight]]


@dataclass(frozen=True, eq=False)
class Graphs:
    """Every house as arrays, so that many walks are taken at once.

    `ways` int64 [n, w] are the places that one can go to, `NOWHERE` behind the last; `headings`, `elevations` and `lengths`
    float32 [n, w] say how they lie; `along` int64 [n, w, k] numbers what is seen in their direction, nearest to it first,
    `around` [n, 2k] what is seen at all, widest first; `names` are what these numbers mean, number 0 nothing.
    """

    houses: tuple[str, ...]
    starts: Integers
    places: tuple[str, ...]
    positions: Floats
    ways: Integers
    headings: Floats
    elevations: Floats
    lengths: Floats
    along: Integers
    around: Integers
    names: tuple[str, ...]

    @cached_property
    def number(self) -> dict[tuple[str, str], int]:
        """The names of a house and a place in it → the place's number."""
        return {
            (self.houses[house], place): at
            for at, (house, place) in enumerate(zip(self.house, self.places, strict=True))
        }

    @cached_property
    def house(self) -> Integers:
        """Which house each place is in, int64 [n]."""
        return np.repeat(np.arange(len(self.houses)), np.diff(self.starts))

    @cached_property
    def _distances(self) -> dict[int, tuple[Floats, NDArray[np.int32]]]:
        return {}

    def within(self, house: int) -> tuple[Floats, NDArray[np.int32]]:
        """Shortest lengths [p, p] between the `p` places of a house, and the place before the last on the way, as scipy gives
        it."""
        if house not in self._distances:
            first, last = int(self.starts[house]), int(self.starts[house + 1])
            ways, lengths = self.ways[first:last], self.lengths[first:last]
            open_ = ways != NOWHERE
            row, column = np.nonzero(open_)[0], ways[open_] - first
            graph = csr_array((lengths[open_].astype(np.float64), (row, column)), shape=(last - first, last - first))
            length, before = dijkstra(graph, return_predecessors=True)
            self._distances[house] = length.astype(np.float32), before
        return self._distances[house]

    def distance(self, here: Integers, there: Integers) -> Floats:
        """How far it is to walk from places to places of the same houses, float32 of their common shape."""
        here, there = np.broadcast_arrays(here, there)
        found = np.empty(here.shape, np.float32)
        for house in np.unique(self.house[here]):
            chosen = self.house[here] == house
            first = self.starts[house]
            found[chosen] = self.within(int(house))[0][here[chosen] - first, there[chosen] - first]
        return found

    def shortest(self, here: int, there: int) -> list[int]:
        """The places of a shortest walk, both ends included. Raises `InvalidInput` where there is none."""
        house = int(self.house[here])
        first = int(self.starts[house])
        before = self.within(house)[1]
        walk = [there]
        while walk[-1] != here:
            previous = int(before[here - first, walk[-1] - first]) if self.house[there] == house else -1
            if previous < 0:
                raise InvalidInput(
                    f"There is no way from {self.places[here]} to {self.places[there]} in {self.houses[house]}.",
                    expected="two places of one house that are joined",
                )
            walk.append(previous + first)
        return walk[::-1]


def graphs(houses: Mapping[str, House], *, along: int = 6) -> Graphs:
    """Put houses into arrays, with at most `along` names in the direction of a way and twice as many at a place.

    A thing is seen along a way where the way's heading is within its angle or 15° beside it; what lies nearest to the heading
    comes first, and of two equally near the one that takes up less of the view. Raises `InvalidInput` for no houses, or a way
    that does not join two places of its house or is there twice.
    """
    if not houses:
        raise InvalidInput("There are no houses.", expected="at least one")
    for name, house in houses.items():
        _check(name, house)
    names = ("", *sorted({sight.name for house in houses.values() for place in house.sights for sight in place}))
    numbers = {name: number for number, name in enumerate(names)}
    sizes = [len(house.places) for house in houses.values()]
    starts = np.cumsum([0, *sizes])
    degree = [_degrees(house) for house in houses.values()]
    widest = max(int(one.max(initial=1)) for one in degree)
    n = int(starts[-1])
    ways = np.full((n, widest), NOWHERE)
    heading, elevation, length = (np.zeros((n, widest), np.float32) for _ in range(3))
    seen_along, seen_around = np.zeros((n, widest, along), np.int64), np.zeros((n, 2 * along), np.int64)
    for start, house in zip(starts.tolist(), houses.values(), strict=False):
        for here, out in enumerate(_ways(house)):
            offset = house.positions[out] - house.positions[here]
            at, flat = start + here, np.hypot(offset[:, 0], offset[:, 1])
            ways[at, : len(out)] = np.asarray(out, np.int64) + start
            heading[at, : len(out)] = np.arctan2(offset[:, 0], offset[:, 1])
            elevation[at, : len(out)] = np.arctan2(offset[:, 2], flat)
            length[at, : len(out)] = np.linalg.norm(offset, axis=1)
            _look(house.sights[here], numbers, heading[at, : len(out)], seen_along[at], seen_around[at])
    return Graphs(
        houses=tuple(houses),
        starts=starts,
        places=tuple(place for house in houses.values() for place in house.places),
        positions=np.concatenate([np.asarray(house.positions, np.float32) for house in houses.values()]),
        ways=ways,
        headings=heading,
        elevations=elevation,
        lengths=length,
        along=seen_along,
        around=seen_around,
        names=names,
    )


def turned(angle: Floats) -> Floats:
    """Angles as the shortest turn, from −π to π."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi, np.float32)


def _check(name: str, house: House) -> None:
    joined = {frozenset(way) for way in house.ways}
    places = range(len(house.places))
    if len(joined) < len(house.ways) or not all(
        len(way) == 2 and all(place in places for place in way) for way in joined
    ):
        raise InvalidInput(
            f"{name} has {len(places)} places and a way that is there twice or does not join two of them.",
            expected=f"each way once, between two different places from 0 to {len(places) - 1}",
        )


def _degrees(house: House) -> Integers:
    return np.bincount(np.asarray(house.ways, np.int64).reshape(-1), minlength=len(house.places))


def _ways(house: House) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in house.places]
    for one, other in house.ways:
        out[one].append(other)
        out[other].append(one)
    return out


def _look(
    sights: Sequence[Sight], numbers: Mapping[str, int], headings: Floats, along: Integers, around: Integers
) -> None:
    if not sights:
        return
    name = np.asarray([numbers[sight.name] for sight in sights])
    middle = np.asarray([sight.heading for sight in sights], np.float32)
    half = np.asarray([sight.half_width for sight in sights], np.float32)
    beside = np.abs(turned(middle[None] - headings[:, None]))
    for way, (angles, order) in enumerate(
        zip(beside, np.lexsort((np.broadcast_to(half, beside.shape), beside)), strict=True)
    ):
        seen = _different(name[order[angles[order] <= half[order] + np.pi / 12]])[: along.shape[1]]
        along[way, : len(seen)] = seen
    seen = _different(name[np.argsort(-half, kind="stable")])[: len(around)]
    around[: len(seen)] = seen


def _different(numbers: Integers) -> list[int]:
    """Each number once, where it came first."""
    return list(dict.fromkeys(numbers.tolist()))
