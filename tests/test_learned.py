"""What is kept of what was learned: equal, to the last bit, to what the log comes to; never more than a shortcut."""

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from segue import answers, artifact
from segue import learned as module
from segue.answers import Recent
from segue.encode.encoder import Vectors
from segue.engine import Engine
from segue.events import Event, EventLog
from segue.learned import Fold, Learned
from segue.records import Candidates, Request
from segue.retrieve import memory, pages, people
from segue.retrieve.context import ITEM, REQUEST, STRATEGY
from segue.retrieve.examination import Examination
from segue.retrieve.lessons import Lessons
from segue.retrieve.memory import Memory
from segue.retrieve.pages import to_log
from segue.retrieve.people import People
from segue.retrieve.query import Query
from segue.retrieve.union import unite
from segue.state import State
from segue.store import ACTIONS

NAMES = ("text", "dense", "grams")
WORDS = ("love story", "stories of love", "love stroy", "the birds", "emma", "🎬", "psycho 1960", "psycho")
USERS = ("ann", "bob", "cleo", "")


# -- logs -------------------------------------------------------------------------------------------------------------


def page(random: np.random.Generator, text: str, *, broken: bool) -> dict[str, Any]:
    """What a policy logs of a page: lists of chance, and one strategy that returns nothing any more when it is `broken`."""
    lists = {name: random.permutation(15)[: random.integers(1, 8)].tolist() for name in NAMES}
    if broken:
        lists["grams"] = []
    found = [
        Candidates(name, np.array(numbers, np.int64), np.linspace(1, 0.5, len(numbers)).astype(np.float32))
        for name, numbers in lists.items()
    ]
    union = unite(found)
    described = random.uniform(0, 1, (len(found), len(STRATEGY))).round(4)
    described[:, STRATEGY.index("results")] = [len(one) for one in found]
    query = Query(Request("", text), text, lambda texts: np.zeros((len(texts), 4), np.float32))
    context, items = random.uniform(0, 1, len(REQUEST)).round(4), random.uniform(0, 1, (len(union.numbers), len(ITEM)))
    kept = np.arange(min(len(union.numbers), 10))
    logged = to_log(query, found, context, described, found, union, items.round(4), kept)
    return {**logged, "shown": list(range(len(kept))), "own place": list(range(len(kept), 0, -1))}


def logged(count: int, seed: int, *, broken: range = range(0)) -> list[Event]:
    """So many answers of one or two domains, and what people did with them: also twice, undone, late, and to what was not
    there."""
    random, events = np.random.default_rng(seed), list[Event]()
    acts: list[tuple[str, str, str, str, int, str]] = []
    for n in range(count):
        domains = [["films"], ["films", "books"], ["books"]][random.integers(3)]
        text = WORDS[random.integers(len(WORDS))] + ("" if random.random() < 0.5 else f" {random.integers(60)}")
        made = {domain: page(random, text, broken=n in broken) for domain in domains}
        shown = {domain: [f"{domain[0]}{number}" for number in one["numbers"]] for domain, one in made.items()}
        results = [{"id": id, "domain": domain} for domain, ids in shown.items() for id in ids]
        context = {"user": USERS[random.integers(4)], "session": f"s{random.integers(30)}"}
        listing = [[text, domain, ids] for domain, ids in shown.items()]
        body = {"request": {"context": context}, "results": results, "shown": listing, "learning": made}
        events.append(Event(f"a{n}", "answer", float(n), body))
        for place, result in enumerate(results, 1):
            if random.random() < 0.15:
                action = [*ACTIONS, "unknown"][random.integers(len(ACTIONS) + 1)]
                acts.append((f"a{n}", text, result["domain"], result["id"], place, action))
        for _ in range(random.integers(3)):
            if acts:
                told = acts[-1 - random.integers(min(len(acts), 30))]
                events.append(act(len(events), *told, undone=random.random() < 0.2))
    return events


def act(
    number: int, answer: str, query: str, domain: str, item: str, place: int, action: str, *, undone: bool
) -> Event:
    body: dict[str, Any] = {"answer": answer, "domain": domain, "item": item, "query": query, "position": place}
    body |= {"action": "undo", "undoes": action} if undone else {"action": action}
    return Event(f"e{number}", "feedback", float(number), body)


