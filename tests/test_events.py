"""The log keeps every acknowledged event once and in order, and tells its learners of each once."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as listening

from segue.errors import Corrupt, InvalidInput, Unavailable
from segue.events import Event, EventLog, durable
from segue.retrieve.memory import Memory


def act(id: str, **body: Any) -> Event:
    return Event(id, "feedback", 1.0, body)


class Seen:
    """A learner that remembers what it was told."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def learn(self, event: Event) -> None:
        self.ids.append(event.id)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


@pytest.fixture
def log(file: Path) -> Iterator[EventLog]:
    opened = EventLog.open(file)
    yield opened
    opened.close()


def test_what_is_read_is_what_was_written(log: EventLog) -> None:
    events = [
        Event("a", "answer", 1.5, {"shown": [["q", "films", ["f1", "é", "🎬"]]]}),
        act("b", weight=0.1, none=None),
    ]
    assert log.append(*events).result() == (True, True)
    assert list(log.replay()) == events
    assert log.find("b") == events[1]
    assert log.find("c") is None


def test_what_nobody_waits_for_is_read_as_well(log: EventLog) -> None:
    for number in range(20):
        log.append(act(str(number)), patient=True)
        assert [event.id for event in log.replay(number)] == [str(number)]
        assert log.recent("feedback", 1)[0].id == str(number)


def test_order_is_the_order_of_appending(log: EventLog) -> None:
    for number in range(200):
        log.append(act(f"{number:03}"))
    log.append().result()
    assert [event.id for event in log.replay()] == [f"{number:03}" for number in range(200)]
    assert [event.id for event in log.replay(after=log.refresh() - 2)] == ["198", "199"]
    assert [event.id for event in log.recent("feedback", 3)] == ["199", "198", "197"]
    assert log.recent("answer", 3) == []


def test_an_id_counts_once(log: EventLog) -> None:
    seen = Seen()
    log.follow(seen.learn)
    assert log.append(act("a", n=1)).result() == (True,)
    assert log.append(act("a", n=2)).result() == (False,)
    assert log.append(act("b"), act("b"), act("a")).result() == (True, False, False)
    assert seen.ids == ["a", "b"]
    assert [event.body for event in log.replay()] == [{"n": 1}, {}]


def test_an_id_sent_by_many_at_once_counts_once(log: EventLog) -> None:
    done = [log.append(act("same"), act(f"own-{number}")) for number in range(300)]
    results = [one.result() for one in done]
    assert [first for first, _ in results].count(True) == 1
    assert all(own for _, own in results)


def test_nothing_to_append_waits_for_what_is_on_its_way(log: EventLog) -> None:
    seen = Seen()
    log.follow(seen.learn)
    for number in range(50):
        log.append(act(str(number)))
    assert log.append().result() == ()
    assert len(seen.ids) == 50


