"""A map of where an explorer has been, and the ways on it."""

import numpy as np
import pytest

from segue.act.mapping import named_ways, visited, ways_among
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
        little.graphs,
        np.arange(start, start + 5),
        70,
        shown=little.shown,
        believed=lambda batch, words: -words.sum(1).float(),
    )
    assert len(made) == len(made.words) == 70
    assert lengths.min() <= made.episodes.lengths.min()
    assert made.episodes.lengths.max() <= lengths.max()
    assert made.episodes.ended.all()
