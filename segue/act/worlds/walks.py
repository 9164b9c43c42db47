"""Walking in houses: many walks at once, each step to a neighbouring place or to stop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segue.act.world import Actions, Ended, Measures, Observation
from segue.act.worlds.graphs import NOWHERE, Floats, Graphs, Integers, turned
from segue.errors import InvalidInput

STOP = 0
"""The action that ends a walk; action 1 + j takes way j."""
NEAR = 3.0
"""Metres within which a walk has arrived, by Room-to-Room's rule."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What is asked: an instruction, where the walker stands and looks, and the path that was meant, which only measures
    see."""

    instruction: str
    start: int
    heading: float
    path: tuple[int, ...]
    name: str = ""


class Houses:
    """A world of houses: `begin` walks, then `step` through them; see `segue.act.world.World`.

    An observation has for each of the 1 + w actions `geometry` float32 [b, 1+w, 8] (is it stop, sine and cosine of the turn,
    sine of the elevation, metres / 5, rise in metres, was it visited, size of the turn / π) and `seen` int64 [b, 1+w, 2k],
    names in that direction; for stop, what is around. `choices` bool [b, 1+w] says which can be taken. Walkers that have a
    memory of places, `remembered` int64 [n], know each by a number from 1, and those with 0 not: an observation then has
    `remembered` int64 [b, 1+w], the number of the place that each action leads to.
    """

    def __init__(self, graphs: Graphs, *, horizon: int = 10, remembered: Integers | None = None) -> None:
        self.graphs, self.horizon, self.remembered = graphs, horizon, remembered
        self._places = np.zeros((0, 1), np.int64)

    def begin(self, walks: Sequence[Walk]) -> Observation:
        self._walks = list(walks)
        self._heading = np.asarray([walk.heading for walk in walks], np.float32)
        self._places = np.asarray([walk.start for walk in walks], np.int64)[:, None]
        self._ended = np.zeros(len(walks), bool)
        return self._observed()

    def step(self, actions: Actions) -> tuple[Observation, Ended]:
        """Walk on. Raises `InvalidInput` for a way that a place has not, in a walk that has not ended."""
        here = self._places[:, -1]
        ended = self._ended | (actions == STOP)
        way, moved = np.where(ended, 0, actions - 1), ~ended
        if (
            (way < 0).any()
            or (way >= self.graphs.ways.shape[1]).any()
            or (self.graphs.ways[here, way][moved] == NOWHERE).any()
        ):
            raise InvalidInput(
                f"One of the actions {np.unique(actions).tolist()} cannot be taken.",
                expected=f"{STOP} to stop, or 1 + j for way j where `choices` says that it is open",
            )
        self._ended = ended
        self._places = np.concatenate([self._places, np.where(moved, self.graphs.ways[here, way], here)[:, None]], 1)
        self._heading = np.where(moved, self.graphs.headings[here, way], self._heading)
        return self._observed(), self._ended.copy()

    @property
    def places(self) -> Integers:
        """Where each walk has been so far, int64 [b, t]; after it stopped, where it stands."""
        return self._places

    def measured(self) -> Measures:
        """`success`: stopped within 3 m of the goal; `spl`: success weighted by shortest over walked length; `oracle`: was ever
        within 3 m; `error`: metres from the goal; `metres`: walked. Anderson et al., "On Evaluation of Embodied Navigation
        Agents", 2018.
        """
        return measured(self.graphs, self._walks, self._places)

    def _observed(self) -> Observation:
        return observed(self.graphs, self._places, self._heading, remembered=self.remembered)


def observed(graphs: Graphs, places: Integers, heading: Floats, *, remembered: Integers | None = None) -> Observation:
    """What is seen at the last of the places [b, t] of each walk, looking to a heading [b], and what is remembered."""
    here = places[:, -1]
    ways = graphs.ways[here]
    open_ = ways != NOWHERE
    turn = turned(graphs.headings[here] - heading[:, None])
    elevation, length = graphs.elevations[here], graphs.lengths[here]
    visited = (ways[:, :, None] == places[:, None, :]).any(2) & open_
    geometry = np.zeros((len(here), 1 + ways.shape[1], 8), np.float32)
    geometry[:, STOP, 0] = 1
    geometry[:, 1:, 1:] = (
        np.stack(
            [
                np.sin(turn),
                np.cos(turn),
                np.sin(elevation),
                length / 5,
                length * np.sin(elevation),
                visited.astype(np.float32),
                np.abs(turn) / np.pi,
            ],
            2,
        )
        * open_[:, :, None]
    )
    k = graphs.along.shape[2]
    seen = np.zeros((len(here), 1 + ways.shape[1], 2 * k), np.int64)
    seen[:, STOP] = graphs.around[here]
    seen[:, 1:, :k] = graphs.along[here]
    choices = np.concatenate([np.ones((len(here), 1), bool), open_], 1)
    found = {"geometry": geometry, "seen": seen, "choices": choices}
    if remembered is None:
        return found
    leads = np.concatenate([here[:, None], ways], 1)
    return {**found, "remembered": np.where(choices, remembered[leads], 0)}


def measured(graphs: Graphs, walks: Sequence[Walk], places: Integers) -> Measures:
    """Success, SPL, oracle success and navigation error of each walk, by the places [b, t] it went through."""
    goal = np.asarray([walk.path[-1] for walk in walks])
    shortest = graphs.distance(np.asarray([walk.start for walk in walks]), goal).astype(np.float64)
    away = graphs.distance(places, goal[:, None]).astype(np.float64)
    walked = graphs.distance(places[:, :-1], places[:, 1:]).sum(1).astype(np.float64)
    success = (away[:, -1] < NEAR).astype(np.float64)
    longer = np.maximum(walked, shortest)
    spl = success * np.where(longer > 0, shortest / np.maximum(longer, 1e-9), 1.0)
    return {
        "success": success,
        "spl": spl,
        "oracle": (away.min(1) < NEAR).astype(np.float64),
        "error": away[:, -1],
        "metres": walked,
    }


def anywhere(graphs: Graphs, houses: Integers, count: int, random: np.random.Generator) -> list[Walk]:
    """Walks of nothing in particular: they begin at any place of houses of these numbers, looking any way."""
    inside = np.flatnonzero(np.isin(graphs.house, houses))
    here, turn = random.choice(inside, count), random.uniform(0, 2 * np.pi, count)
    return [Walk("", int(at), float(angle), (int(at),)) for at, angle in zip(here, turn, strict=True)]
