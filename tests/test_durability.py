"""Killed at any moment, a store keeps what it acknowledged: real processes, real SIGKILL.

Run as a script this file is the process that is killed: `serve STORE` or `index STORE FILE`.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import numpy as np
import orjson
import pytest
import uvicorn

from segue.encode.encoder import Vectors
from segue.engine import Engine
from segue.events import Event, EventLog
from segue.retrieve.catalogue import Snapshot, catalogue
from segue.retrieve.memory import Memory
from segue.serve.http import make_app

EVENTS = 10_000
CLIENTS = 24
KILLS = (700, 2_500, 4_000, 6_500, 9_000)
"""The server is killed when so many events are acknowledged."""

BATCH = 200
OLD, NEW = 500, 3_000
TITLES = ["Mary Poppins", "Psycho", "The Birds", "Love Story", "Love Actually", "Emma", "The Shining", "Rope"]


class Cheap:
    """An encoder that costs nothing: a random direction for every text, always the same."""

    dimensions = 16
    fingerprint = "cheap"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimensions) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


# -- the processes that are killed ----------------------------------------------------------------------------------


def serve(store: Path) -> None:
    """Tell the port, serve until SIGTERM, then tell what the memory is."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has ended
    with Engine.open(store, create=False, encoder=Cheap()) as engine, socket.create_server(("127.0.0.1", 0)) as open_:
        tell(f"port {open_.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(make_app(engine), log_level="error", lifespan="off"))
        server.run(sockets=[open_])
        tell(f"memory {engine.memory.digest()}")


def index(store: Path, file: Path, last: str, count: str) -> None:
    """Index a file in small transactions; wait to be killed when the step `last` is told of for the `count`th time."""
    told: list[str] = []

    def progress(step: str, done: int) -> None:
        told.append(step)
        if len(told) == 1:
            tell("begun")
        if step == last and told.count(step) == int(count):
            tell("here")
            signal.pause()

    catalogue._BATCH = BATCH
    with Engine.open(store, create=False, encoder=Cheap()) as engine:
        engine.index(file, domain="films", progress=progress)
    tell("finished")


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def start(*arguments: object) -> "subprocess.Popen[str]":
    words = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def lines(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    lines(process).close()


# -- feedback -------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A server that is killed and started again; clients ask it where it is now."""

    store: Path
    process: "subprocess.Popen[str]" = field(init=False)
    address: str = ""

    def start(self) -> None:
        self.process = start("serve", self.store)
        self.address = f"http://127.0.0.1:{lines(self.process).readline().split()[1]}"

    def kill(self) -> None:
        kill(self.process)

    def stop(self) -> str:
        """Ask it to end; returns the digest of the memory that it had."""
        self.process.send_signal(signal.SIGTERM)
        digest = lines(self.process).read().split()[-1]
        lines(self.process).close()
        self.process.wait()
        return digest


@dataclass
class Client:
    """Sends its events one after another, each with its own id and again until it is acknowledged."""

    server: Server
    events: Sequence[dict[str, str]]
    acknowledged: list[str] = field(default_factory=list)
    repeated: int = 0

    def run(self) -> None:
        with httpx.Client(timeout=20) as http:
            for event in self.events:
                while not self._sent(http, event):
                    self.repeated += 1
                    time.sleep(0.02)

    def _sent(self, http: httpx.Client, event: dict[str, str]) -> bool:
        try:
            answer = http.post(self.server.address + "/v1/feedback", json=event)
        except httpx.HTTPError:
            return False
        assert answer.status_code == 200, answer.text
        assert answer.json()["id"] == event["id"]
        self.acknowledged.append(event["id"])
        return True


def asked(store: Path) -> list[dict[str, str]]:
    """A new store, a few answers of it, and 10,000 actions on what they showed."""
    rows = [{"id": f"f{place}", "title": title, "votes": place} for place, title in enumerate(TITLES)]
    with Engine.open(store, encoder=Cheap()) as engine:
        engine.index(rows, domain="films")
        answers = [engine.ask(title) for title in TITLES]
    choose = random.Random(7)
    events = []
    for number in range(EVENTS):
        answer = choose.choice(answers)
        item, action = choose.choice(answer.results).id, choose.choice(["click", "play", "skip", "save"])
        events.append({"answer": answer.id, "item": item, "action": action, "id": f"event-{number}"})
    return events


def test_acknowledged_feedback_survives_sigkill(tmp_path: Path) -> None:
    events = asked(tmp_path / "store")
    server = Server(tmp_path / "store")
    server.start()
    clients = [Client(server, events[place::CLIENTS]) for place in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for count in KILLS:
        while sum(len(client.acknowledged) for client in clients) < count:
            assert any(thread.is_alive() for thread in threads)
            time.sleep(0.002)
        server.kill()
        server.start()
    for thread in threads:
        thread.join(timeout=60)
    live = server.stop()

    acknowledged = [id for client in clients for id in client.acknowledged]
    assert sorted(acknowledged) == sorted(event["id"] for event in events)
    assert sum(client.repeated for client in clients) >= len(KILLS)
    logged = [event for event in replayed(tmp_path / "store") if event.kind == "feedback"]
    assert len(logged) == EVENTS
    by_id = {event.id: event.body for event in logged}
    for event in events:
        body = by_id[event["id"]]
        assert (body["answer"], body["item"], body["action"]) == (event["answer"], event["item"], event["action"])
    assert live == replayed_memory(tmp_path / "store") == replayed_memory(tmp_path / "store")
    assert live == learned_online(tmp_path / "store", tmp_path / "again.sqlite")


def replayed(store: Path) -> list[Event]:
    log = EventLog.open(store / "events.sqlite")
    events = list(log.replay())
    log.close()
    return events


def replayed_memory(store: Path) -> str:
    with Engine.open(store, create=False, encoder=Cheap()) as engine:
        return engine.memory.digest()


def learned_online(store: Path, file: Path) -> str:
    """The same events appended to a new log, event by event, to a memory that learns as they come."""
    with Engine.open(store, create=False, encoder=Cheap()) as engine:
        memory = Memory(engine.store.actions)
    log = EventLog.open(file)
    log.follow(memory.learn)
    for done in [log.append(event) for event in replayed(store)]:
        assert done.result() == (True,)
    log.close()
    return memory.digest()


# -- the catalogue --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def new_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "films.jsonl"
    rows = ({"id": f"f{i}", "title": f"Newer film {i}", "votes": i} for i in range(NEW))
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return file


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    rows = [{"id": f"f{i}", "title": f"Older film {i}", "votes": i} for i in range(OLD)]
    with Engine.open(tmp_path / "store", encoder=Cheap()) as engine:
        engine.index(rows, domain="films")
    return tmp_path / "store"


def titles(snapshot: Snapshot) -> set[str]:
    return {document.title for document in snapshot.documents(snapshot.numbers.tolist()).values()}


MOMENTS: list[tuple[str, str, int]] = [
    ("before the first row is staged", "reading", 1),
    ("after a few rows are embedded", "embedding", 2),
    ("after a third of the rows is staged", "reading", 6),
    ("after all but the last rows are staged", "reading", 15),
    ("after all rows are staged", "reading", 16),
    ("when they are published and none is in the text index", "indexing", 1),
    ("when half of them are in the text index", "indexing", 1_500),
    ("when all of them are in the text index and it is not committed", "indexing", NEW),
]


@pytest.mark.parametrize(("step", "count"), [moment[1:] for moment in MOMENTS], ids=[moment[0] for moment in MOMENTS])
def test_index_killed(old_store: Path, new_rows: Path, step: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old or new as a whole, and the same command goes on where it was."""
    process = start("index", old_store, new_rows, step, count)
    assert lines(process).read(len("begun\nhere\n")) == "begun\nhere\n"
    kill(process)
    staged = (count - 1) * BATCH if step == "reading" else 0

    monkeypatch.setattr(catalogue, "_BATCH", BATCH)
    with Engine.open(old_store, create=False, encoder=Cheap()) as engine:
        snapshot = engine.domains.get("films").snapshot
        published = len(snapshot) == NEW
        assert titles(snapshot) == {
            f"{'Newer' if published else 'Older'} film {i}" for i in range(NEW if published else OLD)
        }
        assert len(snapshot.text) == len(snapshot)
        assert engine.ask("film 77").results[0].id == "f77"
        steps: list[tuple[str, int]] = []
        report = engine.index(new_rows, domain="films", progress=lambda step, done: steps.append((step, done)))
        if not published:
            assert steps[0][0] == "reading"
            assert steps[0][1] >= staged
            assert sum(done for step, done in steps if step == "reading") == NEW
        assert report.added + report.updated + report.unchanged == NEW
        snapshot = engine.domains.get("films").snapshot
        assert titles(snapshot) == {f"Newer film {i}" for i in range(NEW)}
        assert len(snapshot.text) == NEW
        assert engine.ask("newer film 2999").results[0].id == "f2999"
        assert step == "indexing" or not published


@pytest.fixture
def killed_at_random(old_store: Path, new_rows: Path) -> Iterator[Path]:
    for delay in (0.03, 0.08, 0.15, 0.3):
        process = start("index", old_store, new_rows, "never", 1)
        assert lines(process).readline() == "begun\n"
        time.sleep(delay)
        process.kill()
        process.wait()
        lines(process).close()
    yield old_store


def test_index_killed_again_and_again(killed_at_random: Path, new_rows: Path) -> None:
    with Engine.open(killed_at_random, create=False, encoder=Cheap()) as engine:
        assert len(engine.domains.get("films").snapshot) in (OLD, NEW)
        engine.index(new_rows, domain="films")
        assert titles(engine.domains.get("films").snapshot) == {f"Newer film {i}" for i in range(NEW)}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    else:
        index(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5])
