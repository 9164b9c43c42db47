"""The demo's agent: what it learns from, and that it goes live while the store is served."""

from pathlib import Path
from typing import cast

import pytest

from segue.act.worlds.walks import Houses, Walk
from segue.engine import Engine
from segue.recipes import demo, demo_home
from segue.recipes.demo_home import PARTS, act, ground
from segue.recipes.train_agent import Plan

SHORT = Plan(cloning=4, naming=0, exploring=0, reward=4, inverse=0, comparing=0, width=16, dropout=0.0, judged=2)
SMALL = {"houses": 2, "walks": 40, "own": 40, "wordings": 1}


@pytest.fixture
def folder(engine: Engine) -> Path:
    return engine.store.folder


def test_no_two_parts_share_a_way() -> None:
    learned, tried = ground(houses=2, walks=60, own=80, wordings=2)
    world, tasks, held = cast(Houses, learned.world), cast(list[Walk], learned.tasks), cast(list[Walk], learned.held)
    home = [walk for walk in tasks if not world.graphs.house[walk.start]]
    parts = [{(walk.start, walk.path[-1]) for walk in walks} for walks in (home, held, tried)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert abs(len(parts[2]) - 80 / PARTS) < 3
    assert len(home) < len(tasks)


def test_it_goes_live_without_a_restart(engine: Engine, folder: Path) -> None:
    assert not demo.acts(folder)
    trained = act(folder, plan=SHORT, **SMALL)
    assert trained is not None
    assert trained["learned"] == trained["cloned"]  # its reward alone learned after the cloning
    assert "success" in trained["learned"]
    assert "area under the curve" in trained["reward"]
    assert demo.acts(folder)
    engine.take_up()
    walked = engine.ask("go to the kitchen and stop at the sink").walked
    assert walked is not None
    assert walked.house == {"seed": demo_home.SEED, "number": 0}
    assert act(folder, plan=SHORT, **SMALL) is None
    assert demo.act_meanwhile(folder, say=pytest.fail) is None


def test_the_same_agent_each_time(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Engine.open(other).close()
    names = []
    for store in (folder, other):
        act(store, plan=SHORT, **SMALL)
        names.append((store / "live.json").read_text())
    assert names[0].split('"acting-home":')[1] == names[1].split('"acting-home":')[1]


def test_what_learns_meanwhile_is_a_process_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_act", print)
    process = demo.act_meanwhile(folder, say=print)
    assert process is not None
    process.join(60)
    assert process.exitcode == 0
    assert process.daemon  # it does not outlive the server
    assert str(folder) in capfd.readouterr().out
