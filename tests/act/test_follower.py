"""The network: a batch equals one by one, step by step equals whole, and what cannot be taken changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from segue.act.episodes import stacked
from segue.act.follower import read_both_ways
from segue.act.language import PADDING, Vocabulary
from segue.act.policy import follow, log_probabilities, walk
from tests.act.conftest import Little


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return np.array([0, 5, 30, 47])


def test_a_batch_equals_one_by_one(little: Little, numbers: np.ndarray) -> None:
    follower = little.follower().eval()
    batch = little.shown.episodes.batch(numbers)
    together = follower(batch.observations, batch.actions, little.words[numbers])
    for row, number in enumerate(numbers):
        alone = little.shown.episodes.batch([number])
        words = little.words[[number]]
        words = words[:, : int((words != PADDING).sum())]
        one = follower(alone.observations, alone.actions, words)
        steps = int(alone.steps.sum())
        torch.testing.assert_close(together.values[row, :steps], one.values[0])


def test_step_by_step_equals_the_whole(little: Little) -> None:
    policy = little.follower().eval()
    tasks, words = little.walks[:20], little.words[:20]
    episodes = walk(policy, little.world, tasks, words, generator=torch.Generator().manual_seed(3))
    batch = episodes.batch()
    whole = policy(batch.observations, batch.actions, words)
    read, memory = policy.reader(words), policy.begin(20)
    for step in range(batch.actions.shape[1]):
        seen = {field: values[:, step : step + 1] for field, values in batch.observations.items()}
        followed = policy.step(seen, memory, read)
        going = batch.steps[:, step]
        torch.testing.assert_close(followed.values[going, 0], whole.values[going, step])
        memory = policy.remember(followed, batch.actions[:, step])


def test_both_ways_are_read_as_by_packed_sequences() -> None:
    torch.manual_seed(0)
    network, vectors, lengths = nn.GRU(5, 3, batch_first=True, bidirectional=True), torch.randn(4, 7, 5), [7, 1, 4, 6]
    there = torch.arange(7) < torch.tensor(lengths)[:, None]
    packed = pack_padded_sequence(vectors, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(network(packed)[0], batch_first=True)
    found = read_both_ways(network, vectors, there)
    torch.testing.assert_close(found, expected)
    grads = [torch.autograd.grad(one.square().sum(), list(network.parameters())) for one in (found, expected)]
    torch.testing.assert_close(*grads)


def test_probabilities_are_of_what_can_be_taken() -> None:
    choices = torch.tensor([[[True, False, True]]])
    chances = log_probabilities(torch.tensor([[[1.0, 99.0, 1.0]]]), choices).exp()
    torch.testing.assert_close(chances, torch.tensor([[[0.5, 0.0, 0.5]]]))


def test_walks_are_the_same_by_seed_and_end_within_the_horizon(little: Little) -> None:
    policy = little.follower().eval()

    def walked(seed: int) -> np.ndarray:
        noise = torch.Generator().manual_seed(seed)
        return walk(policy, little.world, little.walks, little.words, generator=noise).actions

    assert np.array_equal(walked(1), walked(1))
    assert not np.array_equal(walked(1), walked(2))
    episodes = walk(policy, little.world, little.walks, little.words)
    assert episodes.lengths.max() <= 4
    assert (episodes.ended | (episodes.lengths == 4)).all()


def test_following_leaves_the_policy_as_it_was(little: Little) -> None:
    policy = little.follower(dropout=0.5).train()
    _, found = follow(policy, little.vocabulary, little.world, little.walks, batch=7)
    assert policy.training
    assert found["success"].shape == (len(little.walks),)
    assert np.array_equal(found["success"], follow(policy, little.vocabulary, little.world, little.walks)[1]["success"])


def test_words_round_trip_and_unknown_ones_are_marked() -> None:
    vocabulary = Vocabulary.of(["Go to the sofa, then stop.", "go to the SOFA, then stop."])
    ids = vocabulary.ids(["go to the sofa, then stop.", "go to mars"])
    assert vocabulary.text(ids[0].tolist()) == "go to the sofa, then stop."
    assert vocabulary.text(ids[1].tolist()) == "go to"
    assert ids[1].tolist()[2:4] == [1, PADDING]


def test_stacked_keeps_each_ones_own_steps() -> None:
    seen = [{"choices": np.full((2, 1), bool(at % 2))} for at in range(3)]
    episodes = stacked(seen, [np.array([at, 10 + at]) for at in range(3)], [1, 3], [True, False])
    assert episodes.actions.tolist() == [0, 10, 11, 12]
    assert episodes.batch().steps.tolist() == [[True, False, False], [True, True, True]]
