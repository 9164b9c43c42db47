"""Candidate generators. Each is one file, has a `name`, and can `retrieve`."""

from typing import Protocol

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.memory import Memory
from segue.retrieve.people import People
from segue.retrieve.query import Query
from segue.retrieve.strategies.dense import Dense
from segue.retrieve.strategies.full_text import FullText
from segue.retrieve.strategies.grams import Grams
from segue.retrieve.strategies.misspelt import Misspelt
from segue.retrieve.strategies.new import New
from segue.retrieve.strategies.personal import Personal
from segue.retrieve.strategies.popular import Popular
from segue.retrieve.strategies.related import Related
from segue.retrieve.strategies.remembered import Remembered
from segue.retrieve.strategies.sparse import Sparse
from segue.retrieve.strategies.structured import Structured
from segue.retrieve.strategies.title import Title


class Strategy(Protocol):
    """A way to find candidates.

    `retrieve` returns at most `k` items alive in `catalogue`, each once, with descending scores; none is a good answer.
    Scores of different strategies do not compare.
    """

    @property
    def name(self) -> str: ...

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates: ...


def family(memory: Memory, people: People | None = None) -> dict[str, Strategy]:
    """Every strategy by name; the cheap ones first. Without `people`, the personal one knows nobody."""
    members: tuple[Strategy, ...] = (
        Remembered(memory),
        Popular(memory),
        FullText(),
        Title(),
        Sparse(),
        Structured(),
        Misspelt(),
        Related(),
        Grams(),
        Dense(),
        New(memory),
        Personal(people or People({})),
    )
    return {strategy.name: strategy for strategy in members}


__all__ = [
    "Dense",
    "FullText",
    "Grams",
    "Misspelt",
    "New",
    "Personal",
    "Popular",
    "Related",
    "Remembered",
    "Sparse",
    "Strategy",
    "Structured",
    "Title",
    "family",
]
