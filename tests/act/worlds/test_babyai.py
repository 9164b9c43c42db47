"""BabyAI: tasks by seed, what is held out, the expert, and demonstrations on disk."""

import sys
from pathlib import Path

import numpy as np
import pytest
from minigrid.core import constants
from minigrid.utils.baby_ai_bot import BabyAIBot

from segue.act.files import load, save
from segue.act.world import Observation
from segue.act.worlds.babyai import CELLS, DONE, HELD_OUT, LEVELS, SPLITS, demonstrated, tasks, world
from segue.act.worlds.environments import Reset
from segue.act.worlds.missions import COLOURS, parsed, plain, wordings
from segue.errors import InvalidInput, Unavailable

SMALL = ["GoToObj", "GoToLocal", "PickupLoc", "OpenDoor", "PutNextLocal"]


def some(number: int, split: str = "train", levels: list[str] = SMALL, seed: int = 0) -> list[Reset]:
    return tasks(levels, number, split=split, seed=seed, progress=False)


def test_tasks_are_the_same_for_the_same_seed_and_fewer_are_the_first_of_more() -> None:
    many = some(40)
    assert some(40) == many
    assert some(15) == many[:15]
    assert some(40, seed=1) != many
    assert [task.options["level"] for task in many[:6]] == [*SMALL, "GoToObj"]


def test_no_two_splits_share_a_grid() -> None:
    grids = [{(task.options["level"], task.seed) for task in some(10, split)} for split in SPLITS]
    grids.append({(task.options["level"], task.seed) for task in some(10, seed=1)})
    assert len(set.union(*grids)) == sum(map(len, grids))


@pytest.mark.parametrize("split", SPLITS)
def test_splits_name_held_out_pairs_and_use_held_out_wordings_as_they_say(split: str) -> None:
    for task in some(25, split):
        mission = parsed(task.instruction)
        assert mission.pairs.isdisjoint(HELD_OUT) != SPLITS[split].pairs
        assert task.instruction in set(wordings(mission, held_out=SPLITS[split].wordings))


def test_every_colour_and_kind_is_named_in_training() -> None:
    named = {pair for task in some(300, levels=["GoToLocal", "OpenDoor"]) for pair in parsed(task.instruction).pairs}
    assert {colour for colour, _ in named} == set(COLOURS)
    assert {kind for _, kind in named} == {"ball", "box", "key", "door"}


@pytest.mark.parametrize("level", LEVELS)
def test_instructions_say_what_the_level_asks(level: str) -> None:
    here = world([level])
    chosen = some(4 if level in ("GoTo", "Open") else 30, levels=[level])
    for task in chosen:
        (asked,) = here.tasks([task.seed], options=task.options)
        assert plain(parsed(task.instruction)) == asked.instruction
        assert parsed(asked.instruction) == parsed(task.instruction)


def test_levels_are_begun_together_and_go_as_one_by_one() -> None:
    chosen = some(10)
    taken = np.random.default_rng(0).integers(7, size=(12, 10))

    def walked(several: list[int]) -> tuple[list[Observation], list[np.ndarray]]:
        here = world(SMALL)
        seen, ended = [here.begin([chosen[number] for number in several])], [np.zeros(len(several), bool)]
        for actions in taken[:, several]:
            after, over = here.step(actions)
            seen.append(after)
            ended.append(over)
        return seen, ended

    together, ended = walked(list(range(10)))
    assert {name: (values.shape, values.dtype.name) for name, values in together[0].items()} == {
        "image": ((10, 7, 7, 3), "int64"),
        "direction": ((10,), "int64"),
        "choices": ((10, 7), "bool"),
    }
    for number in range(10):
        alone, over = walked([number])
        for step, seen in enumerate(together):
            assert ended[step][number] == over[step][0]
            for name, values in seen.items():
                np.testing.assert_array_equal(values[number], alone[step][name][0])


def test_cells_have_minigrids_numbers() -> None:
    assert CELLS[0] == len(constants.OBJECT_TO_IDX)
    assert CELLS[1] == len(constants.COLOR_TO_IDX)
    seen = world(SMALL).begin(some(60))["image"]
    assert (seen.reshape(-1, 3).max(0) < CELLS).all()


