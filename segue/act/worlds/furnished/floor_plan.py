"""Floor plans: a hallway with rooms cut out of both its sides, on one floor or on two joined by stairs, doors, and furniture.

Positions are in metres, x to the east and y to the north; all doors stand open.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.act.worlds.furnished.furniture import (
    ALSO_ABOVE,
    ALSO_ON_GROUND,
    GROUND,
    HALLWAY,
    KINDS,
    PIECES,
    PRIVATE,
    STAIRS,
    TOGETHER,
    UPPER,
    Piece,
)

Rectangle = NDArray[np.float64]
"""[west, south, east, north]"""

_NARROWEST = 2.4
_STAIRWELL = 3.0
_DOOR = 0.9
_TRIES = 24
"""So many spots are tried for a thing; where none is free it is left out."""


@dataclass(frozen=True, slots=True)
class Room:
    """A room of a kind: `rectangle` is its west, south, east and north wall. Stairs belong to the floor that they rise from."""

    kind: str
    floor: int
    rectangle: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Door:
    """An opening between two rooms, by their numbers: its middle, its width, and the axis that one walks along through it, 0
    for x and 1 for y."""

    rooms: tuple[int, int]
    position: tuple[float, float]
    width: float
    axis: int
    floor: int


@dataclass(frozen=True, slots=True)
class Thing:
    """A named thing in a room, by the room's number, where it stands, and half its width."""

    name: str
    room: int
    position: tuple[float, float]
    radius: float


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """All that is needed to draw a house."""

    rooms: tuple[Room, ...]
    doors: tuple[Door, ...]
    things: tuple[Thing, ...]


def draw(rng: np.random.Generator) -> FloorPlan:
    """A house of one floor or, as often, of two."""
    floors = int(rng.integers(1, 3))
    length, south, wide, north = rng.uniform([9.0, 3.2, 1.7, 3.2], [13.0, 6.0, 2.2, 6.0])
    inner = length - _STAIRWELL if floors == 2 else length
    outline = np.array([0.0, 0.0, length, south + wide + north])
    mirrored, transposed = rng.random(2) < 0.5, bool(rng.random() < 0.5)

    def room(kind: str, floor: int, rectangle: Rectangle) -> Room:
        return Room(kind, floor, _sides(_laid(rectangle, outline, mirrored, transposed)))

    rooms = []
    for floor in range(floors):
        cut = _cut(np.array([0.0, 0.0, length, south]), rng)
        cut += _cut(np.array([0.0, south + wide, length, outline[3]]), rng)
        rooms.append(room(HALLWAY, floor, np.array([0.0, south, inner, south + wide])))
        rooms += [room(kind, floor, one) for kind, one in zip(_kinds(cut, floor, floors, rng), cut, strict=True)]
    if floors == 2:
        rooms.append(room(STAIRS, 0, np.array([inner, south, length, south + wide])))
    doors = _doors(rooms, rng)
    outer = _sides(_laid(outline, outline, mirrored, transposed))
    things = [
        thing
        for number, one in enumerate(rooms)
        for thing in _furnished(number, one, [door for door in doors if number in door.rooms], outer, rng)
    ]
    return FloorPlan(tuple(rooms), tuple(doors), tuple(things))


def _laid(rectangle: Rectangle, outline: Rectangle, mirrored: NDArray[np.bool_], transposed: bool) -> Rectangle:
    """Mirrored within the outline, and turned so that the hallway runs north instead of east."""
    corners = rectangle.reshape(2, 2)
    corners = np.sort(np.where(mirrored, outline[2:] - corners, corners), axis=0)
    return (corners[:, ::-1] if transposed else corners).reshape(4)


def _sides(rectangle: Rectangle) -> tuple[float, float, float, float]:
    west, south, east, north = np.round(rectangle, 3).tolist()
    return west, south, east, north


def _cut(rectangle: Rectangle, rng: np.random.Generator) -> list[Rectangle]:
    """Cut across the longer side, again and again, until the rooms are small enough."""
    size = rectangle[2:] - rectangle[:2]
    axis = int(size.argmax())
    if size[axis] < 2 * _NARROWEST or size.prod() < rng.uniform(12, 28):
        return [rectangle]
    share = _NARROWEST / size[axis]
    at = rectangle[axis] + size[axis] * rng.uniform(max(0.35, share), min(0.65, 1 - share))
    one, other = rectangle.copy(), rectangle.copy()
    one[axis + 2] = other[axis] = at
    return _cut(one, rng) + _cut(other, rng)


def _kinds(cut: Sequence[Rectangle], floor: int, floors: int, rng: np.random.Generator) -> list[str]:
    """A kind for each room: those that a floor must have and others by chance, the bigger ones where there is more room."""
    must, may = (UPPER, ALSO_ABOVE) if floor else (GROUND, ALSO_ON_GROUND)
    wanted = [*must, *(["bedroom"] if floors == 1 else []), *rng.permutation(may).tolist()]
    wanted += ["bedroom"] * (len(cut) - len(wanted))
    area = np.array([(one[2:] - one[:2]).prod() for one in cut]) * rng.uniform(0.8, 1.25, len(cut))
    by_area = sorted(wanted[: len(cut)], key=lambda kind: KINDS[kind].area)
    return [by_area[rank] for rank in area.argsort().argsort()]


