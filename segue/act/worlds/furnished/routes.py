"""Paths from a room to a thing in another, and what happens on them: facts that follow from the geometry alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segue.act.worlds.furnished.floor_plan import FloorPlan, Thing
from segue.act.worlds.furnished.furniture import STAIRS
from segue.act.worlds.furnished.houses import FurnishedHouses
from segue.errors import InvalidInput

HELD_OUT_PAIRS = frozenset(
    {
        ("bedroom", "desk"),
        ("bedroom", "television"),
        ("dining room", "mirror"),
        ("garage", "freezer"),
        ("hallway", "plant"),
        ("laundry room", "sink"),
        ("library", "armchair"),
        ("living room", "bookcase"),
        ("office", "lamp"),
        ("playroom", "sofa"),
    }
)
"""Pairs of a room's kind and a thing that are goals only when asked for; each kind and each thing is met in other pairs too."""

Pairs = Literal["common", "held out", "all"]
Turn = Literal["straight", "slightly left", "slightly right", "left", "right", "around"]

SHORTEST, LONGEST = 3, 7
"""Places on a path, both ends included."""


@dataclass(frozen=True, slots=True)
class Route:
    """A shortest path through the places of a house, how one looks at its start, and the thing that it ends at."""

    path: tuple[int, ...]
    heading: float
    goal: Thing


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of a path, or all of the stairs: the turn before it, the kinds of room that it leads from and to, whether it goes
    through a door between them, up (1) or down (−1) a floor, and a thing that it passes, or nothing."""

    turn: Turn
    leaves: str
    enters: str
    crosses: bool = False
    climbs: int = 0
    past: str = ""


def turn(angle: float) -> Turn:
    """A turn in words, clockwise: straight within 30°, slight to 60°, around beyond 140°."""
    away, side = abs(math.degrees(angle)), "right" if angle > 0 else "left"
    if away <= 30:
        return "straight"
    if away > 140:
        return "around"
    found: dict[str, tuple[Turn, Turn]] = {"left": ("slightly left", "left"), "right": ("slightly right", "right")}
    return found[side][away > 60]


def legs(houses: FurnishedHouses, route: Route) -> list[Leg]:
    """What happens on a path, step by step."""
    found = []
    heading, climbing = route.heading, False
    for here, there in pairwise(route.path):
        east, north, _ = houses.graphs.positions[there] - houses.graphs.positions[here]
        ahead = math.atan2(east, north)
        angle, heading = math.remainder(ahead - heading, math.tau), ahead
        leaves, enters = houses.room(here), houses.room(there)
        if enters.kind == STAIRS:
            climbing, before = True, (turn(angle), leaves)
        elif climbing:
            climbing = False
            found.append(Leg(before[0], before[1].kind, enters.kind, climbs=enters.floor - before[1].floor))
        else:
            crosses = leaves is not enters
            past = "" if crosses else _passed(houses, here, there, route.goal)
            found.append(Leg(turn(angle), leaves.kind, enters.kind, crosses=crosses, past=past))
    return found


def unambiguous(plan: FloorPlan, thing: Thing) -> Literal["in the house", "on the floor"] | None:
    """Where "the KIND of room with the THING" means this thing alone: in its house, at least on its floor, or nowhere."""
    room = plan.rooms[thing.room]
    like = [
        plan.rooms[other.room].floor
        for other in plan.things
        if other.name == thing.name and plan.rooms[other.room].kind == room.kind
    ]
    return "in the house" if len(like) == 1 else "on the floor" if like.count(room.floor) == 1 else None


def routes(houses: FurnishedHouses, count: int, *, seed: int = 0, pairs: Pairs = "common") -> list[Route]:
    """Different shortest paths of 3 to 7 places, from any room to a thing in another that words can name without doubt.

    Raises `InvalidInput` where the houses do not hold so many, or for pairs of no such name.
    """
    if pairs not in get_args(Pairs):
        raise InvalidInput(f"There are no pairs {pairs!r}.", expected=f"one of {', '.join(get_args(Pairs))}")
    if count < 1:
        raise InvalidInput(f"{count} paths were asked for.", expected="at least 1")
    graphs, found = houses.graphs, list[Route]()
    ends = [end for house in range(len(houses.plans)) for end in _goals(houses, house, pairs)]
    rng = np.random.default_rng([seed, 0])
    for start, end in rng.permutation(_starts(houses, [place for _, place in ends])).tolist():
        if len(found) == count:
            break
        goal, place = ends[end]
        path = tuple(graphs.shortest(start, place))
        if SHORTEST <= len(path) <= LONGEST:
            found.append(Route(path, float(rng.uniform(-np.pi, np.pi)), goal))
    if len(found) < count:
        raise InvalidInput(
            f"{len(houses.plans)} houses hold {len(found)} of the {count} paths that were asked for.",
            expected=f"houses with as many different paths of {SHORTEST} to {LONGEST} places",
            fix="build more houses",
        )
    return found


def _starts(houses: FurnishedHouses, ends: Sequence[int]) -> NDArray[np.int64]:
    """Every place from which one can set out with the number of an end in another room of its house, [s, 2]."""
    on_stairs = [houses.room(place).kind == STAIRS for place in range(len(houses.room_of))]
    starts = np.flatnonzero(~np.array(on_stairs))
    found = [np.zeros((0, 2), np.int64)]
    for number, end in enumerate(ends):
        house = houses.graphs.house[end]
        low, high = np.searchsorted(starts, houses.graphs.starts[house : house + 2])
        apart = starts[low:high][houses.room_of[starts[low:high]] != houses.room_of[end]]
        found.append(np.stack([apart, np.full(len(apart), number)], axis=1))
    return np.concatenate(found)


def _goals(houses: FurnishedHouses, house: int, pairs: Pairs) -> list[tuple[Thing, int]]:
    """The things of a house that can be goals, and the place to stop at for each: the nearest in its room."""
    plan = houses.plans[house]
    first, last = houses.graphs.starts[house : house + 2].tolist()
    positions, room_of = houses.graphs.positions[first:last, :2], houses.room_of[first:last]
    goals = []
    for thing in plan.things:
        kind = plan.rooms[thing.room].kind
        held_out = (kind, thing.name) in HELD_OUT_PAIRS
        if kind != STAIRS and pairs in ("all", "held out" if held_out else "common") and unambiguous(plan, thing):
            here = np.flatnonzero(room_of == thing.room)
            goals.append((thing, first + int(here[np.hypot(*(positions[here] - thing.position).T).argmin()])))
    return goals


def _passed(houses: FurnishedHouses, here: int, there: int, goal: Thing) -> str:
    """The nearest thing of the room that a straight line goes past, at most 1.5 m away."""
    one, other = (houses.graphs.positions[place, :2].astype(np.float64) for place in (here, there))
    line = other - one
    nearest, name = 1.5, ""
    for thing in houses.plan(here).things:
        if thing.room == houses.room_of[here] and thing != goal:
            share = float((thing.position - one) @ line / (line @ line))
            away = float(np.linalg.norm(one + share * line - thing.position))
            if 0.1 < share < 0.9 and away < nearest:
                nearest, name = away, thing.name
    return name
