"""What has been learned from feedback so far: query → entity scores (Q2E) and how often each item was taken.

A fold over the event log, exact and in order: the state is the same whether built online or by replay.

An item's score under a query is what was taken of it, over how often it was looked at: a click-through rate corrected for
position. Source: Zhang and Jones, "Comparing Click Logs and Editorial Labels for Training Query Rewriting" (2007), clicks
over expected clicks. We expect looks, not clicks, and weigh the actions. How likely a place is looked at is estimated from the
log as well (`Examination`).
"""

import hashlib
import heapq
import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.events import Event, weighed
from segue.retrieve.catalogue.predicted import same_words
from segue.retrieve.examination import Examination
from segue.retrieve.nearest import Known, Queries
from segue.state import State, named, numbered, sizes

_PLACES = 100
"""Positions told apart; behind the last, a result is as likely looked at as there."""

_ESTIMATED = 20
"""First positions whose examination is estimated; behind them it falls as one over the position."""

_REFRESH = 250
"""Answers after which the estimate of the examination is looked at anew."""

_UNIT = 1_000_000
"""Weights and looks are added as whole millionths: exact, so that what is undone is gone, and the order of adding cannot
matter."""

_LEADING = 200
"""Most taken items kept at hand for each domain."""

_PRIOR = 6.0
"""Looks without an action that every pair is given, and `_PLACED` actions for what was taken, as far as it stood where it is
looked at: the other strategies' opinion, which counts until there is more to go by. Chosen in a simulation with three
position-based users and one cascading user, apart from the tests: 3 to 12 looks with 1 to 3 actions do about as well."""

_PLACED = 1.0

_BEGUN = (2.5, 12.0)
"""Actions and looks that the evidence of every pair begins with."""

_WATCHED = 10
"""First positions whose looks are counted though nobody has acted on the item under this query."""

_CROWDED = 200
"""Items of one query; to a query with more, only those that were acted on are added."""

_WAITING = 25_000
"""Keys of queries that nobody has acted on whose looks are kept, most have two: those shown last. Those with an action are
never forgotten. Measured: 0.9 MB for 1,000 of ten items each."""

_LEAST = 1e-3
"""No place is looked at less than this."""

Place = tuple[str, str]
"""A domain and a key of a query: '=' and the text, or '~' and its words."""


@dataclass(slots=True)
class Seen:
    """Evidence for one item under one query: `units` of weighted actions, in how many answers it was `shown`, and how often
    it was probably looked at there (`looks`), in millionths. `acted`: whether there was any action, also one undone."""

    units: int = 0
    looks: int = 0
    shown: int = 0
    acted: bool = False

    @property
    def weight(self) -> float:
        return self.units / _UNIT

    @property
    def examined(self) -> float:
        """Expected number of times that the item was looked at."""
        return self.looks / _UNIT

    @property
    def score(self) -> float:
        return self.estimate(0.0)

    @property
    def log_rate(self) -> float:
        """Logarithm of the rate of being taken when looked at, against that of an item of which nothing is known: mean of a
        Beta posterior, begun with 2.5 actions in 12 looks."""
        taken = max(self.weight, 0.0)
        rate = (_BEGUN[0] + taken) / (_BEGUN[1] + max(self.examined, taken))
        return math.log(rate * _BEGUN[1] / _BEGUN[0])

    def estimate(self, expected: float) -> float:
        """The rate of being taken, when `expected` actions were predicted before any was seen.

        With actions of weight 1, the mean of a Beta posterior: (taken + placed + expected) / (looks + prior + expected).
        """
        placed = _PLACED * self.examined / self.shown if self.units > 0 else 0.0
        return (self.weight + placed + expected) / (self.examined + _PRIOR + expected)


