"""Question: how long does a store with a long log take to open?

Claim: opening reads what was learned and replays only what came after, so it takes a small part of the time of a replay of the
whole log, and hardly more for a longer log. Baseline, in the same run on the same store: the replay.

The log is made of one small store's: its answers and feedback again and again, each time with other ids, users and words.
Measured are the learners and the log, without catalogues and encoder, which take the same time in both.

    python -m benchmarks.speed.opening --answers 2000
"""

import argparse
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.record import RESULTS, save
from segue.answers import Recent
from segue.encode.encoder import Vectors
from segue.engine import Engine
from segue.events import Event, EventLog
from segue.learned import Learned
from segue.retrieve.lessons import Lessons
from segue.retrieve.memory import Memory
from segue.retrieve.people import People
from segue.retrieve.strategies import family
from segue.store import ACTIONS

_ASKED = 400
"""Answers of the small store."""

_DOMAINS = ("films", "books")
_ADJECTIVES = "red old lost little golden silent wild broken secret winter".split()
_NOUNS = "river house garden storm road mirror island letter song night".split()


class _Cheap:
    """An encoder that costs nothing: a random direction for every text, always the same."""

    dimensions = 64
    fingerprint = "cheap"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimensions) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def small_store(folder: Path) -> list[Event]:
    """What a small store logs while people ask it: 2 domains of 300 items, a click for every answer or so."""
    random = np.random.default_rng(0)
    with Engine.open(folder, encoder=_Cheap()) as engine:
        for domain in _DOMAINS:
            titles = [f"The {a} {n} {part}" for a in _ADJECTIVES for n in _NOUNS for part in (1, 2, 3)]
            rows = [{"id": f"{domain}-{n}", "title": title, "votes": n} for n, title in enumerate(titles)]
            engine.index(rows, domain=domain)
        for n in range(_ASKED):
            text = f"{random.choice(_ADJECTIVES)} {random.choice(_NOUNS)}"
            context = {"user": f"u{random.integers(40)}", "session": f"s{n // 4}"}
            answer = engine.ask(text, context=context, seed=n)
            for place in np.flatnonzero(random.random(len(answer.results)) < 0.25 / np.arange(1, 1 + len(answer.results))):
                action = str(random.choice(["click", "play", "skip"], p=[0.7, 0.2, 0.1]))
                engine.feedback(answer, answer.results[place], action=action)
        engine.log.append().result()
        return list(engine.log.replay())


def lengthened(events: Sequence[Event], answers: int) -> Iterator[Event]:
    """The log again and again, until it holds so many answers; what was asked has another word each time but every third."""
    made, again = 0, 0
    while True:
        word = f" {_NOUNS[again % 10]} {again}" if again % 3 else ""
        for event in events:
            if event.kind == "answer" and made == answers:
                return
            made += event.kind == "answer"
            yield Event(f"{again}-{event.id}", event.kind, event.time, _renamed(event.body, again, word))
        again += 1


def _renamed(body: Mapping[str, Any], again: int, word: str) -> dict[str, Any]:
    """The body of an event as if somebody else had asked for it with one word more."""
    if "answer" in body:
        return {**body, "answer": f"{again}-{body['answer']}", "query": body["query"] + word}
    context = {kind: f"{again}-{name}" for kind, name in body["request"]["context"].items()}
    return {
        **body,
        "request": {**body["request"], "context": context},
        "shown": [[query + word, domain, ids] for query, domain, ids in body["shown"]],
        "learning": {name: {**one, "query": one["query"] + word} for name, one in body["learning"].items()},
    }


def write(folder: Path, events: Iterator[Event]) -> int:
    """A log of these events; returns how many they are."""
    log, count = EventLog.open(folder / "events.sqlite"), 0
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        count += 1
        if len(batch) == 1000:
            log.append(*batch).result()
            batch = []
    log.append(*batch).result()
    log.close()
    return count


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Learned, dict[str, str]]]:
    """The log with everything that an engine lets follow it; closing keeps nothing that was not kept before."""
    log = EventLog.open(folder / "events.sqlite")
    memory, people = Memory(ACTIONS), People(ACTIONS)
    strategies = list(family(memory, people))
    lessons, recent = Lessons(strategies, ACTIONS, memory.examination), Recent(log)
    folds = {"memory": memory, "people": people, "lessons": lessons, "recent": recent}
    learned = Learned(folder / "learned", log, folds, settings={"actions": dict(ACTIONS), "strategies": strategies})
    learned.follow()
    yield learned, {"memory": memory.digest(), "people": people.digest(), "lessons": lessons.digest()}
    log.close()


def timed(folder: Path) -> tuple[float, dict[str, str]]:
    """Seconds to open a log, and what was learned from it."""
    begun = time.perf_counter()
    with opened(folder) as (_, digests):
        return time.perf_counter() - begun, digests


def measure(folder: Path, events: Sequence[Event], answers: int, rounds: int) -> dict[str, Any]:
    """A log of so many answers, opened by a replay and from what is kept; refuses to compare what is not equal."""
    folder.mkdir()
    count = write(folder, lengthened(events, answers))
    begun = time.perf_counter()
    with opened(folder) as (learned, replayed):
        whole = time.perf_counter() - begun
        if learned._thread is not None:
            learned._thread.join()
        shutil.rmtree(folder / "learned", ignore_errors=True)
        learned._kept = 0
        begun = time.perf_counter()
        learned.save()
        saved = time.perf_counter() - begun
    short = [timed(folder) for _ in range(rounds)]
    if any(digests != replayed for _, digests in short):
        raise RuntimeError("what is kept is not what the log comes to")
    size = sum(file.stat().st_size for file in (folder / "learned").rglob("*") if file.is_file())
    return {"events": count, "replayed": whole, "from what is kept": 0.0, "saved": saved, "size": size}


def as_table(result: dict[str, Any]) -> str:
    """For people, as Markdown."""
    lines = ["| answers | events | replay s | kept s | times faster | pause ms | writing s | MB |", "|---|---|---|---|---|---|---|---|"]
    return "\n".join(lines)
