"""Walking against a walk by hand, and the measures against a loop."""

import math
from itertools import pairwise

import numpy as np
import pytest

from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.act.worlds.graphs import NOWHERE, Graphs, House, Sight, graphs
from segue.act.worlds.walks import NEAR, STOP, Houses, Walk, measured
from segue.errors import InvalidInput


@pytest.fixture
def corridor() -> Graphs:
    """Five places 2 m apart from south to north, and one 2 m east of the middle, a metre higher."""
    positions = np.array([[0, 2 * number, 0] for number in range(5)] + [[2, 4, 1]], np.float32)
    sights = [[Sight("lamp", 0.0)], [], [Sight("sofa", math.pi / 2, 0.3), Sight("lamp", 0.0, 0.1)], [], [], []]
    ways = [(0, 1), (1, 2), (2, 3), (3, 4), (2, 5)]
    return graphs({"house": House(list("abcdef"), positions, ways, sights)}, along=2)


def way(graphs: Graphs, here: int, there: int) -> int:
    """The action that leads from here to there."""
    return 1 + list(graphs.ways[here]).index(there)


def take(world: Houses, path: list[int]) -> None:
    for here, there in pairwise(path):
        world.step(np.array([way(world.graphs, here, there)]))


def test_what_is_observed(corridor: Graphs) -> None:
    world = Houses(corridor)
    seen = world.begin([Walk("go north", 0, math.pi / 2, (0, 1)), Walk("stop", 2, 0.0, (2,))])
    assert seen["geometry"].shape == (2, 4, 8)
    assert seen["seen"].shape == (2, 4, 4)
    assert seen["choices"].tolist() == [[True, True, False, False], [True, True, True, True]]
    np.testing.assert_allclose(seen["geometry"][0, 1], [0, -1, 0, 0, 0.4, 0, 0, 0.5], atol=1e-6)
    assert not seen["geometry"][0, 2:].any()
    assert seen["geometry"][:, STOP].tolist() == [[1, 0, 0, 0, 0, 0, 0, 0]] * 2
    metres = math.sqrt(5)
    up = math.asin(1 / metres)
    east = seen["geometry"][1, way(corridor, 2, 5)]
    np.testing.assert_allclose(east, [0, 1, 0, math.sin(up), metres / 5, 1, 0, 0.5], atol=1e-6)
    lamp, sofa = corridor.names.index("lamp"), corridor.names.index("sofa")
    assert seen["seen"][0].tolist() == [[lamp, 0, 0, 0], [lamp, 0, 0, 0], [0] * 4, [0] * 4]
    assert seen["seen"][1, STOP].tolist() == [sofa, lamp, 0, 0]
    assert seen["seen"][1, way(corridor, 2, 5)].tolist() == [sofa, 0, 0, 0]
    assert seen["seen"][1, way(corridor, 2, 3)].tolist() == [lamp, 0, 0, 0]


def test_one_looks_where_one_went_and_knows_where_one_was(corridor: Graphs) -> None:
    world, metres = Houses(corridor), math.sqrt(5)
    up = math.asin(1 / metres)
    world.begin([Walk("", 1, 1.0, (1,))])
    seen, _ = world.step(np.array([way(corridor, 1, 2)]))
    seen, _ = world.step(np.array([way(corridor, 2, 5)]))
    np.testing.assert_allclose(seen["geometry"][0, 1], [0, 0, -1, -math.sin(up), metres / 5, -1, 1, 1], atol=1e-6)
    seen, _ = world.step(np.array([1]))
    visited = {there: float(seen["geometry"][0, way(corridor, 2, there), 6]) for there in (1, 3, 5)}
    assert visited == {1: 1.0, 3: 0.0, 5: 1.0}


def test_a_walk_that_stopped_stands_still(corridor: Graphs) -> None:
    world = Houses(corridor)
    before = world.begin([Walk("", 0, 0.0, (0, 1)), Walk("", 0, 0.0, (0, 1))])
    after, ended = world.step(np.array([STOP, 1]))
    assert ended.tolist() == [True, False]
    for anything in (STOP, 3, 99, -1):
        after, ended = world.step(np.array([anything, STOP]))
    assert ended.tolist() == [True, True]
    np.testing.assert_array_equal(after["geometry"][0, :, :6], before["geometry"][0, :, :6])
    assert world.places[:, -1].tolist() == [0, 1]