class Nothing:
    """A log in which nothing is found."""

    def find(self, id: str) -> None: ...


def learners(names: Sequence[str] = NAMES, actions: Mapping[str, float] = ACTIONS) -> dict[str, Fold]:
    """Fresh ones, in the order in which the engine has them."""
    remembered = Memory(actions)
    lessons = Lessons(names, actions, remembered.examination)
    recent = Recent(Nothing())  # type: ignore[arg-type]
    return {"memory": remembered, "people": People(actions), "lessons": lessons, "recent": recent}


def learn(folds: Mapping[str, Fold], events: Sequence[Event]) -> Mapping[str, Fold]:
    for event in events:
        for fold in folds.values():
            fold.learn(event)
    return folds


def bits(folds: Mapping[str, Fold]) -> dict[str, str]:
    """Everything that they know, to the last bit."""
    known = {}
    for name, fold in folds.items():
        content, tensors = written(fold.state())
        hashes = {key: (one.dtype.str, one.shape, zlib.crc32(one.tobytes())) for key, one in tensors.items()}
        known[name] = repr((zlib.crc32(content), hashes, getattr(fold, "digest", lambda: "")()))
    return known


def written(state: State) -> tuple[bytes, dict[str, Any]]:
    tensors: dict[str, Any] = {}
    return orjson.dumps(module._encoded(state, tensors)), tensors


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that a short log reaches them all."""
    for where, name, value in (
        (memory, "_WAITING", 20),
        (memory, "_CROWDED", 12),
        (memory, "_REFRESH", 20),
        (memory, "_LEADING", 4),
        (people, "_PEOPLE", 12),
        (people, "_ANSWERS", 40),
        (pages, "_QUERIES", 9),
        (pages, "_OPEN", 8),
        (answers, "_KEPT", 15),
    ):
        monkeypatch.setattr(where, name, value)
    monkeypatch.setattr(memory, "Examination", lambda positions: Examination(positions, pairs=120))


# -- to the last bit ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(4))
def test_what_is_given_back_goes_on_as_if_nothing_had_been(seed: int, tmp_path: Path) -> None:
    """At three cuts one after the other, through files: everything equal to a fold over the whole log, at every cut and after."""
    events = logged(150, seed, broken=range(110, 150))
    cuts = sorted(np.random.default_rng(seed).choice(len(events), 3, replace=False).tolist())
    folds, begun = learners(), 0
    for number, cut in enumerate([*cuts, len(events)]):
        learn(folds, events[begun:cut])
        assert bits(folds) == bits(learn(learners(), events[:cut]))
        folds, begun = through_files(folds, tmp_path / str(number)), cut
        assert bits(folds) == bits(learn(learners(), events[:cut]))


def through_files(folds: Mapping[str, Fold], folder: Path) -> dict[str, Fold]:
    content, tensors = written(State(parts={name: fold.state() for name, fold in folds.items()}))
    part = artifact.write(folder, kind="learned", name="one", tensors=tensors, files={"state.json": content})
    state = module._decoded(orjson.loads(part.path("state.json").read_bytes()), part.tensors())
    fresh = learners()
    for name, fold in fresh.items():
        fold.restore(state.parts[name])
    return fresh


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_at_any_cut(seed: int, share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    events = logged(70, seed)
    cut = round(share * len(events))
    folds = through_files(learn(learners(), events[:cut]), tmp_path_factory.mktemp("kept") / "one")
    assert bits(learn(folds, events[cut:])) == bits(learn(learners(), events))


def test_a_strategy_that_broke_is_broken_still(tmp_path: Path) -> None:
    """With what was learned of its health, its alarms, and of draws made since."""
    events = logged(420, 3, broken=range(330, 420))
    whole = learn(learners(), events)
    lessons = whole["lessons"]
    assert isinstance(lessons, Lessons)
    assert lessons.of("films").broken == {"grams"}
    assert lessons.of("films").model.belief.batches >= 2
    assert lessons.of("films").takes > 0
    for cut in (len(events) // 2, len(events) - 60, len(events) - 1):
        folds = through_files(learn(learners(), events[:cut]), tmp_path / str(cut))
        learn(folds, events[cut:])
        assert bits(folds) == bits(whole)


def test_what_is_asked_of_it_is_the_same(tmp_path: Path) -> None:
    """Not only the state: also what is worked out of it, with the caches that are not kept."""
    events = logged(150, 1)
    whole = learn(learners(), events)
    again = through_files(whole, tmp_path / "kept")
    one, other = whole["memory"], again["memory"]
    assert isinstance(one, Memory)
    assert isinstance(other, Memory)
    for text in (*WORDS, "birds", "psycho 1961", "stori of love"):
        for domain in ("films", "books", "songs"):
            assert other.remembered(domain, text) == one.remembered(domain, text)
            assert list(other.remembered(domain, text)) == list(one.remembered(domain, text))
            assert other.most_taken(domain, 7) == one.most_taken(domain, 7)
    before, after = whole["people"], again["people"]
    assert isinstance(before, People)
    assert isinstance(after, People)
    for user in USERS:
        assert after.together({"user": user}, "films", 10) == before.together({"user": user}, "films", 10)
    old, new = whole["lessons"], again["lessons"]
    assert isinstance(old, Lessons)
    assert isinstance(new, Lessons)
    for name, drawn in old.of("films").worth._drawn.items():
        same = new.of("films").worth._drawn[name]
        assert (same.tobytes(), same.flags.f_contiguous) == (drawn.tobytes(), drawn.flags.f_contiguous)
    draws = [lessons.of("films").model.belief.draws for lessons in (old, new)]
    assert draws[0].flags.f_contiguous == draws[1].flags.f_contiguous


def test_a_state_does_not_change_when_its_learner_goes_on() -> None:
    events = logged(120, 2)
    folds = learn(learners(), events[:150])
    states = {name: fold.state() for name, fold in folds.items()}
    before = {name: written(state)[0] for name, state in states.items()}
    arrays = {name: [one.tobytes() for one in written(state)[1].values()] for name, state in states.items()}
    learn(folds, events[150:])
    assert {name: written(state)[0] for name, state in states.items()} == before
    assert {name: [one.tobytes() for one in written(state)[1].values()] for name, state in states.items()} == arrays


# -- beside a log -------------------------------------------------------------------------------------------------------


@dataclass
class Opened:
    """A log that is followed; `replayed` counts what was learned from it, event by event."""

    log: EventLog
    folds: dict[str, Fold]
    learned: Learned
    replayed: list[str] = field(default_factory=list)


class Counting:
    """A learner that knows the ids of what it was told since it was made, and keeps nothing."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def learn(self, event: Event) -> None:
        self.ids.append(event.id)

    def state(self) -> State:
        return State()

    def restore(self, state: State) -> None: ...


