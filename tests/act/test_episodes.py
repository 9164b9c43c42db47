"""Episodes in flat arrays against lists of lists."""

import numpy as np
import pytest

from segue.act.episodes import Episodes, joined, stacked
from segue.errors import InvalidInput


def made(lengths: list[int], *, seed: int = 0) -> Episodes:
    rng = np.random.default_rng(seed)
    steps = sum(lengths)
    return Episodes(
        {"choices": np.ones((steps, 5), bool), "seen": rng.normal(size=(steps, 5, 2)).astype(np.float32)},
        rng.integers(0, 5, steps),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        rng.random(len(lengths)) < 0.5,
    )


def apart(episodes: Episodes) -> list[tuple[list[int], list[float], bool]]:
    """Each episode by itself: its actions, what was seen, and whether it ended."""
    return [
        (
            episodes.actions[start:end].tolist(),
            episodes.observations["seen"][start:end].reshape(-1).tolist(),
            bool(ended),
        )
        for start, end, ended in zip(episodes.starts[:-1], episodes.starts[1:], episodes.ended, strict=True)
    ]


@pytest.mark.parametrize("lengths", [[3, 1, 4], [1], [2, 0, 5], []])
def test_a_batch_holds_what_the_episodes_hold(lengths: list[int]) -> None:
    episodes = made(lengths)
    batch = episodes.batch()
    assert batch.steps.sum(1).tolist() == lengths == episodes.lengths.tolist()
    for field, values in episodes.observations.items():
        np.testing.assert_array_equal(batch.observations[field][batch.steps].numpy(), values)
        assert not batch.observations[field][~batch.steps].any()
    np.testing.assert_array_equal(batch.actions[batch.steps].numpy(), episodes.actions)
    assert not batch.actions[~batch.steps].any()
    np.testing.assert_array_equal(batch.ended.numpy(), episodes.ended)


def test_there_and_back_through_a_batch() -> None:
    episodes = made([3, 1, 4, 2])
    batch = episodes.batch()
    observations = [
        {field: values[:, step].numpy() for field, values in batch.observations.items()}
        for step in range(batch.steps.shape[1])
    ]
    again = stacked(observations, list(batch.actions.numpy().T), episodes.lengths, episodes.ended)
    assert apart(again) == apart(episodes)
    assert again.starts.tolist() == episodes.starts.tolist()


@pytest.mark.parametrize("chosen", [[2, 0], [1], [], [3, 3, 0], [-1, -4], np.array([True, False, True, False])])
def test_chosen_episodes(chosen: list[int]) -> None:
    episodes = made([3, 1, 4, 2])
    numbers = np.arange(4)[np.asarray(chosen, bool if isinstance(chosen, np.ndarray) else int)]
    every = apart(episodes)
    assert apart(episodes[chosen]) == [every[number] for number in numbers]
    assert len(episodes[chosen]) == len(numbers)
    assert episodes.batch(chosen).steps.sum(1).tolist() == episodes.lengths[numbers].tolist()


def test_choosing_copies() -> None:
    episodes = made([2, 2])
    some = episodes[[0]]
    some.actions[:] = 99
    some.observations["seen"][:] = 99
    assert (episodes.actions < 5).all()


def test_joined_episodes_come_one_after_another() -> None:
    one, two, none = made([3, 1]), made([2], seed=1), made([])
    every = joined([one, none, two])
    assert apart(every) == apart(one) + apart(two)
    assert every.starts.dtype == np.int64


def test_what_cannot_be_joined() -> None:
    with pytest.raises(InvalidInput, match="There are 0 sets of episodes"):
        joined([])
    one = made([2])
    other = Episodes({"choices": one.observations["choices"]}, one.actions, one.starts, one.ended)
    with pytest.raises(
        InvalidInput, match=r"2 sets of episodes, with the fields \[\['choices', 'seen'\], \['choices'\]\]"
    ):
        joined([one, other])
