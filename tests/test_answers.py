"""Answers as events, and what is kept at hand of them."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from segue import answers
from segue.answers import Recent, to_body, to_event
from segue.errors import InvalidInput, NotFound
from segue.events import Event, EventLog
from segue.records import Answer, Hypothesis, Request, Result, Selection, Source


def answer(id: str = "a1") -> Answer:
    return Answer(
        id=id,
        request=Request(id, "love", {"device": "tv"}, None, 5, 1, 12.5),
        hypotheses=(Hypothesis("films", "find", {"title": "love"}, 0.7), Hypothesis("books", "find", {}, 0.3)),
        results=(
            Result("f4", "Love Story", "films", 0.5, {"text": Source(1, 2.5)}, {"year": 1970.0}),
            Result("b2", "Love in the Time", "books", 0.4, {}),
            Result("f5", "Love Actually", "films", 0.3, {"text": Source(2, 2.0), "dense": Source(1, 0.5)}),
        ),
        selection=(Selection("films", "text", 50, 1.0),),
        milliseconds=3.5,
        trace={"milliseconds": {"text": 1.0}},
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    opened = EventLog.open(tmp_path / "events.sqlite")
    yield opened
    opened.close()


def acted(action: str, id: str = "1", *, undoes: str | None = None, item: str = "f4") -> Event:
    body = {"answer": "a1", "domain": "films", "item": item, "action": action, "query": "love"}
    return Event(id, "feedback", 0.0, body if undoes is None else {**body, "undoes": undoes})


def test_the_contract_of_an_answer_as_plain_data() -> None:
    body = to_body(answer())
    assert orjson.loads(orjson.dumps(body)) == body
    assert {"id", "request", "hypotheses", "results", "selection", "milliseconds", "trace"} <= set(body)
    assert body["hypotheses"][0] == {
        "domain": "films",
        "intent": "find",
        "slots": {"title": "love"},
        "confidence": 0.7,
    }
    assert body["results"][0]["sources"] == {"text": {"rank": 1, "score": 2.5}}
    assert body["results"][0]["fields"] == {"year": 1970.0}
    assert body["selection"] == [{"domain": "films", "strategy": "text", "k": 50, "propensity": 1.0}]
    assert body["request"]["text"] == "love"


def test_the_event_says_what_was_shown_and_leaves_the_fields_out() -> None:
    event = to_event(answer(), {"films": "love", "books": "Love"}, {})
    assert (event.id, event.kind, event.time) == ("a1", "answer", 12.5)
    assert sorted(event.body["shown"]) == [["Love", "books", ["b2"]], ["love", "films", ["f4", "f5"]]]
    assert all("fields" not in result for result in event.body["results"])
    assert "fields" in to_body(answer())["results"][0]


def test_what_was_shown_is_at_hand_at_once_and_later_from_the_log(log: EventLog) -> None:
    event = to_event(answer(), {"films": "love", "books": "Love"}, {})
    kept, fresh = Recent(log), Recent(log)
    kept.keep(event)
    expected = {("films", "f4"): ("love", 1), ("books", "b2"): ("Love", 2), ("films", "f5"): ("love", 3)}
    assert kept.shown("a1") == expected
    with pytest.raises(NotFound, match="no answer 'a1'"):
        fresh.shown("a1")
    log.append(event).result()
    assert fresh.shown("a1") == expected
    log.append(acted("click", "f1")).result()
    with pytest.raises(NotFound, match="no answer 'f1'"):
        fresh.shown("f1")
    with pytest.raises(InvalidInput, match="NoneType"):
        fresh.shown(None)  # type: ignore[arg-type]


def test_only_the_last_answers_are_kept(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_KEPT", 3)
    recent = Recent(log)
    for place in range(5):
        recent.keep(to_event(answer(f"a{place}"), {"films": "love", "books": "Love"}, {}))
        recent.learn(acted("click", item=f"i{place}"))
    assert len(recent._shown) == len(recent._actions) == 3
    assert recent.shown("a4")
    with pytest.raises(NotFound):
        recent.shown("a0")


def test_actions_in_order_without_those_undone(log: EventLog) -> None:
    recent = Recent(log)
    for action in ("click", "play", "click"):
        recent.learn(acted(action))
    assert recent.actions("a1", "films", "f4") == ["click", "play", "click"]
    recent.learn(acted("undo", undoes="click"))
    assert recent.actions("a1", "films", "f4") == ["click", "play"]
    recent.learn(acted("undo", undoes="save"))  # never done: nothing to take back
    assert recent.actions("a1", "films", "f4") == ["click", "play"]
    assert recent.actions("a1", "films", "f5") == []
    recent.learn(to_event(answer(), {"films": "love", "books": "Love"}, {}))
    assert recent.actions("a1", "films", "f4") == ["click", "play"]