@contextmanager
def opened(folder: Path, weights: Mapping[str, float] = ACTIONS, slow: float = 60.0) -> Iterator[Opened]:
    log, folds, counting = EventLog.open(folder / "events.sqlite"), learners(actions=weights), Counting()
    followers = {**folds, "counting": counting}
    learned = Learned(folder / "learned", log, followers, settings={"actions": dict(weights)}, slow=slow)
    learned.follow()
    yield Opened(log, folds, learned, counting.ids)
    learned.close()
    log.close()


EVENTS = logged(60, 9)
ALL = [event.id for event in EVENTS]
KNOWN = 80
"""Events in what the fixture keeps."""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of which the first 80 events are kept as learned."""
    monkeypatch.setattr(module, "_ENOUGH", 10**9)
    with opened(tmp_path) as one:
        one.log.append(*EVENTS[:KNOWN]).result()
        one.learned.save()
        one.log.append(*EVENTS[KNOWN:]).result()
    return tmp_path


def folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in (folder / "learned").iterdir() if entry.is_dir())


def equal_to_a_replay(one: Opened, weights: Mapping[str, float] = ACTIONS) -> bool:
    return bits(one.folds) == bits(learn(learners(actions=weights), list(one.log.replay())))


def test_only_what_is_behind_it_is_replayed(kept: Path) -> None:
    with opened(kept) as one:
        assert one.replayed == ALL[KNOWN:]
        assert equal_to_a_replay(one)
        one.log.append(act(999, "a59", "emma", "films", "f1", 1, "click", undone=False)).result()
        assert equal_to_a_replay(one)


def test_closing_keeps_what_is_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ENOUGH", 50)
    with opened(tmp_path) as one:
        one.log.append(*EVENTS[:49]).result()
    assert not (tmp_path / "learned").exists()
    with opened(tmp_path) as one:
        assert one.replayed == ALL[:49]
        one.log.append(EVENTS[49])  # not waited for
    with opened(tmp_path) as one:
        assert one.replayed == []
        assert equal_to_a_replay(one)
        one.log.append(*EVENTS[50:60]).result()
    with opened(tmp_path) as one:
        assert one.replayed == ALL[50:60]


def test_a_slow_replay_is_not_done_again(tmp_path: Path) -> None:
    """Also when the process is killed and never closes."""
    with opened(tmp_path) as one:
        one.log.append(*EVENTS).result()
    with opened(tmp_path, slow=0.0) as one:
        assert one.replayed == ALL
        assert one.learned._thread is not None
        one.learned._thread.join()
        assert len(folders(tmp_path)) == 1
    with opened(tmp_path) as one:
        assert one.replayed == []


def test_a_server_keeps_what_it_learns_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While others append; what is kept is of one moment between two events."""
    monkeypatch.setattr(module, "_EVERY", 30)
    with opened(tmp_path) as one:
        for event in EVENTS[:-20]:
            done = one.log.append(event)
            time.sleep(0.001)
        done.result()
        assert one.learned._thread is not None
        one.learned._thread.join()
        monkeypatch.setattr(module, "_EVERY", 10**9)
        one.log.append(*EVENTS[-20:-10]).result()  # not kept
    with opened(tmp_path) as one:
        assert 0 < len(one.replayed) < len(EVENTS) - 10
        assert one.replayed == ALL[-10 - len(one.replayed) : -10]
        assert equal_to_a_replay(one)


