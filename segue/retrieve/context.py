"""What a selection policy looks at: the request, what each strategy brought, and how popular the items are.

Every number is about between −1 and 2, and rounded when it is made: what is learned from is exactly what was logged.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from segue.records import Candidates, Request, Scores
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.evidence import FEATURES, evidence
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query
from segue.retrieve.strategies.remembered import seen_before
from segue.retrieve.union import Floats, Union

REQUEST = (
    "words",
    "characters",
    "digits",
    "range",
    "how sure",
    "explained",
    "has values",
    "values",
    *FEATURES,
    "taken before",
    "known person",
    "weekend",
    "evening",
    "holidays",
)
STRATEGY = ("top score", "lead over second", "lead over tenth", "results", "agreement", "popularity of its first")
ITEM = ("confidence", "popularity rank", "popularity share", "popularity", "taken before")

LEVELS = np.linspace(0.0, 1.0, 5)
"""Knots of the curve of popularity."""

_DIGITS = 4


def describe_request(query: Query, catalogue: Snapshot, memory: Memory) -> Floats:
    """float64 [len(REQUEST)]; of the `memory`, the weight of what was taken for these words."""
    readings = query.readings(catalogue)
    best = readings[0] if readings else None
    words = query.text.split()
    spoken = [
        min(len(words), 8) / 4 - 0.75,
        min(len(query.text), 60) / 30 - 0.5,
        float(any(character.isdigit() for character in query.text)),
        float(bool(best and best.ranges)),
        best.probability * best.explained if best else 0.0,
        best.explained if best else 0.0,
        float(best is not None),
        min(len(best.values), 2) / 2 if best else 0.0,
    ]
    taken = memory.taken_for(catalogue.domain, query.text)
    person = any(query.request.context.get(kind) for kind in ("user", "session"))
    felt = [*evidence(query, catalogue), np.log1p(taken) / 4, float(person), *_when(query.request)]
    return np.array([*spoken, *felt]).round(_DIGITS)


def describe_strategies(found: Sequence[Candidates], catalogue: Snapshot) -> Floats:
    """float64 [lists, len(STRATEGY)]; zeros for a list that is empty. A negative score, which a cosine may be, counts as 0."""
    described = np.zeros((len(found), len(STRATEGY)))
    full = [place for place, one in enumerate(found) if len(one)]
    if not full:
        return described
    lists = [found[place] for place in full]
    best = np.array([max(float(one.scores[0]), 1e-9) for one in lists])
    numbers, times = np.unique(np.concatenate([one.numbers[:10] for one in lists]), return_counts=True)
    shares = popularity(catalogue, numbers)
    firsts = [np.searchsorted(numbers, one.numbers[:5]) for one in lists]
    described[full] = np.column_stack(
        [
            np.log1p(best) / 3,
            1 - np.array([max(one.scores[min(1, len(one) - 1)], 0.0) for one in lists]) / best,
            1 - np.array([max(one.scores[min(9, len(one) - 1)], 0.0) for one in lists]) / best,
            np.log1p([len(one) for one in lists]) / 4,
            [(times[first].sum() / len(first) - 1) / max(len(found) - 1, 1) for first in firsts],
            [shares[first[:3]].sum() / len(first[:3]) for first in firsts],
        ]
    )
    return described.round(_DIGITS)


def describe_items(union: Union, confidence: Floats, taken: Floats, catalogue: Snapshot) -> Floats:
    """float64 [n, len(ITEM)]: how sure the incumbent policy is (`confidence` [n]); one over the popularity rank in the union,
    the share of the most popular there, and the popularity itself; and how it was `taken` before [n] (see `taken_before`)."""
    shares = popularity(catalogue, union.numbers).astype(np.float64)
    rank = np.empty(len(shares))
    rank[np.argsort(-shares, kind="stable")] = np.arange(1, len(shares) + 1)
    most = max(float(shares.max(initial=0.0)), 1e-6)
    described: Floats = np.column_stack([confidence, 1 / rank, shares / most, shares, taken]).round(_DIGITS)
    return described


def taken_before(query: Query, catalogue: Snapshot, memory: Memory, numbers: NDArray[np.int64]) -> Floats:
    """float64 [n] for items, `numbers` ascending: the log of the rate at which each was taken when it was looked at under this
    query, or one near it, against that of an item of which nothing is known (0). Until something is taken for a query all is 0:
    where no feedback comes, what was shown must not count against it."""
    taken = np.zeros(len(numbers))
    seen = seen_before(query, catalogue, memory)
    known = catalogue.numbers_of(list(seen)) if any(one.units > 0 for one in seen.values()) and len(numbers) else {}
    if known:
        rates = np.array([seen[id].log_rate for id in known])
        remembered = np.fromiter(known.values(), np.int64, len(known))
        places = np.minimum(np.searchsorted(numbers, remembered), len(numbers) - 1)
        there = numbers[places] == remembered
        taken[places[there]] = rates[there]
    return taken


def levels(popularity: Floats) -> Floats:
    """Hat functions of popularity, float64 [n, 5]: weights on them make a piecewise linear curve."""
    hats: Floats = np.maximum(0, 1 - np.abs(popularity[:, None] - LEVELS) * (len(LEVELS) - 1))
    return hats


def popularity(catalogue: Snapshot, numbers: NDArray[np.int64]) -> Scores:
    """Popularity shares float32 of items alive in `catalogue`."""
    return catalogue.shares[catalogue.places(numbers)]


def _when(request: Request) -> tuple[float, float, float]:
    """Weekend, evening (17 to 24 o'clock) and holiday season (from 20 November on), by the context's `time` (ISO 8601) or UTC."""
    try:
        moment = datetime.fromisoformat(request.context["time"])
    except (KeyError, ValueError):
        moment = datetime.fromtimestamp(request.time, UTC)
    holidays = moment.month == 12 or (moment.month == 11 and moment.day >= 20)
    return float(moment.weekday() >= 5), float(moment.hour >= 17), float(holidays)
