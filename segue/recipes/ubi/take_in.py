"""UBI into the event log."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.answers import to_event
from segue.engine import Engine
from segue.errors import Unavailable
from segue.events import Event, EventLog
from segue.recipes.ubi.reader import Reader
from segue.recipes.ubi.report import Imported
from segue.recipes.ubi.staging import Record, Staging
from segue.records import Answer, Hypothesis, Request, Result
from segue.resolution import searched
from segue.retrieve.catalogue import Progress
from segue.understand.language import listen


def import_ubi(
    engine: Engine,
    file: Path,
    *,
    queries: Path | None = None,
    domain: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Read UBI queries and events from `file`, and from `queries` when they lie apart, into the log, in time order; learn them.

    A line holds an object: of a bulk request, of a dump of an index (`_id`, `_source`), or a plain document. Ids are made
    from the source's, so what is in the log already changes nothing. Both files are read to their end before anything is
    written; if the writing is stopped, running it again makes up for the rest.

    `domain` names the catalogue of items whose domain the file does not tell; without it their ids are looked up in all.
    With it, an item that the catalogue does not have (any more) is kept, too. `dry_run` writes nothing.

    What a query showed is its `query_response_hit_ids`, and behind them, or in their stead, the items that its events name,
    by ordinal. A query of which neither tells anything is kept out: it would look as if nothing had been found.

    Raises `NotFound` for an unknown file or domain, `InvalidInput` when nothing in a file is UBI, `Corrupt` for a broken
    gzip file, and `Unavailable` when the disk is full.
    """
    engine.log.written()  # an answer that the file is about may still be on its way to the disk
    report = Imported()
    catalogues = _Catalogues(engine, domain, report)
    try:
        with closing(Staging()) as staging:
            reader = Reader(staging, report, engine.store.actions)
            for one in (file, queries) if queries else (file,):
                reader.read(one, progress)
            for batch in staging.batches():
                pages = _pages(engine.log, staging, catalogues, batch)
                _write(engine.log, list(_events(batch, pages, report)), report, dry_run)
                if progress:
                    progress("learning", len(batch))
    except sqlite3.Error as error:
        raise Unavailable(
            f"The records cannot be sorted: {error}.", fix="free some space where temporary files lie"
        ) from error
    return report


def _write(log: EventLog, events: Sequence[Event], report: Imported, dry_run: bool) -> None:
    fresh = [log.find(event.id) is None for event in events] if dry_run else log.append(*events).result()
    report.new += sum(fresh)
    report.known += len(fresh) - sum(fresh)


@dataclass(frozen=True, slots=True)
class _Page:
    """What a query showed. `places`: item → (domain, position from 1); `words`: domain → what was searched there."""

    places: Mapping[str, tuple[str, int]]
    words: Mapping[str, str]
    results: tuple[Result, ...] = ()
    session: str | None = None
    empty: bool = False
    """Whether the source says that nothing was found."""


def _pages(log: EventLog, staging: Staging, catalogues: "_Catalogues", batch: Sequence[Record]) -> dict[str, _Page]:
    """The pages of the foreign queries of a batch and of those that its actions are about: as their records and the events
    on them tell, else as the log remembers them."""
    queries = {record.query for record in batch if record.kind in ("query", "action")}
    asked, shown = staging.asked(queries), staging.shown(queries)
    items = {
        id: list(dict.fromkeys([*(record.details["hits"] or ()), *(item for item, _ in shown[id])]))
        for id, record in asked.items()
        if record.kind == "query"
    }
    known = catalogues.find({item for ids in items.values() for item in ids})
    pages = {}
    for id in queries:
        if id in items:
            pages[id] = catalogues.page(asked[id].details, items[id], known, shown[id])
        elif id in asked:
            pages[id] = _past_page(asked[id].details)
        elif (event := log.find(id)) is not None and event.kind == "answer":
            pages[id] = _past_page(event.body)
    return pages


