"""The documents of one domain on disk: append-only rows, each alive from the version it was `born` to the one that `retired` it.

Nothing is changed in place. Indexing stages rows under the *next* version, where no reader looks; `publish` makes them
visible, and retires what they replace, in one transaction. A process killed at any moment leaves either the old version
or the new one. Numbers are never used twice, so text and vector indexes catch up by number and can be repaired from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sqlalchemy import (
    Column,
    Connection,
    ExceptionContext,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from segue.events import database_error, durable
from segue.records import Numbers, Scores
from segue.retrieve.catalogue.documents import Document

_metadata = MetaData()
_items = Table(
    "items",
    _metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, index=True),
    Column("born", Integer, nullable=False),
    Column("retired", Integer),
    Column("line", Integer, nullable=False),
    Column("popularity", Float, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("document", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("items_retired", _items.c.retired, sqlite_where=_items.c.retired.is_not(None))
_seen = Table("seen", _metadata, Column("number", Integer, primary_key=True))
_state = Table(
    "state", _metadata, Column("key", String, primary_key=True), Column("value", LargeBinary, nullable=False)
)
_rejected = Table(
    "rejected", _metadata, Column("line", Integer, primary_key=True), Column("reason", String, nullable=False)
)

_CHUNK = 500
"""Ids in one `IN (…)`."""


@dataclass(frozen=True, slots=True)
class Job:
    """An indexing run that may be stopped and resumed: what file it reads and how far it has come."""

    fingerprint: str
    read: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    def after(self, **counts: int) -> "Job":
        return Job(self.fingerprint, **{name: getattr(self, name) + count for name, count in counts.items()})


class Items:
    """Opened rows of one domain, in the SQLite file `file`."""

    def __init__(self, file: Path) -> None:
        self._database = create_engine(f"sqlite:///{file}")
        event.listen(self._database, "connect", durable)
        event.listen(self._database, "handle_error", partial(_explain, file))
        _metadata.create_all(self._database)

    def close(self) -> None:
        self._database.dispose()

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        return int(self.state("version", 0))

    def state(self, key: str, default: Any = None) -> Any:
        with self._database.connect() as connection:
            return _read_state(connection, key, default)

    def count(self, version: int) -> int:
        with self._database.connect() as connection:
            return int(connection.execute(select(func.count()).where(*_alive(version))).scalar_one())

    def alive(self, version: int) -> tuple[Numbers, Scores]:
        """Numbers of the items alive at `version`, ascending, and their popularity as it stands in the catalogue."""
        with self._database.connect() as connection:
            cursor: Any = (
                connection.connection.cursor()
            )  # SQLAlchemy's rows cost ten times as much, and here are millions
            cursor.execute(
                "SELECT number, popularity FROM items WHERE born <= ? AND (retired IS NULL OR retired > ?) ORDER BY number",
                (version, version),
            )
            table = np.fromiter(cursor, dtype=[("number", np.int64), ("popularity", np.float32)])
        return np.ascontiguousarray(table["number"]), np.ascontiguousarray(table["popularity"])

    def documents(self, first: int, last: int, *, version: int | None = None) -> Iterator[tuple[int, Document]]:
        """Documents with numbers from `first` to `last`, in order; with a `version`, only those alive then."""
        query = select(_items.c.number, _items.c.document).where(_items.c.number.between(first, last))
        if version is not None:
            query = query.where(*_alive(version))
        with self._database.connect() as connection:
            rows = connection.execution_options(yield_per=5000).execute(query.order_by(_items.c.number))
            for number, raw in rows:
                yield number, Document.from_bytes(raw)

    def get(self, numbers: Sequence[int]) -> dict[int, Document]:
        rows = self._among("SELECT number, document FROM items WHERE number", numbers)
        return {number: Document.from_bytes(raw) for number, raw in rows}

    def ids(self, numbers: Sequence[int]) -> dict[int, str]:
        """The id of each number; numbers that were never given are left out."""
        return dict(self._among("SELECT number, id FROM items WHERE number", numbers))

    def numbers(self, ids: Sequence[str], version: int) -> dict[str, int]:
        """The number of each id that is alive at `version`; ids that are not there are left out."""
        rows = self._among("SELECT id, number, born, retired FROM items WHERE id", ids)
        return {id: number for id, number, born, retired in rows if born <= version < (retired or version + 1)}

    def _among(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows of `query` IN `values`. For requests: SQLAlchemy takes seven times as long, most of it to make the SQL."""
        with self._database.connect() as connection:
            cursor = connection.connection.cursor()
            for start in range(0, len(values), _CHUNK):
                chunk = values[start : start + _CHUNK]
                yield from cursor.execute(f"{query} IN ({','.join('?' * len(chunk))})", list(chunk)).fetchall()

    def retired_between(self, after: int, upto: int) -> list[int]:
        """Numbers that a version in (after, upto] retired."""
        with self._database.connect() as connection:
            query = select(_items.c.number).where(_items.c.retired > after, _items.c.retired <= upto)
            return list(connection.execute(query).scalars())

    def first_born_after(self, version: int) -> int | None:
        """The lowest number born after `version`; every higher number was born after it too."""
        with self._database.connect() as connection:
            first = connection.execute(select(func.min(_items.c.number)).where(_items.c.born > version)).scalar_one()
        return None if first is None else int(first)

    def added(self, numbers: Sequence[int]) -> list[int]:
        """Those of the numbers that came after the first version and whose ids no lower number has or had."""
        query = (
            "SELECT number FROM items WHERE born > 1 AND NOT EXISTS"
            " (SELECT 1 FROM items AS old WHERE old.id = items.id AND old.number < items.number) AND number"
        )
        return [number for (number,) in self._among(query, numbers)]

    def last_number(self, version: int | None = None) -> int:
        query = select(func.max(_items.c.number))
        if version is not None:
            query = query.where(_items.c.born <= version)
        with self._database.connect() as connection:
            return int(connection.execute(query).scalar_one() or 0)

    # -- writing ------------------------------------------------------------------------------------------------

    def begin(self, fingerprint: str) -> Job:
        """Take up the unfinished job on the same file, or drop what another one left behind and start afresh."""
        unfinished = self.state("job")
        if unfinished and unfinished["fingerprint"] == fingerprint:
            return Job(**unfinished)
        self.abandon()
        return Job(fingerprint)

    def abandon(self) -> None:
        """Forget every staged row."""
        with self._database.begin() as connection:
            version = int(_read_state(connection, "version", 0))
            connection.execute(delete(_items).where(_items.c.born > version))
            connection.execute(delete(_seen))
            connection.execute(delete(_rejected))
            connection.execute(delete(_state).where(_state.c.key == "job"))

    def staged_ids(self) -> set[str]:
        """The ids that the job has named so far, whether their rows were new or equal to what is alive."""
        with self._database.connect() as connection:
            version = int(_read_state(connection, "version", 0))
            staged = select(_items.c.id).where(_items.c.born > version)
            seen = select(_items.c.id).join(_seen, _seen.c.number == _items.c.number)
            return {*connection.execute(staged).scalars(), *connection.execute(seen).scalars()}

    def staged_line(self, id: str) -> int | None:
        with self._database.connect() as connection:
            version = int(_read_state(connection, "version", 0))
            query = select(_items.c.line).where(_items.c.id == id, _items.c.born > version)
            return connection.execute(query).scalars().first()

    def stage(
        self,
        job: Job,
        read: int,
        documents: Sequence[tuple[int, Document]],
        rejected: Sequence[tuple[int, str]],
    ) -> tuple[Job, list[int]]:
        """Write a batch under the next version, in one transaction with the job's progress; returns the new numbers.

        A document equal to the one alive under its id is not written again.
        """
        rows = [(line, document, document.to_bytes()) for line, document in documents]
        with self._database.begin() as connection:
            version = int(_read_state(connection, "version", 0))
            known = _digests(connection, [document.id for _, document, _ in rows]) if version else {}
            fresh, unchanged = [], []
            added = 0
            for line, document, raw in rows:
                digest = blake2b(raw, digest_size=16).digest()
                number, old = known.get(document.id, (0, b""))
                if old == digest:
                    unchanged.append({"number": number})
                    continue
                added += not old
                fresh.append(
                    {
                        "id": document.id,
                        "born": version + 1,
                        "line": line,
                        "popularity": document.popularity,
                        "digest": digest,
                        "document": raw,
                    }
                )
            before = int(connection.execute(select(func.max(_items.c.number))).scalar_one() or 0)
            if fresh:
                connection.execute(insert(_items), fresh)
            if unchanged:
                connection.execute(upsert(_seen).on_conflict_do_nothing(), unchanged)
            if rejected:
                connection.execute(
                    upsert(_rejected).on_conflict_do_nothing(),
                    [{"line": line, "reason": reason} for line, reason in rejected],
                )
            job = job.after(
                read=read,
                added=added,
                updated=len(fresh) - added,
                unchanged=len(unchanged),
                rejected=len(rejected),
            )
            _write_state(connection, "job", {name: getattr(job, name) for name in Job.__slots__})
            numbers = connection.execute(select(_items.c.number).where(_items.c.number > before)) if fresh else ()
            return job, [row[0] for row in numbers]

    def rejected(self, limit: int) -> list[tuple[int, str]]:
        with self._database.connect() as connection:
            query = select(_rejected.c.line, _rejected.c.reason).order_by(_rejected.c.line).limit(limit)
            return [(line, reason) for line, reason in connection.execute(query)]

    def publish(self, *, replace: bool = False, state: Mapping[str, Any] | None = None) -> int:
        """Make the staged rows the live ones; with `replace`, retire every item that the job did not name. One transaction."""
        with self._database.begin() as connection:
            version = int(_read_state(connection, "version", 0)) + 1
            born = select(_items.c.id).where(_items.c.born == version)
            old = _items.c.retired.is_(None) & (_items.c.born < version)
            if version > 1:
                connection.execute(update(_items).where(old, _items.c.id.in_(born)).values(retired=version))
                if replace:
                    kept = select(_seen.c.number)
                    connection.execute(update(_items).where(old, _items.c.number.not_in(kept)).values(retired=version))
            _finish(connection, version, state)
        return version

    def retire(self, ids: Sequence[str]) -> tuple[int, list[str]]:
        """Delete items by id, in one transaction; returns the new version and the ids that were there."""
        self.abandon()
        there: list[str] = []
        with self._database.begin() as connection:
            version = int(_read_state(connection, "version", 0)) + 1
            for start in range(0, len(ids), _CHUNK):
                chosen = _items.c.id.in_(ids[start : start + _CHUNK]) & _items.c.retired.is_(None)
                there.extend(connection.execute(select(_items.c.id).where(chosen)).scalars())
                connection.execute(update(_items).where(chosen).values(retired=version))
            _finish(connection, version, None)
        return version, there


