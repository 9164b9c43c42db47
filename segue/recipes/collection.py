"""A judged catalogue, indexed, with everything that does not change from one simulated request to the next kept at hand."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from segue.asking import make_request
from segue.encode.encoder import Encoder
from segue.engine import Engine
from segue.errors import InvalidInput, SegueError
from segue.recipes.judgements import Judged, load
from segue.recipes.progress import Steps
from segue.records import Candidates, Selection
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query
from segue.retrieve.select import DEPTH
from segue.retrieve.strategies import Strategy

DOMAIN = "simulated"
LEARNING = frozenset({"memory", "popular", "personal"})
"""Strategies whose answers change with what was learned; all others are asked once for each query."""


class Collection:
    """Judged queries over a catalogue. A query is named by its place in `judged`; an item by its number.

    `keep` (a file, .npz) holds the strategies' lists from one run to the next.
    """

    def __init__(
        self, snapshot: Snapshot, queries: Sequence[Query], judged: Sequence[Judged], family: Sequence[Strategy]
    ):
        self.snapshot = snapshot
        self.judged = judged
        self.queries = queries
        self.strategies = tuple(strategy.name for strategy in family)
        self._family = {strategy.name: strategy for strategy in family}
        self._lists: list[dict[str, Candidates]] = [{} for _ in judged]
        graded = {id for one in judged for id in one.grades}
        numbers = snapshot.numbers_of(list(graded))
        self.ids = snapshot.ids_of(snapshot.numbers.tolist())
        self.grades: list[dict[int, float]] = [
            {numbers.get(id, -place): grade for place, (id, grade) in enumerate(one.grades.items(), 1)}
            for one in judged
        ]
        """Number → grade; a judged item that is not in the catalogue has a negative number: it cannot be found."""
        self.missing = len(graded) - len(numbers)
        """Judged items that are not in the catalogue."""
        self.highest = max(grade for grades in self.grades for grade in grades.values())

    def __len__(self) -> int:
        return len(self.judged)

    def found(self, place: int, strategy: str) -> Candidates:
        """What a strategy that does not learn returns for a query, kept after the first time."""
        lists = self._lists[place]
        if strategy not in lists:
            lists[strategy] = self._family[strategy].retrieve(self.queries[place], self.snapshot, DEPTH)
        return lists[strategy]

    def relevant(self, place: int) -> set[int]:
        return {number for number, grade in self.grades[place].items() if grade > 0}

    def fill(self, places: Sequence[int], *, keep: Path | None = None, quiet: bool = False) -> None:
        """Ask everything that can be kept beforehand; from and into the file `keep` if it is named."""
        names = [name for name in self.strategies if name not in LEARNING]
        if keep is not None and keep.exists() and self._restore(keep, names):
            return
        with Steps(unit=" queries", total=len(places), quiet=quiet) as progress:
            for place in places:
                for name in names:
                    self.found(place, name)
                progress("asking every strategy", 1)
        if keep is not None and len(places) == len(self):
            self._save(keep, names)

    def _save(self, file: Path, names: Sequence[str]) -> None:
        lists = [self._lists[place][name] for place in range(len(self)) for name in names]
        temporary = file.with_suffix(".new.npz")
        np.savez(
            temporary,
            names=np.array(names),
            version=self.snapshot.version,
            texts=np.array([query.text for query in self.queries]),
            lengths=np.array([len(one) for one in lists]),
            numbers=np.concatenate([one.numbers for one in lists]),
            scores=np.concatenate([one.scores for one in lists]),
        )
        temporary.replace(file)

    def _restore(self, file: Path, names: Sequence[str]) -> bool:
        """True when the file held the lists of just these queries, strategies and version of the catalogue."""
        with np.load(file) as kept:
            same = kept["names"].tolist() == list(names) and int(kept["version"]) == self.snapshot.version
            if not same or kept["texts"].tolist() != [query.text for query in self.queries]:
                return False
            ends = np.cumsum(kept["lengths"])[:-1]
            numbers, scores = np.split(kept["numbers"], ends), np.split(kept["scores"], ends)
        for at, (mine, theirs) in enumerate(zip(numbers, scores, strict=True)):
            place, name = divmod(at, len(names))
            self._lists[place][names[name]] = Candidates(names[name], mine, theirs)
        return True


@contextmanager
def opened(
    catalogue: Path,
    judgements: Path,
    *,
    store: Path | None = None,
    encoder: Encoder | None = None,
    fewest: int = 1,
    quiet: bool = False,
) -> Iterator[tuple[Engine, Collection]]:
    """Index `catalogue` (into `store`, to be used again, or a temporary one) and read the judged queries that have an answer.

    Raises `InvalidInput` when there are not the `fewest` such queries, or when the store holds another catalogue as well.
    """
    judged = [one for one in load(judgements) if any(grade > 0 for grade in one.grades.values())]
    _enough(judged, fewest, judgements)
    folder = nullcontext(str(store)) if store else TemporaryDirectory(prefix="segue-simulate-")
    with (
        folder as path,
        Engine.open(Path(path) / "store" if store is None else path, threads=2, encoder=encoder) as engine,
    ):
        with Steps(quiet=quiet) as progress:
            report = engine.index(catalogue, domain=DOMAIN, progress=progress)
        snapshot = engine.domains.get(DOMAIN).snapshot
        if (others := len(snapshot) - report.added - report.updated - report.unchanged) > 0:
            raise InvalidInput(
                f"The store {path} holds {others:,} items that {catalogue} does not name.",
                expected="a folder that held nothing but this catalogue",
                fix="name another folder for the index, or delete this one",
            )
        queries, kept = [], []
        for one in judged:
            try:
                request = make_request(one.text, domain=DOMAIN)
            except SegueError:
                continue  # an empty query, say: nobody can answer it
            (understood,) = engine.domains.understand(request, engine.memory)
            queries.append(understood.query)
            kept.append(one)
        _enough(kept, fewest, judgements)
        yield engine, Collection(snapshot, queries, kept, list(engine.strategies.values()))


def _enough(judged: Sequence[Judged], fewest: int, file: Path) -> None:
    if len(judged) < fewest:
        raise InvalidInput(
            f"{file} has {len(judged)} queries that can be asked and have a relevant document.",
            expected=f"{fewest} or more",
        )


def broken(found: Candidates, snapshot: Snapshot, random: np.random.Generator) -> Candidates:
    """What a broken strategy returns: anything, with the scores of the real thing."""
    numbers: NDArray[np.int64] = random.choice(snapshot.numbers, min(len(found), len(snapshot)), replace=False)
    return Candidates(found.strategy, numbers, found.scores[: len(numbers)])


def ask(
    collection: Collection, place: int, query: Query, chosen: Selection, learning: Mapping[str, Strategy]
) -> Candidates:
    """What a chosen strategy returns for a `query`: who learns is asked anew (`learning`), the others are at hand."""
    if chosen.strategy in LEARNING:
        return learning[chosen.strategy].retrieve(query, collection.snapshot, chosen.k)
    return collection.found(place, chosen.strategy).top(chosen.k)
