"""Pages as policies log them, and what people took from them: what every learner of selection reads from the log."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from segue.events import Event, weighed
from segue.records import Candidates, Numbers
from segue.retrieve.context import ITEM, STRATEGY
from segue.retrieve.memory import places_of
from segue.retrieve.query import Query
from segue.retrieve.select import Policy, by_strategy
from segue.retrieve.union import Floats, Places, Union
from segue.retrieve.worth import COSTLY, seen
from segue.state import State, cut_array, sizes

_OPEN = 50
"""An answer is learned from when so many later ones have come: what was taken until then was taken, the rest was not."""

_QUERIES = 100_000
"""Queries whose repeats are counted."""


@runtime_checkable
class LearningPolicy(Policy, Protocol):
    """A policy that follows the log."""

    def learn(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class ClosedPage:
    """One domain's part of an answer when nothing more is expected of it: what was logged of it (`learning`), and for each of
    its n items the place on the whole page from 1 (`positions` float64 [n]) and whether it was `taken` (0 or 1, float64 [n])."""

    learning: Mapping[str, Any]
    positions: Floats
    taken: Floats


@dataclass(slots=True)
class _Open:
    """A page that may still be acted on; `taken` adds up the weights of actions."""

    learning: Mapping[str, Any]
    items: Mapping[str, int]
    positions: Floats
    taken: Floats


class OpenPages:
    """A learner for the log that hands each page on, with its domain, when it can be learned from."""

    def __init__(self, actions: Mapping[str, float], close: Callable[[str, ClosedPage], None]) -> None:
        self._actions = actions
        self._close = close
        self._domains: dict[str, OrderedDict[str, _Open]] = {}

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        if event.kind == "answer":
            for domain, learning in event.body.get("learning", {}).items():
                self._open(event, domain, learning)
        elif event.kind == "feedback":
            self._take(event.body)

    def state(self) -> State:
        """The pages that are open, in their order."""
        pages = [page for one in self._domains.values() for page in one.values()]
        return State(
            {
                "domains": {domain: list(one) for domain, one in self._domains.items()},
                "learning": [page.learning for page in pages],
                "items": [page.items for page in pages],
            },
            {
                "sizes": sizes([page.positions for page in pages]),
                "positions": np.concatenate([np.zeros(0), *(page.positions for page in pages)]),
                "taken": np.concatenate([np.zeros(0), *(page.taken for page in pages)]),
            },
        )

    def restore(self, state: State) -> None:
        """Have the pages open that were open in a `state`, and no others."""
        data, arrays = state.data, state.arrays
        columns = (cut_array(arrays[name], arrays["sizes"]) for name in ("positions", "taken"))
        pages = map(_Open, data["learning"], data["items"], *columns)
        self._domains = {
            domain: OrderedDict((id, next(pages)) for id in ids) for domain, ids in data["domains"].items()
        }

    def _open(self, event: Event, domain: str, learning: Mapping[str, Any]) -> None:
        shown: list[str] = next((ids for _, name, ids in event.body["shown"] if name == domain), [])
        pages = self._domains.setdefault(domain, OrderedDict())
        if shown:
            items = {id: place for place, id in enumerate(shown)}
            positions = np.array(places_of(event.body, domain, len(shown)), dtype=np.float64)
            pages[event.id] = _Open(learning, items, positions, np.zeros(len(shown)))
        if len(pages) > _OPEN:
            oldest = pages.popitem(last=False)[1]
            taken = (oldest.taken > 0).astype(np.float64)
            self._close(domain, ClosedPage(oldest.learning, oldest.positions, taken))

    def _take(self, body: Mapping[str, Any]) -> None:
        page = self._domains.get(body["domain"], {}).get(body["answer"])
        if page is not None and (row := page.items.get(body["item"])) is not None:
            page.taken[row] += weighed(body, self._actions)


class Repeats:
    """How often each query was counted; of very many, the ones that came last."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, query: str) -> int:
        """How often this query was counted, this time included. Who lets the n-th time count 1/n learns from many queries
        instead of a few frequent ones, which the memory has."""
        count = self._counts.pop(query, 0) + 1
        self._counts[query] = count
        if len(self._counts) > _QUERIES:
            self._counts.popitem(last=False)
        return count

    def state(self) -> State:
        """The queries, the one that came last at the end."""
        counts = np.fromiter(self._counts.values(), np.int64, len(self._counts))
        return State({"queries": list(self._counts)}, {"counts": counts})

    def restore(self, state: State) -> None:
        """Have counted what a `state` had counted, and nothing else."""
        self._counts = OrderedDict(zip(state.data["queries"], state.arrays["counts"].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Told:
    """What a policy saw of n items that were shown and of the l strategies that found them.

    `strategies` int64 [l] are places among the names that the reader knows; `ranks` int64 [n, l] count from 1, 0 where a list
    does not hold the item, and `shares` [n, l] are scores as shares of the list's best; `request`, `lists` [l, ·] and `items`
    [n, ·] are as in `context`.
    """

    strategies: Places
    ranks: Places
    shares: Floats
    request: Floats
    lists: Floats
    items: Floats

    @classmethod
    def read(cls, learning: Mapping[str, Any], known: Mapping[str, int]) -> Self:
        """From what `to_log` made; strategies that are not `known` (name → place) any more are left out."""
        shown, names = learning["shown"], learning["trusted"]
        columns = [place for place, name in enumerate(names) if name in known]
        return cls(
            np.array([known[names[place]] for place in columns], dtype=np.int64),
            np.array(learning["ranks"], dtype=np.int64).reshape(-1, len(names))[shown][:, columns],
            np.array(learning["shares"], dtype=np.float64).reshape(-1, len(names))[shown][:, columns],
            np.array(learning["context"]),
            np.array([learning["lists"][names[place]] for place in columns]).reshape(len(columns), len(STRATEGY)),
            np.array(learning["items"], dtype=np.float64).reshape(-1, len(ITEM))[shown],
        )


def to_log(
    query: Query,
    found: Sequence[Candidates],
    request: Floats,
    lists: Floats,
    trusted: Sequence[Candidates],
    union: Union,
    items: Floats,
    places: Places,
) -> dict[str, Any]:
    """What is learned from later, as plain data: of everything that was `found` and its description `lists`, of the `union` of
    the `trusted` lists and its `items`, the kept `places`. `ranks` and `shares` have a row for each of these; `watched` holds
    their ranks in each list that was found and is not trusted."""
    cheap = [one for one in found if one.strategy not in COSTLY]
    ranks = by_strategy(union, union.rank.astype(np.float64), places, len(trusted)).astype(np.int64)
    shares = by_strategy(union, union.share, places, len(trusted))
    kept, names = union.numbers[places], [one.strategy for one in trusted]
    return {
        "query": query.text,
        "context": request.tolist(),
        "seen": seen(cheap).tolist(),
        "lists": {one.strategy: row for one, row in zip(found, lists.tolist(), strict=True)},
        "trusted": names,
        "watched": {one.strategy: _ranks(kept, one) for one in found if one.strategy not in names},
        "ranks": ranks.tolist(),
        "shares": shares.round(4).tolist(),
        "items": items[places].tolist(),
        "numbers": union.numbers[places].tolist(),
    }


def _ranks(numbers: Numbers, found: Candidates) -> list[int]:
    """The rank of each item in a list, from 1; 0 where it does not hold the item."""
    places = {number: rank for rank, number in enumerate(found.numbers.tolist(), 1)}
    return [places.get(number, 0) for number in numbers.tolist()]