@pytest.mark.parametrize("level", LEVELS)
def test_the_expert_carries_out_every_task(level: str) -> None:
    chosen = some(3 if level in ("GoTo", "Open") else 15, levels=[level])
    shown, failed = demonstrated(chosen, progress=False)
    assert not failed
    assert shown.instructions == tuple(task.instruction for task in chosen)
    assert shown.episodes.lengths.max() <= LEVELS[level]
    here = world([level])
    here.begin(chosen)
    padded = shown.episodes.batch().actions.numpy()
    for actions in padded.T:
        _, ended = here.step(actions)
    assert ended.all()
    assert here.measured()["success"].all()
    np.testing.assert_array_equal(here.measured()["steps"], shown.episodes.lengths)


@pytest.mark.parametrize("level", SMALL)
def test_it_is_the_agent_who_says_that_it_is_done_and_right_if_it_has_just_accomplished_its_mission(level: str) -> None:
    chosen = some(20, levels=[level])
    shown, _ = demonstrated(chosen, progress=False)
    actions, last = shown.episodes.batch().actions.numpy(), shown.episodes.lengths - 1
    assert (actions[np.arange(20), last] == DONE).all()
    here = world([level])

    def walked(taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        here.begin(chosen)
        for one in taken.T:
            _, ended = here.step(one)
        return ended, here.measured()["success"]

    ended, success = walked(actions)
    assert ended.all()
    assert success.all()
    late, early = np.pad(actions, ((0, 0), (0, 1))), actions.copy()
    late[np.arange(20), last], late[np.arange(20), last + 1] = 0, DONE  # it turns away first
    early[np.arange(20), last - 1] = DONE
    for wrong in (late, early):
        ended, success = walked(wrong)
        assert ended.all()
        assert success.mean() < 0.2  # another thing of this name may stand there
    undone = np.where(np.arange(actions.shape[1]) < last[:, None], actions, 0)
    assert not walked(undone)[0].any()


def test_tasks_that_the_expert_fails_at_are_left_out_and_named() -> None:
    chosen = some(20, levels=["PutNextLocal"])
    everything, _ = demonstrated(chosen, progress=False)
    quick, failed = demonstrated(chosen, horizon=10, progress=False)
    assert 0 < len(failed) < 20
    long = everything.episodes.lengths > 10
    assert failed == [task for task, late in zip(chosen, long, strict=True) if late]
    np.testing.assert_array_equal(quick.episodes.actions, everything.episodes[~long].actions)


def test_a_planner_that_gives_up_costs_its_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, calls = some(4), iter([False, True, *[False] * 200])
    plan = BabyAIBot.replan

    def replan(self: BabyAIBot, action: int | None = None) -> int:
        assert not next(calls), "nothing left to explore"
        return int(plan(self, action))

    monkeypatch.setattr(BabyAIBot, "replan", replan)
    shown, failed = demonstrated(chosen, progress=False)
    assert failed == chosen[:1]
    assert shown.instructions == tuple(task.instruction for task in chosen[1:])
    with pytest.raises(InvalidInput, match="none of 4 tasks"):
        demonstrated(chosen, horizon=1, progress=False)


def test_demonstrations_are_kept_on_disk(tmp_path: Path) -> None:
    shown, _ = demonstrated(some(10), progress=False)
    save(shown, tmp_path / "shown.npz")
    found = load(tmp_path / "shown.npz")
    assert found.instructions == shown.instructions
    np.testing.assert_array_equal(found.episodes.actions, shown.episodes.actions)
    for field, values in shown.episodes.observations.items():
        np.testing.assert_array_equal(found.episodes.observations[field], values)
    assert (tmp_path / "shown.npz").stat().st_size < 20_000


def test_nothing_is_printed_while_grids_are_made(capfd: pytest.CaptureFixture[str]) -> None:
    demonstrated(some(30, levels=["GoToLocal"]), progress=False)
    assert capfd.readouterr() == ("", "")


def test_levels_and_splits_that_are_not_there_are_named() -> None:
    with pytest.raises(InvalidInput, match="GoToLocal"):
        some(3, levels=["GoToMoon"])
    with pytest.raises(InvalidInput, match="GoToLocal"):
        some(3, levels=[])
    with pytest.raises(InvalidInput, match="validation"):
        some(3, "test")
    with pytest.raises(InvalidInput, match="held-out pairs"):
        tasks(["GoToObj"], 1, split="pairs", held_out={("red", "door")}, progress=False)
    with pytest.raises(InvalidInput, match="PutNextLocal"):
        world(SMALL).begin([Reset("go to the red ball", 0)])


def test_without_minigrid_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minigrid", None)
    with pytest.raises(Unavailable, match=r"pip install 'segue\[act\]'"):
        world(SMALL)