def _explain(file: Path, context: ExceptionContext) -> None:
    raise database_error(
        context.original_exception, what=f"The catalogue in {file.parent}", file=file.name
    ) from context.original_exception


def _alive(version: int) -> tuple[Any, Any]:
    return _items.c.born <= version, (_items.c.retired.is_(None) | (_items.c.retired > version))


def _finish(connection: Connection, version: int, state: Mapping[str, Any] | None) -> None:
    _write_state(connection, "version", version)
    for key, value in (state or {}).items():
        _write_state(connection, key, value)
    connection.execute(delete(_seen))
    connection.execute(delete(_rejected))
    connection.execute(delete(_state).where(_state.c.key == "job"))


def _digests(connection: Connection, ids: list[str]) -> dict[str, tuple[int, bytes]]:
    known: dict[str, tuple[int, bytes]] = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(_items.c.id, _items.c.number, _items.c.digest).where(
            _items.c.id.in_(ids[start : start + _CHUNK]), _items.c.retired.is_(None)
        )
        known.update({id: (number, digest) for id, number, digest in connection.execute(query)})
    return known


def _read_state(connection: Connection, key: str, default: Any = None) -> Any:
    raw = connection.execute(select(_state.c.value).where(_state.c.key == key)).scalar()
    return default if raw is None else orjson.loads(raw)


def _write_state(connection: Connection, key: str, value: Any) -> None:
    row = upsert(_state).values(key=key, value=orjson.dumps(value))
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))
