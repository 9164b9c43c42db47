"""Agents from the command line and from Python: from files, from generated houses, from your own demonstrations."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from segue import artifact
from segue.act import agent
from segue.act.demonstrations import demonstrations
from segue.act.grounds import Ground, of_babyai, of_furnished, of_your_own
from segue.cli import main
from segue.errors import InvalidInput
from segue.recipes.tensorboard import writing
from segue.recipes.train_agent import Plan, train_agent
from tests.act.room_files import room_files

SHORT = Plan(cloning=4, naming=4, exploring=4, reward=4, inverse=4, comparing=4, width=16, dropout=0.0, judged=2)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def ground() -> Ground:
    return of_furnished(houses=3, walks=40, held=2, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return room_files(tmp_path_factory.mktemp("r2r"))


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("agents") / "agent"
    result = run(
        "train", "agent", "--world", "r2r", "--data", folder, "--houses", 3, "--out", out, "--effort", 0.005, "--json"
    )
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert {"cloned", "learned", "reward"} <= set(said)
    assert not out.with_name("agent.training").exists()
    return out


def test_an_agent_is_evaluated_on_a_file(model: Path, folder: Path) -> None:
    asked = "evaluate", "agent", "--model", model, "--world", "r2r", "--data", folder
    result = json.loads(run(*asked, "--instructions", folder / "R2R_val_unseen.json", "--json").stdout)
    assert result["tasks"] == 90
    assert set(result["measures"]) == {"success", "spl", "oracle", "error", "metres"}
    success = result["measures"]["success"]
    assert 0 <= success["low"] <= success["mean"] <= success["high"] <= 1
    assert "mean and 95 % interval" in run(*asked, "--count", 5).output
    thought = json.loads(run(*asked, "--think", "--json").stdout)
    assert thought["tasks"] == result["tasks"]
    assert 0 <= thought["measures"]["spl"]["mean"] <= thought["measures"]["success"]["mean"]


def test_trajectories_are_scored_and_named(model: Path, folder: Path) -> None:
    asked = "--model", model, "--world", "r2r", "--data", folder, "--trajectories", folder / "R2R_val_unseen.json"
    scored = json.loads(run("score", "trajectory", *asked, "--json").stdout)
    assert len(scored) == 90
    assert all(math.isfinite(one["score"]) and 0 <= one["likely"] <= 1 for one in scored)
    named = json.loads(run("caption", "trajectory", *asked, "--each", 2, "--json").stdout)
    assert all(len(one["captions"]) == 2 for one in named)
    assert run("score", "trajectory", *asked).output.count("%") == 90
    assert run("caption", "trajectory", *asked).exit_code == 0


def test_an_agent_adapts_to_a_house(model: Path, folder: Path, tmp_path: Path) -> None:
    files = sorted((folder / "connectivity").iterdir())
    house, other = (file.name.removesuffix("_connectivity.json") for file in files[:2])
    world = "--world", "r2r", "--data", folder
    short = *world, "--houses", 3, "--walks", 60, "--ways", 80, "--updates", 2
    adapted = run("adapt", "agent", "--model", model, *short, "--place", house, "--out", tmp_path / "new", "--json")
    assert adapted.exit_code == 0, adapted.output
    assert json.loads(adapted.stdout)["examples"] == 80
    again = run("adapt", "agent", "--model", tmp_path / "new", *short, "--place", other, "--out", tmp_path / "newer")
    assert again.exit_code == 0, again.output
    one, both = (artifact.open(tmp_path / name, kind="agent") for name in ("new", "newer"))
    knows = both.meta["trained"]["knows"]
    assert one.meta["trained"]["knows"] == {house: knows[house]}
    assert set(knows) == {house, other}
    for found in (one, both):
        count = sum(map(len, found.meta["trained"]["knows"].values()))
        assert len(found.tensors()["policy/view.memory.weight"]) == 1 + count > 1
        for thinks in ([], ["--think"]):
            walked = run("evaluate", "agent", "--model", found.folder, *world, *thinks)
            assert walked.exit_code == 0, walked.output
    asked = json.loads((folder / "R2R_val_unseen.json").read_text())
    for scan in {one["scan"] for one in asked}:
        there = run("evaluate", "agent", "--model", model, *world, "--place", scan, "--json")
        count = sum(len(one["instructions"]) for one in asked if one["scan"] == scan)
        assert json.loads(there.stdout)["tasks"] == count
    wrong = run("adapt", "agent", "--model", model, *short, "--place", "castle", "--out", tmp_path / "castle")
    assert wrong.exit_code == 1
    assert "no house castle" in wrong.output
    assert not (tmp_path / "castle").exists()


def test_what_is_missing_is_said(model: Path, folder: Path, tmp_path: Path) -> None:
    lines = {
        ("train", "agent", "--world", "r2r", "--out", tmp_path / "a"): "--data FOLDER",
        ("train", "agent", "--world", "r2r", "--data", tmp_path, "--out", tmp_path / "a"): "connectivity",
        ("train", "agent", "--world", "r2r", "--data", folder, "--houses", 8, "--out", tmp_path / "a"): "at most 3",
        ("train", "agent", "--out", model): "exists already",
        ("evaluate", "agent", "--model", tmp_path, "--world", "r2r", "--data", folder): "no trained part",
        ("evaluate", "agent", "--model", model, "--instructions", folder): "generated",
        ("evaluate", "agent", "--model", model, "--world", "babyai", "--think"): "sees the world as houses",
        ("evaluate", "agent", "--model", model, "--world", "babyai", "--place", "castle"): "leave --place away",
        ("evaluate", "agent", "--model", model, "--place", "castle", "--houses", 2): "house-0-0, house-0-1",
        ("score", "trajectory", "--model", model, "--trajectories", folder / "R2R_train.json"): "--world r2r",
    }
    for words, message in lines.items():
        result = run(*words)
        assert result.exit_code == 1, words
        assert message in result.output, result.output
    assert not (tmp_path / "a").exists()


def test_a_training_that_was_stopped_goes_on(ground: Ground, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(part: str, update: int, values: Any) -> None:
        if part == "inverse":
            raise Stopped

    seen: list[str] = []
    with pytest.raises(Stopped):
        train_agent(ground, tmp_path / "one", plan=SHORT, progress=False, watch=stop)
    train_agent(
        ground, tmp_path / "one", plan=SHORT, progress=False, watch=lambda part, update, values: seen.append(part)
    )
    assert set(seen) == {"inverse", "comparing"}
    train_agent(ground, tmp_path / "two", plan=SHORT, progress=False)
    one, two = (agent.load(tmp_path / name, names=ground.names) for name in ("one", "two"))
    for name, tensor in one.policy.state_dict().items():
        assert np.array_equal(tensor.numpy(), two.policy.state_dict()[name].numpy()), name


def test_your_own_demonstrations_are_enough(tmp_path: Path) -> None:
    def walked(goal: int, word: str) -> tuple[list[tuple[dict[str, Any], int]], str]:
        steps = []
        for at in range(3):
            seen = {"lamp": np.array([at == goal], np.float32), "tile": at, "choices": np.array([True, True])}
            steps.append((seen, int(at == goal)))
        return steps, f"press at the {word} lamp"

    shown = demonstrations([walked(goal, word) for goal, word in enumerate(("first", "second", "third"))] * 4)
    ground = of_your_own(shown, shown)
    result = train_agent(ground, tmp_path / "own", plan=SHORT, progress=False)
    assert "success" not in result["cloned"]
    trained = agent.load(tmp_path / "own")
    assert trained.score(shown.episodes, shown.instructions).shape == (12,)
    with pytest.raises(InvalidInput):
        of_your_own(demonstrations([]), shown)


def test_missions_that_nobody_shows_are_practised(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    missions = of_babyai(("GoToObj",), demonstrations=12, held=4, unshown=16)
    assert len(missions.unshown) == 16
    assert not set(map(str, missions.unshown)) & set(map(str, missions.tasks))
    seen: list[str] = []
    train_agent(
        missions,
        tmp_path / "agent",
        plan=replace(SHORT, practising=2),
        progress=False,
        watch=lambda part, update, values: seen.append(part),
    )
    assert {"practice 1", "practice 2"} <= set(seen)
    asked = "evaluate", "agent", "--model", tmp_path / "agent", "--world", "babyai", "--level", "GoToObj", "--count", 4
    for more in ((), ("--think",)):
        tried = run(*asked, *more)
        assert tried.exit_code == 0, tried.output
    assert agent.load(tmp_path / "agent").caption(missions.aside.episodes)


def test_tensorboard_is_written(ground: Ground, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with writing(tmp_path / "board") as watch:
        train_agent(ground, tmp_path / "agent", plan=SHORT, progress=False, watch=watch)
    assert list((tmp_path / "board").glob("events*"))
