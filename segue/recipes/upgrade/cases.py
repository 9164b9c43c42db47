"""What the gate asks a store: judged queries, what people took, and titles; and at which rank the right item is found.

Every case is for validation or for the test, by its text: what is chosen on the one is judged on the other. Items that were
embedded to fit a bridge are no cases.
"""

import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from segue.engine import Engine
from segue.errors import InvalidInput
from segue.events import weighed
from segue.evolve.release import NOT_FOUND, Case, Ranks
from segue.recipes.judgements import Judged, load
from segue.records import Numbers
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.vectors import Floats

JUDGED, TAKEN, TITLES = "judged", "taken", "title"
Half = Literal["validation", "test"]

_AT_ONCE = 10_000_000
"""Scores that are looked at at once."""

_ROUNDING = 1e-6
"""Products of the same vectors may differ by so much when they are worked out in other company."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A case of one domain, and the item that it should find, by number and id."""

    case: Case
    domain: str
    number: int
    id: str


def half_of(text: str) -> Half:
    """The same for the same text, whatever its case: half of all texts are for validation."""
    return "validation" if zlib.crc32(" ".join(text.lower().split()).encode()) % 2 else "test"


def cases(
    engine: Engine,
    *,
    judgements: Path | None,
    half: Half | None,
    most: int,
    without: Mapping[str, Collection[int]],
    seed: int = 0,
) -> list[Asked]:
    """At most `most` cases of each kind: the best item of every judged query of the file, what people took most often for a
    query of the log, and titles. A share of all titles of each domain by its size; `without` are numbers of items to leave out,
    by domain. Raises `InvalidInput` where nothing is left, and what `load` raises."""
    snapshots = {name: engine.domains.get(name).snapshot for name in engine.domains.names()}
    wanted = [] if judgements is None else _judged(load(judgements), snapshots)
    wanted += _taken(engine, snapshots)
    random = np.random.default_rng((seed, 9))
    found = []
    for kind in (JUDGED, TAKEN):
        found += _some([one for one in wanted if one.case.group.endswith(kind)], half, most, without, random)
    items = sum(len(one) for one in snapshots.values())
    for name, snapshot in snapshots.items():
        titles = _titles(name, snapshot, 3 * most, random)
        found += _some(titles, half, max(1, round(most * len(snapshot) / items)), without, random)
    if not found:
        raise InvalidInput(
            "There is nothing to ask of this store.",
            expected="items with titles that were not embedded to fit the bridge, judged queries, or feedback",
            fix="pass --judgements FILE",
        )
    return found


def _some(
    asked: Sequence[Asked],
    half: Half | None,
    most: int,
    without: Mapping[str, Collection[int]],
    random: np.random.Generator,
) -> list[Asked]:
    left = [
        one
        for one in asked
        if (half is None or half_of(one.case.text) == half) and one.number not in without.get(one.domain, ())
    ]
    if len(left) <= most:
        return left
    return [left[place] for place in np.sort(random.choice(len(left), most, replace=False)).tolist()]


def _judged(queries: Sequence[Judged], snapshots: Mapping[str, Snapshot]) -> list[Asked]:
    found = []
    for domain, snapshot in snapshots.items():
        there = snapshot.numbers_of(list({id for query in queries for id, grade in query.grades.items() if grade > 0}))
        for query in queries:
            good = {id: grade for id, grade in query.grades.items() if grade > 0 and id in there}
            if good:
                best = max(good, key=lambda id: (good[id], id))
                found.append(_asked(domain, JUDGED, query.text, there[best], best))
    return found


def _taken(engine: Engine, snapshots: Mapping[str, Snapshot]) -> list[Asked]:
    weights: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event in engine.log.replay():
        if event.kind == "feedback":
            body = event.body
            weights[body["domain"], body["query"]][body["item"]] += weighed(body, engine.store.actions)
    found = []
    for (domain, text), items in weights.items():
        best = max(items, key=lambda id: (items[id], id))
        if items[best] > 0 and domain in snapshots and text.strip():
            found += [
                _asked(domain, TAKEN, text, number, best) for number in snapshots[domain].numbers_of([best]).values()
            ]
    return found


def _titles(domain: str, snapshot: Snapshot, count: int, random: np.random.Generator) -> list[Asked]:
    numbers = random.choice(snapshot.numbers, min(count, len(snapshot)), replace=False)
    documents = snapshot.documents(numbers.tolist())
    return [
        _asked(domain, TITLES, document.title, number, document.id)
        for number, document in documents.items()
        if document.title.strip()
    ]


def _asked(domain: str, kind: str, text: str, number: int, id: str) -> Asked:
    return Asked(Case(text, f"{domain}/{id}", f"{domain}, {kind}"), domain, number, id)


def rank_of(wanted: object, found: Sequence[object]) -> int:
    """Where it stands, from 1 on, or `NOT_FOUND`."""
    return found.index(wanted) + 1 if wanted in found else NOT_FOUND


# -- ranks --------------------------------------------------------------------------------------------------------------


class Vectors(Protocol):
    """Items' vectors by number."""

    def of(self, numbers: Numbers) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Space:
    """Queries [b, d] and items' vectors by one encoder."""

    queries: Floats
    items: Vectors

    def scores(self, numbers: Numbers) -> Floats:
        """[b, n]."""
        return np.asarray(self.queries @ self.items.of(numbers).T)

    def own(self, wanted: Numbers) -> Floats:
        """Of each query with the item that it wants, [b]."""
        return np.asarray((self.queries * self.items.of(wanted)).sum(axis=1))


def ranks(spaces: Sequence[Space], ways: Sequence[Sequence[float]], alive: Numbers, wanted: Numbers) -> Ranks:
    """At which rank each query finds the item that it wants, by number, [ways, b]: each of `ways` says how much every space's
    score counts. Of items that score the same it is the last."""
    weights = np.array(ways, dtype=np.float32)
    own = np.einsum("ws,sb->wb", weights, np.stack([space.own(wanted) for space in spaces]))
    better = np.zeros(own.shape, dtype=np.int64)
    step = max(1, _AT_ONCE // max(1, own.size))
    for start in range(0, len(alive), step):
        scores = np.stack([space.scores(alive[start : start + step]) for space in spaces])
        for way, counts in enumerate(weights):
            better[way] += (np.tensordot(counts, scores, axes=1) >= own[way, :, None] - _ROUNDING).sum(axis=1)
    return np.maximum(better, 1)
