"""Furnished houses as graphs: what is seen from each place, in the room and through its open doors."""

import re
from dataclasses import dataclass

import numpy as np

from segue.act.worlds.furnished.floor_plan import FloorPlan, Room, draw
from segue.act.worlds.furnished.furniture import STAIRS
from segue.act.worlds.furnished.places import Places, places, seen_through
from segue.act.worlds.graphs import Graphs, House, Integers, Sight, graphs
from segue.errors import InvalidInput

FARTHEST_SEEN = 9.0
"""Metres; nothing stands in the way of a look but walls."""


@dataclass(frozen=True, eq=False)
class FurnishedHouses:
    """Houses as graphs, and what their maps are drawn from: a floor plan for each, and `room_of` int64 [n], the number of each
    place's room in its house's plan."""

    graphs: Graphs
    plans: tuple[FloorPlan, ...]
    room_of: Integers

    def room(self, place: int) -> Room:
        """The room that a place is in."""
        return self.plan(place).rooms[int(self.room_of[place])]

    def plan(self, place: int) -> FloorPlan:
        """The floor plan of the house that a place is in."""
        return self.plans[int(self.graphs.house[place])]


def furnished(houses: int = 20, *, first: int = 0, seed: int = 0, along: int = 6) -> FurnishedHouses:
    """Build houses, from the `first` number on; `along` is how many names are kept in the direction of a way.

    A house of a seed and a number is always the same, whatever others are built; other seeds give other houses. Raises
    `InvalidInput` for none.

    >>> built = furnished(2, seed=1)
    >>> built.graphs.houses, built.room(0).kind
    (('house-1-0', 'house-1-1'), 'hallway')
    """
    if houses < 1:
        raise InvalidInput(f"{houses} houses were asked for.", expected="at least 1")
    numbers, plans, stands = range(first, first + houses), [], []
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        plans.append(draw(rng))
        stands.append(places(plans[-1], rng))
    return FurnishedHouses(
        graphs(
            {f"house-{seed}-{at}": _house(plan, stand) for at, plan, stand in zip(numbers, plans, stands, strict=True)},
            along=along,
        ),
        tuple(plans),
        np.concatenate([one.room for one in stands]),
    )


def seed_and_number(house: str) -> tuple[int, int]:
    """Those of the name of a generated house. Raises `InvalidInput` for anything else.

    >>> seed_and_number("house-0-46")
    (0, 46)
    """
    named = re.fullmatch(r"house-(\d{1,9})-(\d{1,4})", house)
    if named is None:
        raise InvalidInput(
            f"{house[:100]!r} is not the name of a generated house.",
            expected="house-SEED-NUMBER, such as house-0-46",
        )
    return int(named[1]), int(named[2])


def _house(plan: FloorPlan, stood: Places) -> House:
    rooms = plan.rooms
    numbers = [0] * len(rooms)
    names = []
    for room in stood.room.tolist():
        numbers[room] += 1
        names.append(f"{rooms[room].kind.replace(' ', '-')}-{room}-{numbers[room]}")
    return House(names, stood.positions.astype(np.float32), stood.ways, _sights(plan, stood))


def _sights(plan: FloorPlan, stood: Places) -> list[list[Sight]]:
    """Everything in the room, its doors, and what is seen through them; in the midst of a thing it takes up 75° either way."""
    here = stood.positions[:, :2]
    there = np.array([thing.position for thing in plan.things])
    of = np.array([thing.room for thing in plan.things])
    visible = stood.room[:, None] == of
    for door in plan.doors:
        for one, other in (door.rooms, door.rooms[::-1]):
            eyes, things = np.flatnonzero(stood.room == one), np.flatnonzero(of == other)
            visible[np.ix_(eyes, things)] |= seen_through(door, here[eyes], there[things]) < door.width / 2
    visible &= np.linalg.norm(here[:, None] - there, axis=2) < FARTHEST_SEEN
    doors = [door for door in plan.doors if STAIRS not in (plan.rooms[number].kind for number in door.rooms)]
    leads = (stood.room[:, None, None] == np.array([door.rooms for door in doors])).any(2)
    names = [thing.name for thing in plan.things] + ["door"] * len(doors)
    radius = np.array([thing.radius for thing in plan.things] + [door.width / 2 for door in doors])
    offset = np.concatenate([there, np.array([door.position for door in doors])]) - here[:, None]
    heading = np.arctan2(offset[:, :, 0], offset[:, :, 1]).tolist()
    half = np.arctan2(radius, np.maximum(np.linalg.norm(offset, axis=2), radius / 4)).tolist()
    return [
        [Sight(names[at], heading[eye][at], half[eye][at]) for at in np.flatnonzero(row).tolist()]
        for eye, row in enumerate(np.concatenate([visible, leads], axis=1))
    ]