@dataclass(frozen=True, slots=True)
class _Wall:
    """What two rooms share: it stands at `at` on `axis` and reaches from `low` to `high` on the other."""

    axis: int
    at: float
    low: float
    high: float


def _shared(one: Room, other: Room) -> _Wall | None:
    for axis in (0, 1):
        across = 1 - axis
        low = max(one.rectangle[across], other.rectangle[across])
        high = min(one.rectangle[across + 2], other.rectangle[across + 2])
        for first, second in ((one, other), (other, one)):
            if first.rectangle[axis + 2] == second.rectangle[axis] and high - low > _DOOR + 0.4:
                return _Wall(axis, second.rectangle[axis], low, high)
    return None


def _doors(rooms: Sequence[Room], rng: np.random.Generator) -> list[Door]:
    """Every room on a hallway opens to it, one behind to a neighbour, and some to rooms that belong with them."""
    doors = []
    joined = {number for number, room in enumerate(rooms) if room.kind == HALLWAY}
    walls = {
        (one, other): wall
        for one, room in enumerate(rooms)
        for other in range(one + 1, len(rooms))
        if (room.floor == rooms[other].floor or rooms[other].kind == STAIRS)
        and (room.kind == HALLWAY or rooms[other].kind != STAIRS)
        and (wall := _shared(room, rooms[other]))
    }

    def open_(pair: tuple[int, int]) -> None:
        doors.append(_door(pair, rooms, walls.pop(pair), rng))
        joined.update(pair)

    for pair in [pair for pair in walls if rooms[pair[0]].kind == HALLWAY]:
        open_(pair)
    while behind := [pair for pair in walls if len(joined.intersection(pair)) == 1]:
        through = [rooms[next(iter(joined.intersection(pair)))].kind for pair in behind]
        weights = np.array([0.05 if kind in PRIVATE else 1.0 for kind in through])
        open_(behind[rng.choice(len(behind), p=weights / weights.sum())])
    for pair in list(walls):
        if frozenset(rooms[number].kind for number in pair) in TOGETHER and rng.random() < 0.5:
            open_(pair)
    return doors


def _door(pair: tuple[int, int], rooms: Sequence[Room], wall: _Wall, rng: np.random.Generator) -> Door:
    if STAIRS in (rooms[number].kind for number in pair):
        middle, width = (wall.low + wall.high) / 2, wall.high - wall.low - 0.2
    else:
        middle, width = rng.uniform(wall.low + _DOOR / 2 + 0.15, wall.high - _DOOR / 2 - 0.15), _DOOR
    position = (wall.at, float(middle)) if wall.axis == 0 else (float(middle), wall.at)
    return Door(pair, position, width, wall.axis, rooms[pair[0]].floor)


def _furnished(
    number: int, room: Room, doors: Sequence[Door], outer: Sequence[float], rng: np.random.Generator
) -> list[Thing]:
    """What such a room has, each thing where it first finds a spot: hung things clear of hung ones, others of the others."""
    if room.kind == STAIRS:
        west, south, east, north = room.rectangle
        return [Thing(STAIRS, number, ((west + east) / 2, (south + north) / 2), 0.9)]
    things: list[Thing] = []
    wanted = KINDS[room.kind].things
    for (name, often), chance in zip(wanted.items(), rng.random(len(wanted)), strict=True):
        if chance < often and not (name == "front door" and room.floor):
            piece = PIECES[name]
            beside = [thing for thing in things if _hung(PIECES[thing.name]) == _hung(piece)]
            clear = [(*door.position, piece.radius + door.width / 2 + 0.1) for door in doors]
            clear += [(*thing.position, 0.9 * (piece.radius + thing.radius)) for thing in beside]
            x, y, apart = np.array(clear).T
            spots = _spots(piece, room, outer, rng)
            spots = spots[(np.hypot(spots[:, :1] - x, spots[:, 1:] - y) > apart).all(1)].tolist()
            things += [Thing(name, number, (east, north), piece.radius) for east, north in spots[:1]]
    return things


def _hung(piece: Piece) -> bool:
    return piece.stands in ("on a wall", "on an outer wall")


def _spots(piece: Piece, room: Room, outer: Sequence[float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Where a thing could stand in an empty room, [s, 2]."""
    sides = np.array(room.rectangle)
    low, high = sides[:2], sides[2:]
    half = np.maximum((high - low) / 2 - max(piece.radius, 0.3), 0.0)
    spots: NDArray[np.float64] = (low + high) / 2 + half * rng.uniform(-1, 1, (_TRIES, 2)) * (
        0.6 if piece.stands == "free" else 1.0
    )
    if piece.stands == "free":
        return spots
    walls = [side for side in range(4) if piece.stands != "on an outer wall" or sides[side] == outer[side]]
    if not walls:
        return spots[:0]
    wall = np.array(walls)[rng.integers(len(walls), size=_TRIES)]
    inset = 0.05 if _hung(piece) else min(0.6 * piece.radius, 0.5)
    spots[np.arange(_TRIES), wall % 2] = sides[wall] + np.where(wall < 2, inset, -inset)
    return spots
