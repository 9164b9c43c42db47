"""Train a compatible encoder for a store, from its log or from judged queries: it finds more among the vectors that are
there."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from segue.encode.pretrained import load, minilm_folder, save
from segue.engine import Engine
from segue.errors import InvalidInput
from segue.events import Event, weighed
from segue.evolve.query_lesson import Gallery, Lesson, learn
from segue.recipes import judgements as judged_queries
from segue.recipes.corrections import plain
from segue.recipes.new_folder import new_folder, refuse_existing
from segue.recipes.upgrade.cases import half_of
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.catalogue import embedding_text

Asked = dict[str, dict[str, float]]
"""Query → id of an item → how right it is."""

_DOCUMENTS = 1000
"""Items of a catalogue whose texts and titles are read, to keep their vectors where they are."""

_MOST = 50_000
"""Stored vectors of a catalogue that queries are told apart from, beside those of the items that are right for any."""


def train_encoder(
    store_folder: Path,
    out: Path,
    *,
    model: Path | None = None,
    judgements: Path | None = None,
    domain: str | None = None,
    lesson: Lesson | None = None,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> dict[str, Any]:
    """Train a copy of the BERT-like `model`, MiniLM unless one is named, on the vectors of a store, and write it to a new
    folder `out`, which `segue index --encoder` takes, as it does the model itself. Nothing of the store changes.

    What is right for which query say the `judgements` of one domain (TSV, grades above 0), or people in the store's log: what
    they took, in `domain` or in all of them. Half of them are left to the gate, which asks no other (`half_of`). `out` is there
    as a whole or not at all: not where held-out queries find no more than by the store's encoder. Raises `InvalidInput` where
    `out` exists, where there are too few queries, or where the model's vectors are not as wide as the store's.
    """
    started = time.monotonic()
    lesson, source = lesson or Lesson(), model or minilm_folder()
    refuse_existing(out)
    encoder = load(source)
    with Engine.open(store_folder, create=False, threads=os.cpu_count() or 1) as engine:
        if judgements is None:
            asked = taken(engine.log.replay(), engine.store.actions)
            wanted = [domain] if domain is not None else engine.domains.names()
        else:
            wanted = [_only(engine, domain)]
            asked = {wanted[0]: judged(judgements)}
        draw = np.random.default_rng(lesson.seed)
        learned = {name: _learned_from(asked.get(name, {})) for name in wanted}
        made = {name: _gallery(engine.domains.get(name).snapshot, learned[name], draw, progress) for name in wanted}
        first, last = learn(
            encoder, engine.encoder, [gallery for gallery, _ in made.values()], lesson, progress=progress
        )
    kept = last != first
    if kept:
        with new_folder(out) as part:
            save(encoder, part, source=source)
    return {
        "store": str(store_folder),
        "model": str(source),
        "out": str(out) if kept else None,
        "learned from": "log" if judgements is None else str(judgements),
        "domains": {
            name: {
                "vectors": len(gallery.vectors),
                "queries": len(gallery.asked),
                "pairs": sum(map(len, gallery.asked.values())),
                "unknown items": unknown,
                "left to the gate": len(asked.get(name, {})) - len(learned[name]),
            }
            for name, (gallery, unknown) in made.items()
        },
        "lesson": asdict(lesson),
        "before": asdict(first),
        "after": asdict(last),
        "kept": kept,
        "fingerprint": encoder.fingerprint,
        "seconds": round(time.monotonic() - started, 1),
    }


def taken(events: Iterable[Event], actions: Mapping[str, float]) -> dict[str, Asked]:
    """What people took for which query, by domain: the weights of all actions on an item, those undone left out, where they
    come to more than nothing. Queries that differ in case and spaces are one, written as the first of them."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
    written: dict[str, str] = {}
    for event in events:
        if event.kind == "feedback":
            body = event.body
            query = written.setdefault(plain(body["query"]), body["query"])
            found[body["domain"]][query][body["item"]] += weighed(body, actions)
    return {domain: {query: _liked(items) for query, items in asked.items()} for domain, asked in found.items()}


