"""The encoder, made once for all tests, and a small store of films and books."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.encode.export import export, export_states
from segue.encode.pretrained import TorchEncoder, minilm
from segue.encode.quantised import OnnxEncoder
from segue.encode.states import StatesEncoder
from segue.engine import Engine
from segue.live_agents import publish as publish_agent
from segue.live_readers import publish
from segue.recipes.demo_home import SEED, ground
from segue.recipes.train_agent import Plan, train_agent
from segue.recipes.train_reader import folder, train_reader
from segue.recipes.train_reranker import train_reranker
from segue.understand.interpreter import REPORTS, RERANKERS
from tests.spoken import write
from tests.spoken_at_home import UTTERANCES
from tests.tiny_bert import write as write_tiny_bert
from tests.upgradable import make as make_upgradable


@pytest.fixture(scope="session")
def reference() -> TorchEncoder:
    return minilm()


@pytest.fixture
def tiny_bert(tmp_path: Path) -> Path:
    return write_tiny_bert(tmp_path)


@pytest.fixture(scope="session")
def int8_folder(reference: TorchEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(reference, tmp_path_factory.mktemp("encoder") / "minilm", name="minilm-int8").folder


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """300 different short requests, of 3 to about 20 tokens."""
    verbs = [
        "play",
        "find me",
        "what is",
        "turn off",
        "add to my list:",
        "who wrote",
        "book",
        "how long is",
        "show",
        "buy",
    ]
    things = [
        "mary poppins",
        "the lights in the kitchen",
        "a table for two in paris tonight",
        "1984",
        "naïve café music",
    ]
    ends = [
        "",
        " please",
        " from the nineteen eighties",
        " as soon as you can",
        "?",
        " near me that is open late on sunday",
    ]
    return [f"{verb} {thing}{end}" for verb in verbs for thing in things for end in ends]


@pytest.fixture(scope="session")
def encoder(int8_folder: Path) -> OnnxEncoder:
    """The real int8 encoder, opened once."""
    return OnnxEncoder.open(int8_folder, threads=2)


@pytest.fixture(scope="session")
def states_folder(reference: TorchEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_states(reference, tmp_path_factory.mktemp("states") / "minilm", name="minilm-states", block=3).folder


@pytest.fixture(scope="session")
def states_encoder(states_folder: Path) -> StatesEncoder:
    """The real int8 encoder that also gives the states of pieces, opened once."""
    return StatesEncoder.open(states_folder)


FILMS: list[dict[str, Any]] = [
    {
        "id": "f1",
        "title": "Mary Poppins",
        "genres": ["comedy", "musical"],
        "director": "Robert Stevenson",
        "year": 1964,
        "votes": 900,
    },
    {"id": "f2", "title": "Psycho", "genres": ["horror"], "director": "Alfred Hitchcock", "year": 1960, "votes": 950},
    {
        "id": "f3",
        "title": "The Birds",
        "genres": ["horror"],
        "director": "Alfred Hitchcock",
        "year": 1963,
        "votes": 700,
    },
    {
        "id": "f4",
        "title": "Love Story",
        "genres": ["romance", "drama"],
        "director": "Arthur Hiller",
        "year": 1970,
        "votes": 400,
    },
    {
        "id": "f5",
        "title": "Love Actually",
        "genres": ["romance", "comedy"],
        "director": "Richard Curtis",
        "year": 2003,
        "votes": 990,
    },
    {
        "id": "f6",
        "title": "Some Like It Hot",
        "genres": ["comedy"],
        "director": "Billy Wilder",
        "year": 1959,
        "votes": 800,
    },
    {
        "id": "f7",
        "title": "Play Misty for Me",
        "genres": ["thriller"],
        "director": "Clint Eastwood",
        "year": 1971,
        "votes": 300,
    },
    {
        "id": "f8",
        "title": "The Apartment",
        "genres": ["comedy", "drama"],
        "director": "Billy Wilder",
        "year": 1960,
        "votes": 850,
    },
]
BOOKS: list[dict[str, Any]] = [
    {"id": "b1", "title": "Mary Poppins", "author": "P. L. Travers", "year": 1934, "popularity": 90},
    {
        "id": "b2",
        "title": "Love in the Time of Cholera",
        "author": "Gabriel García Márquez",
        "year": 1985,
        "popularity": 88,
    },
    {"id": "b3", "title": "The Shining", "author": "Stephen King", "year": 1977, "popularity": 95},
    {"id": "b4", "title": "Emma", "author": "Jane Austen", "year": 1815, "popularity": 80},
]


@pytest.fixture
def engine(tmp_path: Path, encoder: OnnxEncoder) -> Iterator[Engine]:
    """A small store with films and books, thrown away afterwards."""
    with Engine.open(tmp_path / "store", encoder=encoder) as opened:
        opened.index(FILMS, domain="films")
        opened.index(BOOKS, domain="books")
        yield opened


@pytest.fixture(scope="session")
def upgradable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose encoder can be replaced; to be copied before anything is done with it."""
    return make_upgradable(tmp_path_factory.mktemp("upgradable"))


@pytest.fixture(scope="session")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent that has learned for some seconds to walk in a house: it knows the words, and little more."""
    out = tmp_path_factory.mktemp("walker") / "agent"
    plan = Plan(
        cloning=30, naming=0, exploring=0, reward=4, inverse=0, comparing=0, width=16, dropout=0.0, judged=30, rate=1e-2
    )
    shown, _ = ground(houses=2, walks=60, own=120, wordings=1, seed=SEED)
    train_agent(shown, out, plan=plan, about={"house": {"seed": SEED, "number": 0}}, progress=False)
    return out


@pytest.fixture
def acting(engine: Engine, walker: Path) -> Engine:
    """The small store with a home in which that agent acts."""
    publish_agent(engine.store, walker, domain="home")
    engine.take_up()
    return engine


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Readers of books, films and a home, with re-rankers and what these were measured at; beside the requests."""
    data = write(tmp_path_factory.mktemp("taught") / "requests.jsonl", UTTERANCES)
    train_reader(data, data.parent / "model", processes=1)
    train_reranker(data, data.parent / "model", processes=1)
    return data.parent / "model"


@pytest.fixture
def reading(engine: Engine, taught: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The small store, understood by readers that are live, of which it hears at every request."""
    monkeypatch.setattr("segue.engine._REFRESH", -1.0)
    publish(
        engine.store,
        {
            name: (folder(taught, name), folder(taught / RERANKERS, name), folder(taught / REPORTS, name))
            for name in ("books", "films", "home")
        },
    )
    return engine
