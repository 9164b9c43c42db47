"""Question: how many acknowledged events a second does the log take, and how long does a client wait?

Claim: group commit (one fsync shared by all who wait) gives 32 waiting clients several times the rate of one transaction an
event, with the same promise: acknowledged means on disk. Baseline, in the same run on the same disk: one SQLite transaction
an event with the same table and settings (WAL, synchronous=FULL), by one connection, which is the most that SQLite can do.

    python -m benchmarks.speed.events --seconds 2
"""

import argparse
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.record import RESULTS, save
from segue.events import Event, EventLog, durable


def feedback(number: int) -> Event:
    """An event as a click makes it."""
    body = {
        "answer": f"{number:016x}",
        "domain": "films",
        "item": f"film-{number % 5000}",
        "action": "click",
        "query": "mary poppins",
        "position": 1 + number % 10,
    }
    return Event(f"event-{number}", "feedback", time.time(), body)


def grouped(folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    """`clients` threads, each waiting for its event to be on disk before it sends the next; then the log is replayed."""
    log = EventLog.open(folder / f"log-{clients}.sqlite")
    log.follow(lambda event: None)

    def client(place: int, waits: list[float], until: float) -> None:
        number = place << 32
        while (start := time.perf_counter()) < until:
            log.append(feedback(number)).result()
            waits.append(time.perf_counter() - start)
            number += 1

    measured = _by_threads(client, clients, seconds)
    start = time.perf_counter()
    replayed = sum(1 for _ in log.replay())
    measured["replayed a second"] = round(replayed / (time.perf_counter() - start))
    log.close()
    if replayed != measured["events"]:
        raise RuntimeError(f"{measured['events']} events were acknowledged and {replayed} are in the log")
    return measured


def one_by_one(folder: Path, seconds: float) -> dict[str, Any]:
    """One transaction an event."""
    database = sqlite3.connect(folder / "single.sqlite", isolation_level=None, check_same_thread=False)
    durable(database, None)
    database.execute(
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(128) NOT NULL UNIQUE,"
        " kind VARCHAR(16) NOT NULL, time FLOAT NOT NULL, body BLOB NOT NULL)"
    )
    database.execute("CREATE INDEX ix_events_kind ON events (kind)")

    def client(place: int, waits: list[float], until: float) -> None:
        number = 0
        while (start := time.perf_counter()) < until:
            event = feedback(number)
            row = (event.id, event.kind, event.time, orjson.dumps(event.body))
            database.execute("INSERT INTO events (id, kind, time, body) VALUES (?, ?, ?, ?)", row)
            waits.append(time.perf_counter() - start)
            number += 1

    return _by_threads(client, 1, seconds)


def _by_threads(client: Callable[[int, list[float], float], None], clients: int, seconds: float) -> dict[str, Any]:
    waits: list[list[float]] = [[] for _ in range(clients)]
    start = time.perf_counter()
    threads = [threading.Thread(target=client, args=(place, own, start + seconds)) for place, own in enumerate(waits)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - start
    milliseconds = np.concatenate([np.asarray(own) for own in waits]) * 1000
    return {
        "clients": clients,
        "events": len(milliseconds),
        "events a second": round(len(milliseconds) / spent),
        "p50 ms": round(float(np.percentile(milliseconds, 50)), 3),
        "p99 ms": round(float(np.percentile(milliseconds, 99)), 3),
        "load average": round(os.getloadavg()[0], 2),
    }


def measure(folder: Path, clients: Sequence[int], seconds: float, rounds: int) -> dict[str, Any]:
    """The quietest of several rounds; in each, every way is measured one right after the other."""
    runs = []
    for place in range(rounds):
        own = folder / str(place)
        own.mkdir()
        run = {"one transaction an event": one_by_one(own, seconds)}
        run.update({f"segue, {count} clients": grouped(own, count, seconds) for count in clients})
        runs.append(run)
    most = f"segue, {max(clients)} clients"
    best = max(runs, key=lambda run: int(run[most]["events a second"]))
    ratios = [run[most]["events a second"] / run["one transaction an event"]["events a second"] for run in runs]
    return {"rows": best, "times the baseline": round(float(np.median(ratios)), 1), "rounds": rounds}


def as_table(result: dict[str, Any]) -> str:
    """For people, as Markdown."""
    lines = ["| | events a second | p50 ms | p99 ms | replayed a second |", "|---|---|---|---|---|"]
    for name, row in result["rows"].items():
        replayed = f"{row['replayed a second']:,}" if "replayed a second" in row else ""
        lines.append(
            f"| {name} | {row['events a second']:,} | {row['p50 ms']:.2f} | {row['p99 ms']:.2f} | {replayed} |"
        )
    return "\n".join(
        [*lines, "", f"{result['times the baseline']} times the baseline, median of {result['rounds']} rounds"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--work", type=Path, help="a folder on the disk to measure; a temporary one if not given")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        result = measure(Path(folder), options.clients, options.seconds, options.rounds)
    save("events", result, options.out)
    print(as_table(result))


if __name__ == "__main__":
    main()