def judged(file: Path) -> Asked:
    """Queries of a file of judgements, and the grades above 0."""
    found: Asked = defaultdict(dict)
    for one in judged_queries.load(file):
        found[one.text].update(_liked(one.grades))
    return dict(found)


def _learned_from(asked: Asked) -> Asked:
    """Those queries that the gate does not ask."""
    return {query: items for query, items in asked.items() if half_of(query) == "validation"}


def _liked(weights: Mapping[str, float]) -> dict[str, float]:
    return {id: weight for id, weight in weights.items() if weight > 1e-9}


def _only(engine: Engine, domain: str | None) -> str:
    """The domain that judgements are of: the one that is named, or the store's only one."""
    names = engine.domains.names()
    if domain is None and len(names) != 1:
        raise InvalidInput(
            f"The store has the domains {', '.join(names) or 'none'}, and judgements are of one.",
            expected="the one that their documents are in",
            fix="pass --domain",
        )
    return domain or names[0]


def _gallery(
    catalogue: Snapshot, asked: Asked, draw: np.random.Generator, progress: Callable[[str, int], None]
) -> tuple[Gallery, int]:
    """What one catalogue teaches, and how many ids it does not know."""
    ids = sorted({id for items in asked.values() for id in items})
    number_of = catalogue.numbers_of(ids)
    right = np.array(sorted(number_of.values()), dtype=np.int64)
    numbers = np.union1d(right, _some(catalogue.numbers, _MOST, draw))
    numbers = numbers[numbers < len(catalogue.vectors)]
    place_of = {number: place for place, number in enumerate(numbers.tolist())}
    places = {id: place_of[number] for id, number in number_of.items() if number in place_of}
    known = {
        query: {places[id]: weight for id, weight in items.items() if id in places} for query, items in asked.items()
    }
    read = _some(numbers, _DOCUMENTS, draw).tolist()
    documents = [text for one in catalogue.documents(read).values() for text in (one.title, embedding_text(one))]
    progress("reading", len(known) + len(documents))
    gallery = Gallery(
        catalogue.vectors.of(numbers), {query: items for query, items in known.items() if items}, documents
    )
    return gallery, len(ids) - len(places)


def _some(numbers: np.ndarray[Any, np.dtype[np.int64]], most: int, draw: np.random.Generator) -> Any:
    return numbers if len(numbers) <= most else draw.choice(numbers, most, replace=False)


def as_text(result: Mapping[str, Any]) -> str:
    """The report for people."""
    before, after, lesson = (result[key] for key in ("before", "after", "lesson"))
    lines = [f"{lesson['steps']:,} steps in {result['seconds']:,.0f} s, from {result['learned from']}:"]
    for name, one in result["domains"].items():
        unknown = f"; {one['unknown items']:,} items are not there (any more)" if one["unknown items"] else ""
        lines.append(
            f"  {name}: {one['queries']:,} queries with {one['pairs']:,} items, among {one['vectors']:,} vectors{unknown}; "
            f"{one['left to the gate']:,} queries are left to the gate"
        )
    if not result["kept"]:
        return "\n".join(
            [
                *lines,
                f"  {before['queries']:,} held-out queries found no more than by the store's encoder: nothing was written.",
                "  Give it more queries, or another seed or number of steps.",
            ]
        )
    lines += [
        f"  {before['queries']:,} held-out queries: nDCG@10 {before['ndcg']:.3f} → {after['ndcg']:.3f}, something right among "
        f"ten {before['found']:.1%} → {after['found']:.1%}, lost {after['lost']:.1%}",
        "  the state with the best of these was chosen; the gate asks others: segue upgrade bridge, segue upgrade gate",
    ]
    if after["agreement"] is not None:
        lines.append(f"  documents that it had not read: cosine {after['agreement']:.3f} to what they were")
    return "\n".join([*lines, f"{result['out']}: the trained model"])
