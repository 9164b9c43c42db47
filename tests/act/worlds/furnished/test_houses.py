"""What one can walk to and see in a house, against walls looked for point by point."""

import math

import numpy as np
import pytest

from segue.act.worlds.furnished.floor_plan import FloorPlan, Room
from segue.act.worlds.furnished.furniture import HALLWAY, STAIRS
from segue.act.worlds.furnished.houses import FARTHEST_SEEN, FurnishedHouses, furnished
from segue.act.worlds.graphs import NOTHING, NOWHERE
from segue.errors import InvalidInput


@pytest.fixture(scope="module")
def built() -> FurnishedHouses:
    return furnished(12, seed=3, along=40)


def holds(room: Room, points: np.ndarray) -> np.ndarray:
    """Which of the points [..., 2] are in a room."""
    low, high = np.array(room.rectangle).reshape(2, 2)
    return np.asarray(((low - 1e-3 <= points) & (points <= high + 1e-3)).all(-1))


def free(plan: FloorPlan, one: int, other: int, here: np.ndarray, there: np.ndarray, spare: float = 0) -> bool:
    """Does a straight line from one room to another leave the first only by a door to the second? Looked at every few
    millimetres; doors are wider by `spare` on both sides."""
    points = here + np.linspace(0, 1, 1500)[:, None] * (there - here)
    first, second = holds(plan.rooms[one], points), holds(plan.rooms[other], points)
    wall = points[np.flatnonzero(first)[-1]]
    through = any(
        set(door.rooms) == {one, other} and np.linalg.norm(wall - door.position) < door.width / 2 + spare
        for door in plan.doors
    )
    return bool((first | second).all()) and (one == other or through)


def test_one_can_walk_everywhere(built: FurnishedHouses) -> None:
    for house in range(len(built.plans)):
        assert np.isfinite(built.graphs.within(house)[0]).all()


def test_rooms_have_places_in_them(built: FurnishedHouses) -> None:
    places = dict[tuple[int, int], int]()
    for place, room in enumerate(built.room_of.tolist()):
        assert holds(built.room(place), built.graphs.positions[place, :2])
        assert built.room(place) is built.plan(place).rooms[room]
        key = int(built.graphs.house[place]), room
        places[key] = places.get(key, 0) + 1
    for house, plan in enumerate(built.plans):
        for number, room in enumerate(plan.rooms):
            low, high = {STAIRS: (1, 1), HALLWAY: (2, 9)}.get(room.kind, (2, 4))
            assert low <= places[house, number] <= high, room


def test_heights_are_those_of_the_floors(built: FurnishedHouses) -> None:
    for place, height in enumerate(built.graphs.positions[:, 2].tolist()):
        room = built.room(place)
        assert height == pytest.approx(1.4 if room.kind == STAIRS else 2.8 * room.floor)


def test_ways_go_straight_through_rooms_and_doors(built: FurnishedHouses) -> None:
    graphs = built.graphs
    for here, there in zip(*np.nonzero(graphs.ways != NOWHERE), strict=True):
        there = int(graphs.ways[here, there])
        rooms = int(built.room_of[here]), int(built.room_of[there])
        assert free(built.plan(here), *rooms, graphs.positions[here, :2], graphs.positions[there, :2])
        assert np.linalg.norm(graphs.positions[here] - graphs.positions[there]) < 7


def test_one_sees_what_no_wall_hides(built: FurnishedHouses) -> None:
    graphs = built.graphs
    for place in range(0, len(graphs.places), 5):
        plan, eye, here = built.plan(place), graphs.positions[place, :2], int(built.room_of[place])
        seen = {graphs.names[number] for number in graphs.around[place] if number != NOTHING}
        surely, perhaps = (
            {
                thing.name
                for thing in plan.things
                if np.linalg.norm(eye - thing.position) < FARTHEST_SEEN
                and (plan.rooms[here].floor == plan.rooms[thing.room].floor or STAIRS in kinds(plan, here, thing.room))
                and free(plan, here, thing.room, eye, np.array(thing.position), spare)
            }
            for spare in (-0.03, 0.03)
        )
        if any(here in door.rooms and STAIRS not in kinds(plan, *door.rooms) for door in plan.doors):
            surely.add("door")
        assert surely <= seen <= perhaps | {"door"}, graphs.places[place]


def kinds(plan: FloorPlan, *rooms: int) -> set[str]:
    return {plan.rooms[room].kind for room in rooms}


def test_things_are_seen_where_they_are(built: FurnishedHouses) -> None:
    """Along a way lies what is in its room within 15° of its heading, or as much more as its half width."""
    graphs = built.graphs
    for place in range(0, len(graphs.places), 5):
        plan, eye = built.plan(place), graphs.positions[place, :2].astype(float)
        for way in np.flatnonzero(graphs.ways[place] != NOWHERE):
            seen = {graphs.names[number] for number in graphs.along[place, way]}
            for thing in plan.things:
                east, north = thing.position - eye
                if thing.room == built.room_of[place] and math.hypot(east, north) < FARTHEST_SEEN:
                    away = abs(math.remainder(math.atan2(east, north) - float(graphs.headings[place, way]), math.tau))
                    half = math.atan2(thing.radius, max(math.hypot(east, north), thing.radius / 4))
                    if abs(away - half - math.pi / 12) > 1e-3:
                        within = away < half + math.pi / 12
                        assert within <= (thing.name in seen)
                        alone = named(built, place, thing.name) == 1
                        assert not alone or within == (thing.name in seen)


def named(built: FurnishedHouses, place: int, name: str) -> int:
    return sum(thing.name == name for thing in built.plan(place).things)


def test_the_same_seed_builds_the_same_houses() -> None:
    few, many, other = furnished(2, seed=5), furnished(3, seed=5), furnished(2, seed=6)
    assert few.plans == many.plans[:2]
    last = few.graphs.starts[-1]
    np.testing.assert_array_equal(few.graphs.positions, many.graphs.positions[:last])
    np.testing.assert_array_equal(few.room_of, many.room_of[:last])
    assert few.graphs.houses == ("house-5-0", "house-5-1")
    assert few.plans != other.plans


def test_places_are_named_for_their_rooms(built: FurnishedHouses) -> None:
    assert len(built.graphs.number) == len(built.graphs.places)
    for place, name in enumerate(built.graphs.places):
        assert name.startswith(built.room(place).kind.replace(" ", "-"))


@pytest.mark.parametrize("houses", [0, -3])
def test_no_houses_cannot_be_built(houses: int) -> None:
    with pytest.raises(InvalidInput, match=f"{houses} houses"):
        furnished(houses)


def test_a_house_alone_is_the_same_as_among_others(built: FurnishedHouses) -> None:
    alone = furnished(1, first=5, seed=3, along=40)
    first, last = built.graphs.starts[5:7].tolist()
    ways = alone.graphs.ways.shape[1]
    among = built.graphs.ways[first:last, :ways]
    assert alone.plans == built.plans[5:6]
    assert alone.graphs.houses == ("house-3-5",)
    assert alone.graphs.places == built.graphs.places[first:last]
    np.testing.assert_array_equal(alone.graphs.positions, built.graphs.positions[first:last])
    np.testing.assert_array_equal(alone.graphs.ways, np.where(among == NOWHERE, NOWHERE, among - first))
    for one, other in (
        (alone.graphs.along, built.graphs.along[first:last, :ways]),
        (alone.graphs.around, built.graphs.around[first:last]),
    ):
        np.testing.assert_array_equal(np.array(alone.graphs.names)[one], np.array(built.graphs.names)[other])
    np.testing.assert_array_equal(alone.room_of, built.room_of[first:last])
