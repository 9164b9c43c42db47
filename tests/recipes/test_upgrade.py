"""The encoder of a store is replaced from start to end, beside an engine that goes on answering."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from segue.encode.bridged import BridgedEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.rank.ranker import Page, train
from segue.recipes.learn import engine_features
from segue.recipes.upgrade import bridge as bridging
from segue.recipes.upgrade import plan
from segue.recipes.upgrade.bridge import bridge
from segue.recipes.upgrade.candidates import adopt_encoder
from segue.recipes.upgrade.cases import Space, cases, half_of, rank_of, ranks
from segue.recipes.upgrade.going_live import as_text, backfill, finish, go_live, rollback, status_of
from segue.recipes.upgrade.judge import judge
from segue.recipes.upgrade.judge_others import judge_ranker, judge_readers
from segue.recipes.upgrade.report import said_of
from segue.recipes.use_encoder import use_encoder
from segue.store import Store
from segue.understand.reranker import Reranker
from tests.test_cli import run
from tests.upgradable import FILMS


@pytest.fixture
def store(upgradable: Path, tmp_path: Path) -> Path:
    return shutil.copytree(upgradable, tmp_path / "store")


@pytest.fixture
def running(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that has been answering since before, and looks around at every request."""
    monkeypatch.setattr("segue.engine._REFRESH", -1.0)
    monkeypatch.setattr("segue.retrieve.catalogue.catalogue._CALM", 0)
    with Engine.open(store) as engine:
        yield engine


def found(engine: Engine, text: str) -> list[str]:
    """By vectors alone, after a request that lets the engine look around."""
    engine.ask(text)
    snapshot = engine.domains.get("films").snapshot
    numbers = snapshot.vectors.search("dense", snapshot.encoder.encode([text])[0], 5).numbers.tolist()
    ids = snapshot.ids_of(numbers)
    return [ids[number] for number in numbers]


def prepared(store: Path, model: Path, **more: Any) -> str:
    return str(bridge(store, model, share=0.5, queries=200, **more)["candidate"])


def test_from_start_to_end_beside_a_running_engine(store: Path, running: Engine, int8_folder: Path) -> None:
    text = "ghosts on the moon"
    before = found(running, text)
    planned = plan.plan(store, int8_folder, price=1.0)
    assert planned["items left"] == 120
    assert planned["backfill"]["money"] == planned["backfill"]["hours"] > 0
    assert found(running, text) == before

    made = bridge(store, int8_folder, share=0.5, queries=200)
    candidate = Path(made["candidate"])
    assert made["calibrated"] == {"films": 60}
    assert found(running, text) == before  # nothing that is searched has changed
    with pytest.raises(InvalidInput, match="not asked"):
        go_live(store, candidate)

    few = judge(store, candidate)
    assert not few["passed"]
    assert "more cases would tell" in few["verdicts"]["vectors"]["reason"]
    report = judge(store, candidate, budget=0.2)  # nothing broke among 29 cases: that says no more
    assert report["passed"], report["verdicts"]
    assert said_of(Store.open(store), candidate.name) == orjson.loads(
        orjson.dumps(report, option=orjson.OPT_SERIALIZE_NUMPY)
    )
    assert report["left out"] == {"films": 60}

    go_live(store, candidate)
    taken_over = found(running, text)
    assert isinstance(running.encoder, BridgedEncoder)
    assert taken_over != before
    with pytest.raises(InvalidInput, match="under way"):
        go_live(store, candidate)
    with pytest.raises(InvalidInput, match="under way"):
        use_encoder(Store.open(store), int8_folder)
    with pytest.raises(InvalidInput, match="60 items have no vector"):
        finish(store, anyway=True)

    running.index([{"id": "new", "title": "A ghost on the far side of the moon"}], domain="films")
    assert found(running, text)[0] == "new"
    assert status_of(store)["domains"] == [{"domain": "films", "items": 121, "embedded": 61}]
    backfill(store, most=20)
    assert status_of(store)["domains"][0]["embedded"] == 81
    told = []
    backfill(store, order="uncertain", progress=lambda step, done: told.append((step, done)))
    assert told == [("films", 40)]
    found(running, text)
    assert running.domains.get("films").incoming(running.encoder.new).among(np.arange(1, 122)).all()

    finish(store, anyway=True)
    alone = found(running, text)
    assert not isinstance(running.encoder, BridgedEncoder)
    assert "new" in alone
    assert running.encoder.dimensions == 384
    assert status_of(store)["upgrade"] is None

    rollback(store)
    assert [id for id in found(running, text) if id != "new"][:4] == [id for id in before if id != "new"][:4]
    with pytest.raises(NotFound, match="no upgrade to undo"):
        rollback(store)


