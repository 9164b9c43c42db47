"""Floor plans are plausible, whatever the seed."""

from itertools import combinations

import numpy as np
import pytest

from segue.act.worlds.furnished.floor_plan import FloorPlan, Room, draw
from segue.act.worlds.furnished.furniture import (
    ALSO_ABOVE,
    ALSO_ON_GROUND,
    GROUND,
    HALLWAY,
    KINDS,
    PIECES,
    STAIRS,
    UPPER,
)


@pytest.fixture(scope="module")
def plans() -> list[FloorPlan]:
    return [draw(np.random.default_rng([7, number])) for number in range(60)]


def overlap(one: Room, other: Room) -> float:
    west, south = (max(one.rectangle[axis], other.rectangle[axis]) for axis in (0, 1))
    east, north = (min(one.rectangle[axis], other.rectangle[axis]) for axis in (2, 3))
    return max(0.0, east - west) * max(0.0, north - south)


def area(room: Room) -> float:
    west, south, east, north = room.rectangle
    return (east - west) * (north - south)


def test_every_thing_and_room_has_its_kind() -> None:
    assert {thing for kind in KINDS.values() for thing in kind.things} == set(PIECES)
    assert {*GROUND, *UPPER, *ALSO_ON_GROUND, *ALSO_ABOVE, HALLWAY, STAIRS} == set(KINDS)


def test_a_floor_is_its_rooms_and_no_more(plans: list[FloorPlan]) -> None:
    for plan in plans:
        for floor in {room.floor for room in plan.rooms}:
            rooms = [room for room in plan.rooms if room.floor == floor or room.kind == STAIRS]
            assert all(overlap(one, other) == 0 for one, other in combinations(rooms, 2))
            corners = np.array([room.rectangle for room in rooms])
            whole = (corners[:, 2:].max(0) - corners[:, :2].min(0)).prod()
            assert sum(area(room) for room in rooms) == pytest.approx(whole, rel=1e-3)
            assert all(min(np.subtract(room.rectangle[2:], room.rectangle[:2])) > 1.6 for room in rooms)


def test_houses_have_what_houses_have(plans: list[FloorPlan]) -> None:
    assert {len({room.floor for room in plan.rooms}) for plan in plans} == {1, 2}
    for plan in plans:
        ground = [room.kind for room in plan.rooms if room.floor == 0]
        assert ground.count("kitchen") == ground.count("living room") == 1
        assert ground.count(STAIRS) == max(room.floor for room in plan.rooms)
        for number, room in enumerate(plan.rooms):
            names = [thing.name for thing in plan.things if thing.room == number]
            assert len(names) == len(set(names))
            assert set(names) <= set(KINDS[room.kind].things) | {STAIRS}


def test_things_stand_in_their_rooms_apart_and_clear_of_doors(plans: list[FloorPlan]) -> None:
    for plan in plans:
        for thing in plan.things:
            west, south, east, north = plan.rooms[thing.room].rectangle
            assert west < thing.position[0] < east
            assert south < thing.position[1] < north
            if thing.name == STAIRS:
                continue
            for door in plan.doors:
                if thing.room in door.rooms:
                    assert np.hypot(*np.subtract(thing.position, door.position)) > thing.radius + door.width / 2
            for other in plan.things:
                if other.room == thing.room and other != thing and hung(other.name) == hung(thing.name):
                    apart = np.hypot(*np.subtract(thing.position, other.position))
                    assert apart > 0.89 * (thing.radius + other.radius)


def hung(name: str) -> bool:
    return PIECES[name].stands.startswith("on")


def test_doors_are_in_walls_that_their_rooms_share_and_lead_everywhere(plans: list[FloorPlan]) -> None:
    for plan in plans:
        reached = {0}
        for door in plan.doors * len(plan.rooms):
            if reached.intersection(door.rooms):
                reached.update(door.rooms)
            along = 1 - door.axis
            for number in door.rooms:
                sides = plan.rooms[number].rectangle
                assert door.position[door.axis] in (sides[door.axis], sides[door.axis + 2])
                assert sides[along] < door.position[along] - door.width / 2
                assert door.position[along] + door.width / 2 < sides[along + 2]
        assert len(reached) == len(plan.rooms)


def test_windows_are_in_outer_walls(plans: list[FloorPlan]) -> None:
    for plan in plans:
        corners = np.array([room.rectangle for room in plan.rooms])
        outer = np.concatenate([corners[:, :2].min(0), corners[:, 2:].max(0)])
        for thing in plan.things:
            if thing.name in ("window", "front door"):
                away = np.abs(np.array([*thing.position, *thing.position]) - outer)
                assert away.min() == pytest.approx(0.05)
