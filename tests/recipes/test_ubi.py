"""The log as UBI: what goes out comes back as it was, and what others wrote is learned once."""

import gzip
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from segue.cli import main
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import Corrupt, InvalidInput, NotFound, SegueError, Unavailable
from segue.events import Event, EventLog
from segue.recipes.ubi import Exported, Imported, export_ubi, import_ubi, summary
from segue.retrieve.memory import Memory

Document = dict[str, Any]


def query(id: str, text: str, second: int = 0, **more: Any) -> Document:
    return {
        "query_id": id,
        "user_query": text,
        "timestamp": f"2024-12-10T00:{second // 60:02}:{second % 60:02}.500Z",
        **more,
    }


def event(query_id: str, action: str, item: str, ordinal: int = 0, second: int = 0, **more: Any) -> Document:
    return {
        "action_name": action,
        "query_id": query_id,
        "timestamp": f"2024-12-10T00:{second // 60:02}:{second % 60:02}.500Z",
        "event_attributes": {
            "object": {"object_id": item, "object_id_field": "asin"},
            "position": {"ordinal": ordinal},
        },
        **more,
    }


def bulk(*documents: Document) -> list[Document]:
    """As bulk requests, in the style of OpenSearch's sample."""
    lines = []
    for number, document in enumerate(documents):
        index = "ubi_events" if "action_name" in document else "ubi_queries"
        lines += [{"index": {"_index": index, "_id": f"n{number}"}}, document]
    return lines


def written(folder: Path, *lines: Document | str, name: str = "ubi.ndjson") -> Path:
    file = folder / name
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


SESSION = [
    query("q1", "love", 1, client_id="ann", application="shop"),
    *(event("q1", "impression", item, place, 2) for place, item in enumerate(("f5", "f4", "b2"))),
    event("q1", "click", "f4", 1, 5, session_id="s1"),
    event("q1", "purchase", "f4", 1, 9, session_id="s1"),
    query("q2", "emma", 3, query_response_hit_ids=["b4"]),
    event("q2", "click", "b4", 0, 4),
]


@pytest.fixture
def other(tmp_path: Path, encoder: OnnxEncoder) -> Iterator[Engine]:
    """Another store, empty."""
    with Engine.open(tmp_path / "other", encoder=encoder) as opened:
        yield opened


@pytest.fixture
def used(engine: Engine) -> Engine:
    """A store in which people have asked and acted."""
    answer = engine.ask("play love", context={"user": "ann", "session": "s1", "device": "tv"})
    engine.feedback(answer, answer.results[0], action="play")
    engine.feedback(answer, answer.results[1], action="dislike")
    engine.feedback(answer, answer.results[1], action="undo")
    again = engine.ask("mary poppins", seed=3, limit=4, domain="films")
    engine.feedback(again, "f1", action="click", id="my:own.id-1")
    engine.ask('nothing "ünlike" this')
    engine.log.append().result()
    return engine


def documents(file: Path) -> list[tuple[Mapping[str, Any], Document]]:
    """(what the bulk request says, document) of every pair of lines."""
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    lines = [json.loads(line) for line in raw.splitlines()]
    return list(zip((line["index"] for line in lines[::2]), lines[1::2], strict=True))


# -- out --------------------------------------------------------------------------------------------------------------


def test_what_is_written_is_ubi(used: Engine, tmp_path: Path) -> None:
    assert export_ubi(used.log, tmp_path / "log.ndjson") == Exported(queries=3, events=4)
    logged = list(used.log.replay())
    for (header, document), was in zip(documents(tmp_path / "log.ndjson"), logged, strict=True):
        assert header == {"_index": "ubi_queries" if was.kind == "answer" else "ubi_events", "_id": was.id}
        assert document["timestamp"].endswith("Z")
        assert len(document["timestamp"]) == len("2024-12-10T00:01:29.378Z")
        if was.kind == "answer":
            assert document["query_id"] == was.id
            assert document["user_query"] == was.body["request"]["text"]
            assert document["query_response_hit_ids"] == [result["id"] for result in was.body["results"]]
            assert set(document["query_attributes"]["domains"]) == {one["domain"] for one in was.body["results"]}
        else:
            attributes = document["event_attributes"]
            assert (document["query_id"], document["action_name"]) == (was.body["answer"], was.body["action"])
            assert attributes["object"] == {"object_id": was.body["item"], "object_id_type": was.body["domain"]}
            shown = next(one.body["results"] for one in logged if one.id == was.body["answer"])
            assert shown[attributes["position"]["ordinal"]]["id"] == was.body["item"]
            assert attributes["segue"]["id"] == was.id
    callers = [(one.get("client_id"), one.get("session_id")) for _, one in documents(tmp_path / "log.ndjson")]
    assert callers == [("ann", "s1")] * 4 + [(None, None)] * 3