def _past_page(body: Mapping[str, Any]) -> _Page:
    places: dict[str, tuple[str, int]] = {}
    for position, result in enumerate(body["results"], 1):
        places.setdefault(result["id"], (result["domain"], position))
    return _Page(places, {domain: words for words, domain, _ in body["shown"]})


def _events(batch: Sequence[Record], pages: Mapping[str, _Page], report: Imported) -> Iterator[Event]:
    for record in batch:
        if record.kind in ("answer", "feedback"):
            yield Event(record.id, record.kind, record.time, record.details)
        elif (page := pages.get(record.query)) is None:
            report.without_query += 1
        elif record.kind == "query" and (page.results or page.empty):
            yield _answer(record, page)
        elif record.kind == "action" and record.details["item"] in page.places:
            yield _feedback(record, page)
        else:
            report.without_item += 1


class _Catalogues:
    """Where the items of foreign queries are looked up."""

    def __init__(self, engine: Engine, domain: str | None, report: Imported) -> None:
        self._domain = domain
        self._report = report
        names = [domain] if domain is not None else engine.domains.names()
        self._snapshots = {name: engine.domains.get(name).snapshot for name in names}

    def find(self, ids: set[str]) -> dict[str, tuple[str, str]]:
        """Id → (domain, title) of the items that belong to one domain; the others are reported."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, snapshot in self._snapshots.items():
            numbers = snapshot.numbers_of(list(ids))
            documents = snapshot.documents(list(numbers.values()))
            for id, number in numbers.items():
                found[id].append((name, documents[number].title))
        unknown = ids - found.keys()
        self._report.unknown_items |= unknown
        self._report.ambiguous_items |= {id for id, places in found.items() if len(places) > 1}
        if self._domain is not None:
            found |= {id: [(self._domain, id)] for id in unknown}
        return {id: places[0] for id, places in found.items() if len(places) == 1}

    def page(
        self,
        asked: Mapping[str, Any],
        items: Sequence[str],
        known: Mapping[str, tuple[str, str]],
        shown: Sequence[tuple[str, str | None]],
    ) -> _Page:
        """Items that are not known leave a gap: the others keep the positions at which people saw them."""
        places = {item: (known[item][0], position) for position, item in enumerate(items, 1) if item in known}
        results = tuple(Result(item, known[item][1], known[item][0], 0.0, {}) for item in places)
        domains = {result.domain for result in results}
        words = {domain: searched(listen(asked["text"]), asked["text"], self._snapshots[domain]) for domain in domains}
        session = next((session for _, session in shown if session), None)
        return _Page(places, words, results, session, empty=not items and asked["hits"] is not None)


def _answer(record: Record, page: _Page) -> Event:
    """A foreign query as an answer, without what only Segue could know. A domain's confidence is its share of the results."""
    text, context = record.details["text"], record.details["context"]
    if page.session:
        context = {"session": page.session, **context}
    intent = listen(text).intent
    share = Counter(result.domain for result in page.results)
    answer = Answer(
        id=record.id,
        request=Request(record.id, text, context, limit=max(1, len(page.results)), time=record.time),
        hypotheses=tuple(
            Hypothesis(domain, intent, {"words": page.words[domain]}, count / share.total())
            for domain, count in share.most_common()
        ),
        results=page.results,
        selection=(),
        milliseconds=0.0,
        trace={
            "imported": {"format": "ubi", "application": record.details["application"]},
            "domains": [],
            "memory": {},
            "milliseconds": {},
        },
    )
    return to_event(answer, page.words, {})


def _feedback(record: Record, page: _Page) -> Event:
    domain, position = page.places[record.details["item"]]
    body = {
        "answer": record.query,
        "domain": domain,
        "item": record.details["item"],
        "action": record.details["action"],
        "query": page.words[domain],
        "position": position,
        "imported": {"format": "ubi", "action_name": record.details["name"]},
    }
    return Event(record.id, "feedback", record.time, body)
