"""What the ranker looks at, made from nothing but what an answer logs: so what is served and what is learned cannot differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

_AGREEMENT = ("lists that hold it", "best rank", "sum over ranks")
_ON_PAGE = "share of the page's highest"


@dataclass(frozen=True)
class Features:
    """Which features there are: those of the item in each of the `strategies`, of each strategy's list (`lists`), of the
    request (`request`) and of the item itself (`items`), by name. Equal `Features` make equal columns.

    >>> features = Features(("text", "title"), request=("words",), lists=("results",), items=("popularity",))
    >>> features.names[:3]
    ('text: 1 / rank', 'title: 1 / rank', 'text: share of its best score')
    """

    strategies: tuple[str, ...]
    request: tuple[str, ...]
    lists: tuple[str, ...]
    items: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of every column; what stands before the colon is its part (see `parts`)."""
        return (
            *(f"{name}: 1 / rank" for name in self.strategies),
            *(f"{name}: share of its best score" for name in self.strategies),
            *(f"agreement: {what}" for what in _AGREEMENT),
            *(f"item: {name}" for name in self.items),
            *(f"item: {name}, {_ON_PAGE}" for name in self.items),
            *(f"request: {name}" for name in self.request),
            *(f"{strategy}: {name} of its list" for strategy in self.strategies for name in self.lists),
        )

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """What an explanation sums columns up to: every strategy, agreement, item and request."""
        return (*self.strategies, "agreement", "item", "request")

    @cached_property
    def part_of(self) -> NDArray[np.int64]:
        """For each column, the place of its part in `parts`."""
        places = {part: place for place, part in enumerate(self.parts)}
        return np.array([places[name.split(": ", 1)[0]] for name in self.names], dtype=np.int64)

    def rows(self, learning: Mapping[str, Any]) -> Rows:
        """float32 [kept, columns], a row for each kept item, from what the policy logged (its keys `context`, `lists`,
        `trusted`, `ranks`, `shares`, `items`).

        A strategy that was not asked, not trusted or did not return an item has rank and share 0, and a list that is not there
        has zeros; a strategy that is not among these is left out.
        """
        items = np.array(learning["items"], dtype=np.float32).reshape(-1, len(self.items))
        kept, count = len(items), len(self.strategies)
        inverse, share = np.zeros((2, kept, count), dtype=np.float32)
        places = {name: place for place, name in enumerate(self.strategies)}
        trusted = [name in places for name in learning["trusted"]]
        if any(trusted):
            columns = [places[name] for name in learning["trusted"] if name in places]
            ranks = np.array(learning["ranks"], dtype=np.float32).reshape(kept, len(trusted))[:, trusted]
            inverse[:, columns] = np.divide(1, ranks, out=np.zeros_like(ranks), where=ranks > 0)
            share[:, columns] = np.array(learning["shares"], dtype=np.float32).reshape(kept, len(trusted))[:, trusted]
        nothing = (0.0,) * len(self.lists)
        page = [*learning["context"]]
        for name in self.strategies:
            page += learning["lists"].get(name, nothing)
        highest = np.maximum(items.max(axis=0, initial=0), np.float32(1e-6))
        return np.concatenate(
            [
                inverse,
                share,
                np.column_stack([(inverse > 0).sum(axis=1), inverse.max(axis=1, initial=0), inverse.sum(axis=1)]),
                items,
                items / highest,
                np.broadcast_to(np.array(page, dtype=np.float32), (kept, len(self.request) + count * len(self.lists))),
            ],
            axis=1,
            dtype=np.float32,
        )
