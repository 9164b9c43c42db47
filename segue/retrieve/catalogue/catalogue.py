"""One domain's catalogue: documents, text index and vectors in one folder, changed together and searched as snapshots.

The rows in `items.sqlite` are the truth; the text index and the vectors follow them by version and are repaired from them.
One process at a time writes (a lock file); any number read. A `Snapshot` never changes: a request sees one version.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from segue.encode.encoder import Encoder
from segue.errors import InvalidInput, Unavailable
from segue.records import Candidates, Numbers, Scores
from segue.retrieve.catalogue.documents import BadRow, Document, to_document
from segue.retrieve.catalogue.items import Items, Job
from segue.retrieve.catalogue.mixed import Incoming, MixedFile, open_vectors
from segue.retrieve.catalogue.roles import Roles, Wishes, find_roles
from segue.retrieve.catalogue.tables import Row
from segue.retrieve.catalogue.text_index import SLOTS, TextIndex
from segue.retrieve.catalogue.text_search import TextSearcher
from segue.retrieve.catalogue.vectors import Ivf, VectorSearcher, needs_ivf, next_ivf, open_ivf, save_ivf

logger = logging.getLogger(__name__)

_SAMPLE = 1000
"""Rows looked at to find the columns' roles."""

_NEW = 1000
"""Items that count as new, at most: those added last."""

_START = 200
"""Characters of a text that are embedded, where it is not embedded whole."""

_BATCH = 5000
"""Rows in one transaction: what an interrupted run has to do again at most."""


_CALM = 20
"""Between looks at what is embedded anew passes so many times the time that the last look took."""

_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({"slots": (), "categories": (), "scale": 0.0})
"""Of a catalogue that holds nothing yet: see `Catalogue._settings`."""