def test_many_threads_share_commits(log: EventLog) -> None:
    """3,200 events of 16 threads: each is acknowledged and learned once, each thread's in its order, in few commits."""
    seen = Seen()
    commits: list[int] = []
    acknowledged: list[tuple[bool, ...]] = []
    log.follow(seen.learn)
    listening.listen(log._database, "commit", lambda _: commits.append(1))

    def send(name: int) -> None:
        waiting: list[Future[tuple[bool, ...]]] = []
        for number in range(200):
            waiting.append(log.append(act(f"{name}-{number:03}")))
            if number % 20 == 19:
                acknowledged.extend(one.result() for one in waiting)
                waiting.clear()

    threads = [threading.Thread(target=send, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert acknowledged == [(True,)] * 3_200
    assert [event.id for event in log.replay()] == seen.ids
    for name in range(16):
        assert [id for id in seen.ids if id.startswith(f"{name}-")] == [f"{name}-{number:03}" for number in range(200)]
    assert len(commits) < 1_600


def test_an_event_is_learned_when_it_is_acknowledged(log: EventLog) -> None:
    seen = Seen()
    log.follow(seen.learn)
    for number in range(50):
        log.append(act(str(number))).result()
        assert seen.ids[-1] == str(number)


def test_follow_replays_then_goes_on(log: EventLog, file: Path) -> None:
    log.append(act("a"), act("b")).result()
    first, second = Seen(), Seen()
    log.follow(first.learn, second.learn)
    log.append(act("c")).result()
    assert first.ids == second.ids == ["a", "b", "c"]
    again, later = Seen(), EventLog.open(file)
    later.follow(again.learn)
    later.close()
    assert again.ids == ["a", "b", "c"]


def test_refresh_learns_what_another_process_wrote(log: EventLog, file: Path) -> None:
    other, mine, theirs = EventLog.open(file), Seen(), Seen()
    log.follow(mine.learn)
    other.follow(theirs.learn)
    log.append(act("a")).result()
    other.append(act("b")).result()
    other.append(act("c")).result()
    assert mine.ids == ["a"]
    last = log.refresh()
    assert mine.ids == ["a", "b", "c"]
    assert log.refresh() == last
    log.append(act("b"), act("d")).result()
    assert mine.ids == ["a", "b", "c", "d"]
    other.refresh()
    other.close()
    assert theirs.ids == mine.ids


def test_a_fault_of_a_learner_stops_nothing(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen()

    def faulty(event: Event) -> None:
        raise ZeroDivisionError(event.id)

    log.follow(faulty, seen.learn)
    with caplog.at_level(logging.ERROR):
        assert log.append(act("a")).result() == (True,)
    assert seen.ids == ["a"]
    assert "event a" in caplog.text


ACTIONS = {"click": 1.0, "skip": -0.5, "save": 3.0}
words = st.sampled_from(["love story", "Love  Story", "stories of love", "emma"])
items = st.sampled_from(["f1", "f2", "f3"])
shown = st.builds(lambda text: ("answer", {"shown": [[text, "films", ["f1", "f2"]]]}), words)
taken = st.builds(
    lambda text, item, action: ("feedback", {"query": text, "domain": "films", "item": item, "action": action}),
    words,
    items,
    st.sampled_from([*ACTIONS, "unknown"]),
)


@given(st.lists(st.tuples(st.one_of(shown, taken), st.integers(0, 30)), max_size=40))
@settings(deadline=None, max_examples=25)
def test_online_equals_replay(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[tuple[str, Any], int]]
) -> None:
    """The same state to the last bit, whatever was sent, some of it twice."""
    file = tmp_path_factory.mktemp("log") / "events.sqlite"
    log, online, replayed = EventLog.open(file), Memory(ACTIONS), Memory(ACTIONS)
    log.follow(online.learn)
    for (kind, body), number in told:
        log.append(Event(f"{kind}-{number}", kind, 1.0, body))
    log.close()
    later = EventLog.open(file)
    later.follow(replayed.learn)
    later.close()
    assert online.digest() == replayed.digest()
    assert (online.answers, online.feedback) == (replayed.answers, replayed.feedback)


BAD: list[tuple[str, Event]] = [
    ("a body that is no JSON", act("bad", value=object())),
    ("a body with half of a character", act("bad", value="\ud800")),
    ("a body with a huge number", act("bad", value=2**70)),
    ("an id with half of a character", act("\ud800")),
    ("an id without letters", act("")),
    ("an id of 129 letters", act("x" * 129)),
    ("an id that is a number", act(7)),  # type: ignore[arg-type]
    ("an id that is None", act(None)),  # type: ignore[arg-type]
    ("a time that is no number", Event("bad", "feedback", "now", {})),  # type: ignore[arg-type]
    ("a time that is NaN", Event("bad", "feedback", float("nan"), {})),
]


@pytest.mark.parametrize("bad", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_event_refuses_only_itself(log: EventLog, bad: Event) -> None:
    """Others in the same commit are written; the writer goes on."""
    seen = Seen()
    log.follow(seen.learn)
    with log._learning:  # hold the writer, so that all of them gather in one commit
        log.append(act("zero"))
        before, refused, after = log.append(act("one")), log.append(act("with"), bad), log.append(act("two"))
    assert before.result(10) == after.result(10) == (True,)
    with pytest.raises(InvalidInput) as caught:
        refused.result(10)
    assert caught.value.expected
    assert log.append(act("three")).result(10) == (True,)
    assert seen.ids == [event.id for event in log.replay()] == ["zero", "one", "two", "three"]


def test_numbers_of_numpy_are_plain_data(log: EventLog) -> None:
    log.append(act("a", score=np.float32(0.5), shape=np.arange(3))).result()
    event = log.find("a")
    assert event is not None
    assert event.body == {"score": 0.5, "shape": [0, 1, 2]}


@pytest.mark.parametrize("id", ["\ud800", "", "x" * 1_000_000, "a\0", 7, None, ["a"], 2**70])
def test_what_cannot_be_an_id_is_not_found(log: EventLog, id: Any) -> None:
    log.append(act("a")).result()
    assert log.find(id) is None


def test_closed(file: Path) -> None:
    log = EventLog.open(file)
    done = [log.append(act(str(number))) for number in range(500)]
    log.close()
    assert all(one.result(0) == (True,) for one in done)
    with pytest.raises(Unavailable, match=r"closed.*open the store again"):
        log.append(act("late"))
    log.close()


def test_closed_while_others_append(file: Path) -> None:
    """Whoever is not refused gets an answer: no client waits for ever."""
    log = EventLog.open(file)
    waiting: list[Future[tuple[bool, ...]]] = []
    refused: list[int] = []

    def send(name: int) -> None:
        try:
            waiting.extend(log.append(act(f"{name}-{number}")) for number in range(10_000))
        except Unavailable:
            refused.append(name)

    threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    log.close()
    for thread in threads:
        thread.join()
    assert sorted(refused) == [0, 1, 2, 3]
    assert all(one.result(5) == (True,) for one in waiting)


@pytest.fixture
def limited(log: EventLog) -> Iterator[dict[str, int]]:
    """A full disk: the writer's connections may add no page to the database until the limit is lifted."""
    limit = {"pages": 2**31 - 2}

    def apply(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit['pages']}")

    listening.listen(log._database, "checkout", apply)
    log.append(act("first")).result()
    with log._database.connect() as connection:
        limit["pages"] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    yield limit


def assert_full(error: BaseException) -> None:
    assert isinstance(error, Unavailable)
    assert "full" in error.what
    assert "free some space" in error.fix


def test_a_full_database(log: EventLog, limited: dict[str, int]) -> None:
    """What was acknowledged stays, the rest is refused as a whole, and all goes on when there is space."""
    seen = Seen()
    log.follow(seen.learn)
    accepted: list[str] = []
    refused: list[list[Event]] = []
    for number in range(30):
        events = [act(f"{number}-{part}", text="x" * 500) for part in range(3)]
        error = log.append(*events).exception(10)
        if error is None:
            accepted += [event.id for event in events]
        else:
            assert_full(error)
            refused.append(events)
    assert refused
    assert seen.ids == [event.id for event in log.replay()] == ["first", *accepted]
    limited["pages"] = 2**31 - 2
    for events in refused:
        assert log.append(*events).result(10) == (True, True, True)
    assert len(list(log.replay())) == len(seen.ids) == 91


def test_a_full_database_refuses_each_of_those_who_wait(log: EventLog, limited: dict[str, int]) -> None:
    done = [log.append(act(str(number), text="x" * 3000)) for number in range(20)]
    told = [one.exception(10) for one in done]
    for error in filter(None, told):
        assert_full(error)
    assert told[-1] is not None
    kept = {event.id for event in log.replay()} - {"first"}
    assert kept == {str(number) for number, error in enumerate(told) if error is None}


@pytest.mark.parametrize(
    "content", [b"no database" * 500, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "a cut head"]
)
def test_a_damaged_file(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(Corrupt, match=r"event log is damaged.*backup"):
        EventLog.open(file)
    assert file.read_bytes() == content


def test_a_damaged_body(file: Path) -> None:
    log = EventLog.open(file)
    log.append(act("a")).result()
    log.close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE events SET body = x'7b'")
    connection.close()
    log = EventLog.open(file)
    for read in (lambda: log.find("a"), lambda: list(log.replay()), lambda: log.recent("feedback", 1), log.refresh):
        with pytest.raises(Corrupt, match="event log is damaged"):
            read()
    log.close()


def test_a_folder_in_the_place_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(Unavailable, match="event log could not be"):
        EventLog.open(file)


def test_only_two_databases_are_known() -> None:
    with pytest.raises(InvalidInput, match=r"mysql.*sqlite or postgresql"):
        EventLog("mysql+pymysql://localhost/segue")
    with pytest.raises(InvalidInput, match=r"URL.*sqlite:///FILE"):
        EventLog("events.sqlite")
    with pytest.raises(Unavailable, match=r"no driver.*pip install"):
        EventLog("postgresql+pg8000://localhost/segue")


def test_a_commit_is_forced_to_the_disk(file: Path) -> None:
    connection = sqlite3.connect(file)
    durable(connection, None)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