class Memory:
    """Learned state in memory. `actions` gives the weight of each action; a negative weight counts against an item.

    `examination`, the probability that each position is looked at, fixes what is otherwise estimated from the log, anew
    after every 250 answers: as a fold, so that what is remembered is the same whenever the log is replayed. Raises
    `InvalidInput` unless it is one or more numbers in (0, 1].
    """

    def __init__(self, actions: Mapping[str, float], *, examination: Sequence[float] | None = None) -> None:
        if examination is not None and not (len(examination) and all(0 < chance <= 1 for chance in examination)):
            raise InvalidInput(
                "The examination of positions holds something else than probabilities.",
                expected="for each position from the first, a number above 0 and up to 1",
            )
        self._units = {action: round(weight * _UNIT) for action, weight in actions.items()}
        self._estimate = Examination(_ESTIMATED) if examination is None else None
        self._look(examination if examination is not None else self._estimated())
        self._pairs: dict[Place, dict[str, Seen]] = {}
        self._waiting: OrderedDict[Place, None] = OrderedDict()
        self._queries: dict[str, Queries] = defaultdict(Queries)
        self._taken: dict[str, dict[str, int]] = defaultdict(dict)
        self._leading: dict[str, dict[str, int]] = defaultdict(dict)
        self._most: dict[tuple[str, int], tuple[dict[str, int], dict[str, float]]] = {}
        self.answers = 0
        """Answers learned from."""
        self.feedback = 0
        """Feedback learned from."""
        self._size = 0

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        if event.kind == "answer":
            self.answers += 1
            if self._estimate is not None and self.answers % _REFRESH == 0:
                self._look(self._estimated())
            self._learn_shown(event)
        elif event.kind == "feedback":
            self.feedback += 1
            self._learn_action(event)

    def recall(self, domain: str, text: str, known: Known | None = None) -> dict[str, float]:
        """Item id → score of what was taken for this query; see `remembered`."""
        return {id: seen.score for id, seen in self.remembered(domain, text, known).items() if seen.units > 0}

    def remembered(self, domain: str, text: str, known: Known | None = None) -> dict[str, Seen]:
        """Item id → evidence: of the exact text if anything was taken for it, else of the same words in any order, else of
        the nearest queries (see `Queries.near`, also for `known`); and else what was only shown for the same words.

        Evidence of a near query counts by its similarity, and what was taken once more: the score is discounted by it, too.
        """
        items: dict[str, Seen] = {}
        for key in _keys(text):
            items = self._items(domain, key)
            if _any_taken(items.values()):
                return items
        return self._nearest(domain, text, known) or items

    def taken_for(self, domain: str, text: str) -> float:
        """Weight of everything that was taken in a domain for this query, or for the same words; 0 when nothing was."""
        for key in _keys(text):
            taken = sum(seen.weight for seen in self._items(domain, key).values() if seen.units > 0)
            if taken:
                return taken
        return 0.0

    def evidence(
        self, domain: str, text: str, items: Iterable[str], remembered: Mapping[str, Seen] | None = None
    ) -> dict[str, Seen]:
        """Why each of the `items` is remembered for a query; those that nobody has acted on under this query or one near it are
        left out. `remembered` spares the search where it was made before."""
        near = self.remembered(domain, text) if remembered is None else remembered
        known = [*(self._pairs.get((domain, key), {}) for key in _keys(text)), near]
        acted = {item: [seen for one in known if (seen := one.get(item)) and seen.acted] for item in items}
        return {item: found[0] for item, found in acted.items() if found}

    def examination(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """How likely `positions` (from 1) of a page are looked at, against the first, as far as is known by now: above 0."""
        chances: NDArray[np.float64] = self._chances[np.minimum(positions.astype(np.int64), len(self._chances)) - 1]
        return chances

    def most_taken(self, domain: str, k: int) -> dict[str, float]:
        """The `k` items with the most weighted actions, whatever was asked; at most `_LEADING`. Until they change it is the same
        object."""
        leading = self._leading[domain]
        known = self._most.get((domain, k))
        if known is None or known[0] is not leading:
            best = heapq.nlargest(k, [(units, id) for id, units in leading.items()])
            known = self._most[domain, k] = leading, {id: units / _UNIT for units, id in best}
        return known[1]

    @property
    def size(self) -> int:
        """Remembered (query, item) pairs with an action, each query counted as it was written."""
        return self._size

    def digest(self) -> str:
        """A hash of the whole state, to the last bit: equal digests mean equal learned state."""
        state = hashlib.sha256()
        for place, items in sorted(self._pairs.items()):
            for id, seen in sorted(items.items()):
                state.update(repr((place, id, seen.units, seen.looks, seen.shown, seen.acted)).encode())
        for place in self._waiting:
            state.update(repr(place).encode())
        state.update(repr(self._looks).encode())
        if self._estimate is not None:
            state.update(self._estimate.digest().encode())
        for domain, taken in sorted(self._taken.items()):
            for id, units in sorted(taken.items()):
                state.update(repr((domain, id, units)).encode())
        return state.hexdigest()

    def state(self) -> State:
        """Everything that was learned; what is only kept at hand is left out."""
        seen = list(chain.from_iterable(items.values() for items in self._pairs.values()))
        ids, numbers = numbered(list(chain.from_iterable(self._pairs.values())))
        numbers_of = {place: number for number, place in enumerate(self._pairs)}
        queries = {domain: one for domain, one in sorted(self._queries.items()) if len(one)}
        return State(
            {
                "answers": self.answers,
                "feedback": self.feedback,
                "size": self._size,
                "places": list(self._pairs),
                "ids": ids,
                "taken": {domain: dict(taken) for domain, taken in sorted(self._taken.items())},
                "leading": {domain: dict(leading) for domain, leading in sorted(self._leading.items()) if leading},
                "queries": list(queries),
            },
            {
                "sizes": sizes(self._pairs.values()),
                "items": numbers,
                "units": np.fromiter(map(attrgetter("units"), seen), np.int64, len(seen)),
                "looks": np.fromiter(map(attrgetter("looks"), seen), np.int64, len(seen)),
                "shown": np.fromiter(map(attrgetter("shown"), seen), np.int64, len(seen)),
                "acted": np.fromiter(map(attrgetter("acted"), seen), np.bool_, len(seen)),
                "waiting": np.fromiter(map(numbers_of.__getitem__, self._waiting), np.int64, len(self._waiting)),
                "chances": self._chances.copy(),
            },
            {
                **({} if self._estimate is None else {"examination": self._estimate.state()}),
                **{f"queries {number}": one.state() for number, one in enumerate(queries.values())},
            },
        )

    def restore(self, state: State) -> None:
        """Know what a `state` of a memory with the same actions knew, and nothing else."""
        data, arrays = state.data, state.arrays
        self.answers, self.feedback, self._size = data["answers"], data["feedback"], data["size"]
        places: list[Place] = [(domain, key) for domain, key in data["places"]]
        evidence = map(Seen, *(arrays[name].tolist() for name in ("units", "looks", "shown", "acted")))
        items = zip(named(data["ids"], arrays["items"]), evidence, strict=True)
        self._pairs = {
            place: dict(islice(items, size)) for place, size in zip(places, arrays["sizes"].tolist(), strict=True)
        }
        self._waiting = OrderedDict((places[number], None) for number in arrays["waiting"].tolist())
        self._taken = defaultdict(dict, data["taken"])
        self._leading = defaultdict(dict, data["leading"])
        self._queries = defaultdict(Queries)
        for number, domain in enumerate(data["queries"]):
            self._queries[domain].restore(state.parts[f"queries {number}"])
        if self._estimate is not None:
            self._estimate.restore(state.parts["examination"])
        self._look(arrays["chances"])
        self._most = {}

    def _items(self, domain: str, key: str) -> dict[str, Seen]:
        """What is remembered under one key, copied: the log's writer may be adding to it."""
        return dict(self._pairs.get((domain, key), {}))

    def _nearest(self, domain: str, text: str, known: Known | None) -> dict[str, Seen]:
        """The evidence of the nearest queries for which something was taken, in one."""
        pooled: dict[str, Seen] = defaultdict(Seen)
        for key, similarity in self._queries[domain].near(text, known):
            items, likeness = self._items(domain, key), round(similarity * _UNIT)
            for id, seen in items.items() if _any_taken(items.values()) else ():
                pool = pooled[id]
                pool.units += seen.units * likeness * likeness // _UNIT**2
                pool.looks += seen.looks * likeness // _UNIT
                pool.shown += seen.shown
                pool.acted |= seen.acted
        return dict(pooled)

    def _learn_shown(self, event: Event) -> None:
        for query, domain, ids in event.body["shown"]:
            if ids:
                for key in _keys(query):
                    self._show((domain, key), ids)
                if self._estimate is not None:
                    self._estimate.learn(query, domain, ids, positions=places_of(event.body, domain, len(ids)))

    def _show(self, place: Place, ids: Sequence[str]) -> None:
        items = self._pairs.get(place)
        if items is None:
            items = self._pairs[place] = {}
            self._waiting[place] = None
            if len(self._waiting) > _WAITING:
                del self._pairs[self._waiting.popitem(last=False)[0]]
        elif place in self._waiting:
            self._waiting.move_to_end(place)
        for position, id in enumerate(ids):
            seen = items.get(id)
            if seen is None:
                if position >= _WATCHED or len(items) >= _CROWDED:
                    continue
                seen = items[id] = Seen()
            seen.shown += 1
            seen.looks += self._looks[min(position, len(self._looks) - 1)]

    def _learn_action(self, event: Event) -> None:
        body = event.body
        domain, item = body["domain"], body["item"]
        units = weighed(body, self._units)
        if self._estimate is not None and units > 0 and (position := body.get("position")):
            self._estimate.click(body["query"], domain, item, position)
        exact, *_ = _keys(body["query"])
        for key in _keys(body["query"]):
            seen = self._acted_on((domain, key), item, body["query"])
            self._size += key == exact and not seen.acted
            seen.acted = True
            seen.units += units
        taken = self._taken[domain]
        taken[item] = taken.get(item, 0) + units
        self._lead(domain, item, taken[item])

    def _acted_on(self, place: Place, item: str, query: str) -> Seen:
        """The evidence of a pair, now that there is an action on it: its query is found by its spelling, and never forgotten."""
        items = self._pairs.setdefault(place, {})
        self._waiting.pop(place, None)
        domain, key = place
        if key.startswith("~") and not any(seen.acted for seen in items.values()):
            self._queries[domain].add(key, query)
        # An item that was not watched must have been looked at, to be acted on.
        return items.setdefault(item, Seen(looks=_UNIT, shown=1))

    def _lead(self, domain: str, item: str, units: int) -> None:
        """Keep the most taken items at hand, so that a request need not go through all of them."""
        leading = dict(self._leading[domain])
        leading.pop(item, None)
        if units > 0:
            leading[item] = units
        if len(leading) > 2 * _LEADING:
            leading = {id: most for most, id in heapq.nlargest(_LEADING, [(n, id) for id, n in leading.items()])}
        self._leading[domain] = leading

    def _estimated(self) -> NDArray[np.float64]:
        """The examination of the first places as estimated by now, and of those behind them."""
        assert self._estimate is not None
        curve = self._estimate.curve()
        behind = curve[-1] * _ESTIMATED / np.arange(_ESTIMATED + 1, _PLACES + 1)
        return np.concatenate([curve, behind])

    def _look(self, chances: Sequence[float] | NDArray[np.float64]) -> None:
        self._chances = np.maximum(np.asarray(chances, dtype=np.float64), _LEAST)
        self._looks = tuple(round(chance * _UNIT) for chance in self._chances.tolist())


def places_of(answer: Mapping[str, Any], domain: str, shown: int) -> list[int]:
    """Places, from 1, of one domain's results on an answer's whole page; of one that did not log its page, 1, 2, … `shown`."""
    places = [place for place, result in enumerate(answer.get("results", ()), 1) if result["domain"] == domain]
    return places if len(places) == shown else list(range(1, shown + 1))


def _any_taken(evidence: Iterable[Seen]) -> bool:
    return any(seen.units > 0 for seen in evidence)


def _keys(text: str) -> tuple[str, ...]:
    """The text as it is, but for case and spaces; and its words, stemmed and sorted, if it has any."""
    exact = "=" + " ".join(text.casefold().split())
    sorted_words = same_words(text)
    return (exact, "~" + sorted_words) if sorted_words else (exact,)
