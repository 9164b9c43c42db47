"""What there is to learn from, world by world: demonstrations, the tasks that they show, tasks held out, and how all is
seen."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.act.demonstrations import Demonstrations, recorded
from segue.act.episodes import Episodes
from segue.act.world import Task, World
from segue.act.worlds import babyai, room_to_room
from segue.act.worlds.environments import Environments, Reset
from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import STOP, Houses, Walk
from segue.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Ground:
    """`tasks` are there to practise, where there is a world, those that were shown; `unshown` others that nobody showed. `held`
    are tasks, in other places where the world has places, that choose when to stop. `sees` describes the view
    (`views.view_of`), `names` the things that can be seen by name."""

    world: World[Any] | None
    shown: Demonstrations
    tasks: Sequence[Task]
    aside: Demonstrations
    held: Sequence[Task]
    sees: Mapping[str, Any]
    names: tuple[str, ...] = ()
    unshown: Sequence[Task] = ()


def of_your_own(
    shown: Demonstrations,
    aside: Demonstrations,
    *,
    world: Environments | None = None,
    tasks: Sequence[Task] = (),
    held: Sequence[Task] = (),
    unshown: Sequence[Task] = (),
) -> Ground:
    """Your own demonstrations, some of them laid aside to choose by, and your Gymnasium environment where there is one: the
    agent then practises `tasks` there, and others that are `unshown` in the demonstrations, and `held` ones choose when to stop.
    Without it, what is laid aside does.

    Fields of whole numbers in the demonstrations are seen as kinds of things, from 0 to the largest that occurs or that the
    environment's space allows; all others as numbers.
    """
    fields = {name: values for name, values in shown.episodes.observations.items() if name != "choices"}
    sizes = {name: _count(values) for name, values in fields.items() if values.dtype.kind != "i"}
    bounds = {
        name: (_count(values), _bound(values, world.spaces.get(name) if world else None))
        for name, values in fields.items()
        if values.dtype.kind == "i"
    }
    actions = shown.episodes.observations["choices"].shape[1]
    sees = {"kind": "fields", "sizes": sizes, "bounds": bounds, "actions": actions}
    return Ground(world, shown, tasks, aside, held, sees, unshown=unshown)


def _count(values: NDArray[np.generic]) -> int:
    return int(np.prod(values.shape[1:]))


def _bound(values: NDArray[np.generic], space: Any) -> int:
    allowed = np.asarray(getattr(space, "nvec", getattr(space, "n", 0)))
    return max(int(allowed.max()), int(values.astype(np.int64).max()) + 1)


def of_room_to_room(folder: Path | str, *, houses: int | None = None, held: int = 6, seed: int = 0) -> Ground:
    """Room-to-Room's training split: so many of its houses, drawn by seed, or all but `held`; `held` others choose when to
    stop."""
    graphs = room_to_room.houses(folder)
    walks = room_to_room.walks(Path(folder) / "R2R_train.json", graphs)
    apart = graphs.house[[walk.start for walk in walks]]
    known = np.unique(apart)
    drawn = np.random.default_rng(seed).permutation(known)
    count = len(known) - held if houses is None else houses
    if not 0 < count <= len(known) - held:
        raise InvalidInput(
            f"{count} houses to learn in and {held} held out are more than the {len(known)} of the training split.",
            expected=f"at most {len(known) - held} houses",
        )
    chosen, others = np.isin(apart, drawn[:count]), np.isin(apart, drawn[len(drawn) - held :])
    return of_walks(
        graphs,
        [walks[at] for at in np.flatnonzero(chosen)],
        [walks[at] for at in np.flatnonzero(others)],
    )


def of_furnished(*, houses: int = 40, walks: int = 6000, held: int = 10, seed: int = 0) -> Ground:
    """Houses of our own generator, with about so many walks in them; `held` more houses choose when to stop."""
    built = furnished(houses + held, seed=seed)
    every = walks_in(built, walks * (houses + held) // houses, seed=seed)
    inside = built.graphs.house[[walk.start for walk in every]] < houses
    learned = [walk for walk, in_it in zip(every, inside, strict=True) if in_it]
    return of_walks(built.graphs, learned, [walk for walk, in_it in zip(every, inside, strict=True) if not in_it])


def of_babyai(
    levels: Sequence[str] = ("GoToLocal",),
    *,
    demonstrations: int = 1000,
    held: int = 200,
    unshown: int = 0,
    seed: int = 0,
) -> Ground:
    """BabyAI's levels with demonstrations of its expert; other tasks of the same kind choose when to stop, and so many more are
    there to practise, which nobody shows."""

    def demonstrated(asked: Sequence[Reset]) -> tuple[Demonstrations, list[Task]]:
        shown, failed = babyai.demonstrated(asked)
        return shown, [task for task in asked if task not in failed]

    every = babyai.tasks(levels, demonstrations + unshown, seed=seed)
    shown, done = demonstrated(every[:demonstrations])
    aside, apart = demonstrated(babyai.tasks(levels, held, split="validation", seed=seed))
    sees = {"kind": "grid", "cells": list(babyai.CELLS), "size": 7, "actions": 7}
    return Ground(babyai.world(levels), shown, done, aside, apart, sees, babyai.NAMES, every[demonstrations:])


def of_walks(graphs: Graphs, walks: Sequence[Walk], held: Sequence[Walk], *, horizon: int = 10) -> Ground:
    """Walks in houses, each shown by the path that was meant."""
    world = Houses(graphs, horizon=horizon)
    return Ground(world, along(graphs, walks), walks, along(graphs, held), held, {"kind": "houses"}, graphs.names)


def along(graphs: Graphs, walks: Sequence[Walk], *, remembered: NDArray[np.int64] | None = None) -> Demonstrations:
    """Walks along the paths that were meant, by walkers who have places `remembered`, and their instructions; those of one path
    share its episode."""
    once: dict[tuple[int, float, tuple[int, ...]], int] = {}
    at = np.asarray([once.setdefault((walk.start, walk.heading, walk.path), len(once)) for walk in walks])
    alone = [walks[number] for number in np.unique(at, return_index=True)[1]]
    episodes = went(Houses(graphs, remembered=remembered), alone, [walk.path for walk in alone])
    return Demonstrations(episodes, at, tuple(walk.instruction for walk in walks))


def went(world: Houses, walks: Sequence[Walk], ways: Sequence[Sequence[int]]) -> Episodes:
    """The episodes of walkers who begin as the walks do and go these ways, places each. The world stands at their ends
    afterwards, and measures them."""
    return recorded(world, walks, [steps(world.graphs, way) for way in ways]).episodes


def steps(graphs: Graphs, path: Sequence[int]) -> list[int]:
    """The actions that walk a path and stop. Raises `InvalidInput` where two places of it are not joined."""
    found = []
    for here, there in itertools.pairwise(path):
        way = np.flatnonzero(graphs.ways[here] == there)
        if not len(way):
            raise InvalidInput(
                f"{graphs.places[here]} and {graphs.places[there]} are not joined.", expected="a path along ways"
            )
        found.append(1 + int(way[0]))
    return [*found, STOP]
