"""Where one can stand in a house, and the ways between: on both sides of each door, and where a room has space."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from segue.act.worlds.furnished.floor_plan import Door, FloorPlan, Room
from segue.act.worlds.furnished.furniture import HALLWAY, PIECES, STAIRS

Points = NDArray[np.float64]

STOREY = 2.8
"""Metres between two floors; the stairs turn on a landing half way up."""
_INSIDE = 0.8
_FARTHEST = 3.5
_LEEWAY = 0.15
"""A way keeps so far from the posts of a door."""


@dataclass(frozen=True, eq=False)
class Places:
    """`p` places of a house: positions [p, 3], the room of each, int64 [p], and the pairs that one can walk between."""

    positions: Points
    room: NDArray[np.int64]
    ways: tuple[tuple[int, int], ...]


def places(plan: FloorPlan, rng: np.random.Generator) -> Places:
    """Stand in every room of a house: two to four places in most, more in a hallway, one on the stairs."""
    points, rooms = [], []
    for number, room in enumerate(plan.rooms):
        found = _in_room(plan, number, rng)
        height = STOREY / 2 if room.kind == STAIRS else STOREY * room.floor
        points.append(np.concatenate([found, np.full((len(found), 1), height)], axis=1))
        rooms += [number] * len(found)
    positions, of = np.concatenate(points), np.asarray(rooms, np.int64)
    ways = [
        way for number, room in enumerate(plan.rooms) for way in _within(room, np.flatnonzero(of == number), positions)
    ]
    for door in plan.doors:
        ways += _through(door, plan, positions, of)
    return Places(positions, of, tuple(dict.fromkeys(ways)))


def seen_through(door: Door, here: Points, there: Points) -> NDArray[np.float64]:
    """How far from the middle of a door the straight lines from points [p, 2] to points [q, 2] cross its wall, [p, q]."""
    at, middle = door.position[door.axis], door.position[1 - door.axis]
    along = there[None, :, door.axis] - here[:, None, door.axis]
    share = (at - here[:, None, door.axis]) / np.where(along == 0, np.inf, along)
    across = here[:, None, 1 - door.axis] + share * (there[None, :, 1 - door.axis] - here[:, None, 1 - door.axis])
    return np.where((share > 0) & (share < 1), np.abs(across - middle), np.inf)


def inside(door: Door, room: Room) -> Points:
    """Where one stands in a room before its door: on the line of the hallway, elsewhere straight before the door."""
    sides = np.array(room.rectangle)
    centre, size = (sides[:2] + sides[2:]) / 2, sides[2:] - sides[:2]
    step = min(_INSIDE, 0.4 * size[door.axis])
    point = np.array(door.position)
    point[door.axis] += np.copysign(step, centre[door.axis] - point[door.axis])
    if room.kind == HALLWAY:
        point[int(size.argmin())] = centre[int(size.argmin())]
    return point


def _in_room(plan: FloorPlan, number: int, rng: np.random.Generator) -> Points:
    room = plan.rooms[number]
    doors = [door for door in plan.doors if number in door.rooms]
    if room.kind == STAIRS:
        return _landing(room, doors[0])[None]
    before = np.stack([inside(door, room) for door in doors])
    if room.kind == HALLWAY:
        return _spread(_merged(before, 0.9))
    return _roomy(plan, number, _merged(before, 0.7), rng)


def _landing(room: Room, door: Door) -> Points:
    """At the far end of the stairs, opposite the door."""
    sides = np.array(room.rectangle)
    point: Points = (sides[:2] + sides[2:]) / 2
    point[door.axis] += point[door.axis] - door.position[door.axis]
    point[door.axis] -= np.copysign(0.6, point[door.axis] - door.position[door.axis])
    return point


def _merged(points: Points, apart: float) -> Points:
    """Points nearer to one another than that become their mean, from one end of the room to the other."""
    groups: list[list[Points]] = []
    for point in points[np.lexsort(points.round(6).T)]:
        if groups and np.linalg.norm(point - groups[-1][0]) < apart:
            groups[-1].append(point)
        else:
            groups.append([point])
    return np.stack([np.mean(group, axis=0) for group in groups])


def _spread(points: Points) -> Points:
    """More points on a hallway's line, wherever two neighbours are too far apart."""
    found = [points[:1]]
    for one, other in pairwise(points):
        parts = int(np.ceil(np.linalg.norm(other - one) / _FARTHEST))
        found.append(one + (other - one) * np.arange(1, parts + 1)[:, None] / parts)
    return np.concatenate(found)


def _roomy(plan: FloorPlan, number: int, points: Points, rng: np.random.Generator) -> Points:
    """Add places as far as can be from the others, and from what stands free, until the room has enough."""
    sides = np.array(plan.rooms[number].rectangle)
    low, high, area = sides[:2] + _INSIDE, sides[2:] - _INSIDE, float((sides[2:] - sides[:2]).prod())
    free = [thing for thing in plan.things if thing.room == number and PIECES[thing.name].stands == "free"]
    while len(points) < 2 + (area > 9) + (area > 17):
        spots = rng.uniform(low, high, (8, 2))
        room = np.linalg.norm(spots[:, None] - points, axis=2).min(1)
        for thing in free:
            room = np.minimum(room, np.linalg.norm(spots - thing.position, axis=1) / max(thing.radius, 0.5))
        points = np.concatenate([points, spots[room.argmax()][None]])
    return points


def _within(room: Room, here: NDArray[np.int64], positions: Points) -> list[tuple[int, int]]:
    """All pairs in a room; in a hallway neighbours, and who else is near."""
    apart = np.linalg.norm(positions[here, None] - positions[here], axis=2)
    near = (apart < _FARTHEST) | (np.abs(np.subtract.outer(here, here)) == 1) | (room.kind != HALLWAY)
    return [(int(here[one]), int(here[other])) for one, other in zip(*np.nonzero(np.triu(near, 1)), strict=True)]


def _through(door: Door, plan: FloorPlan, positions: Points, of: NDArray[np.int64]) -> list[tuple[int, int]]:
    """From before the door to behind it, and between other places with a free line through it that are near."""
    one, other = (np.flatnonzero(of == number) for number in door.rooms)
    apart = np.linalg.norm(positions[one, None, :2] - positions[other, :2], axis=2)
    stairs = STAIRS in (plan.rooms[number].kind for number in door.rooms)
    clear = seen_through(door, positions[one, :2], positions[other, :2]) < door.width / 2 - _LEEWAY
    near = clear & (apart < _FARTHEST) & (not stairs)
    before = [
        _nearest(positions[there, :2], inside(door, plan.rooms[number]))
        for there, number in zip((one, other), door.rooms, strict=True)
    ]
    near[tuple(before)] = True
    return [(int(one[row]), int(other[column])) for row, column in zip(*np.nonzero(near), strict=True)]


def _nearest(points: Points, point: Sequence[float] | Points) -> int:
    return int(np.linalg.norm(points - point, axis=1).argmin())