def test_the_caller_of_an_old_answer_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.recipes.ubi.out._CALLERS", 1)
    log = EventLog.open(tmp_path / "events.sqlite")
    body = {"results": [], "request": {"text": "love", "context": {"user": "ann"}}}
    act = {"action": "click", "item": "f1", "domain": "films", "position": 1}
    log.append(
        Event("a1", "answer", 1.0, body),
        Event("a2", "answer", 2.0, {**body, "request": {"text": "love", "context": {}}}),
        Event("e1", "feedback", 3.0, {**act, "answer": "a1"}),
        Event("e2", "feedback", 4.0, {**act, "answer": "gone"}),
    ).result()
    export_ubi(log, tmp_path / "log.ndjson")
    log.close()
    assert [one.get("client_id") for _, one in documents(tmp_path / "log.ndjson")] == ["ann", None, "ann", None]


@pytest.mark.parametrize("name", ["log.ndjson", "log.jsonl", "log.ndjson.gz"])
def test_the_way_out_and_back_changes_nothing(used: Engine, other: Engine, tmp_path: Path, name: str) -> None:
    export_ubi(used.log, tmp_path / name)
    report = import_ubi(other, tmp_path / name)
    assert (report.queries, report.actions, report.new, report.known, report.rejected) == (3, 4, 7, 0, 0)
    assert list(other.log.replay()) == list(used.log.replay())
    assert other.memory.digest() == used.memory.digest() != Memory(used.store.actions).digest()
    export_ubi(other.log, tmp_path / f"again-{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()


def test_into_the_same_store_nothing_is_new(used: Engine, tmp_path: Path) -> None:
    export_ubi(used.log, tmp_path / "log.ndjson")
    before = used.memory.digest()
    report = import_ubi(used, tmp_path / "log.ndjson")
    assert (report.new, report.known) == (0, 7)
    assert used.memory.digest() == before


def test_an_empty_log(other: Engine, tmp_path: Path) -> None:
    for name in ("log.ndjson", "log.ndjson.gz"):
        assert export_ubi(other.log, tmp_path / name) == Exported(0, 0)
        assert documents(tmp_path / name) == []
        assert import_ubi(other, tmp_path / name) == Imported()


def test_a_log_out_of_time_order_stays_as_it_is(other: Engine, used: Engine, tmp_path: Path) -> None:
    """Answers are logged when they are made and carry the time of their request: a slow one comes behind a later one."""
    late = [was for was in used.log.replay() if was.kind == "answer"][-1]
    used.log.append(Event("early", "answer", 1.0, {**late.body, "id": "early"})).result()
    export_ubi(used.log, tmp_path / "log.ndjson")
    import_ubi(other, tmp_path / "log.ndjson")
    assert [was.id for was in other.log.replay()] == [was.id for was in used.log.replay()]


def test_a_file_is_replaced_only_by_a_whole_one(used: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log.ndjson"
    file.write_text("old")

    def stops(after: int = 0) -> Iterator[Event]:
        yield used.log.recent("answer", 1)[0]
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(used.log, "replay", stops)
        with pytest.raises(Unavailable, match="No space left"):
            export_ubi(used.log, file)
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("log")] == ["log.ndjson"]
    assert export_ubi(used.log, file) == Exported(3, 4)


@pytest.mark.parametrize("name", ["log", "log.csv", "log.json", "log.parquet", "log.gz", "folder.ndjson"])
def test_names_that_are_not_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.ndjson").mkdir()
    with closing(EventLog.open(tmp_path / "events.sqlite")) as log:
        with pytest.raises(InvalidInput, match=r"\.ndjson"):
            export_ubi(log, tmp_path / name)
        with pytest.raises(Unavailable, match="No such file"):
            export_ubi(log, tmp_path / "nowhere" / "log.ndjson")


# -- in ---------------------------------------------------------------------------------------------------------------


def test_what_others_wrote_is_learned(engine: Engine, tmp_path: Path) -> None:
    report = import_ubi(engine, written(tmp_path, *bulk(*SESSION)))
    assert report == Imported(queries=2, actions=3, impressions=3, new=5)
    logged = list(engine.log.replay())
    assert [(was.kind, was.time % 60) for was in logged] == [
        *(("answer", 1.5), ("answer", 3.5), ("feedback", 4.5), ("feedback", 5.5), ("feedback", 9.5))
    ]
    first = logged[0].body
    assert [(one["id"], one["title"], one["domain"]) for one in first["results"]] == [
        ("f5", "Love Actually", "films"),
        ("f4", "Love Story", "films"),
        ("b2", "Love in the Time of Cholera", "books"),
    ]
    assert first["request"]["context"] == {"user": "ann", "session": "s1"}
    assert first["shown"] == [["love", "films", ["f5", "f4"]], ["love", "books", ["b2"]]]
    assert first["trace"]["imported"] == {"format": "ubi", "application": "shop"}
    click, bought = logged[3].body, logged[4].body
    assert (click["answer"], click["item"], click["domain"], click["position"]) == ("q1", "f4", "films", 2)
    assert (click["action"], click["query"], bought["action"]) == ("click", "love", "buy")
    assert engine.memory.recall("films", "love").keys() == {"f4"}
    assert engine.memory.recall("books", "emma").keys() == {"b4"}


def test_an_imported_answer_is_an_answer(engine: Engine, tmp_path: Path) -> None:
    """It can be read, explained, and be given feedback to, and it holds what an answer of the engine's own holds."""
    import_ubi(engine, written(tmp_path, *bulk(*SESSION)))
    assert [one["id"] for one in engine.recent_answers()] == ["q2", "q1"]
    body = engine.answer("q1")
    assert body["results"][1]["actions"] == ["click", "buy"]
    assert body["results"][1]["fields"]["year"] == 1970
    own = engine.ask("love")
    engine.log.append().result()
    asked = engine.log.find(own.id)
    assert asked is not None
    assert body.keys() == asked.body.keys()
    assert body["request"].keys() == asked.body["request"].keys()
    assert body["hypotheses"][0].keys() == asked.body["hypotheses"][0].keys()
    assert engine.feedback("q1", "b2", action="save").domain == "books"


@pytest.mark.parametrize("text", ["play love", "Play Misty for Me", "show me psycho please", "emma", "watch"])
def test_it_is_learned_under_the_words_that_are_searched(engine: Engine, tmp_path: Path, text: str) -> None:
    import_ubi(engine, written(tmp_path, query("q", text, query_response_hit_ids=["f5", "b2"])))
    imported = engine.log.find("q")
    assert imported is not None
    searched = {part["domain"]: part["query"] for part in engine.ask(text).trace["domains"]}
    words = {domain: words for words, domain, _ in imported.body["shown"]}
    assert words.keys() == {"films", "books"}
    assert searched.items() <= words.items()


def test_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    file = written(tmp_path, *bulk(*SESSION))
    planned = import_ubi(engine, file, dry_run=True)
    assert planned.new == 5
    assert list(engine.log.replay()) == []
    assert import_ubi(engine, file) == planned
    digest = engine.memory.digest()
    for dry_run in (False, True):
        again = import_ubi(engine, file, dry_run=dry_run)
        assert (again.new, again.known) == (0, 5)
    assert engine.memory.digest() == digest
    later = import_ubi(engine, written(tmp_path, *bulk(*SESSION), event("q2", "like", "b4", 0, 30)))
    assert (later.new, later.known) == (1, 5)


def test_bulk_requests_dumps_and_plain_documents_say_the_same(engine: Engine, tmp_path: Path) -> None:
    pairs = bulk(*SESSION)
    dump = [
        {"_index": header["index"]["_index"], "_id": header["index"]["_id"], "_source": document}
        for header, document in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    assert import_ubi(engine, written(tmp_path, *pairs)).new == 5
    for name in ("dump.jsonl", "dump.ndjson.gz"):
        again = import_ubi(engine, written(tmp_path, *dump, name=name))
        assert (again.new, again.known) == (0, 5)
    array = tmp_path / "dump.json"
    array.write_text(json.dumps(dump))
    assert import_ubi(engine, array).known == 5
    plain = import_ubi(engine, written(tmp_path, *SESSION, name="plain.jsonl"))
    assert (plain.new, plain.known) == (3, 2)  # without an id of the source, an action is known by what it says
    assert import_ubi(engine, written(tmp_path, *reversed(SESSION), name="turned.jsonl")).new == 0


def test_queries_may_lie_apart_or_in_the_log(engine: Engine, tmp_path: Path) -> None:
    queries = written(tmp_path, *(one for one in SESSION if "user_query" in one), name="queries.ndjson")
    events = written(tmp_path, *(one for one in SESSION if "action_name" in one), name="events.ndjson")
    alone = import_ubi(engine, events)
    assert (alone.without_query, alone.new) == (3, 0)
    assert import_ubi(engine, events, queries=queries).new == 5
    later = written(tmp_path, event("q1", "click", "b2", 2, 40), event("q1", "click", "f1", 7, 40), name="later.ndjson")
    report = import_ubi(engine, later)
    assert (report.new, report.without_item, report.without_query) == (1, 1, 0)


def test_events_from_elsewhere_on_answers_of_this_store(used: Engine, other: Engine, tmp_path: Path) -> None:
    """A page that asks Segue and sends UBI events: they name Segue's answers."""
    answer = used.ask("love")
    shown = answer.results[2]
    clicks = event(answer.id, "click", shown.id, 2, 50)
    assert import_ubi(used, written(tmp_path, clicks)).new == 1
    learned = used.log.recent("feedback", 1)[0].body
    assert (learned["answer"], learned["domain"], learned["position"]) == (answer.id, shown.domain, 3)
    used.log.append().result()
    export_ubi(used.log, tmp_path / "log.ndjson")
    mixed = (tmp_path / "log.ndjson").read_text() + json.dumps(event(answer.id, "like", shown.id, 2, 55)) + "\n"
    (tmp_path / "mixed.ndjson").write_text(mixed)
    report = import_ubi(other, tmp_path / "mixed.ndjson")
    assert (report.new, report.without_query, report.without_item) == (len(list(used.log.replay())) + 1, 0, 0)


def test_what_was_shown(engine: Engine, tmp_path: Path) -> None:
    """The hits of the response lead; what events name comes behind, by ordinal; an unknown item leaves a gap."""
    import_ubi(
        engine,
        written(
            tmp_path,
            query("q", "love", query_response_hit_ids=["f4", "gone", "f5", "f4"]),
            event("q", "impression", "b2", 9),
            event("q", "impression", "f6", 4),
            event("q", "click", "f5", 2, 8),
            event("q", "click", "f6", 4, 9),
        ),
    )
    answer, first, second = engine.log.replay()
    assert [one["id"] for one in answer.body["results"]] == ["f4", "f5", "f6", "b2"]
    assert (first.body["position"], second.body["position"]) == (3, 4)


def test_what_was_shown_may_come_later(engine: Engine, tmp_path: Path) -> None:
    """A query without hits and events is not one that found nothing: it waits, and is imported with its events."""
    lines = [query("told", "love", query_response_hit_ids=[]), query("untold", "love")]
    report = import_ubi(engine, written(tmp_path, *lines))
    assert (report.new, report.without_item) == (1, 1)
    assert [was.id for was in engine.log.replay()] == ["told"]
    assert import_ubi(engine, written(tmp_path, *lines, event("untold", "click", "f4"))).new == 2


def test_an_action_never_comes_before_its_query(engine: Engine, tmp_path: Path) -> None:
    early = query("p", "psycho", 5, query_response_hit_ids=["f2"])
    import_ubi(engine, written(tmp_path, event("q", "click", "f4", 0, 1), query("q", "love", 7), early))
    kinds = [(was.kind, was.body.get("answer", was.id)) for was in engine.log.replay()]
    assert kinds == [("answer", "p"), ("answer", "q"), ("feedback", "q")]


def test_items_of_no_catalogue(engine: Engine, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        query("known", "love", query_response_hit_ids=["f4"]),
        query("unknown", "love", query_response_hit_ids=["x1", "x2"]),
        query("empty", "love", query_response_hit_ids=[]),
        event("unknown", "click", "x1"),
        event("known", "click", "x3"),
    )
    report = import_ubi(engine, file, dry_run=True)
    assert (report.new, report.without_item, report.unknown_items) == (2, 3, {"x1", "x2", "x3"})
    named = import_ubi(engine, file, domain="films")
    assert (named.new, named.without_item, named.unknown_items) == (5, 0, {"x1", "x2", "x3"})
    assert engine.memory.recall("films", "love").keys() == {"x1", "x3"}
    with pytest.raises(NotFound, match="songs"):
        import_ubi(engine, file, domain="songs")


def test_items_of_two_catalogues(engine: Engine, tmp_path: Path) -> None:
    engine.index([{"id": "f4", "title": "Love, the Musical"}], domain="plays")
    file = written(tmp_path, query("q", "love", query_response_hit_ids=["f4", "f5"]), event("q", "click", "f4"))
    report = import_ubi(engine, file, dry_run=True)
    assert (report.new, report.without_item, report.ambiguous_items) == (1, 1, {"f4"})
    named = import_ubi(engine, file, domain="plays")
    assert (named.new, named.ambiguous_items, named.unknown_items) == (2, set(), {"f5"})
    assert engine.memory.recall("plays", "love").keys() == {"f4"}


def test_actions_by_their_names(engine: Engine, tmp_path: Path) -> None:
    names = ["click", "click_through", "watch", "add_to_cart", "purchase", "view", "add_to_list", "undo", "impression"]
    file = written(
        tmp_path,
        query("q", "love", query_response_hit_ids=["f4"]),
        *(event("q", name, "f4", 0, 10 + second) for second, name in enumerate(names)),
        {"action_name": "search", "query_id": "q", "timestamp": "2024-12-10T00:00:01Z"},
        {"action_name": "page_exit", "timestamp": "2024-12-10T00:00:01Z", "event_attributes": None},
        event("", "click", "f4"),
    )
    report = import_ubi(engine, file)
    assert report.unknown_actions == {"view": 1, "add_to_list": 1, "undo": 1}
    assert (report.actions, report.impressions, report.about_no_item, report.without_query) == (6, 1, 2, 1)
    done = [was.body for was in engine.log.replay() if was.kind == "feedback"]
    assert [body["action"] for body in done] == ["click", "click", "play", "save", "buy"]
    assert [body["imported"]["action_name"] for body in done] == names[:5]
    said: list[str] = []
    assert "3 of an unknown action" in summary(report, engine.store.actions, said.append)
    assert any("'add_to_list' (1)" in line and "segue.json" in line for line in said)


def test_the_names_in_the_settings_come_first(tmp_path: Path, encoder: OnnxEncoder) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "segue.json").write_text('{"format": 1, "actions": {"view": 1, "watch": 4, "click": 1}}')
    file = written(
        tmp_path,
        query("q", "love", query_response_hit_ids=["1"]),
        *(event("q", name, "1") for name in ("view", "watch", "click_through", "purchase")),
    )
    with Engine.open(tmp_path / "store", encoder=encoder) as engine:
        engine.index([{"id": 1, "title": "Love"}], domain="films")
        report = import_ubi(engine, file)
        assert report.unknown_actions == {"purchase": 1}  # there is no "buy" to take it for
        done = [was.body["action"] for was in engine.log.replay() if was.kind == "feedback"]
    assert done == ["view", "watch", "click"]


def test_ids_that_the_log_cannot_have(engine: Engine, tmp_path: Path) -> None:
    ids = ["with space", "ü" * 90, 17, "q/1"]
    lines = [query("", "love", query_response_hit_ids=["f4"]) | {"query_id": id} for id in ids]
    clicks = [event("", "click", "f4", 0, 3) | {"query_id": id} for id in ids]
    report = import_ubi(engine, written(tmp_path, *lines, *clicks))
    assert (report.new, report.without_query, report.rejected) == (8, 0, 0)
    assert engine.answer("17")["request"]["text"] == "love"
    assert import_ubi(engine, written(tmp_path, *lines, *clicks)).new == 0


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("2024-12-10T00:01:29.378Z", 1733788889.378),
        ("2024-12-10T01:01:29.378+01:00", 1733788889.378),
        ("2024-12-10T00:01:29.378+0000", 1733788889.378),
        ("2024-12-10T00:01:29", 1733788889.0),
        ("2024-12-10", 1733788800.0),
        (1733788889378, 1733788889.378),
        (0, 0.0),
    ],
)
def test_timestamps(engine: Engine, tmp_path: Path, stamp: object, seconds: float) -> None:
    import_ubi(engine, written(tmp_path, query("q", "love", query_response_hit_ids=[]) | {"timestamp": stamp}))
    (was,) = engine.log.replay()
    assert was.time == was.body["request"]["time"] == seconds