def test_a_later_one_takes_its_place_and_an_earlier_one_does_not(kept: Path) -> None:
    with opened(kept) as early, opened(kept) as late:
        late.log.append(act(999, "a59", "emma", "films", "f1", 1, "click", undone=False)).result()
        late.learned.save()
        (only,) = folders(kept)
        assert int(only.split("-")[0]) == len(EVENTS) + 1
        early.learned.save()
        assert folders(kept) == [only]
        early.log.refresh()
        early.learned.save()  # as much as is kept
        assert folders(kept) == [only]
    with opened(kept) as one:
        assert one.replayed == []


def test_one_that_is_replaced_while_it_is_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in its place is read, not the whole log."""
    open_part, taken = artifact.open, list[Path]()

    def too_late(folder: Path, *, kind: str) -> artifact.Artifact:
        if not taken:
            taken.append(folder)
            with opened(kept) as other:
                other.learned.save()
        return open_part(folder, kind=kind)

    monkeypatch.setattr(artifact, "open", too_late)
    with opened(kept) as one:
        assert not taken[0].exists()
        assert one.replayed == []
        assert equal_to_a_replay(one)


def test_a_short_log_is_not_kept_again_and_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes to read what is kept, only a slow replay is worth keeping more."""
    read = Learned._read

    def slowly(learned: Learned, one: Any) -> State:
        now.append(100.0)
        return read(learned, one)

    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[-1]))
    monkeypatch.setattr(Learned, "_read", slowly)
    monkeypatch.setattr(Learned, "_save_behind", lambda learned: pytest.fail("kept again"))
    with opened(kept, slow=1.0):
        pass


def test_what_a_killed_writer_left_is_taken_away(kept: Path) -> None:
    left = kept / "learned" / ".000-abc.part"
    left.mkdir()
    (left / "state.json").write_bytes(b"{")
    with opened(kept) as one:
        assert one.replayed == ALL[KNOWN:]
        assert left.exists()
        one.learned.save()
    assert not left.exists()
    assert len(folders(kept)) == 1


# -- what cannot be used ------------------------------------------------------------------------------------------------


