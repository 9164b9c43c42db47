"""A map of where an explorer has been, and the ways on it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from segue.act.adapting import adapting
from segue.act.course import train
from segue.act.examples import Examples, Shown
from segue.act.grounds import along
from segue.act.mapping import named_ways, noted, remembered, visited, ways_among
from segue.act.policy import walk
from segue.act.worlds.walks import Houses
from segue.errors import InvalidInput
from tests.act.conftest import Little


def test_an_explorer_has_been_where_it_began_and_no_further_than_it_goes(little: Little) -> None:
    starts = [walk for walk in little.walks if little.graphs.house[walk.start] < 2]
    been = visited(little.follower(), little.world, starts, seed=1, batch=5)
    assert set(np.unique([walk.start for walk in starts])) <= set(been.tolist())
    assert set(little.graphs.house[been].tolist()) == {0, 1}
    np.testing.assert_array_equal(been, visited(little.follower(), little.world, starts, seed=1, batch=5))


def test_ways_are_shortest_and_do_not_leave_the_map(little: Little) -> None:
    graphs = little.graphs
    hall, north, east, south, _ = np.flatnonzero(graphs.house == 1).tolist()
    random = np.random.default_rng(0)
    ways = ways_among(graphs, np.asarray([hall, north, east, 0]), 40, edges=(1, 2), random=random)
    assert {way.path for way in ways} == {
        (hall, north), (hall, east), (north, hall), (east, hall), (north, hall, east), (east, hall, north)
    }  # fmt: skip
    assert all(way.path[0] == way.start for way in ways)
    two = ways_among(graphs, np.asarray([hall, north, south]), 4, edges=(2, 2), random=random)
    assert {len(way.path) for way in two} == {3}
    for apart in ([north, south], [hall]):
        with pytest.raises(InvalidInput, match="no way has 1 to 2 edges"):
            ways_among(graphs, np.asarray(apart), 4, edges=(1, 2), random=random)


def test_named_ways_are_walked_and_as_long_as_what_was_shown(little: Little) -> None:
    start, lengths = int(little.walks[0].start), little.shown.episodes.lengths
    made = named_ways(
        little.generator(),
        little.world,
        np.arange(start, start + 5),
        70,
        shown=little.shown,
        believed=lambda batch, words: -words.sum(1).float(),
    )
    assert len(made) == len(made.words) == 70
    assert lengths.min() <= made.episodes.lengths.min()
    assert made.episodes.lengths.max() <= lengths.max()
    assert made.episodes.ended.all()


def test_places_are_numbered_as_they_were_noted(little: Little) -> None:
    graphs = little.graphs
    knows = noted(graphs, np.asarray([1, 2, 7]))
    assert {graphs.houses[graphs.house[1]], graphs.houses[graphs.house[7]]} == set(knows)
    numbers = remembered(graphs, knows)
    assert sorted(numbers[[1, 2, 7]].tolist()) == [1, 2, 3]
    assert np.count_nonzero(numbers) == 3
    elsewhere = remembered(graphs, {"a castle": ["hall", "tower"], **knows})  # a house that is not here
    np.testing.assert_array_equal(elsewhere, np.where(numbers, numbers + 2, 0))


def test_what_is_remembered_is_seen_of_every_way_and_of_where_one_stands(little: Little) -> None:
    numbers = np.arange(len(little.graphs.places)) % 4
    world = Houses(little.graphs, remembered=numbers)
    seen, place = world.begin(little.walks[:6]), world.places[:, 0]
    leads = np.concatenate([place[:, None], little.graphs.ways[place]], 1)
    np.testing.assert_array_equal(seen["remembered"], np.where(seen["choices"], numbers[leads], 0))
    assert "remembered" not in little.world.begin(little.walks[:6])


def test_who_remembers_a_house_learns_its_ways_by_what_cannot_be_seen(little: Little) -> None:
    """Every way out looks the same: only a memory tells them apart."""
    alike = {name: np.zeros_like(getattr(little.graphs, name)) for name in ("along", "around", "headings")}
    graphs = replace(little.graphs, **alike)
    been = np.flatnonzero(graphs.house == 1)
    walks = ways_among(graphs, been, 60, edges=(1, 2), random=np.random.default_rng(0))
    words = torch.tensor([[4 + walk.path[-1] - been[0]] for walk in walks])  # a word for each place

    def learned(numbers: np.ndarray | None) -> float:
        torch.manual_seed(0)
        policy = little.follower(remembers=0 if numbers is None else len(been))
        world = Houses(graphs, horizon=4, remembered=numbers)
        walked = along(graphs, walks, remembered=numbers)
        made = Examples(walked.episodes[walked.shown], words)
        shown = along(graphs, little.walks, remembered=numbers)
        learner = adapting(policy, Shown(shown, little.words), made, updates=300)
        train(learner, 300, progress=False)
        walk(policy.eval(), world, walks, words)
        return float((world.places[:, -1] == [one.path[-1] for one in walks]).mean())

    with_memory, without = learned(remembered(graphs, noted(graphs, been))), learned(None)
    assert with_memory > 0.9
    assert without < 0.6