# -- what cannot be used ----------------------------------------------------------------------------------------------

GOOD = query("good", "love", query_response_hit_ids=["f4"])
BAD: list[tuple[Document | str, str]] = [
    ("{", "is not JSON"),
    ("[1]", "is a JSON array"),
    ("{}", "is an empty object"),
    ({"id": 1, "title": "Alien"}, "is neither a UBI query"),
    ({"user_query": "love", "timestamp": "2024-12-10"}, "has no query_id"),
    (query("q", "love") | {"query_id": {"a": 1}}, "has no query_id"),
    (query("q", ""), "cannot be asked: The text is empty"),
    (query("q", "x" * 2000), "cannot be asked: The text has 2,000 characters"),
    (query("q", "love") | {"user_query": None}, "cannot be asked: The text is a NoneType"),
    (query("q", "love") | {"timestamp": "yesterday"}, "has the timestamp 'yesterday'"),
    (query("q", "love") | {"timestamp": None}, "has the timestamp 'None'"),
    (query("q", "love") | {"timestamp": -1}, "has the timestamp '-1'"),
    (query("q", "love") | {"timestamp": True}, "has the timestamp 'True'"),
    (query("q", "love") | {"timestamp": 10**30}, "has the timestamp"),
    (query("q", "love", query_response_hit_ids="f4"), "no list of ids"),
    (query("q", "love", query_response_hit_ids=["f4", None]), "no list of ids"),
    (query("q", "love", query_attributes=[]), "'query_attributes' that is no object"),
    (query("q", "love", query_attributes={"segue": {}}), "has a part `segue` that does not fit"),
    (GOOD, "has the id of a record before it (good)"),
    (event("good", "click", "f4") | {"action_name": 5}, "action_name that is no text"),
    (event("good", "click", "f4") | {"timestamp": "2024-13-01"}, "has the timestamp"),
    (event("good", "click", "f4") | {"event_attributes": "f4"}, "'event_attributes' that is no object"),
    (event("good", "click", "f4") | {"event_attributes": {"object": "f4"}}, "'object' that is no object"),
    (event("good", "click", "f4") | {"event_attributes": {"object": {"object_id": "f4"}, "position": 3}}, "'position'"),
    (event("good", "click", "f4") | {"event_attributes": {"segue": 3}}, "has a part `segue` that does not fit"),
    ({"index": {"_index": "ubi_queries", "_id": "n1"}}, "announces a document, and none follows"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), BAD)
