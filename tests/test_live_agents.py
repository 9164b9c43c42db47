"""Who acts: an instruction goes to the agent of a home, all else to where it went before, and feedback on a walk survives."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from segue import artifact
from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.answers import to_body
from segue.cli import main
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import Corrupt, InvalidInput, NotFound
from segue.live_agents import HORIZON, PART, LiveAgents, publish
from segue.recipes.demo_home import SEED
from segue.recipes.explain import as_text, explained
from segue.recipes.learning_report import LearningReport
from segue.recipes.understanding_report import understanding_report
from segue.records import Answer
from segue.store import Store

GO = "go to the kitchen and stop at the sink"
SEARCHES = ("mary poppins", "songs about the kitchen", "love", "play misty for me", "find the piano", "walk the line")


def same(answer: Answer) -> dict[str, Any]:
    """All that does not change from one time to the next."""
    body = to_body(answer)
    del body["id"], body["milliseconds"], body["request"]["time"], body["trace"]["milliseconds"]
    return body


def test_an_instruction_is_carried_out(acting: Engine) -> None:
    answer = acting.ask(GO)
    first = answer.hypotheses[0]
    assert (first.domain, first.intent, dict(first.slots)) == ("home", "go", {"room": "kitchen", "thing": "sink"})
    assert answer.decision == "clear"
    assert {one.domain for one in answer.hypotheses} == {"home", "films", "books"}
    walked, (result,) = answer.walked, answer.results
    assert walked is not None
    assert (result.domain, result.score) == ("home", walked.likely)
    assert walked.house == {"seed": SEED, "number": 0}
    assert len(walked.places) == len(walked.steps) + (not walked.stopped)
    assert len(walked.steps) <= HORIZON
    assert [step.action for step in walked.steps].count("stop") == walked.stopped
    assert all(0 < step.probability <= 1 and np.isfinite(step.reward) for step in walked.steps)
    assert 0 <= walked.likely <= 1
    assert walked.places[0].room == "hallway"
    assert {"understand", "act"} <= set(answer.trace["milliseconds"])


def test_a_walk_goes_along_ways_and_is_the_same_each_time(acting: Engine) -> None:
    graphs = furnished(1, seed=SEED).graphs
    walked = acting.ask(GO).walked
    assert walked is not None
    numbers = [graphs.places.index(place.name) for place in walked.places]
    for here, there in itertools.pairwise(numbers):
        assert there in graphs.ways[here]
    for place, number in zip(walked.places, numbers, strict=True):
        assert np.allclose([place.x, place.y], graphs.positions[number, :2], atol=1e-3)
    assert same(acting.ask(GO)) == same(acting.rehearse(GO)) == same(acting.ask(GO, seed=0))


def test_searches_are_as_without_an_agent(engine: Engine, walker: Path) -> None:
    before = [same(engine.rehearse(text)) for text in (*SEARCHES, GO)]
    assert all("walked" not in body for body in before)
    publish(engine.store, walker, domain="home")
    engine.take_up()
    after = [same(engine.rehearse(text)) for text in (*SEARCHES, GO)]
    assert after[:-1] == before[:-1]
    assert "walked" in after[-1]
    assert "walked" not in same(engine.rehearse(GO, domain="films"))
    assert same(engine.rehearse(GO, domain="films"))["hypotheses"][0]["domain"] == "films"


def test_what_is_wholly_a_title_is_searched(acting: Engine) -> None:
    acting.index([{"id": "f9", "title": GO, "votes": 1}], domain="films")
    answer = acting.ask(GO)
    assert answer.walked is None
    assert answer.results[0].id == "f9"


def test_a_named_domain_acts_whatever_is_said(acting: Engine) -> None:
    answer = acting.ask("the sink", domain="home")
    assert answer.walked is not None
    assert [(one.domain, one.confidence) for one in answer.hypotheses] == [("home", 1.0)]
    assert acting.ask("the sink").walked is None
    with pytest.raises(NotFound):
        acting.ask("the sink", domain="garden")


def test_a_reader_that_reads_go_is_believed(reading: Engine, walker: Path) -> None:
    publish(reading.store, walker, domain="home")
    assert reading.ask(GO).walked is not None
    lights = reading.ask("turn on the lights in the hall")
    assert (lights.hypotheses[0].domain, lights.walked) == ("home", None)
    go = next(one for one in lights.hypotheses if one.domain == "home")
    live = LiveAgents(reading.store)
    request = lights.request
    assert live.read(request, go) is None
    told = live.read(request, type(go)("home", "go", {}, 0.9))
    assert told is not None
    assert told.hypothesis.confidence == 0.9


@pytest.mark.parametrize("action", ["like", "dislike"])
def test_feedback_on_a_walk_survives(acting: Engine, encoder: OnnxEncoder, action: str) -> None:
    answer = acting.ask(GO)
    sent = acting.feedback(answer, answer.results[0], action=action)
    assert sent.domain == "home"
    digest = acting.memory.digest()
    acting.close()
    with Engine.open(acting.store.folder, encoder=encoder, create=False) as again:
        assert again.memory.digest() == digest
        logged = again.answer(answer.id)
        assert logged["results"][0]["actions"] == [action]
        assert logged["walked"]["places"] == to_body(answer)["walked"]["places"]
        assert logged["walked"]["plan"] == to_body(answer)["walked"]["plan"]
        assert "plan" not in again.recent_answers()[0]["walked"]
        assert again.ask(GO).walked == answer.walked  # the pointer is kept
        again.feedback(answer.id, answer.results[0].id, action="undo")
        assert any("home" in line for line in as_text(explained(again, answer.id)))
        assert "home" in LearningReport(again).body()["domains"]


def test_a_damaged_agent_is_said_and_does_not_stop_search(
    acting: Engine, encoder: OnnxEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    acting.ask(GO)
    folder = acting.store.live_parts(PART)[f"{PART}home"]
    tensors = folder / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    acting.close()
    with Engine.open(acting.store.folder, encoder=encoder, create=False) as again:
        assert "tensors.safetensors" in caplog.text
        assert again.ask(GO).walked is None
        assert again.ask("mary poppins").results[0].title == "Mary Poppins"
        with pytest.raises(Corrupt, match=r"Nobody can act in 'home'.*tensors\.safetensors"):
            again.ask(GO, domain="home")
        (about,) = understanding_report(again)["acting"]
        assert about["state"] == "refused"
        assert "tensors.safetensors" in about["problem"]


def test_one_that_is_damaged_before_it_is_first_needed(acting: Engine) -> None:
    acting.ask("love")  # it is known, and not yet open
    shutil.rmtree(acting.store.live_parts(PART)[f"{PART}home"])
    answer = acting.ask(GO)
    assert answer.walked is None
    assert "no trained part" in acting.agents.refused["home"]


def test_what_cannot_be_published(engine: Engine, walker: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is searched"):
        publish(engine.store, walker, domain="films")
    with pytest.raises(NotFound):
        publish(engine.store, tmp_path, domain="home")
    part = artifact.open(walker, kind="agent")
    meta = {**part.meta, "trained": {"world": {"world": "houses"}}}
    artifact.write(tmp_path / "nowhere", kind="agent", name="agent", tensors=part.tensors(), meta=meta)
    with pytest.raises(Corrupt, match="does not say in which house"):
        publish(engine.store, tmp_path / "nowhere", domain="home")
    assert engine.store.live_parts(PART) == {}


def test_the_commands(walker: Path, encoder: OnnxEncoder, tmp_path: Path) -> None:
    store = tmp_path / "store"

    def run(*words: str) -> tuple[int, str]:
        said = CliRunner().invoke(main, [*words, "--store", str(store)])
        return said.exit_code, said.output

    publishes = "publish", "agent", "--model", str(walker)
    assert run(*publishes)[0] == 0
    with Engine.open(store, encoder=encoder) as engine:
        first = engine.ask(GO).walked
        status, said = run(*publishes, "--place", f"house-{SEED}-2")
        assert status == 0, said
        engine.take_up()
        other = engine.ask(GO).walked
        assert first is not None
        assert other is not None
        assert (first.house["number"], other.house) == (0, {"seed": SEED, "number": 2})
        assert said == f"home: {other.agent} acts.\n"
        parts = [artifact.open(one, kind="agent") for one in (walker, store / "artifacts" / other.agent)]
        assert parts[1].parent == parts[0].hash
        assert run("retire", "agent") == (0, f"home: retired is {other.agent}.\n")
        engine.take_up()
        with pytest.raises(NotFound):
            engine.ask(GO)
        status, said = run("retire", "agent")
        assert (status, "No agent of 'home' is live in this store. Expected: one of: none." in said) == (1, True)
        assert run("restore", "agent") == (0, f"home: live is {other.agent}.\n")
        engine.take_up()
        assert engine.ask(GO).walked == other
    for words, message in {
        (*publishes, "--place", "castle"): "'castle' is not the name of a generated house. Expected: house-SEED-NUMBER",
        (*publishes, "--domain", "../home"): "domain",
        ("publish", "agent", "--model", str(tmp_path / "nowhere")): "no trained part",
        ("restore", "agent"): "No agent of 'home' is retired",
    }.items():
        status, said = run(*words)
        assert (status, message in said) == (1, True), said


def test_an_agent_of_another_world_does_not_walk_in_a_house(engine: Engine, walker: Path, tmp_path: Path) -> None:
    part = artifact.open(walker, kind="agent")
    meta = {**part.meta, "sees": {**part.meta["sees"], "kind": "grid"}}
    artifact.write(tmp_path / "grid", kind="agent", name="agent", tensors=part.tensors(), meta=meta)
    with pytest.raises(InvalidInput, match="does not walk in houses"):
        publish(engine.store, tmp_path / "grid", domain="home", house="house-0-0")


def test_an_agent_alone_is_a_store(walker: Path, encoder: OnnxEncoder, tmp_path: Path) -> None:
    with Engine.open(tmp_path / "store", encoder=encoder) as engine:
        name = publish(engine.store, walker, domain="home")
        assert publish(engine.store, walker, domain="home") == name
        engine.take_up()
        assert engine.ask(GO).walked is not None
        with pytest.raises(NotFound, match="Nothing has been indexed"):
            engine.ask("mary poppins")


def test_it_is_printed(acting: Engine, encoder: OnnxEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    acting.close()
    opened = Engine.open
    monkeypatch.setattr(Engine, "open", lambda folder, **settings: opened(folder, **settings, encoder=encoder))
    said = CliRunner().invoke(main, ["ask", GO, "--store", str(acting.store.folder)])
    assert said.exit_code == 0, said.output
    assert "[home]" in said.stdout
    assert "reward" in said.stdout
    body = json.loads(CliRunner().invoke(main, ["ask", GO, "--store", str(acting.store.folder), "--json"]).stdout)
    assert body["walked"]["steps"]


def test_it_is_opened_ahead(acting: Engine) -> None:
    acting.agents.open_ahead()
    acting.take_up()
    (one,) = acting.agents._acting.values()
    assert one.open() is one.open()


def test_torch_is_not_needed_without_an_agent(tmp_path: Path) -> None:
    look = "import sys, segue.engine, segue.cli.serving; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False, timeout=60).returncode == 0


def test_instructions_of_the_house_are_heard(walker: Path, tmp_path: Path) -> None:
    """Also where they are worded as none that was learned from."""
    store = Store.open(tmp_path / "store")
    publish(store, walker, domain="home")
    (one,) = LiveAgents(store)._acting.values()
    heard: Callable[[str], float] = lambda text: one.hear(text).confidence  # noqa: E731
    for kind in ("route", "goal"):
        walks = walks_in(furnished(1, seed=SEED), 40, seed=9, kind=kind, wordings="held out")
        assert np.mean([heard(walk.instruction) >= 0.6 for walk in walks]) > 0.9
    for text in (
        *SEARCHES,
        "take a picture by ray charles",
        "leave the light on",
        "stop in the name of love",
        "kitchen",
    ):
        assert heard(text) == 0, text
