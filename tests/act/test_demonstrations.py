"""Demonstrations of one's own, and those recorded in a world."""

from typing import Any

import numpy as np
import pytest

from segue.act.demonstrations import Demonstrations, checked, demonstrations, recorded
from segue.act.episodes import Episodes
from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import STOP, Houses, Walk
from segue.errors import InvalidInput

Step = tuple[dict[str, Any], int]


def step(action: int = 0, *, choices: tuple[bool, ...] = (True, True, False), **other: Any) -> Step:
    return {"choices": np.array(choices), "seen": np.array([1.0, 2.0]), **other}, action


def test_ones_own_demonstrations() -> None:
    shown = demonstrations([([step(0), step(1)], "go on"), ([step(1)], "stop")])
    assert len(shown) == 2
    assert shown.instructions == ("go on", "stop")
    assert shown.shown.tolist() == [0, 1]
    assert shown.episodes.starts.tolist() == [0, 2, 3]
    assert shown.episodes.actions.tolist() == [0, 1, 1]
    assert shown.episodes.observations["seen"].shape == (3, 2)
    assert shown.episodes.ended.all()


@pytest.mark.parametrize(
    ("pairs", "complaint"),
    [
        ([], "no demonstrations"),
        ([([step()], "go"), ([], "go")], r"Demonstration 1 has 0 steps and the instruction 'go'"),
        ([([step()], " ")], r"Demonstration 0 has 1 steps and the instruction ' '"),
        ([([step()], None)], r"Demonstration 0 .* None"),
        ([([step(), ({"choices": np.array([True, True, False])}, 0)], "go")], "'seen' is missing"),
        ([([step(), step(more=np.zeros(2))], "go")], "'more' is missing"),
        ([([step(), step(seen=np.zeros(3))], "go")], "'seen' .* differs in shape"),
        ([([step(), step(choices=(True,))], "go")], "'choices' .* differs in shape"),
        ([([({"seen": np.zeros(2)}, 0)], "go")], "no field `choices`"),
        ([([({"choices": np.ones(2)}, 0)], "go")], "no field `choices`"),
        ([([step(), step(1)], "go"), ([step(0), step(2)], "go")], "Step 1 of episode 1 takes action 2"),
        ([([step(3)], "go")], "Step 0 of episode 0 takes action 3"),
        ([([step(-1)], "go")], "Step 0 of episode 0 takes action -1"),
    ],
)
def test_demonstrations_that_are_refused(pairs: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        demonstrations(pairs)


def test_what_is_right_is_handed_on() -> None:
    shown = demonstrations([([step()], "go")])
    assert checked(shown) is shown
    wrong = Episodes(shown.episodes.observations, np.array([2]), shown.episodes.starts, shown.episodes.ended)
    with pytest.raises(InvalidInput, match="takes action 2"):
        checked(Demonstrations(wrong, shown.shown, shown.instructions))


def actions(graphs: Graphs, walk: Walk) -> list[int]:
    """What leads along the path of a walk, and stops at its end."""
    steps = zip(walk.path[:-1], walk.path[1:], strict=True)
    return [*(1 + graphs.ways[here].tolist().index(there) for here, there in steps), STOP]


def test_recorded_is_as_walked_one_by_one() -> None:
    built = furnished(2, seed=4)
    walks = walks_in(built, 10, instructions=2)
    taken = [actions(built.graphs, walk) for walk in walks]
    shown = recorded(Houses(built.graphs), walks, taken)
    assert shown.instructions == tuple(walk.instruction for walk in walks)
    assert shown.episodes.lengths.tolist() == [len(one) for one in taken]
    assert shown.episodes.ended.all()
    for number, (walk, one) in enumerate(zip(walks, taken, strict=True)):
        world = Houses(built.graphs)
        seen = [world.begin([walk]), *(world.step(np.array([action]))[0] for action in one[:-1])]
        episode = shown.episodes[[number]]
        assert episode.actions.tolist() == one
        for field, values in episode.observations.items():
            np.testing.assert_array_equal(values, np.concatenate([step[field] for step in seen]))


@pytest.mark.parametrize(
    ("taken", "complaint"),
    [
        ([], r"2 tasks and 0 lists"),
        ([[STOP]], r"2 tasks and 1 lists"),
        ([[STOP], []], r"2 tasks and 2 lists of actions, of lengths \[0, 1\]"),
        ([[STOP], [99]], "takes action 99"),
        ([[STOP], [99, STOP]], "cannot be taken"),
    ],
)
def test_actions_that_cannot_be_recorded(taken: list[list[int]], complaint: str) -> None:
    built = furnished(1)
    with pytest.raises(InvalidInput, match=complaint):
        recorded(Houses(built.graphs), walks_in(built, 2), taken)


def test_no_tasks_cannot_be_recorded() -> None:
    with pytest.raises(InvalidInput, match="0 tasks and 0 lists"):
        recorded(Houses(furnished(1).graphs), [], [])