@pytest.mark.parametrize("action", [-1, 2, 4, 99])
def test_an_action_that_cannot_be_taken_changes_nothing(corridor: Graphs, action: int) -> None:
    world = Houses(corridor)
    world.begin([Walk("", 0, 0.0, (0, 1)), Walk("", 2, 0.0, (2,))])
    with pytest.raises(InvalidInput, match=rf"{action}.* cannot be taken"):
        world.step(np.array([action, STOP]))
    assert world.places.tolist() == [[0], [2]]
    _, ended = world.step(np.array([1, 1]))
    assert ended.tolist() == [False, False]


def test_begin_forgets_what_was(corridor: Graphs) -> None:
    world = Houses(corridor)
    world.begin([Walk("", 0, 0.0, (0, 1))])
    world.step(np.array([STOP]))
    world.begin([Walk("", 3, 0.0, (3,))] * 2)
    _, ended = world.step(np.array([1, 1]))
    assert not ended.any()
    assert world.places.shape == (2, 2)


def test_measures_of_walks_that_one_can_see_through(corridor: Graphs) -> None:
    world = Houses(corridor)
    world.begin([Walk("", 0, 0.0, (0, 1, 2, 3, 4))])
    take(world, [0, 1, 2, 5, 2, 3])
    assert {name: pytest.approx(float(value[0])) for name, value in world.measured().items()} == {
        "success": 1.0,
        "spl": 8 / (6 + 2 * math.sqrt(5)),
        "oracle": 1.0,
        "error": 2.0,
        "metres": 6 + 2 * math.sqrt(5),
    }
    take(world, [3, 2])
    assert [float(world.measured()[name][0]) for name in ("success", "spl", "oracle")] == [0, 0, 1]


def test_who_stands_at_the_goal_need_only_stop(corridor: Graphs) -> None:
    world = Houses(corridor)
    world.begin([Walk("", 1, 0.0, (1,)), Walk("", 1, 0.0, (1,))])
    assert world.measured()["spl"].tolist() == [1, 1]
    world.step(np.array([STOP, 1]))
    world.step(np.array([STOP, 1]))
    assert world.measured()["spl"].tolist() == [1, 0]


def test_measures_by_a_loop() -> None:
    built = furnished(3, seed=5)
    world, rng = Houses(built.graphs), np.random.default_rng(0)
    near = [[place for place in walk.path if place != walk.start] for walk in walks_in(built, 40, seed=1)]
    walks = [Walk("", some[-1], 0.0, tuple(some[::-1])) for some in near]
    seen = world.begin(walks)
    for _ in range(8):
        seen, _ = world.step(np.array([rng.choice(np.flatnonzero(row)) for row in seen["choices"]]))
    found = world.measured()
    for number, (walk, places) in enumerate(zip(walks, world.places.tolist(), strict=True)):
        house = int(built.graphs.house[walk.start])
        first, apart = int(built.graphs.starts[house]), built.graphs.within(house)[0].astype(float)
        goal = walk.path[-1] - first
        away = [apart[place - first, goal] for place in places]
        walked = sum(
            float(np.linalg.norm(built.graphs.positions[one] - built.graphs.positions[other]))
            for one, other in pairwise(places)
        )
        shortest = apart[walk.start - first, goal]
        success = float(away[-1] < NEAR)
        assert found["success"][number] == success
        assert found["oracle"][number] == float(min(away) < NEAR)
        assert found["error"][number] == pytest.approx(away[-1], rel=1e-5)
        assert found["metres"][number] == pytest.approx(walked, rel=1e-5)
        assert found["spl"][number] == pytest.approx(success * shortest / max(walked, shortest), rel=1e-5)
    assert 0 < found["success"].sum() < len(walks)


def test_the_path_that_was_meant_is_right() -> None:
    built = furnished(3, seed=2)
    walks = walks_in(built, 30, seed=3)
    steps = max(len(walk.path) for walk in walks)
    places = np.array([[*walk.path, *[walk.path[-1]] * (steps - len(walk.path))] for walk in walks])
    found = measured(built.graphs, walks, places)
    assert found["success"].tolist() == found["oracle"].tolist() == [1.0] * 30
    np.testing.assert_allclose(found["spl"], 1, rtol=1e-5)
    assert (built.graphs.ways != NOWHERE).any(1).all()


def test_a_batch_is_as_one_by_one() -> None:
    built = furnished(2, seed=1)
    walks = walks_in(built, 12)
    together, alone = Houses(built.graphs), Houses(built.graphs)
    many = together.begin(walks)
    actions = np.array([np.flatnonzero(row)[-1] for row in many["choices"]])
    many, ended = together.step(actions)
    for number, walk in enumerate(walks):
        alone.begin([walk])
        one, stopped = alone.step(actions[number : number + 1])
        assert stopped[0] == ended[number]
        for field in many:
            np.testing.assert_array_equal(one[field][0], many[field][number])
