"""Thinking before walking: every way that comes into question, and the one that is believed most."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.act.deliberating import consider, tried
from segue.act.episodes import Batch
from segue.act.grounds import went
from segue.act.policy import walk
from segue.act.worlds.walks import Walk
from tests.act.conftest import Little


def _length(batch: Batch, words: Tensor) -> Tensor:
    return batch.steps.sum(1) - 1 + 0.1 * batch.actions[:, 0] + 0.01 * words[:, 0]


def test_every_shortest_way_of_the_right_length_is_considered(little: Little) -> None:
    hall, north, east, south, west = np.flatnonzero(little.graphs.house == 1).tolist()
    inside, outside = Walk("go", north, 0.3, (north,)), Walk("go", hall, 0.0, (hall,))
    words = little.words[[3, 5, 7]]
    found = consider([_length, _length], little.graphs, [inside, outside, inside], words, edges=(1, 2))
    assert set(found[1].ways) == {(hall, north), (hall, east), (hall, south), (hall, west)}
    ways = {(north, hall), (north, hall, east), (north, hall, south), (north, hall, west)}
    for at in (0, 2):
        assert set(found[at].ways) == ways
        assert found[at].beliefs.shape == (2, 4)
        by_hand = [len(way) - 1 + 0.1 + 0.01 * int(words[at, 0]) for way in found[at].ways]  # one way leads out
        np.testing.assert_allclose(found[at].beliefs, [by_hand] * 2, rtol=1e-6)
        assert len(found[at].best) == 3


def test_ways_keep_to_the_map_and_shorten_where_it_is_small(little: Little) -> None:
    hall, north, east, south, _ = np.flatnonzero(little.graphs.house == 1).tolist()
    known = np.zeros(len(little.graphs.places), bool)
    known[[hall, east]] = True
    walks = [Walk("go", north, 0.0, (north,)), Walk("go", south, 1.0, (south,))]
    one, other = consider([_length], little.graphs, walks, little.words[:2], edges=(2, 3), known=known)
    assert set(one.ways) == {(north, hall, east)}
    assert set(other.ways) == {(south, hall, east)}
    known[hall] = False
    one, _ = consider([_length], little.graphs, walks, little.words[:2], edges=(2, 3), known=known)
    assert set(one.ways) == {(north,)}  # nothing is known but where one stands


def test_who_knows_what_was_asked_chooses_it(little: Little) -> None:
    def right(batch: Batch, words: Tensor) -> Tensor:
        pairs = zip(batch.actions[:, 0].tolist(), words.tolist(), strict=True)
        return torch.tensor([float((action, little.vocabulary.text(said)) in asked) for action, said in pairs])

    firsts = little.shown.episodes.actions[little.shown.episodes.starts[:12]].tolist()
    one_house = little.walks[:12]
    asked = {(action, walk.instruction) for action, walk in zip(firsts, one_house, strict=True)}
    found = consider([right], little.graphs, one_house, little.words[:12], edges=(1, 1))
    went(little.world, one_house, [one.best for one in found])
    assert [one.best[-1] for one in found] == [walk.path[-1] for walk in one_house]


def test_a_way_that_was_thought_of_is_walked(little: Little) -> None:
    world = little.world
    ways = [walk.path for walk in little.walks]
    episodes = went(world, little.walks, ways)
    assert world.measured()["success"].all()
    np.testing.assert_array_equal(episodes.actions, little.shown.episodes.actions)
    wrong = [ways[(at + 3) % 12] for at in range(12)]
    went(world, little.walks[:12], wrong)
    assert not world.measured()["success"].any()


def test_standing_still_is_a_way(little: Little) -> None:
    walk = little.walks[0]
    episodes = went(little.world, [walk], [(walk.start,)])
    assert episodes.actions.tolist() == [0]
    with pytest.raises(Exception, match="not joined"):
        went(little.world, [walk], [(walk.start, walk.start)])


def test_of_several_tries_the_one_counts_that_is_believed_most(little: Little) -> None:
    policy, walks, words = little.follower(), little.walks[:12], little.words[:12]

    def north(batch: Batch, words: Tensor) -> Tensor:
        return (batch.actions[:, 0] == 1).float() - 0.01 * batch.steps.sum(1)

    likeliest = walk(policy.eval(), little.world, walks, words)
    once, _ = tried(policy, [north], little.world, walks, words, tries=1)
    np.testing.assert_array_equal(once.actions, likeliest.actions)
    best, measures = tried(policy, [north], little.world, walks, words, tries=12, temperature=3.0, seed=1)
    assert (best.batch().actions[:, 0] == 1).mean(dtype=torch.float32) > 0.8
    again = little.world
    again.begin(walks)
    for actions in best.batch().actions.numpy().T:
        again.step(actions)
    np.testing.assert_array_equal(again.measured()["success"], measures["success"])