def test_one_rollback_undoes_it_and_going_live_again_costs_nothing(
    store: Path, running: Engine, int8_folder: Path
) -> None:
    before = found(running, "a robot in Rome")
    candidate = Path(prepared(store, int8_folder))
    go_live(store, candidate, anyway=True)
    backfill(store, most=30, order="random")
    assert found(running, "a robot in Rome") != before
    rollback(store)
    assert status_of(store)["upgrade"] is None
    assert found(running, "a robot in Rome") == before
    go_live(store, candidate, anyway=True)
    again = status_of(store)
    assert again["domains"] == [{"domain": "films", "items": 120, "embedded": 90}]
    assert "90 of 120" in as_text(again)


def test_the_gate_refuses_what_breaks_searches_and_names_them(
    store: Path, int8_folder: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    use_encoder(Store.open(store), int8_folder)
    candidate = Path(prepared(store, tiny_bert, how="procrustes"))  # from a good encoder to one of random weights
    report = judge(store, candidate, queries=200)
    verdict = report["verdicts"]["vectors"]
    assert not report["passed"]
    assert not verdict["passed"]
    assert verdict["lost"] > 0
    broken = verdict["broken"][0]
    assert broken["before"] <= 10 < broken["after"]
    assert broken["case"]["text"] in {film["title"] for film in FILMS}
    with pytest.raises(InvalidInput, match="refused"):
        go_live(store, candidate)
    result = run("upgrade", "gate", "--store", store, "--candidate", candidate, "--queries", "200")
    assert result.exit_code == 1
    assert "REFUSED" in result.output
    assert "lost: 'The " in result.output


def test_the_gate_asks_nothing_that_was_embedded_or_chosen_by(store: Path, int8_folder: Path) -> None:
    with Engine.open(store) as engine:
        snapshot = engine.domains.get("films").snapshot
        some = set(snapshot.numbers[:50].tolist())
        halves = {
            half: cases(engine, judgements=None, half=half, most=1000, without={"films": some})
            for half in ("validation", "test")
        }
    numbers = {half: {one.number for one in asked} for half, asked in halves.items()}
    assert not numbers["validation"] & numbers["test"]
    assert (numbers["validation"] | numbers["test"]) == set(snapshot.numbers.tolist()) - some
    assert half_of("Mary  Poppins") == half_of("mary poppins")


def test_judged_queries_and_what_people_took_are_asked(store: Path, tmp_path: Path) -> None:
    judged = tmp_path / "judged.tsv"
    judged.write_text(
        "query_id\tquery\tdoc_id\tgrade\n1\tmoon robot\tf59\t3\n1\tmoon robot\tf1\t1\n2\tgone\tnowhere\t3\n"
    )
    with Engine.open(store) as engine:
        answer = engine.ask("dragon circus")
        engine.feedback(answer, answer.results[0], action="play")
        undone = engine.ask("spy Tokyo")
        engine.feedback(undone, undone.results[0], action="play")
        engine.feedback(undone, undone.results[0], action="undo")
        asked = cases(engine, judgements=judged, half=None, most=1000, without={})
    by_kind = {one.case.group: one for one in asked if "title" not in one.case.group}
    assert by_kind.keys() == {"films, judged", "films, taken"}
    assert (by_kind["films, judged"].case.text, by_kind["films, judged"].id) == ("moon robot", "f59")
    assert (by_kind["films, taken"].case.text, by_kind["films, taken"].id) == ("dragon circus", answer.results[0].id)


def test_where_something_stands() -> None:
    assert rank_of("films", ["books", "films"]) == 2
    assert rank_of("films", ["books"]) == 0  # as a domain that is retired: nothing was meant to be found there


def test_ranks_are_those_of_a_loop() -> None:
    random = np.random.default_rng(0)

    class Table:
        def __init__(self, rows: np.ndarray[Any, np.dtype[np.float32]]) -> None:
            self.rows = rows

        def of(self, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.float32]]:
            return np.asarray(self.rows[numbers])

    one, two = (Table(random.integers(-1, 2, size=(50, 4)).astype(np.float32)) for _ in range(2))  # with many ties
    queries = [random.integers(-1, 2, size=(7, 4)).astype(np.float32) for _ in range(2)]
    alive, wanted = np.arange(3, 48), random.integers(3, 48, size=7)
    ways = [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    answered = ranks([Space(queries[0], one), Space(queries[1], two)], ways, alive, wanted)
    for way, (first, second) in enumerate(ways):
        for place, number in enumerate(wanted.tolist()):
            scores = first * one.rows @ queries[0][place] + second * two.rows @ queries[1][place]
            assert answered[way, place] == sum(scores[other] >= scores[number] for other in alive.tolist())


def test_the_weight_is_the_best_that_the_gate_lets_pass() -> None:
    def tried(weight: float, passed: bool, found: float, rank: float) -> dict[str, Any]:
        asked = {"passed": passed, "found": found, "found before": 0.5, "reciprocal rank": rank}
        return {"weight": weight, "real": 2 * weight, **asked}

    some = [
        tried(0.1, True, 0.5, 0.3),
        tried(0.3, True, 0.6, 0.4),
        tried(0.5, False, 0.7, 0.9),
        tried(1.0, True, 0.4, 0.8),
    ]
    assert bridging._chosen(some) == (0.3, 0.6)
    assert bridging._chosen([tried(0.1, False, 0.6, 0.4), tried(0.3, False, 0.7, 0.5)]) == (0.1, 0.2)


def test_what_cannot_be_done_is_said(store: Path, int8_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no candidate"):
        judge(store, Path("bridge-nothing"))
    with pytest.raises(NotFound, match="no model"):
        bridge(store, tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="share"):
        bridge(store, int8_folder, share=0.0)
    with pytest.raises(InvalidInput, match="components"):
        bridge(store, int8_folder, how="compatible")
    with pytest.raises(InvalidInput, match="50 or more"):
        bridge(store, int8_folder, share=0.1)
    with pytest.raises(InvalidInput, match="No upgrade is under way"):
        backfill(store)
    with pytest.raises(InvalidInput, match="No upgrade is under way"):
        finish(store)
    live = Store.open(store).live("encoder")
    assert live is not None
    with pytest.raises(InvalidInput, match="encoder already"):
        bridge(store, live)
    with pytest.raises(InvalidInput, match="no vector of that encoder"):
        judge(store, _adopted(store, int8_folder))
    use_encoder(Store.open(tmp_path / "empty"), int8_folder)
    with pytest.raises(InvalidInput, match="no items"):
        plan.plan(tmp_path / "empty", live)
    made = prepared(store, int8_folder)
    use_encoder(Store.open(store), int8_folder)
    with pytest.raises(InvalidInput, match="between other encoders"):
        go_live(store, Path(made), anyway=True)


def _adopted(store: Path, model: Path) -> Path:
    return adopt_encoder(Store.open(store), model)


def test_the_pace_is_kept(store: Path, int8_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_live(store, Path(prepared(store, int8_folder)), anyway=True)
    slept: list[float] = []
    monkeypatch.setattr("segue.recipes.upgrade.embedding.time.sleep", slept.append)
    batches: list[int] = []
    backfill(store, per_second=20, progress=lambda step, done: batches.append(done))
    assert batches == [20, 20, 20]
    assert len(slept) == 3
    assert 0.5 < np.mean(slept) <= 1.0


def test_the_commands(store: Path, int8_folder: Path) -> None:
    assert "120 items" in run("upgrade", "plan", "--store", store, "--model", int8_folder).output
    made = run("upgrade", "bridge", "--store", store, "--model", int8_folder, "--share", "0.5", "--json")
    candidate = orjson.loads(made.stdout)["candidate"]
    assert run("upgrade", "gate", "--store", store, "--candidate", candidate, "--budget", "0.2").exit_code == 0
    live = run("upgrade", "live", "--store", store, "--candidate", candidate)
    assert live.exit_code == 0, live.output
    assert "60 of 120" in live.output
    assert "120 of 120" in run("upgrade", "backfill", "--store", store).output
    assert "no upgrade is under way" in run("upgrade", "finish", "--store", store, "--anyway").output
    assert run("upgrade", "rollback", "--store", store).exit_code == 0
    told = orjson.loads(run("upgrade", "status", "--store", store, "--json").stdout)
    assert told["candidates"][0]["gate"]["passed"]


# -- what is no encoder -------------------------------------------------------------------------------------------------


def test_readers_pass_the_same_gate(reading: Engine, taught: Path, tmp_path: Path) -> None:
    store, data = reading.store.folder, taught.parent / "requests.jsonl"
    report = judge_readers(store, taught, data, budget=0.05)
    assert report["passed"]  # the same readers as those that are live
    assert report["verdicts"]["requests"]["rate"]["value"] == 0
    worse = Path(shutil.copytree(taught, tmp_path / "worse"))
    place = worse / "rerankers" / "films"
    reranker = Reranker.open(place)
    weights = reranker.weights.copy()
    weights[3] -= 100  # films are never meant
    shutil.rmtree(place)
    replace(reranker, weights=weights).write(place, name="films are never meant")
    refused = judge_readers(store, worse, data, budget=0.05)
    verdict = refused["verdicts"]["requests"]
    assert not refused["passed"]
    assert {one["case"]["group"] for one in verdict["broken"]} == {"films"}
    assert verdict["groups"]["films"]["after"] == 0
    told = run("upgrade", "gate", "--store", store, "--candidate", worse, "--data", data)
    assert told.exit_code == 1
    assert "requests read right" in told.output
    assert "pass --data" in run("upgrade", "gate", "--store", store, "--candidate", worse).stderr


def test_readers_need_some_to_be_compared_with(store: Path, taught: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No reader is live"):
        judge_readers(store, taught, taught.parent / "requests.jsonl")
    nobody = tmp_path / "nobody.jsonl"
    nobody.write_text('{"text": "hello", "domain": "nobody", "intent": "none"}\n')
    with pytest.raises(InvalidInput, match="nobody only"):
        judge_readers(store, taught, nobody)


def test_a_ranker_passes_the_same_gate(store: Path) -> None:
    with Engine.open(store) as engine:
        features, pages = engine_features(), []
        for place, film in enumerate(FILMS[:60]):
            answer = engine.ask(str(film["title"]), domain="films")
            engine.log.written()
            event = engine.log.find(answer.id)
            assert event is not None
            learning = event.body["learning"]["films"]
            rows = features.rows(learning)[learning["shown"]]
            taken = np.arange(len(rows)) == len(rows) - 1  # always the last one
            pages.append(Page(str(place), 0.0, rows, np.arange(1, len(rows) + 1), taken, None))
        ranker = train(features, pages, debiasing="none", meta={"domain": "films"})
        folder = engine.store.artifacts / "ranker-films-upside-down"
        ranker.write(folder, name=folder.name)
        before = engine.ask("The robot of Rome", domain="films")
    report = judge_ranker(store, folder, queries=100)
    verdict = report["verdicts"]["answers"]
    assert not report["passed"]
    assert verdict["right"][1] < verdict["right"][0]
    assert verdict["k"] == 3
    assert Store.open(store).live("ranker-films") is None  # nothing has changed
    with Engine.open(store) as engine:
        assert [one.id for one in engine.ask("The robot of Rome", domain="films").results] == [
            one.id for one in before.results
        ]
    assert run("upgrade", "gate", "--store", store, "--candidate", folder.name, "--queries", "20").exit_code == 1
