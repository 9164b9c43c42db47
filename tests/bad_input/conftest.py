"""A small store that has learned something, and the check that bad input takes nothing from it."""

import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from segue.encode.encoder import Encoder, Vectors
from segue.engine import Engine
from segue.retrieve.catalogue import Document

_FILMS = [
    {"id": "f1", "title": "Mary Poppins", "genres": ["comedy", "musical"], "year": 1964, "votes": 900},
    {"id": "f2", "title": "Psycho", "genres": ["horror"], "year": 1960, "votes": 950},
    {"id": "f3", "title": "The Birds", "genres": ["horror"], "year": 1963, "votes": 700},
    {"id": "f4", "title": "Love Story", "genres": ["romance", "drama"], "year": 1970, "votes": 400},
    {"id": "f5", "title": "Love Actually", "genres": ["romance", "comedy"], "year": 2003, "votes": 990},
]
_BOOKS = [
    {"id": "b1", "title": "Mary Poppins", "author": "P. L. Travers", "year": 1934, "popularity": 90},
    {"id": "b2", "title": "Emma", "author": "Jane Austen", "year": 1815, "popularity": 80},
]


class Cheap:
    """An encoder that costs nothing: a random direction for every text, always the same."""

    dimensions = 16
    fingerprint = "cheap"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimensions) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="session")
def cheap() -> Encoder:
    return Cheap()


@dataclass(frozen=True)
class State:
    """What a store knows: items, what was learned, and how it answers."""

    items: dict[str, dict[str, Document]]
    memory: str
    answer: tuple[str, ...]


def taught(engine: Engine) -> str:
    """What feedback has left in the memory; being asked again changes what was shown, and no more."""
    memory = engine.memory
    return repr((memory.size, memory.most_taken("films", 100), memory.most_taken("books", 100)))


def state(engine: Engine) -> State:
    """Of the domains that the store was built with: what a test adds beside them does not count."""
    memory = taught(engine)
    items = {}
    for name in ("books", "films"):
        snapshot = engine.domains.get(name).snapshot
        documents = snapshot.documents(snapshot.numbers.tolist()).values()
        items[name] = {document.id: document for document in documents}
    answer = engine.ask("love story", domain="films")
    return State(items, memory, tuple(result.id for result in answer.results))


def half_written(store: Path) -> list[Path]:
    """In a store that is closed: while it is open, what was learned may just be on its way to the disk."""
    return [path for pattern in ("**/*.new", "**/*.part") for path in store.glob(pattern)]


@dataclass(frozen=True)
class Built:
    """The store that every case gets a copy of, what it knows, and the id of an answer that was acted on."""

    folder: Path
    state: State
    answer: str


@pytest.fixture(scope="session")
def built(cheap: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("bad-input") / "store"
    with Engine.open(folder, encoder=cheap) as engine:
        engine.index(_FILMS, domain="films")
        engine.index(_BOOKS, domain="books")
        answer = engine.ask("love story", domain="films", id="first")
        engine.feedback(answer, "f5", action="buy")
        engine.feedback(answer, "f5", action="like")
        known = state(engine)
    with Engine.open(folder, encoder=cheap) as engine:
        known = State(known.items, taught(engine), known.answer)
    return Built(folder, known, "first")


@pytest.fixture
def store(built: Built, tmp_path: Path) -> Path:
    """A copy of the store, closed."""
    return shutil.copytree(built.folder, tmp_path / "store")


@pytest.fixture
def shop(built: Built, store: Path, cheap: Encoder) -> Iterator[Engine]:
    """A copy of the store, opened. After the test it must know what it knew, in this process and when opened again."""
    with Engine.open(store, encoder=cheap) as engine:
        yield engine
        known = state(engine)
    assert half_written(store) == []
    assert known == built.state
    assert_nothing_lost(store, built, cheap)


@pytest.fixture
def scratch(store: Path, cheap: Encoder) -> Iterator[Engine]:
    """A copy of the store, opened, that may learn."""
    with Engine.open(store, encoder=cheap) as engine:
        yield engine


def assert_nothing_lost(store: Path, built: Built, cheap: Encoder) -> None:
    """The store, opened again, has the items and the answer that it had; its memory is what its log says."""
    with Engine.open(store, create=False, encoder=cheap) as engine:
        known = state(engine)
        assert (known.items, known.answer) == (built.state.items, built.state.answer)
        assert engine.memory.recall("films", "love story").keys() == {"f5"}
        assert engine.domains.names()[:2] == ["books", "films"]
    assert half_written(store) == []
