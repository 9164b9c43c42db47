"""Thinking before walking: where the map is known, whole ways are compared, by what they would earn and what they would be
called.

A policy chooses step by step, in a house where it sees one step ahead. A way that has been gone is easier to judge than a step
is to choose, and who knows the map can go it in thought. Fried et al., "Speaker-Follower Models" (NeurIPS 2018), let a speaker
choose among the walks of a follower; Fu et al., "From Language to Goals" (ICLR 2019), plan on a known map with a reward that
they have learned for it. Here the learned reward and the generator of goals judge together, and the ways are the shortest ones
to anywhere that have as many edges as people's have: who shows a way goes straight. Where there is no map but a world that can be
begun anew, the policy tries several times, and its tries are judged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.act.episodes import Episodes, joined
from segue.act.examples import trimmed
from segue.act.follower import Follower
from segue.act.goals import Believed
from segue.act.grounds import went
from segue.act.mapping import Way, ways_from
from segue.act.policy import walk
from segue.act.world import Measures, Task, World
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import Houses, Walk


@dataclass(frozen=True, eq=False)
class Considered:
    """The ways that come into question for one instruction, and how far each judge believes each, float64 [judges, ways]."""

    ways: Sequence[Way]
    beliefs: NDArray[np.float64]

    @property
    def best(self) -> Way:
        """What the judges believe most together: the sum of their beliefs, which are logarithms of likelihoods and of ratios of
        such."""
        return self.ways[int(self.beliefs.sum(0).argmax())]


def consider(
    judges: Sequence[Believed],
    graphs: Graphs,
    walks: Sequence[Walk],
    words: Tensor,
    *,
    edges: tuple[int, int],
    known: NDArray[np.bool_] | None = None,
) -> list[Considered]:
    """For each walk, with its words [n, m], the shortest ways from its start along `edges` from the least to the most, through
    places that are `known`, bool [places of all houses] (all are, where it is not given), as the judges believe them. Where no
    way is as long, shorter ones and standing still are considered."""
    found: list[Considered | None] = [None] * len(walks)
    for rows in _alike(walks):
        first = walks[rows[0]]
        ways = ways_from(graphs, first.start, edges=edges, known=known) or ways_from(
            graphs, first.start, edges=(0, edges[1]), known=known
        )
        episodes = went(Houses(graphs), [first] * len(ways), ways)
        here = np.tile(np.arange(len(ways)), len(rows))
        said = trimmed(words[torch.from_numpy(rows.repeat(len(ways)))])
        with torch.inference_mode():
            batch = episodes.batch(here)
            beliefs = np.stack([judge(batch, said).double().numpy() for judge in judges])
        for at, row in enumerate(rows.tolist()):
            found[row] = Considered(ways, beliefs[:, at * len(ways) : (at + 1) * len(ways)])
    return [one for one in found if one is not None]


def tried(
    policy: Follower,
    judges: Sequence[Believed],
    world: World[Any],
    tasks: Sequence[Task],
    words: Tensor,
    *,
    tries: int = 8,
    temperature: float = 0.7,
    seed: int = 0,
) -> tuple[Episodes, Measures]:
    """Of so many tries at each task, with its words [n, m], the first by what is likeliest and the others sampled, the one that
    the judges believe most together: the episodes, and the world's measures of these, [n] each, which choose nothing."""
    noise = torch.Generator().manual_seed(seed)
    found, beliefs, measures = list[Episodes](), list[NDArray[np.float64]](), list[Measures]()
    policy.eval()
    for at in range(tries):
        found.append(walk(policy, world, tasks, words, generator=noise if at else None, temperature=temperature))
        measures.append(world.measured())
        beliefs.append(_believed(judges, found[-1], words))
    rows = np.arange(len(tasks))
    best = np.stack(beliefs).argmax(0)
    return joined(found)[best * len(tasks) + rows], {
        name: np.stack([one[name] for one in measures])[best, rows] for name in measures[0]
    }


def _believed(judges: Sequence[Believed], episodes: Episodes, words: Tensor) -> NDArray[np.float64]:
    """What the judges believe of each episode together, [n]; those of like lengths at once."""
    found = np.empty(len(episodes))
    with torch.inference_mode():
        for part in episodes.alike(max(1, -(-len(episodes) // 128))):
            batch, said = episodes.batch(part), trimmed(words[torch.from_numpy(part)])
            found[part] = sum(judge(batch, said).double().numpy() for judge in judges)
    return found


def _alike(walks: Sequence[Walk]) -> Iterator[NDArray[np.int64]]:
    """The numbers of walks that begin at one place and look one way, together."""
    begins = np.asarray([(walk.start, walk.heading) for walk in walks])
    _, which = np.unique(begins, axis=0, return_inverse=True)
    order = np.argsort(which, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