def test_a_bad_line_is_kept_out(engine: Engine, tmp_path: Path, bad: Document | str, reason: str) -> None:
    end = {"index": {"_index": "ubi_queries", "_id": "n9"}}
    report = import_ubi(engine, written(tmp_path, GOOD, bad, end, query("last", "emma", query_response_hit_ids=["b4"])))
    assert (report.new, report.queries, report.rejected) == (2, 2, 1)
    ((where, why),) = report.rejected_lines
    assert where == "ubi.ndjson line 2"
    assert reason in why
    assert [was.id for was in engine.log.replay()] == ["good", "last"]


def _set(document: Any, path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for name in parents:
        document = document[int(name) if name.isdigit() else name]
    document[last] = value


@pytest.mark.parametrize(
    ("number", "path", "value"),
    [
        (0, "query_attributes/segue/body/shown", None),
        (0, "query_attributes/segue/body/shown", [["love", "films"]]),
        (0, "query_attributes/segue/body/shown", []),
        (0, "query_attributes/segue/body/results/0/id", 3),
        (0, "query_attributes/segue/body/results", [3]),
        (0, "query_attributes/segue/body/request/text", "hate"),
        (0, "query_attributes/segue/body/request", {}),
        (0, "query_attributes/segue/body/trace", None),
        (0, "query_attributes/segue/body", []),
        (0, "query_attributes/segue/time", "now"),
        (0, "query_attributes/segue/time", -1),
        (0, "query_attributes/segue/id", "other"),
        (0, "query_attributes/segue/id", ""),
        (0, "query_attributes/segue/id", None),
        (0, "query_attributes/segue", None),
        (0, "user_query", "something else"),
        (0, "query_id", "x"),
        (1, "event_attributes/segue/body/position", "first"),
        (1, "event_attributes/segue/body/domain", None),
        (1, "event_attributes/segue/body/undoes", 3),
        (1, "event_attributes/segue/id", "a b"),
        (1, "action_name", "buy"),
        (1, "query_id", "x"),
    ],
)
def test_what_segue_wrote_and_others_changed(
    used: Engine, other: Engine, tmp_path: Path, number: int, path: str, value: Any
) -> None:
    export_ubi(used.log, tmp_path / "log.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "log.ndjson").read_text().splitlines()]
    _set(lines[2 * number + 1], path, value)
    report = import_ubi(other, written(tmp_path, *lines))
    assert (report.new, report.rejected) == (6, 1)
    assert report.rejected_lines == [
        (
            f"ubi.ndjson line {2 * number + 2}",
            "has a part `segue` that does not fit; without that part, the rest can be imported",
        )
    ]


def test_without_its_own_part_a_log_is_still_ubi(used: Engine, tmp_path: Path, encoder: OnnxEncoder) -> None:
    """Who asked can be taken out before a log is given away."""
    export_ubi(used.log, tmp_path / "log.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "log.ndjson").read_text().splitlines()]
    for document in lines[1::2]:
        document.pop("client_id", None)
        (document.get("query_attributes") or document["event_attributes"]).pop("segue")
    shutil.copytree(used.store.folder / "domains", tmp_path / "third" / "domains")
    shutil.copy(used.store.folder / "segue.json", tmp_path / "third")
    with Engine.open(tmp_path / "third", encoder=encoder) as third:
        report = import_ubi(third, written(tmp_path, *lines))
        assert (report.queries, report.actions, report.unknown_actions) == (3, 3, {"undo": 1})
        assert third.memory.recall("films", "mary poppins") == used.memory.recall("films", "mary poppins") != {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["f4", "good", "click", "2024-12-10"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["query_id", "user_query", "action_name", "timestamp", "event_attributes", "query_attributes",
                         "object", "object_id", "position", "ordinal", "segue", "query_response_hit_ids", "index", "_id",
                         "_source", "id", "time", "body", "client_id", "session_id", "application"]), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON, max_size=5))
@example([{"index": {}}, {"index": {"_id": 5}}])
@example(
    [{"action_name": "click", "query_id": "good", "timestamp": 5, "event_attributes": {"object": {"object_id": 4}}}]
)
def test_no_line_is_too_strange(engine: Engine, tmp_path: Path, lines: list[Any]) -> None:
    """Whatever the lines hold, they are counted, and all else is imported: each query and action is accounted for."""
    file = written(tmp_path, GOOD, *(json.dumps(line) for line in lines))
    report = import_ubi(engine, file)
    assert report.queries + report.actions == report.new + report.known + report.without_query + report.without_item
    assert engine.log.find("good") is not None
    again = import_ubi(engine, file)
    assert (again.new, again.known) == (0, report.new + report.known)


@pytest.mark.parametrize(
    ("name", "content", "kind", "why"),
    [
        ("films.csv", b"id,title\n1,Alien\n", InvalidInput, "Nothing .* is UBI: films.csv line 2 is neither"),
        ("films.ndjson", b'{"id": 1, "title": "Alien"}\n' * 3, InvalidInput, "Nothing .* is UBI"),
        ("long.ndjson", b'{"id": 1}\n' * 5000, InvalidInput, "Nothing .* is UBI"),
        ("text.ndjson", b"Once upon a time\n", InvalidInput, "is not JSON"),
        ("ubi.ndjson", gzip.compress(b"{}\n"), InvalidInput, "gzipped"),
        ("ubi.ndjson", json.dumps(GOOD).encode("utf-16"), InvalidInput, "UTF-16"),
        ("cut.ndjson.gz", gzip.compress(json.dumps(GOOD).encode() * 99)[:-20], Corrupt, "broken gzip"),
        ("ubi.txt", json.dumps(GOOD).encode(), InvalidInput, "no known format"),
    ],
)
def test_files_that_are_not_ubi(
    engine: Engine, tmp_path: Path, name: str, content: bytes, kind: type[SegueError], why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=why):
        import_ubi(engine, tmp_path / name)
    with pytest.raises(kind, match=why):
        import_ubi(engine, written(tmp_path, *bulk(*SESSION), name="whole.ndjson"), queries=tmp_path / name)
    assert list(engine.log.replay()) == []


def test_files_that_are_not_there(engine: Engine, tmp_path: Path) -> None:
    for file in (tmp_path / "nothing.ndjson", tmp_path):
        with pytest.raises((NotFound, InvalidInput)):
            import_ubi(engine, file)


def test_many_batches_are_as_one(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        one
        for number in range(40)
        for one in (
            query(f"q{number}", "love", number, query_response_hit_ids=["f4", "f5"]),
            event(f"q{number}", "click", "f5", 1, number + 100),
        )
    ]
    monkeypatch.setattr("segue.recipes.ubi.staging._BATCH", 7)
    steps: list[tuple[str, int]] = []
    report = import_ubi(engine, written(tmp_path, *lines), progress=lambda step, done: steps.append((step, done)))
    assert (report.new, report.without_query) == (80, 0)
    assert [was.time for was in engine.log.replay()] == sorted(was.time for was in engine.log.replay())
    for step in ("reading", "learning"):
        assert sum(done for name, done in steps if name == step) == 80
    assert max(done for name, done in steps if name == "learning") == 7


# -- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, int8_folder: Path) -> Path:
    folder = tmp_path / "store"
    shutil.copytree(int8_folder, folder / "artifacts" / "encoder-minilm", copy_function=os.link)
    (folder / "segue.json").write_text('{"format": 1}')
    (tmp_path / "films.csv").write_text("id,title\nf4,Love Story\nf5,Love Actually\n")
    assert run("index", tmp_path / "films.csv", "--domain", "films", "--store", folder, "--quiet")[0] == 0
    return folder


def run(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, result.stdout, result.stderr


def test_import_and_export_by_hand(store: Path, tmp_path: Path) -> None:
    file = written(tmp_path, *bulk(*SESSION), "{", event("q1", "gaze", "f4"))
    _, out, _ = run("ubi", "import", file, "--store", store, "--dry-run", "--json")
    planned = json.loads(out)
    assert (planned["new"], planned["unknown_items"], planned["unknown_actions"]) == (3, 2, {"gaze": 1})
    assert planned["rejected_lines"] == [
        {"line": "ubi.ndjson line 17", "reason": planned["rejected_lines"][0]["reason"]}
    ]
    status, out, err = run("ubi", "import", file, "--store", store)
    assert status == 0
    assert out == (
        "2 queries, 3 actions, 3 impressions: 3 new, 0 known before; kept out: 2 without a known item, "
        "1 of an unknown action, 1 lines that cannot be used\n"
    )
    assert "ubi.ndjson line 17: is not JSON" in err
    assert "2 items are in no catalogue, such as 'b2'" in err
    status, out, _ = run("ubi", "export", tmp_path / "log.ndjson.gz", "--store", store)
    assert (status, out) == (0, f"{tmp_path / 'log.ndjson.gz'}: 1 queries, 2 events\n")
    _, out, _ = run("ubi", "export", tmp_path / "log.ndjson", "--store", store, "--json")
    assert json.loads(out) == {"queries": 1, "events": 2}
    assert run("explain", "q1", "--store", store)[0] == 0
    _, out, _ = run("ubi", "import", tmp_path / "log.ndjson.gz", "--store", store, "--json")
    assert (json.loads(out)["new"], json.loads(out)["known"]) == (0, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ubi", "import", "nothing.ndjson", "--store", "STORE"], "There is no file"),
        (["ubi", "import", "GOOD", "--store", "nowhere"], "There is no store"),
        (["ubi", "import", "GOOD", "--store", "STORE", "--domain", "songs"], "There is no domain 'songs'"),
        (["ubi", "import", "GOOD", "--store", "STORE", "--queries", "nothing.ndjson"], "There is no file"),
        (["ubi", "export", "log.csv", "--store", "STORE"], "cannot be written"),
        (["ubi", "export", "log.ndjson", "--store", "nowhere"], "There is no store"),
    ],
)
def test_bad_commands(store: Path, tmp_path: Path, words: list[str], said: str) -> None:
    good = written(tmp_path, GOOD)
    status, out, err = run(*(word.replace("STORE", str(store)).replace("GOOD", str(good)) for word in words))
    assert (status, out) == (1, "")
    assert err.startswith("segue: ")
    assert said in err
