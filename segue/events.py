"""The event log: an append-only, durable record of every answer and every action, and the one source of truth.

Learned state is a fold over this log: a learner that `follow`s the log is given every event once, in the log's order,
whether the event is replayed when the store opens or has just been committed. So the state of a running process and the
state rebuilt from the log are the same to the last bit.

One writer thread commits what has gathered while the last commit was on its way to the disk (group commit), so many
waiting clients share one fsync. An event is acknowledged, its future resolved, after it is on disk and learned.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from segue.errors import Corrupt, InvalidInput, SegueError, Unavailable

logger = logging.getLogger(__name__)

_BATCH = 2000
"""Events in one commit at most: bounds the time that a waiting client can be held up by others."""

_GATHERED = 0.05
"""Seconds that patient events wait for others at most: a commit costs as much as the rest of an answer's way into the log."""

Weight = TypeVar("Weight", int, float)

_LONGEST_ID = 128
_DAMAGED = ("malformed", "not a database")
"""How SQLite says that a file is not what it wrote."""

_metadata = MetaData()
_events = Table(
    "events",
    _metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(_LONGEST_ID), nullable=False, unique=True),
    Column("kind", String(16), nullable=False, index=True),
    Column("time", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

_ALL_BEHIND = select(_events).where(_events.c.sequence > bindparam("after")).order_by(_events.c.sequence)
_BEHIND = _ALL_BEHIND.with_only_columns(_events.c.sequence, _events.c.id)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` is unique over the whole log; `body` is plain data (JSON)."""

    id: str
    kind: str
    time: float
    body: Mapping[str, Any]


Learner = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    events: Sequence[Event]
    done: "Future[tuple[bool, ...]]"
    patient: bool = False
    """Whether nobody waits for it, so that it may wait for others."""


def weighed(body: Mapping[str, Any], weights: Mapping[str, Weight]) -> Weight:
    """What feedback, the `body` of its event, counts by the `weights` of actions: an action that is undone counts against, one
    that is not known counts nothing."""
    undoes = body.get("undoes")
    if undoes is None:
        return weights.get(body["action"], 0)
    return -weights.get(undoes, 0)


class EventLog:
    """A log in a SQLite file, or in any database that SQLAlchemy names by `url` (SQLite and PostgreSQL are supported)."""

    def __init__(self, url: str) -> None:
        self._database = _open(url)
        insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[self._database.dialect.name]
        self._insert = insert(_events).on_conflict_do_nothing(index_elements=["id"])
        self._learners: list[Learner] = []
        self._applied = 0
        self._learning = threading.RLock()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write_forever, name="segue-events", daemon=True)
        self._closed = False
        self._closing = threading.Lock()
        self._writer.start()

    @classmethod
    def open(cls, file: Path) -> "EventLog":
        return cls(f"sqlite:///{file}")

    def follow(self, *learners: Learner, after: int = 0) -> None:
        """Replay the log into `learners`, from the event behind number `after`, then hand them every event to come. Call once,
        before the first append."""
        with self._learning, _explaining():
            self._learners.extend(learners)
            self._applied = after
            self._catch_up()

    @contextmanager
    def still(self) -> Iterator[int]:
        """Between two events: nothing is learned meanwhile. Gives the number of the last event that was."""
        with self._learning:
            yield self._applied

    def append(self, *events: Event, patient: bool = False) -> "Future[tuple[bool, ...]]":
        """Write `events` in one transaction. The future holds, for each, whether it was new (False: its id was there).

        Where no one waits for it (`patient`), they may stay in memory for some hundredths of a second, to share a commit with
        what follows.

        Raises `Unavailable` through the future when the disk is full or the database cannot be written: then none of
        the events is in the log.
        """
        done: Future[tuple[bool, ...]] = Future()
        with self._closing:
            if self._closed:
                raise Unavailable("The event log is closed.", fix="open the store again")
            self._queue.put(_Waiting(events, done, patient))
        return done

    def written(self) -> None:
        """Wait until everything that was appended before is on the disk and learned. Raises `Unavailable`, as of a log that is
        closed."""
        self.append().result()

    def refresh(self) -> int:
        """Learn what other processes have written since; returns the number of the last event learned."""
        with self._learning, _explaining():
            self._catch_up()
            return self._applied

    def replay(self, after: int = 0) -> Iterator[Event]:
        """Every event in order, from the one behind number `after`; those on their way to the disk are waited for."""
        with suppress(Unavailable):  # where the log is closed, closing has written it
            self.written()
        with _explaining(), self._database.connect() as connection:
            rows = connection.execution_options(yield_per=1000).execute(
                select(_events).where(_events.c.sequence > after).order_by(_events.c.sequence)
            )
            for row in rows:
                yield _event(row)

    def find(self, id: str) -> Event | None:
        if not _can_be_id(id):
            return None
        with _explaining(), self._database.connect() as connection:
            row = connection.execute(select(_events).where(_events.c.id == id)).first()
            return None if row is None else _event(row)

    def at(self, number: int) -> Event | None:
        """The event of a number in the log's order."""
        with _explaining(), self._database.connect() as connection:
            row = connection.execute(select(_events).where(_events.c.sequence == number)).first()
            return None if row is None else _event(row)

    def recent(self, kind: str, limit: int) -> list[Event]:
        """The last `limit` events of a kind, newest first; those on their way to the disk are waited for."""
        with suppress(Unavailable):  # where the log is closed, closing has written it
            self.written()
        query = select(_events).where(_events.c.kind == kind).order_by(_events.c.sequence.desc()).limit(limit)
        with _explaining(), self._database.connect() as connection:
            return [_event(row) for row in connection.execute(query)]

    def close(self) -> None:
        """Write what is waiting, then let go of the file."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._database.dispose()

    def _write_forever(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, until = [first], time.monotonic() + _GATHERED
            while sum(len(waiting.events) for waiting in batch) < _BATCH:
                patient = until - time.monotonic() if batch[-1].patient else 0.0
                try:
                    following = self._queue.get(timeout=patient) if patient > 0 else self._queue.get_nowait()
                except Empty:
                    break
                if following is None:
                    self._queue.put(None)
                    break
                batch.append(following)
            self._commit(batch)

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            events = [_row(event) for waiting in batch for event in waiting.events]
            with self._learning:
                alone = bool(events) and self._write(events)
                new = self._learn_own(events) if alone else self._catch_up()
        except Exception as error:  # noqa: BLE001  whatever it is, the clients must hear of it and the writer live on
            if len(batch) > 1:  # one client's bad event must not refuse the others'
                for waiting in batch:
                    self._commit([waiting])
                return
            batch[0].done.set_exception(_explained(error))
            return
        for waiting in batch:
            fresh = []
            for item in waiting.events:
                fresh.append(item.id in new)
                new.discard(item.id)
            waiting.done.set_result(tuple(fresh))

    def _write(self, events: Sequence[Mapping[str, Any]]) -> bool:
        """Write rows in one transaction; whether they are all that is behind the last event learned, one number after the other.
        They are not where some were there before, or another process has written."""
        with self._database.begin() as connection:
            connection.execute(self._insert, events)
            behind = connection.execute(_BEHIND, {"after": self._applied}).all()
        wanted = [(self._applied + place, one["id"]) for place, one in enumerate(events, 1)]
        return [(number, id) for number, id in behind] == wanted

    def _learn_own(self, events: Sequence[Mapping[str, Any]]) -> set[str]:
        """Hand on what was just written, as it would be read: from its JSON."""
        for one in events:
            self._learn(self._applied + 1, Event(one["id"], one["kind"], float(one["time"]), orjson.loads(one["body"])))
        return {one["id"] for one in events}

    def _catch_up(self) -> set[str]:
        """Hand every event behind the last one learned to the learners; returns their ids."""
        new = set()
        with self._database.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(_ALL_BEHIND, {"after": self._applied}):
                event = _event(row)
                self._learn(row.sequence, event)
                new.add(event.id)
        return new

    def _learn(self, number: int, event: Event) -> None:
        for learn in self._learners:
            try:
                learn(event)
            except Exception:
                logger.exception("a learner failed on event %s", event.id)
        self._applied = number


def _open(url: str) -> Engine:
    try:
        kind = make_url(url).get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise InvalidInput(f"The event log cannot live in {kind}.", expected="sqlite or postgresql")
        database = create_engine(url)
    except ArgumentError as error:
        raise InvalidInput("The URL of the event log cannot be read.", expected="sqlite:///FILE") from error
    except ImportError as error:
        raise Unavailable(
            f"The event log's database has no driver: {error}.", fix="pip install segue[cluster]"
        ) from error
    if database.dialect.name == "sqlite":
        event.listen(database, "connect", durable)
    with _explaining():
        _metadata.create_all(database)
    return database


def durable(connection: Any, _record: object) -> None:
    """Set a new SQLite connection so that a committed transaction survives kill -9 and loss of power."""
    for setting in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {setting}")


def _can_be_id(id: object) -> bool:
    return isinstance(id, str) and 0 < len(id) <= _LONGEST_ID and id.isprintable()


def _row(event: Event) -> dict[str, Any]:
    if not _can_be_id(event.id):
        raise InvalidInput(
            f"The event id {str(event.id)[:50]!r} cannot be used.", expected=f"1 to {_LONGEST_ID} printable characters"
        )
    if not isinstance(event.time, int | float) or not math.isfinite(event.time):
        raise InvalidInput(f"Event {event.id!r} has the time {event.time!r}.", expected="seconds since 1970")
    try:
        body = orjson.dumps(event.body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise InvalidInput(f"Event {event.id!r} cannot be written: {error}.", expected="plain JSON values") from error
    return {"id": event.id, "kind": event.kind, "time": event.time, "body": body}


def _event(row: Any) -> Event:
    return Event(row.id, row.kind, row.time, orjson.loads(row.body))


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, orjson.JSONDecodeError) as error:
        raise _explained(error) from error


def _explained(error: Exception) -> SegueError:
    return error if isinstance(error, SegueError) else database_error(error, what="The event log", file="events.sqlite")


def database_error(error: BaseException, *, what: str, file: str) -> SegueError:
    """What a fault of the database means: `Corrupt` when the file is damaged, else `Unavailable`."""
    said = (str(error) or repr(error)).splitlines()[0]
    if isinstance(error, orjson.JSONDecodeError) or any(sign in said for sign in _DAMAGED):
        return Corrupt(
            f"{what} is damaged: {said}.",
            expected="the database that was written",
            fix=f"restore {file} from a backup, or recover it with `sqlite3 {file} .recover`",
        )
    return Unavailable(
        f"{what} could not be written or read: {said}.",
        expected="a disk with free space and a database file that this process may write",
        fix="free some space or correct the file's rights, then send the same again: what is on disk already counts once",
    )
