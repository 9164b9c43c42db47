"""Paths in words: the route with every turn of it, or only the goal."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from segue.act.worlds.furnished.furniture import HALLWAY
from segue.act.worlds.furnished.houses import FurnishedHouses
from segue.act.worlds.furnished.routes import Leg, Pairs, Route, legs, routes, unambiguous
from segue.act.worlds.furnished.wordings import (
    ALONG,
    CLIMBS,
    ENTERS,
    ERRANDS,
    FLOORS,
    GOALS,
    JOINS,
    LEADS,
    LEAVES,
    ON_FLOOR,
    PASSES,
    ROOMS,
    SIDEWAYS,
    STOPS,
    STRAIGHT,
    THINGS,
    TURNS,
    Phrases,
    Wordings,
)
from segue.act.worlds.walks import Walk
from segue.errors import InvalidInput

Instructions = Literal["route", "goal", "both"]

_TRIES = 20


def walks_in(
    houses: FurnishedHouses,
    count: int,
    *,
    seed: int = 0,
    kind: Instructions = "both",
    wordings: Wordings = "common",
    pairs: Pairs = "common",
    instructions: int = 1,
) -> list[Walk]:
    """`count` paths, each with up to so many different instructions, one walk an instruction; walks of a path share its name.

    A `route` says every turn, a `goal` where to stop and at what; `both` mixes them. `wordings="held out"` uses only phrases,
    and `pairs="held out"` only goals, that common ones never use. Of one seed and the same pairs the paths are the same,
    whatever the kind and the wordings. Raises `InvalidInput` where the houses hold too few paths, or for what is not offered.

    >>> from segue.act.worlds.furnished.houses import furnished
    >>> walks = walks_in(furnished(2), 5, kind="goal", instructions=3)  # such as "Go to the kitchen and stop at the sink."
    >>> len(walks), len({walk.path for walk in walks})
    (15, 5)
    """
    for asked, offered in ((kind, get_args(Instructions)), (wordings, get_args(Wordings))):
        if asked not in offered:
            raise InvalidInput(f"There are no instructions {asked!r}.", expected=f"one of {', '.join(offered)}")
    if instructions < 1:
        raise InvalidInput(f"{instructions} instructions a path were asked for.", expected="at least 1")
    rng = np.random.default_rng([seed, 1])
    found = []
    for route in routes(houses, count, seed=seed, pairs=pairs):
        texts: dict[str, None] = {}
        for _ in range(_TRIES * instructions):
            if len(texts) < instructions:
                texts[instruct(houses, route, rng, kind=kind, wordings=wordings)] = None
        house = houses.graphs.houses[houses.graphs.house[route.path[0]]]
        name = f"{house}/{houses.graphs.places[route.path[0]]}/{houses.graphs.places[route.path[-1]]}/{route.goal.name}"
        found += [Walk(text, route.path[0], route.heading, route.path, name) for text in texts]
    return found


def instruct(
    houses: FurnishedHouses,
    route: Route,
    rng: np.random.Generator,
    *,
    kind: Instructions = "both",
    wordings: Wordings = "common",
) -> str:
    """One instruction for a path, its phrases and names drawn by chance."""
    say = _Words(rng, wordings)
    if kind == "route" or (kind == "both" and rng.random() < 0.5):
        return _route(say, houses, route)
    return _goal(say, houses, route)


class _Words:
    """Draws phrases of one set of wordings."""

    def __init__(self, rng: np.random.Generator, wordings: Wordings) -> None:
        self._rng, self._wordings = rng, wordings

    def one(self, some: tuple[str, ...]) -> str:
        return some[self._rng.integers(len(some))]

    def perhaps(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def phrase(self, phrases: Phrases, **filled: str) -> str:
        return self.one(phrases.of(self._wordings)).format(**filled)

    def named(self, names: Mapping[str, tuple[str, ...]], name: str) -> str:
        return self.one(names.get(name, (name,)))

    def errands(self, thing: str) -> tuple[str, ...]:
        return ERRANDS.get(thing, ()) if self._wordings == "common" else ()


def _goal(say: _Words, houses: FurnishedHouses, route: Route) -> str:
    plan = houses.plan(route.path[-1])
    room = plan.rooms[route.goal.room]
    name = say.named(ROOMS, room.kind)
    storeys = len({one.floor for one in plan.rooms})
    if unambiguous(plan, route.goal) == "on the floor" or (storeys > 1 and say.perhaps(0.3)):
        name = say.phrase(ON_FLOOR, floor=FLOORS[room.floor], room=name)
    thing, lead = say.named(THINGS, route.goal.name), say.phrase(LEADS)
    errands = say.errands(route.goal.name)
    body = (
        say.one(errands).format(room=name, thing=thing)
        if errands and say.perhaps(0.3)
        else say.phrase(GOALS, room=name, thing=thing)
    )
    return _sentence(f"{lead}{body}{'?' if lead.startswith(('can', 'could')) else '.'}")


def _route(say: _Words, houses: FurnishedHouses, route: Route) -> str:
    """Every leg in words, but what only goes on as before; then where to stop."""
    clauses: list[str] = []
    found = [leg if say.perhaps(0.7) else replace(leg, past="") for leg in legs(houses, route)]
    first = next((number for number, leg in enumerate(found) if leg.crosses), 0)
    goes_on = [_uneventful(leg) and _uneventful(after) and after.turn == "straight" for leg, after in pairwise(found)]
    for number, (leg, before, after) in enumerate(zip(found, [False, *goes_on], [*goes_on, False], strict=True)):
        if not before:
            clauses.append(_clause(say, leg, leaving=number == first, goes_on=after))
    room = houses.room(route.path[-1]).kind
    clauses.append(say.phrase(STOPS, thing=say.named(THINGS, route.goal.name), room=say.named(ROOMS, room)))
    text = clauses[0]
    for clause in clauses[1:]:
        join = say.phrase(JOINS)
        text += join + (_sentence(clause) if join == ". " else clause)
    return _sentence(f"{text}.")


def _uneventful(leg: Leg) -> bool:
    return not (leg.crosses or leg.climbs or leg.past)


def _clause(say: _Words, leg: Leg, *, leaving: bool, goes_on: bool) -> str:
    turned = say.phrase(TURNS[leg.turn]) if leg.turn != "straight" else ""
    if leg.climbs:
        does = say.phrase(CLIMBS[leg.climbs])
    elif leg.crosses and leaving and say.perhaps(0.5):
        does = say.phrase(LEAVES, room=say.named(ROOMS, leg.leaves))
    elif leg.crosses:
        does = say.phrase(ENTERS, room=say.named(ROOMS, leg.enters))
        if leg.turn in ("left", "right") and say.perhaps(0.3):
            return say.phrase(SIDEWAYS, enters=does, side=leg.turn)
    elif leg.past:
        does = say.phrase(PASSES, thing=say.named(THINGS, leg.past))
    elif leg.enters == HALLWAY and say.perhaps(0.7):
        does = say.phrase(ALONG, room=say.named(ROOMS, HALLWAY))
    else:
        does = say.phrase(STRAIGHT) if goes_on or not turned else ""
    return " and ".join(part for part in (turned, does) if part)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
