"""The event log out as UBI."""

import gzip
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import orjson

from segue.errors import InvalidInput, Unavailable
from segue.events import Event, EventLog
from segue.retrieve.catalogue import Progress
from segue.retrieve.catalogue.tables import format_of

_CALLERS = 10_000
"""Answers whose user and session are kept at hand."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: answers as UBI `queries`, feedback as UBI `events`."""

    queries: int
    events: int


def export_ubi(log: EventLog, file: Path, *, progress: Progress | None = None) -> Exported:
    """Write the whole log to `file` (.ndjson or .jsonl; .gz may follow), in the log's order, one event in memory at a time.

    The file appears, or replaces the old one, when it is complete; the same log makes the same bytes. Raises `InvalidInput`
    for another name and `Unavailable` when it cannot be written.
    """
    if format_of(file) != "json lines" or file.is_dir():
        raise InvalidInput(f"{file} cannot be written.", expected="a file .ndjson or .jsonl (.gz may follow)")
    callers = _Callers(log)
    count = Counter[str]()
    with _replacing(file) as stream:
        for event in log.replay():
            if event.kind == "answer":
                callers.keep(event)
                _write_lines(stream, "ubi_queries", event.id, _query(event))
            elif event.kind == "feedback":
                _write_lines(stream, "ubi_events", event.id, _action(event, callers.of(event.body["answer"])))
            count[event.kind] += 1
            if progress:
                progress("writing", 1)
    return Exported(count["answer"], count["feedback"])


def _query(event: Event) -> dict[str, Any]:
    results = event.body["results"]
    return {
        "application": "segue",
        "query_id": event.id,
        **_caller(event),
        "user_query": event.body["request"]["text"],
        "query_response_hit_ids": [result["id"] for result in results],
        "query_attributes": {
            "domains": list(dict.fromkeys(result["domain"] for result in results)),
            "segue": _whole(event),
        },
        "timestamp": _iso(event.time),
    }


def _action(event: Event, caller: Mapping[str, str]) -> dict[str, Any]:
    body = event.body
    return {
        "application": "segue",
        "action_name": body["action"],
        "query_id": body["answer"],
        **caller,
        "timestamp": _iso(event.time),
        "event_attributes": {
            "object": {"object_id": body["item"], "object_id_type": body["domain"]},
            "position": {"ordinal": body["position"] - 1},
            "segue": _whole(event),
        },
    }


def _whole(event: Event) -> dict[str, Any]:
    return {"id": event.id, "time": event.time, "body": event.body}


def _caller(event: Event) -> dict[str, str]:
    """Who asked, under UBI's names, as far as the request's context tells."""
    context = event.body["request"]["context"]
    return {name: context[key] for name, key in (("client_id", "user"), ("session_id", "session")) if key in context}


class _Callers:
    """Who asked for the last answers; older ones are looked up in the log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._last: dict[str, dict[str, str]] = {}

    def keep(self, answer: Event) -> None:
        self._last[answer.id] = _caller(answer)
        if len(self._last) > _CALLERS:
            del self._last[next(iter(self._last))]

    def of(self, id: str) -> dict[str, str]:
        if (caller := self._last.get(id)) is not None:
            return caller
        answer = self._log.find(id)
        return _caller(answer) if answer and answer.kind == "answer" else {}


def _iso(time: float) -> str:
    """ISO 8601 in UTC with milliseconds.

    >>> _iso(1733788889.3784)
    '2024-12-10T00:01:29.378Z'
    """
    moment = datetime.fromtimestamp(round(time * 1000) / 1000, UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _write_lines(stream: IO[bytes], index: str, id: str, document: Mapping[str, Any]) -> None:
    header = {"index": {"_index": index, "_id": id}}
    stream.write(orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE))
    stream.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


@contextmanager
def _replacing(file: Path) -> Iterator[IO[bytes]]:
    """A new file beside `file` that takes its place at the end; nothing is left of it when something fails."""
    temporary = file.with_name(file.name + ".new")
    try:
        with temporary.open("wb") as raw:
            if file.suffix.lower() == ".gz":  # without a name and a time inside: those would change the bytes
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        temporary.replace(file)
    except OSError as error:
        raise Unavailable(
            f"{file} cannot be written: {error.strerror or error}.", fix="choose another folder, or free some space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