class Progress(Protocol):
    """What is told of a long job: the step's name, how much more of it is done."""

    def __call__(self, step: str, done: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What an indexing run did. `rejected_rows` holds the first of the rows kept out, with line numbers and reasons."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    rejected_rows: tuple[tuple[int, str], ...]
    roles: Roles
    version: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A catalogue at one version. `numbers` int64 [n] ascending and `shares` float32 [n], popularity in [0, 1], go together.

    `new` int64, ascending, are the items added last, but none of those that the catalogue began with.
    """

    domain: str
    version: int
    text: TextSearcher
    vectors: VectorSearcher
    numbers: Numbers
    shares: Scores
    popular: Candidates
    new: Numbers
    categories: tuple[str, ...]
    slots: tuple[str, ...]
    items: Items
    encoder: Encoder

    def __len__(self) -> int:
        return len(self.numbers)

    def places(self, numbers: Numbers) -> Numbers:
        """Where each of the `numbers`, alive here, stands in `self.numbers`. Until something is deleted they follow one another,
        and need not be searched for."""
        if len(self.numbers) and int(self.numbers[-1]) - int(self.numbers[0]) == len(self.numbers) - 1:
            first: np.int64 = self.numbers[0]
            return numbers - first
        return np.searchsorted(self.numbers, numbers)

    def documents(self, numbers: Sequence[int]) -> dict[int, Document]:
        return self.items.get(numbers)

    def ids_of(self, numbers: Sequence[int]) -> dict[int, str]:
        return self.items.ids(numbers)

    def numbers_of(self, ids: Sequence[str]) -> dict[str, int]:
        return self.items.numbers(ids, self.version)


class Catalogue:
    """The opened folder of one domain."""

    snapshot: Snapshot

    def __init__(self, domain: str, folder: Path, encoder: Encoder) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.domain = domain
        self._folder = folder
        self._encoder = encoder
        self._lock = FileLock(folder / "lock")
        self._items = Items(folder / "items.sqlite")
        self._text = TextIndex.open_or_clear(folder / "text")
        self._look_again = 0.0
        self._open_vectors(encoder)

    @property
    def blank(self) -> bool:
        """Whether no row was ever written here, not even one that is not yet published."""
        return self._items.last_number() == 0 and self._items.version == 0

    def close(self) -> None:
        self._items.close()

    def refresh(self) -> bool:
        """Take up what another process has published, and now and then what it has embedded anew; True if there was something."""
        if self._text.version != self.snapshot.version:
            self.snapshot = self._snapshot()
            return True
        if not isinstance(self._vectors, MixedFile) or time.monotonic() < self._look_again:
            return False
        if self._vectors.state == self.snapshot.vectors.state:
            return False
        started = time.monotonic()
        self.snapshot = replace(self.snapshot, vectors=self._searcher(self.snapshot.numbers))
        self._look_again = time.monotonic() + _CALM * (time.monotonic() - started)
        return True

    def use(self, encoder: Encoder) -> None:
        """Search and embed by another encoder from now on; requests that are under way keep the snapshot that they have."""
        self._open_vectors(encoder)

    def _open_vectors(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors = open_vectors(self._folder, encoder)
        self._ivf: Ivf | None = None
        self.snapshot = self._snapshot()
        if self._behind() or needs_ivf(self._vectors.rows(), self.snapshot.numbers, self._ivf):
            self._repair()

    # -- another encoder takes over -----------------------------------------------------------------------------

    def incoming(self, encoder: Encoder, *, whole: bool | None = None) -> Incoming:
        """What an encoder that is to take over, or is taking over, has embedded; `whole` texts or their start, None as now."""
        return Incoming(self._folder, encoder, whole=self._vectors.whole if whole is None else whole)

    def missing(self, encoder: Encoder, *, whole: bool | None = None) -> Numbers:
        """The snapshot's items that it has not embedded, ascending."""
        numbers = self.snapshot.numbers
        return numbers[~self.incoming(encoder, whole=whole).among(numbers)]

    def embed_anew(self, numbers: Sequence[int], encoder: Encoder, *, whole: bool | None = None) -> None:
        """Embed items, by ascending number, by an encoder that is to take over, or is taking over; durable at return. Nothing
        that is searched now changes but, where it is taking over already, these items' vectors. Items that are gone are left
        out."""
        with self._writing():
            incoming, texts = self.incoming(encoder, whole=whole), self.texts(numbers, whole=whole)
            incoming.embed(sorted(texts), [texts[number] for number in sorted(texts)])
            if isinstance(self._vectors, MixedFile):
                self._cluster(self.snapshot.numbers, lambda step, done: None)

    def texts(self, numbers: Sequence[int], *, whole: bool | None = None) -> dict[int, str]:
        """What of items is embedded, by number."""
        reads = self._vectors.whole if whole is None else whole
        return {number: embedding_text(document, whole=reads) for number, document in self._items.get(numbers).items()}

    def index(
        self,
        rows: Iterable[Row],
        *,
        fingerprint: str,
        wishes: Wishes | None = None,
        replace: bool = False,
        whole: bool | None = None,
        chosen: Callable[[Roles], None] | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Add or update every good row, all or nothing: until the last row is read nobody sees any of them.

        A run that was stopped goes on where it was when called again with the same `fingerprint`. With `replace`, items
        that the rows do not name are deleted. `whole` says whether whole texts are embedded or their start, None as before; where
        that changes, all is embedded anew. Bad rows are kept out and reported; when no row at all is good, nothing changes.
        """
        tell = progress or (lambda step, done: None)
        stream = iter(rows)
        start = list(islice(stream, _SAMPLE))
        roles = self._roles([row.values for row in start if row.values], start, wishes)
        if chosen is not None:
            chosen(roles)
        with self._writing():
            if self.blank:  # nothing is there to be lost, and so nothing is embedded twice
                self._read_whole(whole)
            before = self._items.count(self._items.version)
            job = self._items.begin(f"{fingerprint} {roles} {replace}")
            tell("reading", job.read)
            job = self._stage(islice(chain(start, stream), job.read, None), job, roles, replace, tell)
            rejected = tuple(self._items.rejected(100))
            if job.added + job.updated + job.unchanged == 0:
                self._items.abandon()
                reasons = "; ".join(f"line {line} {reason}" for line, reason in rejected[:3])
                raise InvalidInput(
                    f"None of the {job.rejected:,} rows could be used. {reasons}.", expected="at least one good row"
                )
            version = self._items.version
            if job.added + job.updated or replace:
                version = self._items.publish(replace=replace, state=self._settings(roles))
            else:
                self._items.abandon()
            self._read_whole(whole)
            if self._behind():  # of this run, or of one before that found the disk full after it was published
                self._follow(tell)
            self.snapshot = self._snapshot()
        return Report(
            job.added,
            job.updated,
            job.unchanged,
            before + job.added - len(self.snapshot),
            job.rejected,
            rejected,
            roles,
            version,
        )

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete items by id; returns the ids that were there. Unknown ids change nothing."""
        if isinstance(ids, str) or not isinstance(ids, Sequence):
            raise InvalidInput(f"The ids are a {type(ids).__name__}.", expected="a list of ids", fix="pass [id]")
        if not all(isinstance(id, str) for id in ids):
            raise InvalidInput("The ids hold something else than ids.", expected="a list of strings")
        with self._writing():
            _, there = self._items.retire([id for id in ids if id.isprintable()])  # no other can be an item's
            self._follow(lambda step, done: None)
            self.snapshot = self._snapshot()
        return there

    def roles(self) -> Roles | None:
        """The columns' roles of the last run, or None before the first."""
        saved = self._items.state("roles")
        return None if saved is None else Roles.from_json(saved)

    # -- steps --------------------------------------------------------------------------------------------------

    def _roles(self, sample: list[Mapping[str, Any]], start: Sequence[Row], wishes: Wishes | None) -> Roles:
        """The roles of the last run when its columns are all here and nothing else was wished; else those found by name."""
        if not sample:
            reasons = "; ".join(f"line {row.line} {row.reason}" for row in start[:3])
            raise InvalidInput(
                f"There is no readable row to index. {reasons}".strip(), expected="at least one good row"
            )
        old = self.roles()
        if wishes is None and old is not None and {old.id, old.title} <= sample[0].keys():
            return old
        return find_roles(sample, wishes)

    def _stage(self, rows: Iterator[Row], job: Job, roles: Roles, replace: bool, tell: Progress) -> Job:
        seen = self._items.staged_ids()
        self._embed(tell)  # what an interrupted run wrote and did not embed
        while batch := list(islice(rows, _BATCH)):
            good, bad = self._checked(batch, roles, seen)
            job, numbers = self._items.stage(job, len(batch), good, bad)
            tell("reading", len(batch))
            if len(numbers) == len(good):
                self._vectors.embed(numbers, self._read(document for _, document in good))
                tell("embedding", len(numbers))
            else:  # some were there already: those that are new are read back
                self._embed(tell)
        return job

    def _checked(
        self, rows: Sequence[Row], roles: Roles, seen: set[str]
    ) -> tuple[list[tuple[int, Document]], list[tuple[int, str]]]:
        good: list[tuple[int, Document]] = []
        bad: list[tuple[int, str]] = []
        here: dict[str, int] = {}
        for row in rows:
            if row.values is None:
                bad.append((row.line, row.reason))
                continue
            try:
                document = to_document(row.values, roles)
            except BadRow as reason:
                bad.append((row.line, str(reason)))
                continue
            if document.id in seen:
                first = here.get(document.id) or self._items.staged_line(document.id)
                where = f" (first on line {first})" if first else ""
                bad.append((row.line, f"has the id {document.id!r} again{where}"))
                continue
            seen.add(document.id)
            here[document.id] = row.line
            good.append((row.line, document))
        return good, bad

    def _embed(self, tell: Progress) -> None:
        """Give every row on disk its vector, live or staged, from the first that has none."""
        last = self._items.last_number()
        documents = self._items.documents(len(self._vectors), last)
        while batch := list(islice(documents, _BATCH)):
            self._vectors.embed([number for number, _ in batch], self._read(document for _, document in batch))
            tell("embedding", len(batch))

    def _read_whole(self, whole: bool | None) -> None:
        if whole is not None and self._vectors.read_whole(whole):
            self._ivf = None

    def _read(self, documents: Iterable[Document]) -> list[str]:
        return [embedding_text(document, whole=self._vectors.whole) for document in documents]

    def _settings(self, roles: Roles) -> dict[str, Any]:
        """What the text index must know of all rows: numeric slots, category columns, and the scale of popularity."""
        old = self._items.state("settings", _NO_SETTINGS)
        slots = list(dict.fromkeys([*old["slots"], *roles.numbers]))[:SLOTS]
        categories = list(dict.fromkeys([*old["categories"], *roles.categories]))
        scale = old["scale"]
        if not scale:  # only then: to look at every item takes most of a second in a large catalogue
            scale = float(self._items.alive(self._items.version + 1)[1].max(initial=0.0))
        return {"settings": {"slots": slots, "categories": categories, "scale": scale}, "roles": roles.to_json()}

    def _behind(self) -> bool:
        version = self._items.version
        return self._text.version != version or len(self._vectors) <= self._items.last_number(version) > 0

    def _repair(self) -> None:
        """Do what an interrupted run left undone. While another process is at it, answers come from the version before."""
        try:
            with self._lock.acquire(blocking=False), self._writing():
                self._follow(lambda step, done: None)
        except Timeout:
            logger.info("another process is writing to the domain %s", self.domain)
        self.snapshot = self._snapshot()

    def _follow(self, tell: Progress) -> None:
        """Bring the vectors and the text index, which learns from them, to the version of the rows."""
        settings = self._items.state("settings", _NO_SETTINGS)
        self._embed(tell)
        self._text.catch_up(
            self._items,
            slots=settings["slots"],
            scale=settings["scale"],
            vectors=self._vectors.base,
            progress=lambda done: tell("indexing", done),
        )
        tell("indexing", 0)
        numbers, _ = self._items.alive(self._items.version)
        self._cluster(numbers, tell)

    def _cluster(self, numbers: Numbers, tell: Progress) -> None:
        """Bring the inverted file, where one is needed, up to the vectors."""
        folder, rows = self._vectors.folder, self._vectors.rows()
        self._ivf = open_ivf(folder, self._ivf)
        if needs_ivf(rows, numbers, self._ivf):
            tell("clustering", 0)
            self._ivf = next_ivf(rows, numbers, self._ivf)
            save_ivf(self._ivf, folder)
            tell("clustering", len(numbers))

    def _snapshot(self) -> Snapshot:
        version = self._text.version  # that of the rows, but while another process is still writing
        settings = self._items.state("settings", _NO_SETTINGS)
        numbers, popularity = self._items.alive(version)
        shares = popularity_shares(popularity, settings["scale"])
        top = np.lexsort((numbers, -shares))[:1000]
        return Snapshot(
            domain=self.domain,
            version=version,
            text=self._text.searcher(),
            vectors=self._searcher(numbers),
            numbers=numbers,
            shares=shares,
            popular=Candidates("popular", numbers[top], shares[top]),
            new=self._new(numbers),
            categories=tuple(settings["categories"]),
            slots=tuple(settings["slots"]),
            items=self._items,
            encoder=self._encoder,
        )

    def _searcher(self, numbers: Numbers) -> VectorSearcher:
        state = self._vectors.state  # looked up before the rows: what changes in between is taken up the next time
        self._ivf = open_ivf(self._vectors.folder, self._ivf)
        return VectorSearcher(self._vectors.rows(), numbers, self._ivf, state)

    def _new(self, numbers: Numbers) -> Numbers:
        """The last numbers that are neither of the first version nor updates; only the last few thousand are looked at."""
        added = self._items.added(numbers[-4 * _NEW :].tolist())
        return np.array(sorted(added)[-_NEW:], dtype=np.int64)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock.acquire(timeout=30):
                yield
        except Timeout as error:
            raise Unavailable(
                f"Another process is writing to the domain {self.domain!r}.",
                fix="wait until it has ended, then call again",
            ) from error
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable(
                f"The domain {self.domain!r} could not be written: {str(error).splitlines()[0]}.",
                expected="a disk with free space and files that this process may write",
                fix="free some space or correct the rights, then run the same command again: it goes on where it stopped",
            ) from error


def embedding_text(document: Document, *, whole: bool = False) -> str:
    """What of a document is embedded: its title, a few values of each category, and the start of its first text or, with `whole`,
    all of its texts."""
    values = [", ".join(members[:4]) for members in document.categories.values()]
    texts = document.text if whole else [text[:_START] for text in document.text[:1]]
    parts = [document.title, ", ".join(values), *texts]
    return ". ".join(part for part in parts if part)


def popularity_shares(popularity: Scores, scale: float) -> Scores:
    """`popularity_share` for many at once."""
    if scale <= 0:
        return np.zeros_like(popularity)
    return np.asarray(np.minimum(1.0, np.log1p(popularity) / np.log1p(scale)), dtype=np.float32)
