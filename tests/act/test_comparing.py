"""The reward among whole ways learns which one was meant."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from segue.act.comparing import Comparing
from segue.act.deliberating import consider
from segue.act.grounds import went
from segue.act.inverse import begun
from segue.act.learner import Pace
from tests.act.conftest import Little


def learner(little: Little, *, ways: int = 4, updates: int = 150, seed: int = 0) -> Comparing:
    reward = begun(little.follower(dropout=0.1)).reward
    pace = Pace(updates, rate=1e-2, warmup=10)
    return Comparing(
        reward, little.world, little.walks, little.words, pace, edges=(1, 1), ways=ways, batch=8, seed=seed
    )


def test_it_learns_which_way_was_meant(little: Little) -> None:
    course = learner(little)

    def right() -> float:
        found = consider([course.reward.eval().score], little.graphs, little.walks, little.words, edges=(1, 1))
        return float(np.mean([one.best == walk.path for one, walk in zip(found, little.walks, strict=True)]))

    assert right() < 0.6
    for _ in range(150):
        course.update()
    assert right() > 0.9


def test_the_loss_is_the_likelihood_among_all_ways(little: Little) -> None:
    """With as many ways as there are, all of them are the partition function."""
    course = learner(little)
    course.reward.eval()
    course.reward.train = lambda mode=True: course.reward  # type: ignore[method-assign]  # no dropout, to count by hand
    before = deepcopy(course.reward)
    chosen = np.random.default_rng([0, 0]).integers(len(little.walks), size=8)
    lost = []
    for at in chosen.tolist():
        walk, words = little.walks[at], little.words[[at]].expand(4, -1)
        ways = [(walk.start, int(there)) for there in little.graphs.ways[walk.start]]
        with torch.no_grad():
            scores = before.score(went(little.world, [walk] * 4, ways).batch(), words).double().numpy()
        lost.append(np.logaddexp.reduce(scores) - scores[ways.index(walk.path)])
    assert course.update()["loss"] == pytest.approx(float(np.mean(lost)), rel=1e-4)


def test_chance_is_the_seed(little: Little) -> None:
    first, second, third = learner(little, ways=3), learner(little, ways=3), learner(little, ways=3, seed=1)
    losses = [[one.update()["loss"] for _ in range(3)] for one in (first, second, third)]
    assert losses[0] == losses[1] != losses[2]
