"""Question: how long does a store with a long log take to open?

Claim: opening reads what was learned and replays only what came after, so it takes a small part of the time of a replay of the
whole log, and hardly more for a longer log. Baseline, in the same run on the same store: the replay.

The log is made of one small store's: its answers and feedback again and again, each time with other ids, users and words.
Measured are the learners and the log, without catalogues and encoder, which take the same time in both.

    python -m benchmarks.speed.opening --answers 2000
"""

import argparse
import logging
import math
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RESULTS, save
from segue.answers import Recent
from segue.encode.encoder import Vectors
from segue.engine import Engine
from segue.events import Event, EventLog
from segue.learned import Fold, Learned
from segue.retrieve.lessons import Lessons
from segue.retrieve.memory import Memory
from segue.retrieve.people import People
from segue.retrieve.strategies import family
from segue.store import ACTIONS

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


def small_store(folder: Path, asked: int) -> list[Event]:
    """What a small store logs while people ask it: 2 domains of 300 items, a click for every answer or so."""
    random = np.random.default_rng(0)
    with Engine.open(folder, encoder=_Cheap()) as engine:
        for domain in _DOMAINS:
            titles = [f"The {a} {n} {part}" for a in _ADJECTIVES for n in _NOUNS for part in (1, 2, 3)]
            rows = [{"id": f"{domain}-{n}", "title": title, "votes": n} for n, title in enumerate(titles)]
            engine.index(rows, domain=domain)
        for n in range(asked):
            text = f"{random.choice(_ADJECTIVES)} {random.choice(_NOUNS)}"
            context = {"user": f"u{random.integers(40)}", "session": f"s{n // 4}"}
            answer = engine.ask(text, context=context, seed=n)
            for place in np.flatnonzero(
                random.random(len(answer.results)) < 0.25 / np.arange(1, 1 + len(answer.results))
            ):
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


@dataclass
class Opened:
    """Everything that an engine lets follow its log, the seconds that it took to open it, and those of the processor."""

    learned: Learned
    folds: dict[str, Fold]
    seconds: float
    processor: float

    def digests(self) -> list[str]:
        return [fold.digest() for fold in self.folds.values() if isinstance(fold, Memory | People | Lessons)]


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """A log with what is kept beside it; closing keeps nothing."""
    begun, processor = time.perf_counter(), time.process_time()
    log, memory, people = EventLog.open(folder / "events.sqlite"), Memory(ACTIONS), People(ACTIONS)
    strategies = list(family(memory, people))
    lessons = Lessons(strategies, ACTIONS, memory.examination)
    folds: dict[str, Fold] = {"memory": memory, "people": people, "lessons": lessons, "recent": Recent(log)}
    learned = Learned(folder / "learned", log, folds, settings={"strategies": strategies}, slow=math.inf)
    learned.follow()
    yield Opened(learned, folds, time.perf_counter() - begun, time.process_time() - processor)
    log.close()


def measure(folder: Path, events: Sequence[Event], answers: int, rounds: int) -> dict[str, Any]:
    """A log of so many answers, opened by a replay and from what was kept of it; refuses to compare what is not equal."""
    folder.mkdir()
    count = write(folder, lengthened(events, answers))
    with opened(folder) as whole:
        begun = time.process_time()
        whole.learned.take()
        paused = time.process_time() - begun
        begun = time.process_time()
        whole.learned.save()
        saved = time.process_time() - begun
        digests = whole.digests()
    runs = []
    for _ in range(rounds):
        with opened(folder) as one:
            runs.append((one.seconds, one.processor))
            if one.digests() != digests:
                raise RuntimeError("what is kept is not what the log comes to")
    seconds, processor = min(runs)
    return {
        "events": count,
        "log MB": round((folder / "events.sqlite").stat().st_size / 1e6, 1),
        "kept MB": round(sum(file.stat().st_size for file in (folder / "learned").rglob("*")) / 1e6, 1),
        "replay seconds": round(whole.seconds, 2),
        "replay processor seconds": round(whole.processor, 2),
        "kept seconds": round(seconds, 3),
        "kept processor seconds": round(processor, 3),
        "times faster": round(whole.processor / processor, 1),
        "pause ms": round(1000 * paused, 1),
        "writing processor seconds": round(saved, 3),
    }


def as_table(result: dict[str, Any]) -> str:
    """For people, as Markdown."""
    lines = [
        "| answers | events | log MB | replay s | kept: opening s | times | MB | writing s | learning waits ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for answers, row in result["rows"].items():
        lines.append(
            f"| {int(answers):,} | {row['events']:,} | {row['log MB']:.0f} | {row['replay processor seconds']:.1f} |"
            f" {row['kept processor seconds']:.2f} | {row['times faster']:.0f} | {row['kept MB']:.1f} |"
            f" {row['writing processor seconds']:.2f} | {row['pause ms']:.0f} |"
        )
    return "\n".join(
        [*lines, "", f"Seconds of the processor; from what is kept: the best of {result['rounds']} rounds."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--asked", type=int, default=400, help="answers of the small store")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="a folder on the disk to measure; a temporary one if not given")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result file")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # strategies break and are mended where the log begins again
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        folder = Path(work)
        events = small_store(folder / "small", options.asked)
        rows = {str(count): measure(folder / str(count), events, count, options.rounds) for count in options.answers}
    result = {"rows": rows, "rounds": options.rounds}
    save("opening", result, options.out)
    print(as_table(result))


if __name__ == "__main__":
    main()
