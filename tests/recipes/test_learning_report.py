"""The report of what was learned: against what a loop counts in the log, and the same however often it is asked for."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from segue.engine import Engine
from segue.events import Event, EventLog
from segue.recipes import learning_report
from segue.recipes.learning_report import LearningReport

QUERIES = ("love", "mary poppins", "comedies from 1960", "hitchcock")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report is made anew whenever it is asked for."""
    monkeypatch.setattr(learning_report, "_FRESH", 0.0)


def ask_and_take(engine: Engine, asks: int) -> None:
    random = np.random.default_rng(3)
    for number in range(asks):
        answer = engine.ask(QUERIES[number % 4], seed=number)
        for result in answer.results:
            if random.random() < 0.3:
                engine.feedback(answer, result, action=str(random.choice(["click", "play", "dislike"])))


def counted(engine: Engine, domain: str) -> dict[str, Any]:
    """What the report says, counted in one go."""
    held: dict[str, int] = defaultdict(int)
    shown, answers, regret, corrected, places = 0, 0, 0.0, 0.0, {}
    for event in engine.log.replay():
        body = event.body
        if event.kind == "answer":
            ids = next((ids for _, name, ids in body["shown"] if name == domain), None)
            if ids is None:
                continue
            answers += 1
            for result in body["results"]:
                if result["domain"] == domain:
                    shown += 1
                    for name in result["sources"]:
                        held[name] += 1
            learning = body["learning"][domain]
            scores = [learning["items"][row][0] for row in learning["shown"]]
            for own, id in enumerate(ids):
                better = sum(
                    score > scores[own] or (score == scores[own] and at < own) for at, score in enumerate(scores)
                )
                places[event.id, id] = own + 1, better + 1
        elif (body["answer"], body["item"]) in places and body["domain"] == domain:
            own, other = places[body["answer"], body["item"]]
            weight = max(engine.store.actions[body.get("undoes", body["action"])], 0) * (-1 if "undoes" in body else 1)
            lost = weight * (1 / np.log2(1 + other) - 1 / np.log2(1 + own))
            regret += lost
            corrected += lost * own
    return {"answers": answers, "shown": shown, "held": held, "regret": regret, "corrected": corrected}


def test_the_report_says_what_the_log_holds(engine: Engine) -> None:
    ask_and_take(engine, 60)
    body = LearningReport(engine).body()
    assert set(body["domains"]) == {"films", "books"}
    assert body["remembered"] == engine.memory.size
    assert sum(domain["pairs"][-1] for domain in body["domains"].values()) == engine.memory.size
    for name, domain in body["domains"].items():
        right = counted(engine, name)
        assert domain["answers"][-1] == right["answers"]
        assert domain["start"] == 0
        assert domain["regret"][-1] == pytest.approx(right["regret"], abs=1e-3)
        assert domain["corrected"][-1] == pytest.approx(right["corrected"], abs=1e-3)
        sizes = {len(values) for key in ("held", "split") for values in domain[key].values()}
        assert sizes == {len(domain["answers"])}
        for at in range(len(domain["answers"])):
            assert sum(values[at] for values in domain["split"].values()) == pytest.approx(1, abs=1e-3)
    films, right = body["domains"]["films"], counted(engine, "films")
    assert set(films["held"]) == set(right["held"])
    assert films["pages"] == engine.bandit.lessons.of("films").pages
    health = engine.bandit.lessons.of("films").health["dense"].describe()
    assert health.items() <= films["health"]["dense"].items()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog.open(tmp_path / "events.sqlite")) as opened:
        yield opened


