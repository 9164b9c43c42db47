"""Instructions are true: whatever their words say is looked for again in the geometry of the path."""

import math
import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from segue.act.worlds.furnished import wordings as banks
from segue.act.worlds.furnished.floor_plan import Thing
from segue.act.worlds.furnished.furniture import KINDS, PIECES, STAIRS
from segue.act.worlds.furnished.houses import FurnishedHouses, furnished
from segue.act.worlds.furnished.instructions import instruct, walks_in
from segue.act.worlds.furnished.routes import HELD_OUT_PAIRS, Pairs, Route, legs, routes, turn
from segue.act.worlds.furnished.wordings import ERRANDS, ROOMS, THINGS, Phrases, Wordings
from segue.act.worlds.graphs import NOTHING
from segue.act.worlds.walks import Walk
from segue.errors import InvalidInput

WORDINGS: tuple[Wordings, ...] = ("common", "held out")
OFFERED: tuple[Pairs, ...] = ("common", "held out", "all")


@pytest.fixture(scope="module")
def built() -> FurnishedHouses:
    return furnished(25, seed=8, along=30)


def said(names: Mapping[str, tuple[str, ...]], every: list[str]) -> dict[str, str]:
    """What people call a thing → its name."""
    return {other.lower(): name for name in every for other in names.get(name, (name,))}


ROOM, THING = said(ROOMS, list(KINDS)), said(THINGS, list(PIECES))
A_ROOM, A_THING = (f"({'|'.join(sorted(names, key=len, reverse=True))})" for names in (ROOM, THING))


def headings(built: FurnishedHouses, walk: Walk) -> list[float]:
    offsets = [built.graphs.positions[there] - built.graphs.positions[here] for here, there in pairwise(walk.path)]
    return [math.degrees(math.atan2(east, north)) for east, north, _ in offsets]


def turns(built: FurnishedHouses, walk: Walk) -> list[str]:
    """Where one must turn, but for the landing of stairs."""
    found = []
    every = [math.degrees(walk.heading), *headings(built, walk)]
    for here, (before, after) in zip(walk.path, pairwise(every), strict=False):
        angle = (after - before + 180) % 360 - 180
        if built.room(here).kind != STAIRS and abs(angle) > 30:
            slight = "slightly " if abs(angle) <= 60 else ""
            found.append("around" if abs(angle) > 140 else f"{slight}{'right' if angle > 0 else 'left'}")
    return found


A_TURN = r"(slightly to (?:your|the) |slightly |bear |veer )?(left|right)|(turn around|back around|turn back|u-turn)"


def turns_said(text: str) -> list[str]:
    return [
        "around" if around else f"{'slightly ' if slight else ''}{side}"
        for slight, side, around in re.findall(A_TURN, text)
    ]


@pytest.mark.parametrize("wordings", WORDINGS)
def test_a_route_says_every_turn_and_no_other(built: FurnishedHouses, wordings: Wordings) -> None:
    walks = walks_in(built, 300, kind="route", wordings=wordings, instructions=2)
    for walk in walks:
        assert turns_said(walk.instruction.lower()) == turns(built, walk), walk.instruction
    assert {one for walk in walks for one in turns(built, walk)} == {
        "left",
        "right",
        "around",
        "slightly left",
        "slightly right",
    }


@pytest.mark.parametrize("wordings", WORDINGS)
def test_a_route_says_where_it_goes_up_and_down(built: FurnishedHouses, wordings: Wordings) -> None:
    climbed = 0
    for walk in walks_in(built, 300, kind="route", wordings=wordings, seed=1):
        rise = float(built.graphs.positions[walk.path[-1], 2] - built.graphs.positions[walk.path[0], 2])
        up = len(re.findall(r"(?:go|walk) up\b|climb|stairs up|upstairs", walk.instruction.lower()))
        down = len(
            re.findall(r"down the stairs|(?:go) down(?=[.,]| and| to)|stairs down|downstairs", walk.instruction.lower())
        )
        assert (up, down) == (int(rise > 1), int(rise < -1)), walk.instruction
        climbed += up + down
    assert climbed > 20


def rooms_on(built: FurnishedHouses, walk: Walk) -> list[str]:
    found: list[int] = []
    for place in walk.path:
        room = int(built.room_of[place])
        if not found or found[-1] != room:
            found.append(room)
    rooms = built.plan(walk.path[0]).rooms
    return [rooms[room].kind for room in found if rooms[room].kind != STAIRS]


def in_order(some: list[str], every: list[str]) -> bool:
    rest = iter(every)
    return all(one in rest for one in some)


