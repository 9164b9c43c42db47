"""Building the demo's store, with catalogues cut short."""

import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from segue.engine import Engine
from segue.recipes import demo, demo_data

Rows = Iterator[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, int8_folder: Path) -> Path:
    """An empty store that has its encoder already, for making one takes seconds."""
    shutil.copytree(int8_folder, tmp_path / "store" / "artifacts" / "encoder-minilm")
    (tmp_path / "store" / "segue.json").write_text('{"format": 1}')
    return tmp_path / "store"


def first(rows: Callable[[], Rows], count: int) -> Callable[[], Rows]:
    return lambda: islice(rows(), count)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        demo,
        "CATALOGUES",
        {"books": first(demo_data.books, 60), "songs": first(demo_data.songs, 40), "films": first(demo_data.films, 80)},
    )


def built(folder: Path) -> list[str]:
    said: list[str] = []
    demo.build(folder, say=said.append, quiet=True)
    return said


def test_three_domains_are_built_and_told(folder: Path) -> None:
    said = " ".join(built(folder))
    for part in ("Indexing books", "60 books", "40 songs", "80 films", "title: title"):
        assert part in said
    with Engine.open(folder, create=False) as engine:
        assert engine.domains.names() == ["books", "films", "songs"]
        assert [len(engine.domains.get(name).snapshot) for name in ("books", "films", "songs")] == [60, 80, 40]
        assert engine.domains.get("films").snapshot.categories
        title = next(iter(demo_data.books()))["title"]
        assert engine.ask(title).results[0].title == title


def test_what_is_there_is_left_as_it_is(folder: Path) -> None:
    built(folder)
    assert built(folder) == []


def test_a_stopped_build_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> Rows:
        yield from islice(demo_data.songs(), 10)
        raise KeyboardInterrupt

    monkeypatch.setitem(demo.CATALOGUES, "songs", stopped)
    with pytest.raises(KeyboardInterrupt):
        built(folder)
    monkeypatch.setitem(demo.CATALOGUES, "songs", first(demo_data.songs, 40))
    said = " ".join(built(folder))
    assert "Indexing books" not in said
    assert "40 songs" in said


def test_the_catalogues_are_the_three_of_the_demo() -> None:
    assert set(demo.CATALOGUES) == {"books", "songs", "films"}


def test_requests_are_understood_while_it_serves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "COUNTS", {"films": 90, "songs": 90, "books": 90, "home": 90, "nobody": 40})
    built(folder)
    assert not demo.understands(folder)
    with Engine.open(folder, create=False) as engine:
        assert engine.ask("turn off the kitchen lights").trace["understanding"]["by"] == "choice"
        demo.understand(folder, processes=1)
        engine.domains.refresh()
        answer = engine.ask("turn off the kitchen lights")
        assert answer.hypotheses[0].domain == "home"
        assert not answer.results
        assert answer.trace["understanding"]["by"] == "readers"
    assert demo.understands(folder)
    assert demo.understand_meanwhile(folder, say=pytest.fail) is None


def test_what_learns_meanwhile_is_a_process_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    built(folder)
    monkeypatch.setattr(demo, "_understand", print)
    process = demo.understand_meanwhile(folder, say=print)
    assert process is not None
    process.join(60)
    assert process.exitcode == 0
    assert process.daemon  # it does not outlive the server
    assert str(folder) in capfd.readouterr().out
