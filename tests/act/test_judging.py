"""What was asked is told from what was not by reward and generator together."""

import numpy as np
import pytest
import torch

from segue.act.episodes import few
from segue.act.inverse import begun
from segue.act.judging import Judge, by_name
from tests.act.conftest import Little


def test_ways_are_judged_by_what_there_is(little: Little) -> None:
    reward, goals = begun(little.follower(seed=1)).reward.eval(), little.generator().eval()
    batch = little.shown.episodes.batch()
    with torch.inference_mode():
        (alone,) = Judge(reward).among_ways
        torch.testing.assert_close(alone(batch, little.words), reward.score(batch, little.words))
        first, second = Judge(reward, goals).among_ways
        torch.testing.assert_close(first(batch, little.words), reward.score(batch, little.words))
        named = second(batch, little.words)
        exact = goals.log_likelihood(batch, little.words, samples=2000, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(
            by_name(goals, samples=2000)(batch, little.words), exact.likelihood, atol=0.05, rtol=0
        )
        one = little.shown.episodes.batch([7])  # by itself it is believed as among others
        torch.testing.assert_close(by_name(goals)(one, little.words[[7]]), named[[7]])


def test_a_score_is_the_reward_and_how_much_likelier_the_goal_is_of_this_than_of_any(little: Little) -> None:
    reward, plain = begun(little.follower(seed=1)).reward.eval(), little.generator(latent=0).eval()
    episodes, words = little.shown.episodes[np.arange(6)], little.words[:6]
    others = little.shown.episodes[np.asarray([3, 7, 20])]
    with torch.inference_mode():
        found = Judge(reward, plain, others).score(episodes.batch(), words)
        for at in range(6):
            said = words[[at]]
            here = plain.log_likelihood(episodes.batch([at]), said).likelihood.item()
            there = [plain.log_likelihood(others.batch([one]), said).likelihood.item() for one in range(3)]
            anyway = np.log(np.mean(np.exp(there)))
            by_hand = reward.score(episodes.batch([at]), said).item() + here - anyway
            assert found[at].item() == pytest.approx(by_hand, abs=1e-4)
        bare = Judge(reward).score(episodes.batch(), words)
        torch.testing.assert_close(bare, reward.score(episodes.batch(), words))


def test_others_are_drawn_once_each(little: Little) -> None:
    some = few(40, 5, seed=1)
    assert len(set(some.tolist())) == 5
    assert sorted(few(40, 1000, seed=0).tolist()) == list(range(40))
    np.testing.assert_array_equal(some, few(40, 5, seed=1))
