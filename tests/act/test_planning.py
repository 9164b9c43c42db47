"""Planning with a language-conditioned reward: exact by enumeration, and it learns to find its way."""

import itertools

import numpy as np
import pytest
import torch

from segue.act.course import train
from segue.act.follower import Reader
from segue.act.learner import Pace
from segue.act.planning import MarkovReward, PlannedLearning, begun, plan, soft_policy, states
from segue.act.views import HouseView
from segue.act.worlds.walks import STOP, measured
from tests.act.conftest import Little


def reward_of(little: Little) -> MarkovReward:
    torch.manual_seed(0)
    words, names = little.known(little.vocabulary.words), little.known(little.graphs.names)
    reader = Reader(words, width=32, dropout=0.0)
    return MarkovReward(reader, HouseView(names, words, width=32, dropout=0.0), width=32, dropout=0.0)


def test_states_are_the_directed_ways(little: Little) -> None:
    house = states(little.graphs, 1)
    ways = little.graphs.ways[5:10]
    assert len(house.at) == (ways >= 0).sum()
    for state, place in enumerate(house.at):
        assert house.leads[state, STOP] == -1
        leads = [house.at[one] for one in house.leads[state, 1:].tolist() if one >= 0]
        assert leads == ways[place - 5][ways[place - 5] >= 0].tolist()
        assert house.observations["choices"][state].tolist() == [True, *(ways[place - 5] >= 0).tolist()]


def test_the_soft_policy_is_that_of_all_trajectories(little: Little) -> None:
    """p(τ) ∝ exp Σ r over every trajectory that stops within the horizon, by enumeration."""
    walk, horizon = little.walks[0], 4
    house = begun(states(little.graphs, 0), little.graphs, walk)
    rewards = torch.randn(house.leads.shape, generator=torch.Generator().manual_seed(1))
    rewards = rewards.masked_fill(~house.observations["choices"], -1e9)
    policy = soft_policy(rewards, house.leads, horizon=horizon)
    chances, worths = [], []
    for length in range(1, horizon + 1):
        for moves in itertools.product(range(1, house.leads.shape[1]), repeat=length - 1):
            state, chance, worth = len(house.at) - 1, 0.0, 0.0
            for step, action in enumerate((*moves, STOP)):
                if action != STOP and house.leads[state, action] < 0:
                    break
                chance += policy[step][state, action].item()
                worth += rewards[state, action].item()
                state = int(house.leads[state, action]) if action != STOP else state
            else:
                chances.append(chance)
                worths.append(worth)
    assert np.exp(chances).sum() == pytest.approx(1, abs=1e-4)
    by_hand = np.asarray(worths) - np.logaddexp.reduce(worths)
    np.testing.assert_allclose(chances, by_hand, atol=1e-3)


def test_it_learns_to_find_its_way(little: Little) -> None:
    """In one house, twelve instructions."""
    reward, walks, words = reward_of(little), little.walks[:12], little.words[:12]
    learner = PlannedLearning(reward, little.graphs, walks, words, Pace(120, rate=1e-2, warmup=10), horizon=4, batch=6)
    train(learner, 120, progress=False)
    places = plan(reward, little.graphs, walks, words, horizon=4)
    assert measured(little.graphs, walks, places)["success"].mean() > 0.9
    assert learner.log_likelihood(walks[0], words[[0]]).item() > np.log(0.5)