def at(file: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (part,) = (entry for entry in (folder / "learned").iterdir() if entry.is_dir())
        change(part / file)

    return damage


def halved(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def of_another_form(folder: Path) -> None:
    """All hashes right, and the state of one learner not what it reads: as if somebody had changed its code."""
    (old,) = (entry for entry in (folder / "learned").iterdir() if entry.is_dir())
    part = artifact.open(old, kind="learned")
    content = orjson.loads(part.path("state.json").read_bytes())
    del content["parts"]["recent"]["data"]["done"]
    shutil.move(old, folder / "old")
    artifact.write(
        old,
        kind="learned",
        name="changed",
        tensors=part.tensors() if old.exists() else artifact.open(folder / "old", kind="learned").tensors(),
        files={"state.json": orjson.dumps(content)},
        meta=part.meta,
    )


def another_log(folder: Path) -> None:
    """The same number of events, and others."""
    for name in ("events.sqlite", "events.sqlite-wal", "events.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    log = EventLog.open(folder / "events.sqlite")
    log.append(*(Event("x" + event.id, event.kind, event.time, event.body) for event in EVENTS)).result()
    log.close()


def an_older_log(folder: Path) -> None:
    """Put back from a backup from before."""
    log = EventLog.open(folder / "events.sqlite")
    log.close()
    with sqlite3.connect(folder / "events.sqlite") as connection:
        connection.execute(f"DELETE FROM events WHERE sequence > {KNOWN - 10}")
    connection.close()


UNUSABLE: list[tuple[str, Callable[[Path], object]]] = [
    ("the state is cut", at("state.json", halved)),
    ("the state is gone", at("state.json", Path.unlink)),
    ("a bit of the state is wrong", at("state.json", flipped)),
    ("a bit of the tensors is wrong", at("tensors.safetensors", flipped)),
    ("the tensors are gone", at("tensors.safetensors", Path.unlink)),
    ("the manifest is cut", at("manifest.json", halved)),
    ("the manifest is gone", at("manifest.json", Path.unlink)),
    ("a learner cannot read it", of_another_form),
    ("it is of another log", another_log),
    ("it is of a log that is shorter now", an_older_log),
]


@pytest.mark.parametrize("damage", [case[1] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE])
def test_what_cannot_be_used_is_left_aside(
    kept: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """The whole log is replayed, with a warning; the next that is kept takes its place."""
    damage(kept)
    with caplog.at_level(logging.WARNING), opened(kept) as one:
        assert "the log is replayed" in caplog.text
        assert one.replayed == [event.id for event in one.log.replay()]
        assert equal_to_a_replay(one)
        one.learned.save()
    assert len(folders(kept)) == 1
    caplog.clear()
    with opened(kept) as one:
        assert one.replayed == []
        assert equal_to_a_replay(one)
    assert caplog.text == ""


def test_other_weights_of_actions_weigh_the_past_anew(kept: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = {**ACTIONS, "click": 0.25}
    with opened(kept, weights) as one:
        assert "other settings" in caplog.text
        assert one.replayed == ALL
        assert equal_to_a_replay(one, weights)
        one.learned.save()
    with opened(kept, weights) as one:
        assert one.replayed == []


@pytest.mark.parametrize("what", ["_FORMAT", "versions", "code"])
def test_another_version_learns_anew(kept: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "_FORMAT":
        monkeypatch.setattr(module, "_FORMAT", 2)
    elif what == "versions":
        monkeypatch.setattr(module, "version", lambda name: "99")
    else:
        copied = shutil.copytree(Path(module.__file__).parent, kept / "segue", ignore=shutil.ignore_patterns("*.pyc"))
        changed = copied / "retrieve" / "health.py"
        changed.write_text(changed.read_text() + "\n")
        monkeypatch.setattr(module, "__file__", str(copied / "learned.py"))
    with opened(kept) as one:
        assert one.replayed == ALL


def test_without_a_place_to_write_all_goes_on(kept: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(kept / "learned")
    (kept / "learned").write_text("a file")
    with opened(kept) as one:
        assert one.replayed == ALL
        one.learned.save()
        assert "could not be kept" in caplog.text
        assert equal_to_a_replay(one)


def test_numbers_that_cannot_be_kept_are_replayed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = {**ACTIONS, "click": 1e30}
    with opened(tmp_path, weights) as one:
        one.log.append(*EVENTS).result()
        one.learned.save()
    assert "could not be kept" in caplog.text
    with opened(tmp_path, weights) as one:
        assert one.replayed == ALL


def test_while_another_process_writes_nobody_waits(kept: Path) -> None:
    before = folders(kept)
    with FileLock(kept / "learned" / "lock"), opened(kept) as one:
        one.learned.save()
        assert folders(kept) == before
    with opened(kept) as one:
        one.learned.save()
    assert folders(kept) != before


# -- killed -------------------------------------------------------------------------------------------------------------


def wait_while_writing(folder: Path, files: int) -> None:
    """The process that is killed: tells when so many files of what is kept are written, and goes no further."""
    write, written = artifact._write_file, list[Path]()

    def halting(path: Path, content: bytes) -> None:
        if len(written) == files:
            sys.stdout.write("here\n")
            sys.stdout.flush()
            signal.pause()
        written.append(path)
        write(path, content)

    artifact._write_file = halting
    with opened(folder) as one:
        one.learned.save()


@pytest.mark.parametrize("files", [0, 1, 2])
def test_killed_while_writing(kept: Path, files: int) -> None:
    """What was kept before is there; the next one is written as if nothing had been."""
    before = folders(kept)
    process = subprocess.Popen([sys.executable, __file__, str(kept), str(files)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert [name for name in folders(kept) if not name.startswith(".")] == before
    assert len(folders(kept)) == 2
    with opened(kept) as one:
        assert one.replayed == ALL[KNOWN:]
        assert equal_to_a_replay(one)
        one.learned.save()
    assert len(folders(kept)) == 1


# -- the engine ---------------------------------------------------------------------------------------------------------


class Cheap:
    """An encoder that costs nothing: a random direction for every text, always the same."""

    dimensions = 16
    fingerprint = "cheap"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimensions) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


TITLES = ["Mary Poppins", "Psycho", "The Birds", "Love Story", "Love Actually", "Emma", "The Shining", "Rope"]


def digests(engine: Engine) -> tuple[str, str, str]:
    return engine.memory.digest(), engine.people.digest(), engine.bandit.lessons.digest()


def test_an_engine_answers_as_if_it_had_replayed_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same digests, answers and propensities as from the log alone; undo finds what was done before."""
    monkeypatch.setattr(module, "_ENOUGH", 100)
    random = np.random.default_rng(4)
    with Engine.open(tmp_path / "store", encoder=Cheap()) as engine:
        engine.index([{"id": f"f{n}", "title": title, "votes": n} for n, title in enumerate(TITLES)], domain="films")
        engine.index(
            [{"id": f"b{n}", "title": title, "votes": 9 - n} for n, title in enumerate(TITLES)], domain="books"
        )
        for n in range(120):
            answer = engine.ask(TITLES[random.integers(8)], context={"user": f"u{n % 5}"}, seed=n)
            if random.random() < 0.7:
                engine.feedback(answer, answer.results[random.integers(len(answer.results))], action="play")
        last = engine.ask("emma")
        engine.feedback(last, last.results[0], action="save")
        online = digests(engine)
    assert len(folders(tmp_path / "store")) == 1

    replays = list[str]()
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "learned")
    learn_one = Memory.learn

    def learn_and_tell(memory: Memory, event: Event) -> None:
        replays.append(event.id)
        learn_one(memory, event)

    monkeypatch.setattr(Memory, "learn", learn_and_tell)
    with Engine.open(tmp_path / "store", encoder=Cheap()) as engine:
        assert replays == []
        assert digests(engine) == online
        with Engine.open(tmp_path / "copy", encoder=Cheap()) as other:
            assert len(replays) > 150
            assert digests(other) == online
            for text in ("emma", "love", "mary popins"):
                for context in ({}, {"user": "u3"}):
                    one, same = (each.ask(text, context=context, seed=5) for each in (engine, other))
                    for each in (engine, other):
                        each.log.append().result()  # the answer is learned from
                    assert one.results == same.results
                    assert one.selection == same.selection
                    assert one.trace["policy"] == same.trace["policy"]
        engine.feedback(last.id, last.results[0], action="undo")


def test_closing_twice_is_closing(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path / "store", encoder=Cheap())
    engine.close()
    engine.close()


def test_saving_from_many_threads_is_saving(kept: Path) -> None:
    with opened(kept) as one:
        threads = [threading.Thread(target=one.learned.save) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(folders(kept)) == 1
    with opened(kept) as one:
        assert one.replayed == []


if __name__ == "__main__":
    wait_while_writing(Path(sys.argv[1]), int(sys.argv[2]))
