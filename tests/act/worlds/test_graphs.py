"""Houses as arrays against what a few lines of loops say of them."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from segue.act.worlds.graphs import NOTHING, NOWHERE, Graphs, House, Sight, graphs, turned
from segue.errors import InvalidInput


def house(seed: int, places: int = 12) -> House:
    """Places anywhere, a ring of ways and some across, and up to nine sights at each."""
    rng = np.random.default_rng(seed)
    ring = [tuple(sorted((place, (place + 1) % places))) for place in range(places)]
    across = [tuple(sorted(pair)) for pair in rng.integers(0, places, (places, 2)).tolist() if pair[0] != pair[1]]
    return House(
        [f"place {number}" for number in range(places)],
        rng.uniform(-5, 5, (places, 3)).astype(np.float32),
        [(one, other) for one, other in dict.fromkeys([*ring, *across])],
        [
            [
                Sight(f"thing {rng.integers(7)}", float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0, 0.8)))
                for _ in range(rng.integers(10))
            ]
            for _ in range(places)
        ],
    )


@pytest.fixture(scope="module")
def several() -> dict[str, House]:
    return {"one": house(0), "two": house(1, 7), "three": house(2, 20)}


@pytest.fixture(scope="module")
def built(several: dict[str, House]) -> Graphs:
    return graphs(several, along=3)


def test_places_are_numbered_house_after_house(several: dict[str, House], built: Graphs) -> None:
    assert built.houses == ("one", "two", "three")
    assert built.starts.tolist() == [0, 12, 19, 39]
    assert built.house.tolist() == [0] * 12 + [1] * 7 + [2] * 20
    assert built.number["two", "place 3"] == 15
    assert built.places[15] == "place 3"
    np.testing.assert_array_equal(built.positions[12:19], several["two"].positions)


def test_ways_lie_as_their_ends_do(several: dict[str, House], built: Graphs) -> None:
    for name, start in zip(several, built.starts.tolist(), strict=False):
        for here in range(len(several[name].places)):
            out = {other for way in several[name].ways for other in way if here in way and other != here}
            at = start + here
            ways = built.ways[at]
            assert sorted((ways[ways != NOWHERE] - start).tolist()) == sorted(out)
            for way, there in enumerate(ways[ways != NOWHERE].tolist()):
                east, north, up = (built.positions[there] - built.positions[at]).astype(float)
                assert built.headings[at, way] == pytest.approx(math.atan2(east, north), abs=1e-5)
                assert built.elevations[at, way] == pytest.approx(math.atan2(up, math.hypot(east, north)), abs=1e-5)
                assert built.lengths[at, way] == pytest.approx(math.hypot(east, north, up), rel=1e-5)


def between(one: float, other: float) -> float:
    return math.acos(max(-1.0, min(1.0, math.cos(one - other))))


def test_what_is_seen_along_a_way_and_around(several: dict[str, House], built: Graphs) -> None:
    for name, start in zip(several, built.starts.tolist(), strict=False):
        for here, sights in enumerate(several[name].sights):
            at = start + here
            for way in np.flatnonzero(built.ways[at] != NOWHERE):
                heading = float(built.headings[at, way])
                beside = sorted((between(sight.heading, heading), sight.half_width, sight.name) for sight in sights)
                seen = [name for away, half, name in beside if away <= half + math.pi / 12]
                assert named(built, built.along[at, way]) == list(dict.fromkeys(seen))[:3]
            widest = [sight.name for sight in sorted(sights, key=lambda sight: -sight.half_width)]
            assert named(built, built.around[at]) == list(dict.fromkeys(widest))[:6]


def named(built: Graphs, numbers: np.ndarray) -> list[str]:
    assert (np.diff((numbers == NOTHING).astype(int)) >= 0).all(), "nothing stands only behind names"
    return [built.names[number] for number in numbers if number != NOTHING]


def test_of_two_things_in_one_direction_the_smaller_comes_first() -> None:
    places = House(
        ["here", "there"],
        np.array([[0, 0, 0], [0, 1, 0]], np.float32),
        [(0, 1)],
        [[Sight("wall", 0, 1), Sight("door", 0, 0.2)], []],
    )
    built = graphs({"house": places})
    assert named(built, built.along[0, 0]) == ["door", "wall"]
    assert named(built, built.around[0]) == ["wall", "door"]
    assert named(built, built.along[1, 0]) == []


def test_distances_by_floyd_and_warshall(several: dict[str, House], built: Graphs) -> None:
    for name, start in zip(several, built.starts.tolist(), strict=False):
        places, positions = len(several[name].places), several[name].positions.astype(float)
        found = np.where(np.eye(places, dtype=bool), 0, np.inf)
        for one, other in several[name].ways:
            found[one, other] = found[other, one] = np.linalg.norm(positions[one] - positions[other])
        for middle in range(places):
            found = np.minimum(found, found[:, middle, None] + found[None, middle])
        here, there = np.meshgrid(np.arange(places), np.arange(places), indexing="ij")
        np.testing.assert_allclose(built.distance(start + here, start + there), found, rtol=1e-5)
        for one, other in ((0, places - 1), (3, 3), (places - 2, 1)):
            walk = built.shortest(start + one, start + other)
            assert (walk[0], walk[-1]) == (start + one, start + other)
            length = sum(float(built.distance(np.array(here), np.array(there))) for here, there in pairwise(walk))
            assert length == pytest.approx(found[one, other], rel=1e-5)
            assert all(there in built.ways[here] for here, there in pairwise(walk))


def test_distances_in_several_houses_at_once(built: Graphs) -> None:
    here, there = np.array([[0, 13], [20, 5]]), np.array([3, 15])
    found = built.distance(here[:, :1], here[:, :1] + np.array([0, 1]))
    assert found.shape == (2, 2)
    assert found[0, 1] == built.distance(np.array(0), np.array(1))
    assert built.distance(here[0], there).tolist() == [
        built.distance(np.array(one), np.array(other)) for one, other in ((0, 3), (13, 15))
    ]


def test_there_is_no_way_to_another_house_or_island(built: Graphs) -> None:
    with pytest.raises(InvalidInput, match=r"no way from place 0 to place 0 in one"):
        built.shortest(0, 12)
    apart = graphs({"island": replace(house(0), ways=[(0, 1)])})
    with pytest.raises(InvalidInput, match=r"no way from place 0 to place 5 in island"):
        apart.shortest(0, 5)
    assert apart.distance(np.array([0]), np.array([5])).tolist() == [math.inf]


def test_a_house_of_a_single_place() -> None:
    built = graphs({"cell": House(["bed"], np.zeros((1, 3), np.float32), [], [[]])})
    assert built.ways.tolist() == [[NOWHERE]]
    assert built.shortest(0, 0) == [0]


@pytest.mark.parametrize("ways", [[(0, 1), (1, 0)], [(0, 0)], [(0, 12)], [(-1, 0)]])
def test_ways_that_are_none_are_refused(ways: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidInput, match=r"bad has 12 places and a way"):
        graphs({"bad": replace(house(0), ways=ways)})


def test_no_houses_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no houses"):
        graphs({})


def test_turns_are_the_shortest() -> None:
    angles = np.array([0, 1, -1, 4, -4, 2 * math.pi, 9], np.float32)
    for angle, found in zip(angles.tolist(), turned(angles).tolist(), strict=True):
        assert math.cos(found) == pytest.approx(math.cos(angle), abs=1e-5)
        assert math.sin(found) == pytest.approx(math.sin(angle), abs=1e-5)
        assert -math.pi <= found <= math.pi
