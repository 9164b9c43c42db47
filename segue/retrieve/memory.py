"""What has been learned from feedback so far: query → entity scores (Q2E) and how often each item was taken.

A fold over the event log, exact and in order: the state is the same whether built online or by replay.
"""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from segue.events import Event
from segue.retrieve.catalogue.terms import words

_UNIT = 1_000_000
"""Weights are added as whole millionths: exact, so that what is undone is gone, and the order of adding cannot matter."""

_LEADING = 200
"""Most taken items kept at hand for each domain."""

_PRIOR = 3.0
"""Shows without an action that every remembered pair is given: one click on a first show scores 1/4, not 1."""


@dataclass(slots=True)
class Seen:
    """Evidence for one item under one query: `units` of weighted actions, and in how many answers it was `shown` since."""

    units: int = 0
    shown: int = 0

    @property
    def weight(self) -> float:
        return self.units / _UNIT

    @property
    def score(self) -> float:
        return self.weight / (self.shown + _PRIOR)


class Memory:
    """Learned state in memory. `actions` gives the weight of each action; a negative weight counts against an item."""

    def __init__(self, actions: Mapping[str, float]) -> None:
        self._units = {action: round(weight * _UNIT) for action, weight in actions.items()}
        self._pairs: dict[tuple[str, str], dict[str, Seen]] = {}
        self._taken: dict[str, dict[str, int]] = defaultdict(dict)
        self._leading: dict[str, dict[str, int]] = defaultdict(dict)
        self.answers = 0
        self.feedback = 0
        self._size = 0

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        if event.kind == "answer":
            self.answers += 1
            self._learn_shown(event)
        elif event.kind == "feedback":
            self.feedback += 1
            self._learn_action(event)

    def recall(self, domain: str, text: str) -> dict[str, float]:
        """Item id → score of what was taken for this query: the exact text first, else the same words in any order."""
        for key in _keys(text):
            scores = {id: seen.score for id, seen in self._items(domain, key) if seen.units > 0}
            if scores:
                return scores
        return {}

    def taken_for(self, domain: str, text: str) -> float:
        """Weight of everything that was taken in a domain for this query; 0 when nothing was."""
        for key in _keys(text):
            taken = sum(seen.weight for _, seen in self._items(domain, key) if seen.units > 0)
            if taken:
                return taken
        return 0.0

    def evidence(self, domain: str, text: str, item: str) -> Seen | None:
        """Why an item is remembered for a query."""
        for key in _keys(text):
            if seen := self._pairs.get((domain, key), {}).get(item):
                return seen
        return None

    def most_taken(self, domain: str, k: int) -> dict[str, float]:
        """The `k` items with the most weighted actions, whatever was asked; at most `_LEADING`."""
        best = heapq.nlargest(k, [(units, id) for id, units in list(self._leading[domain].items())])
        return {id: units / _UNIT for units, id in best}

    @property
    def size(self) -> int:
        """Remembered (query, item) pairs, each query counted as it was written."""
        return self._size

    def digest(self) -> str:
        """A hash of the whole state, to the last bit: equal digests mean equal learned state."""
        state = hashlib.sha256()
        for (domain, key), items in sorted(self._pairs.items()):
            for id, seen in sorted(items.items()):
                state.update(repr((domain, key, id, seen.units, seen.shown)).encode())
        for domain, taken in sorted(self._taken.items()):
            for id, units in sorted(taken.items()):
                state.update(repr((domain, id, units)).encode())
        return state.hexdigest()

    def _items(self, domain: str, key: str) -> list[tuple[str, Seen]]:
        """What is remembered under one key, copied: the log's writer may be adding to it."""
        return list(self._pairs.get((domain, key), {}).items())

    def _learn_shown(self, event: Event) -> None:
        for query, domain, ids in event.body["shown"]:
            for key in _keys(query):
                if items := self._pairs.get((domain, key)):
                    for id in ids:
                        if seen := items.get(id):
                            seen.shown += 1

    def _learn_action(self, event: Event) -> None:
        body = event.body
        units = self._weighed(body["action"], body.get("undoes"))
        exact, *_ = _keys(body["query"])
        self._size += body["item"] not in self._pairs.get((body["domain"], exact), {})
        for key in _keys(body["query"]):
            seen = self._pairs.setdefault((body["domain"], key), {}).setdefault(body["item"], Seen(shown=1))
            seen.units += units
        taken = self._taken[body["domain"]]
        taken[body["item"]] = taken.get(body["item"], 0) + units
        self._lead(body["domain"], body["item"], taken[body["item"]])

    def _lead(self, domain: str, item: str, units: int) -> None:
        """Keep the most taken items at hand, so that a request need not go through all of them."""
        leading = dict(self._leading[domain])
        leading.pop(item, None)
        if units > 0:
            leading[item] = units
        if len(leading) > 2 * _LEADING:
            leading = {id: most for most, id in heapq.nlargest(_LEADING, [(n, id) for id, n in leading.items()])}
        self._leading[domain] = leading

    def _weighed(self, action: str, undoes: str | None) -> int:
        return self._units.get(action, 0) if undoes is None else -self._units.get(undoes, 0)


def _keys(text: str) -> tuple[str, ...]:
    """The text as it is, but for case and spaces; and its words, stemmed and sorted, if it has any."""
    exact = "=" + " ".join(text.casefold().split())
    sorted_words = " ".join(sorted(set(words(text))))
    return (exact, "~" + sorted_words) if sorted_words else (exact,)
