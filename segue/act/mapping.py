"""Ways on the map of where an explorer has been: examples of an agent's own making in a house.

An explorer without a goal wanders, and often to the same places; demonstrators go straight, and to any. So what it walked is
taken as a map, and on it are the ways that a demonstrator might have shown (Zhou and Small, AAAI 2021, name the explorer's walks
themselves: `exploring.explored`).

Who is to learn from them has to know the places again. A policy sees one step ahead, and in a house where nobody showed it
anything a name says little of which way is meant; so it remembers where it has been (`views.HouseView`), each place by a number.
"""

from collections.abc import Mapping, Sequence
from itertools import count as counted

import numpy as np
import torch
from numpy.typing import NDArray

from segue.act.demonstrations import Demonstrations
from segue.act.episodes import Episodes
from segue.act.examples import Examples
from segue.act.exploring import named, no_goal
from segue.act.follower import Follower
from segue.act.goals import Believed, GoalGenerator
from segue.act.grounds import along
from segue.act.policy import walk
from segue.act.worlds.graphs import Graphs, Integers
from segue.act.worlds.walks import Houses, Walk
from segue.errors import InvalidInput

Way = tuple[int, ...]
"""Places, from where one stands to where one stops."""


def visited(explorer: Follower, world: Houses, walks: Sequence[Walk], *, seed: int = 0, batch: int = 256) -> Integers:
    """Where an explorer came that began where the walks begin, whatever they ask: the numbers of the places, in order."""
    noise, been = torch.Generator().manual_seed(seed), []
    explorer.eval()
    for first in range(0, len(walks), batch):
        some = walks[first : first + batch]
        walk(explorer, world, some, no_goal(len(some)), generator=noise)
        been.append(world.places)
    return np.unique(np.concatenate([places.ravel() for places in been]))


def noted(graphs: Graphs, places: Integers) -> dict[str, list[str]]:
    """The names of places, by house."""
    found: dict[str, list[str]] = {}
    for at in places.tolist():
        found.setdefault(graphs.houses[graphs.house[at]], []).append(graphs.places[at])
    return found


def remembered(graphs: Graphs, knows: Mapping[str, Sequence[str]]) -> Integers:
    """The number by which each place of all houses is remembered, int64 [n], of those that were `noted`: from 1, in the order of
    the houses' names and of the notes; 0 for all others. Places of houses that are not here have numbers as well."""
    found, number = np.zeros(len(graphs.places), np.int64), counted(1)
    for house in sorted(knows):
        for place, this in zip(knows[house], number, strict=False):
            if (house, place) in graphs.number:
                found[graphs.number[house, place]] = this
    return found


def ways_among(
    graphs: Graphs, places: Integers, count: int, *, edges: tuple[int, int], random: np.random.Generator
) -> list[Walk]:
    """`count` walks between any two of the places of one house: the shortest there is, where it leads through these places
    alone and along at least and at most so many `edges`. Each begins looking any way. Raises `InvalidInput` where there is
    none."""
    known = np.isin(np.arange(len(graphs.places)), places)
    found = [way for here in places.tolist() for way in ways_from(graphs, here, edges=edges, known=known)]
    if not found:
        raise InvalidInput(
            f"Among {len(places)} places no way has {edges[0]} to {edges[1]} edges.",
            expected="a house in which the explorer came about",
            fix="let it walk more often",
        )
    chosen, turns = random.choice(len(found), count, replace=count > len(found)), random.uniform(0, 2 * np.pi, count)
    return [Walk("", found[at][0], float(turn), found[at]) for at, turn in zip(chosen.tolist(), turns, strict=True)]


def ways_from(
    graphs: Graphs, here: int, *, edges: tuple[int, int], known: NDArray[np.bool_] | None = None
) -> list[Way]:
    """The shortest ways from a place to others of its house, along at least and at most so many `edges`, that lead through
    `known` places alone, bool [n]; where one stands is known, and all are where it is not given."""
    known = np.ones(len(graphs.places), bool) if known is None else known
    inside = np.flatnonzero((graphs.house == graphs.house[here]) & known)
    reached = inside[np.isfinite(graphs.distance(np.asarray(here), inside))]
    ways = {here: [here]} | {there: graphs.shortest(here, there) for there in reached.tolist()}
    return [tuple(way) for way in ways.values() if edges[0] < len(way) <= edges[1] + 1 and known[way[1:]].all()]


def walked_ways(world: Houses, places: Integers, count: int, *, edges: tuple[int, int], seed: int = 0) -> Episodes:
    """`count` ways among the places, as of `ways_among`, each walked with the world's memory."""
    walks = ways_among(world.graphs, places, count, edges=edges, random=np.random.default_rng(seed))
    walked = along(world.graphs, walks, remembered=world.remembered)
    return walked.episodes[walked.shown]


def named_ways(
    goals: GoalGenerator,
    world: Houses,
    places: Integers,
    count: int,
    *,
    shown: Demonstrations,
    believed: Believed | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Examples:
    """`count` ways among the places, of as many edges as what was shown has, each walked with the world's memory and by the name
    that is `believed` most. Raises `InvalidInput` where there is none."""
    episodes = walked_ways(world, places, count, edges=shown.edges, seed=seed)
    return named(goals, episodes, believed=believed, seed=seed, progress=progress)
