"""Where records wait until their files are known to be whole: on disk, and sorted there."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

import orjson

_BATCH = 1_000
"""Records handed on at a time."""

_TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE records (place INTEGER PRIMARY KEY, kind TEXT, id TEXT UNIQUE, query TEXT, time REAL, details BLOB);
CREATE TABLE shown (query TEXT, item TEXT, ordinal REAL, place INTEGER, session TEXT, PRIMARY KEY (query, item));
BEGIN;
"""
_SHOW = """
INSERT INTO shown VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ordinal = min(ordinal, excluded.ordinal), session = ifnull(session, excluded.session)
"""
_IN_ORDER = """
SELECT record.kind, record.id, record.query, record.time, record.details FROM records AS record
LEFT JOIN records AS asked ON record.kind = 'action' AND asked.id = record.query
ORDER BY {}record.place
"""
_BY_TIME = "max(record.time, ifnull(asked.time, record.time)), record.kind = 'action', "


class Unusable(Exception):
    """Why a line is kept out."""


class Record(NamedTuple):
    """One query or action on its way into the log, by the ids that it will have there. `time`: seconds since 1970.

    `query` and `action` come from others, with some `details`; those of `answer` and `feedback` are the body of the event
    that Segue wrote.
    """

    kind: Literal["query", "action", "answer", "feedback"]
    id: str
    query: str
    time: float
    details: dict[str, Any]


class Staging:
    """All that was read: records, and which items were seen under which query."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES)
        self._place = 0

    def close(self) -> None:
        self._database.close()

    def add(self, record: Record) -> None:
        """Raises `Unusable` when a record of this id is there."""
        self._place += 1
        values = (self._place, *record[:4], orjson.dumps(record.details))
        if not self._database.execute("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?)", values).rowcount:
            raise Unusable(f"has the id of a record before it ({record.id})")

    def add_shown(self, query: str, item: str, ordinal: float, session: str | None) -> None:
        self._place += 1
        self._database.execute(
            _SHOW,
            (query, item, ordinal, self._place, session),
        )

    def batches(self) -> Iterator[list[Record]]:
        """All records by time, no action before its query; when all are Segue's own, in the order of the log they are from."""
        foreign = self._database.execute("SELECT 1 FROM records WHERE kind IN ('query', 'action') LIMIT 1").fetchone()
        cursor = self._database.execute(_IN_ORDER.format(_BY_TIME if foreign else ""))
        while batch := cursor.fetchmany(_BATCH):
            yield [_record(row) for row in batch]

    def asked(self, queries: Iterable[str]) -> dict[str, Record]:
        """The records of some queries and answers."""
        rows = self._among("SELECT kind, id, query, time, details FROM records WHERE id = query AND id IN", queries)
        return {row[1]: _record(row) for row in rows}

    def shown(self, queries: Iterable[str]) -> dict[str, list[tuple[str, str | None]]]:
        """For each query, (item, session) of the events that name one, in the order of their ordinals."""
        found = defaultdict(list)
        rows = self._among("SELECT query, item, session, ordinal, place FROM shown WHERE query IN", queries)
        for query, item, session, *_ in sorted(rows, key=lambda row: row[3:]):
            found[query].append((item, session))
        return found

    def _among(self, query: str, values: Iterable[str]) -> list[tuple[Any, ...]]:
        wanted = list(values)
        return self._database.execute(f"{query} ({', '.join('?' * len(wanted))})", wanted).fetchall()


def _record(row: Sequence[Any]) -> Record:
    return Record(row[0], row[1], row[2], row[3], cast(dict[str, Any], orjson.loads(row[4])))
