"""Gymnasium environments as a world: fields, instructions, masks, ends, and what cannot be handled."""

import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from segue.act.demonstrations import recorded
from segue.act.worlds.environments import Environments, Outcome
from segue.errors import InvalidInput, Unavailable

BACK, STAY, ON = 0, 1, 2


class Corridor(gymnasium.Env[dict[str, Any], int]):
    """A corridor of five places: one cannot go beyond its ends, and is rewarded at the one that the text names."""

    def __init__(self, *, mask_in: str = "observation", limit: int = 100, first: int = 5) -> None:
        self.mask_in, self.limit, self.first = mask_in, limit, first
        self.action_space = spaces.Discrete(3, start=first)  # type: ignore[assignment]
        inner: dict[str, spaces.Space[Any]] = {
            "place": spaces.Discrete(5, start=1),
            "near": spaces.MultiBinary(2),
            "both": spaces.MultiDiscrete([5, 5]),
        }
        fields: dict[str, spaces.Space[Any]] = {
            "text": spaces.Text(40),
            "inner": spaces.Dict(inner),
            "away": spaces.Box(-np.inf, np.inf, (1,), np.float64),
        }
        if mask_in == "observation":
            fields["action_mask"] = spaces.MultiBinary(3)
        self.observation_space = spaces.Dict(fields)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.steps = int(self.np_random.integers(5)), 0
        self.goal = (options or {}).get("goal", int(self.np_random.integers(5)))
        return self._seen(), self._info()

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        move = action - self.first - STAY
        assert 0 <= self.place + move < 5
        self.place, self.steps = self.place + move, self.steps + 1
        there = self.place == self.goal and move == 0
        return self._seen(), float(there), there, self.steps >= self.limit, self._info()

    def _seen(self) -> dict[str, Any]:
        near = np.array([self.place == 0, self.place == 4], np.int8)
        inner = {"place": self.place + 1, "near": near, "both": np.array([self.place, self.goal])}
        seen = {"text": f"stop at place {self.goal}", "inner": inner, "away": np.array([self.goal - self.place], float)}
        return seen | ({"action_mask": self._mask()} if self.mask_in == "observation" else {})

    def _info(self) -> dict[str, Any]:
        return {"at": self.place} | ({"action_mask": self._mask()} if self.mask_in == "info" else {})

    def _mask(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        return np.array([self.place > 0, True, self.place < 4], np.int8)


def corridors(horizon: int = 8, success: Callable[[Outcome], float] | None = None, **how: Any) -> Environments:
    return Environments(lambda: Corridor(**how), horizon=horizon, instruction="text", success=success)


def _way(world: Environments, seed: int) -> list[int]:
    """The actions that lead to the goal and stop there."""
    place, goal = world.begin(world.tasks([seed]))["inner.both"][0]
    return [ON if goal > place else BACK] * abs(int(goal - place)) + [STAY]


def test_leaves_become_fields_and_the_text_becomes_the_instruction() -> None:
    world = corridors()
    tasks = world.tasks(range(3))
    seen = world.begin(tasks)
    assert {field: (values.shape, values.dtype.name) for field, values in seen.items()} == {
        "inner.place": ((3,), "int64"),
        "inner.near": ((3, 2), "bool"),
        "inner.both": ((3, 2), "int64"),
        "away": ((3, 1), "float32"),
        "choices": ((3, 3), "bool"),
    }
    assert set(world.spaces) == set(seen) - {"choices"}
    assert [task.instruction for task in tasks] == [f"stop at place {goal}" for goal in seen["inner.both"][:, 1]]
    np.testing.assert_array_equal(seen["inner.place"], seen["inner.both"][:, 0])  # counted from 0


def test_options_reach_the_environment() -> None:
    (task,) = corridors().tasks([3], options={"goal": 4})
    assert task.instruction == "stop at place 4"
    assert corridors().begin([task])["inner.both"][0, 1] == 4


@pytest.mark.parametrize("mask_in", ["observation", "info"])
def test_choices_are_what_the_environment_allows(mask_in: str) -> None:
    world = corridors(mask_in=mask_in)
    seen = world.begin(world.tasks(range(20)))
    place = np.asarray(seen["inner.place"], np.int64)
    assert {0, 4} <= set(place.tolist())
    np.testing.assert_array_equal(seen["choices"], np.stack([place > 0, place >= 0, place < 4], 1))
    wrong = np.where(place == 0, BACK, STAY)
    with pytest.raises(InvalidInput, match="cannot be taken"):
        world.step(wrong)


def test_without_a_mask_every_action_can_be_taken() -> None:
    world = corridors(mask_in="nowhere")
    assert world.begin(world.tasks([0]))["choices"].all()


def test_a_batch_goes_as_one_by_one_and_as_before() -> None:
    world, generator = corridors(), np.random.default_rng(0)
    tasks = world.tasks(range(6))
    taken = generator.integers(3, size=(8, 6))

    def walked(chosen: list[int], world: Environments) -> list[dict[str, Any]]:
        seen = [dict(world.begin([tasks[number] for number in chosen]))]
        for wished in taken[:, chosen]:
            allowed = seen[-1]["choices"]
            actions = np.where(allowed[np.arange(len(chosen)), wished], wished, STAY)
            after, ended = world.step(actions)
            seen.append({**after, "ended": ended})
        return [*seen, dict(world.measured())]

    together, again = walked(list(range(6)), world), walked(list(range(6)), world)
    alone = [walked([number], world if number % 2 else corridors()) for number in range(6)]
    for step, whole in enumerate(together):
        for field, values in whole.items():
            np.testing.assert_array_equal(values, again[step][field])
            np.testing.assert_array_equal(values, np.concatenate([one[step][field] for one in alone]))


def test_ended_episodes_stay_as_they_are_and_the_horizon_breaks_off() -> None:
    world = corridors(horizon=4)
    tasks = world.tasks(range(30))
    place = np.asarray(world.begin(tasks)["inner.both"])
    arrived = place[:, 0] == place[:, 1]
    assert 0 < arrived.sum() < 30
    for step in range(6):
        seen, ended = world.step(np.full(30, STAY))
        np.testing.assert_array_equal(ended, arrived, f"after {step}")
    assert seen["choices"][ended].all()
    measured = world.measured()
    np.testing.assert_array_equal(measured["success"], arrived)
    np.testing.assert_array_equal(measured["return"], arrived)
    np.testing.assert_array_equal(measured["steps"], np.where(arrived, 1, 4))


def test_a_time_limit_is_an_end_before_the_horizon_and_none_at_it() -> None:
    for horizon, ends in ((3, False), (4, True)):
        world = corridors(horizon=horizon, limit=3)
        task = next(task for task in world.tasks(range(30)) if world.begin([task])["away"][0, 0] != 0)
        world.begin([task])
        for _ in range(3):
            _, ended = world.step(np.array([STAY]))
        assert ended.tolist() == [ends]


def test_success_can_be_judged_otherwise() -> None:
    world = corridors(success=lambda outcome: outcome.info["at"] / 4 if outcome.steps and not outcome.ended else 0)
    task = next(task for task in world.tasks(range(30)) if world.begin([task])["inner.both"][0].tolist() == [1, 3])
    world.begin([task])
    world.step(np.array([ON]))
    assert world.measured()["success"].tolist() == [0.5]


def test_known_actions_are_recorded_where_some_episodes_end_where_the_first_action_is_not_allowed() -> None:
    world = corridors(horizon=10)
    ways = [_way(world, seed) for seed in range(12)]
    tasks = world.tasks(range(12))
    cut = [way[:1] for way in ways[:6]] + ways[6:]  # the first six go no further, and the world goes on there
    shown = recorded(world, tasks, cut)
    assert shown.episodes.lengths.tolist() == [len(way) for way in cut]
    assert shown.instructions == tuple(task.instruction for task in tasks)


class Wrong(Corridor):
    """A corridor of which one space is another's."""

    def __init__(self, **spaces_: spaces.Space[Any]) -> None:
        super().__init__()
        self.action_space = spaces_.pop("actions", self.action_space)
        self.observation_space = spaces.Dict({**self.observation_space.spaces, **spaces_})  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (lambda: Wrong(actions=spaces.Box(-1, 1, (2,))), "TransformAction"),
        (lambda: Wrong(extra=spaces.Text(5)), "without="),
        (lambda: Wrong(extra=spaces.Sequence(spaces.Discrete(2))), "without="),
        (lambda: Wrong(choices=spaces.Discrete(2)), "mask='choices'"),
    ],
)
def test_spaces_that_cannot_be_handled_are_named(environment: Callable[[], Corridor], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Environments(environment, horizon=3, instruction="text")


def test_fields_can_be_left_out() -> None:
    world = Environments(
        lambda: Wrong(extra=spaces.Text(5)), horizon=3, instruction="text", without=["extra", "inner.near"]
    )
    assert set(world.begin(world.tasks([0]))) == {"away", "inner.place", "inner.both", "choices"}


def test_an_environment_must_say_what_is_to_be_done() -> None:
    with pytest.raises(InvalidInput, match="pass instruction='text'"):
        Environments(Corridor, horizon=3)
    with pytest.raises(InvalidInput, match="wrap the environment"):
        Environments(lambda: gymnasium.make("FrozenLake-v1"), horizon=3)
    with pytest.raises(InvalidInput, match="an instruction in words"):
        Environments(Silent, horizon=3, instruction="text").tasks([0])


class Silent(Corridor):
    def _seen(self) -> dict[str, Any]:
        return {**super()._seen(), "text": " "}


class Stuck(Corridor):
    def _mask(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        return np.zeros(3, np.int8)


def test_masks_and_actions_of_another_length_are_named() -> None:
    world = Environments(Stuck, horizon=3, instruction="text")
    with pytest.raises(InvalidInput, match="at least one of them true"):
        world.begin(world.tasks([0]))
    world = corridors()
    world.begin(world.tasks(range(2)))
    with pytest.raises(InvalidInput, match="one for each of 2 tasks"):
        world.step(np.array([STAY]))
    with pytest.raises(InvalidInput, match="cannot be taken"):
        world.step(np.array([STAY, 3]))


def test_what_is_seen_is_not_changed_by_later_steps() -> None:
    world = corridors()
    seen = world.begin(world.tasks(range(4)))
    before = {field: values.copy() for field, values in seen.items()}
    world.step(np.where(seen["choices"][:, ON], ON, BACK))
    for field, values in before.items():
        np.testing.assert_array_equal(seen[field], values)


def test_without_gymnasium_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(Unavailable, match=r"pip install 'segue\[act\]'"):
        corridors()