@pytest.mark.parametrize("wordings", WORDINGS)
def test_a_route_enters_and_leaves_the_rooms_that_it_says(built: FurnishedHouses, wordings: Wordings) -> None:
    for walk in walks_in(built, 300, kind="route", wordings=wordings, seed=2):
        text, rooms = walk.instruction.lower(), rooms_on(built, walk)
        entered = [ROOM[name] for name in re.findall(rf"(?:enter|into) the {A_ROOM}\b", text)]
        left = [ROOM[name] for name in re.findall(rf"(?:leave|exit|out of) the {A_ROOM}\b", text)]
        along = [ROOM[name] for name in re.findall(rf"(?:down|along) the {A_ROOM}\b", text) if name != STAIRS]
        assert in_order(entered, rooms[1:]), walk.instruction
        assert left in ([], rooms[:1]), walk.instruction
        assert set(along) <= {"hallway"} & set(rooms), walk.instruction
        if not left and built.room(walk.path[0]).kind != "hallway":
            assert entered, walk.instruction
        assert rooms[0] != STAIRS
        assert built.room_of[walk.path[0]] != built.room_of[walk.path[-1]]


@pytest.mark.parametrize("wordings", WORDINGS)
def test_a_route_goes_past_what_it_says(built: FurnishedHouses, wordings: Wordings) -> None:
    passed = 0
    for walk in walks_in(built, 300, kind="route", wordings=wordings, seed=3):
        plan, positions = built.plan(walk.path[0]), built.graphs.positions
        for name in re.findall(rf"(?:past|pass|walk by|go by) the {A_THING}\b", walk.instruction.lower()):
            passed += 1
            away = [
                np.linalg.norm(positions[here, :2] + share * (positions[there] - positions[here])[:2] - thing.position)
                for here, there in pairwise(walk.path)
                for share in np.linspace(0, 1, 101)
                for thing in plan.things
                if thing.name == THING[name] and built.room_of[here] == built.room_of[there] == thing.room
            ]
            assert min(away) < 1.5, walk.instruction
    assert passed > 50


def test_from_one_bedroom_to_the_next_one_goes_through_a_door() -> None:
    built = furnished(25, seed=24)
    next_door = [
        route for route in routes(built, 3000) if {built.room(place).kind for place in route.path} == {"bedroom"}
    ]
    assert next_door
    for route in next_door:
        assert [leg.crosses for leg in legs(built, route)] == [
            bool(built.room_of[here] != built.room_of[there]) for here, there in pairwise(route.path)
        ]
        assert re.search("bedroom", instruct(built, route, np.random.default_rng(0), kind="route"))


def goal(walk: Walk) -> str:
    return walk.name.rsplit("/", 1)[1]


@pytest.mark.parametrize("wordings", WORDINGS)
def test_a_route_ends_at_the_thing_that_it_says(built: FurnishedHouses, wordings: Wordings) -> None:
    for walk in walks_in(built, 300, kind="route", wordings=wordings, seed=4, instructions=2):
        last = re.split(r"\b(?:stop|wait|stand)\b", walk.instruction.lower())[-1]
        assert [THING[name] for name in re.findall(rf"the {A_THING}\b", last)] == [goal(walk)], walk.instruction
        assert_there(built, walk)


def assert_there(built: FurnishedHouses, walk: Walk) -> None:
    """The thing is in the last room, is seen from the last place, and from no place of the room is it nearer."""
    plan, end = built.plan(walk.path[-1]), walk.path[-1]
    (thing,) = [one for one in plan.things if one.name == goal(walk) and one.room == built.room_of[end]]
    assert thing.name in {built.graphs.names[number] for number in built.graphs.around[end] if number != NOTHING}
    house = built.graphs.house == built.graphs.house[end]
    room = np.flatnonzero(house & (built.room_of == thing.room))
    away = np.linalg.norm(built.graphs.positions[room, :2] - thing.position, axis=1)
    assert end == room[away.argmin()]


@pytest.mark.parametrize("wordings", WORDINGS)
@pytest.mark.parametrize("pairs", OFFERED)
def test_a_goal_means_one_thing_alone(built: FurnishedHouses, wordings: Wordings, pairs: Pairs) -> None:
    for walk in walks_in(built, 200, kind="goal", wordings=wordings, pairs=pairs, seed=5, instructions=2):
        text, plan = walk.instruction.lower(), built.plan(walk.path[-1])
        (kind,) = {
            ROOM[name] for name in re.findall(rf"\b{A_ROOM}\b", text.replace("coffee table", "")) if name in text
        }
        floors = re.findall(r"upstairs|downstairs", text)
        (name,) = {THING[name] for name in re.findall(rf"\bthe {A_THING}\b", text)}
        meant = [
            (thing.room, thing.name)
            for thing in plan.things
            if thing.name == name
            and plan.rooms[thing.room].kind == kind
            and (not floors or plan.rooms[thing.room].floor == ["downstairs", "upstairs"].index(floors[0]))
        ]
        assert meant == [(built.room_of[walk.path[-1]], goal(walk))], walk.instruction
        assert ((kind, name) in HELD_OUT_PAIRS) <= (pairs != "common")
        assert pairs != "held out" or (kind, name) in HELD_OUT_PAIRS
        assert_there(built, walk)