def test_regret_by_hand(log: EventLog, engine: Engine) -> None:
    """Three results; the incumbent would have put the last of them first. It is taken, then the second."""
    answer = {
        "results": [
            {"id": id, "domain": "films", "sources": sources}
            for id, sources in zip("abc", ("tx", "t", "x"), strict=True)
        ],
        "shown": [["love", "films", ["a", "b", "c"]]],
        "learning": {"films": {"shown": [0, 1, 3], "items": [[0.2], [0.1], [0.7], [0.9]]}},
    }
    told = {"answer": "1", "domain": "films", "query": "love"}
    log.append(
        Event("1", "answer", 0.0, answer),
        Event("2", "feedback", 0.0, {**told, "item": "c", "action": "play"}),
        Event("3", "feedback", 0.0, {**told, "item": "b", "action": "click"}),
    ).result()
    films = LearningReport(cast(Engine, Standing(engine, log))).body()["domains"]["films"]
    first, third, second = (1 / np.log2(1 + place) for place in (1, 3, 2))
    lost = [2 * (first - third), third - second]  # c would have stood first, a second, b third
    assert films["regret"] == [pytest.approx(sum(lost), abs=1e-4)]
    assert films["corrected"] == [pytest.approx(lost[0] * 3 + lost[1] * 2, abs=1e-4)]
    assert films["split"] == {"t": [0.5], "x": [0.5]}
    assert films["held"] == {"t": [pytest.approx(2 / 3, abs=1e-4)], "x": [pytest.approx(2 / 3, abs=1e-4)]}
    assert films["pairs"] == [2]


class Standing:
    """An engine that has another log."""

    def __init__(self, engine: Engine, log: EventLog) -> None:
        self.log, self._engine = log, engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def test_one_chunk_holds_what_each_strategy_had(engine: Engine) -> None:
    ask_and_take(engine, 20)
    films, right = LearningReport(engine).body()["domains"]["films"], counted(engine, "films")
    assert films["held"] == {
        name: [pytest.approx(count / right["shown"], abs=1e-4)] for name, count in right["held"].items()
    }


def test_following_is_the_same_as_starting_anew(engine: Engine) -> None:
    report = LearningReport(engine)
    assert report.body()["domains"] == {}
    for _ in range(4):
        ask_and_take(engine, 15)
        assert report.body() == LearningReport(engine).body()
    assert report.body() == report.body()


def test_what_is_undone_is_gone(engine: Engine) -> None:
    report = LearningReport(engine)
    answer = engine.ask("love", domain="films")
    engine.log.append().result()
    before = report.body()["domains"]["films"]
    for result in answer.results:
        engine.feedback(answer, result, action="play")
        engine.feedback(answer, result, action="undo")
    after = report.body()["domains"]["films"]
    assert after["regret"] == before["regret"] == [0]
    assert after["takes"] == [0]
    assert after["pairs"] == [engine.memory.size]


def test_what_people_turned_down_is_no_take(engine: Engine) -> None:
    answer = engine.ask("love", domain="films")
    for result in answer.results:
        engine.feedback(answer, result, action="dislike")
    films = LearningReport(engine).body()["domains"]["films"]
    assert (films["takes"], films["regret"]) == ([0], [0])


def test_only_the_last_answers_are_told_and_points_are_few(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_report, "_CHUNK", 2)
    monkeypatch.setattr(learning_report, "_POINTS", 4)
    monkeypatch.setattr(learning_report, "_ANSWERS", 20)
    report = LearningReport(engine)
    for number in range(31):
        engine.ask("love", domain="films", seed=number)
    engine.log.append().result()
    films = report.body()["domains"]["films"]
    assert films["answers"][-1] == 31
    assert films["start"] == 12
    assert len(films["answers"]) <= 4


def test_a_report_is_kept_for_a_moment(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_report, "_FRESH", 60.0)
    report = LearningReport(engine)
    first = report.body()
    engine.ask("love")
    assert report.body() is first


def test_alarms_are_told(engine: Engine) -> None:
    engine.ask("love", domain="films")
    engine.log.append().result()
    engine.bandit.lessons.of("films").alarms.append((7, "text", "broke: answers fell"))
    films = LearningReport(engine).body()["domains"]["films"]
    assert films["alarms"] == [{"answers": 7, "strategy": "text", "what": "broke: answers fell"}]