def test_paths_are_shortest_of_three_to_seven_places_and_different(built: FurnishedHouses) -> None:
    walks = walks_in(built, 400, seed=6)
    assert len({(walk.path[0], walk.path[-1], goal(walk)) for walk in walks}) == len(walks) == 400
    assert {len(walk.path) for walk in walks} == {3, 4, 5, 6, 7}
    for walk in walks:
        steps = [built.graphs.positions[there] - built.graphs.positions[here] for here, there in pairwise(walk.path)]
        shortest = built.graphs.distance(np.array(walk.path[0]), np.array(walk.path[-1]))
        assert sum(np.linalg.norm(step) for step in steps) == pytest.approx(float(shortest), rel=1e-5)
        assert walk.start == walk.path[0]


def test_the_same_seed_gives_the_same_and_paths_are_those_of_other_wordings(built: FurnishedHouses) -> None:
    one = walks_in(built, 20, seed=9, instructions=3)
    assert one == walks_in(built, 20, seed=9, instructions=3)
    assert len(one) == 60
    assert len({(walk.instruction, walk.name) for walk in one}) == 60
    assert one != walks_in(built, 20, seed=10, instructions=3)
    for kind in ("route", "goal"):
        other = walks_in(built, 20, seed=9, instructions=3, wordings="held out", kind=kind)
        assert [walk.path for walk in other] == [walk.path for walk in one]
        assert not {walk.instruction for walk in other} & {walk.instruction for walk in one}


def phrases() -> list[Phrases]:
    found = [one for one in vars(banks).values() if isinstance(one, Phrases)]
    for one in (banks.TURNS, banks.CLIMBS):
        found += one.values()
    return found


def words(texts: tuple[str, ...]) -> set[str]:
    return set(re.findall(r"[a-z-]+", " ".join(texts).lower()))


def test_held_out_wordings_are_others_of_known_words() -> None:
    known = words(tuple(text for one in phrases() for text in one.common))
    assert words(tuple(text for one in phrases() for text in one.held_out)) <= known
    for one in phrases():
        assert one.held_out
        assert not set(one.common) & set(one.held_out) - {""}
    assert set(ERRANDS) <= set(PIECES)
    assert set(ROOMS) <= set(KINDS)
    assert set(THINGS) <= set(PIECES)


def test_names_mean_one_thing_each() -> None:
    for names, every in ((ROOMS, KINDS), (THINGS, PIECES)):
        called = [other for name in every for other in set(names.get(name, (name,)))]
        assert len(called) == len(set(called))


def test_held_out_pairs_are_of_known_kinds_and_known_things() -> None:
    common = {(kind, thing) for kind in KINDS for thing in KINDS[kind].things} - HELD_OUT_PAIRS
    for kind, thing in HELD_OUT_PAIRS:
        assert thing in KINDS[kind].things
        assert kind in {kind for kind, _ in common}
        assert thing in {thing for _, thing in common}


def test_the_sink_in_the_kitchen_is_asked_for() -> None:
    built, rng = furnished(1), np.random.default_rng(0)
    (route, *_) = [
        one for one in routes(built, 300) if one.goal.name == "sink" and built.room(one.path[-1]).kind == "kitchen"
    ]
    asked = {instruct(built, route, rng, kind="goal") for _ in range(500)}
    assert "Go to the kitchen and stop at the sink." in asked


@pytest.mark.parametrize(
    ("degrees", "name"),
    [
        (0, "straight"),
        (29, "straight"),
        (-45, "slightly left"),
        (45, "slightly right"),
        (90, "right"),
        (-139, "left"),
        (141, "around"),
        (-180, "around"),
    ],
)
def test_turns_in_words(degrees: float, name: str) -> None:
    assert turn(math.radians(degrees)) == name


def test_routes_say_what_they_end_at(built: FurnishedHouses) -> None:
    for route in routes(built, 10):
        assert isinstance(route, Route)
        assert isinstance(route.goal, Thing)
        assert built.room_of[route.path[-1]] == route.goal.room


@pytest.mark.parametrize("asked", [{"kind": "poem"}, {"wordings": "odd"}, {"pairs": "none"}])
def test_what_is_not_offered_is_refused(built: FurnishedHouses, asked: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=rf"{next(iter(asked.values()))}.*one of"):
        walks_in(built, 1, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "instructions"), [(0, 1), (-2, 1), (1, 0)])
def test_none_cannot_be_asked_for(built: FurnishedHouses, count: int, instructions: int) -> None:
    with pytest.raises(InvalidInput, match=r"were asked for.*at least 1"):
        walks_in(built, count, instructions=instructions)


def test_houses_may_hold_too_few_paths() -> None:
    with pytest.raises(InvalidInput, match=r"1 houses hold \d+ of the 100000 paths.*build more houses"):
        walks_in(furnished(1), 100_000)
