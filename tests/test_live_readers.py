"""Which readers are live: each domain is added, trained again, retired and restored alone, and the others score as before."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from segue.cli import main
from segue.engine import Engine
from segue.errors import NotFound
from segue.live_readers import PART, LiveReaders, parts, publish, restore, retire
from segue.recipes.train_reader import folder
from segue.recipes.train_reranker import train_reranker
from segue.resolution import resolution
from segue.store import Store
from segue.understand.interpreter import REPORTS, RERANKERS, Interpreter
from tests.spoken_at_home import UTTERANCES

DOMAINS = ("books", "films", "home")
TEXTS = [one.text for one in UTTERANCES]


@pytest.fixture
def model(taught: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught, tmp_path / "model"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def go_live(store: Store, model: Path, *domains: str) -> dict[str, str]:
    beside = (RERANKERS, REPORTS)
    return publish(
        store, {name: (folder(model, name), *(folder(model / one, name) for one in beside)) for name in domains}
    )


def scores(live: LiveReaders) -> dict[str, bytes]:
    """Of every domain, what its reader and its re-ranker say of all texts, to the last bit."""
    interpreter = live.interpreter(resolution({}))
    if interpreter is None:
        return {}
    found = interpreter.interpret(TEXTS)
    pairs = zip(found.tables, found.confidences, strict=True)
    return {table.domain: table.logs.tobytes() + confidence.tobytes() for table, confidence in pairs}


def retrained(store: Store, model: Path) -> None:
    """Films, by other requests than before."""
    rows = (model.parent / "requests.jsonl").read_text().splitlines(keepends=True)
    data = model.parent / "fewer.jsonl"
    data.write_text("".join(row for place, row in enumerate(rows) if place % 7))
    train_reranker(data, model, domain="films", processes=1)
    go_live(store, model, "films")


CHANGES: dict[str, Callable[[Store, Path], object]] = {
    "added": lambda store, model: go_live(store, model, "films"),
    "trained again": retrained,
    "retired": lambda store, model: retire(store, "films"),
    "retired and restored": lambda store, model: (retire(store, "films"), restore(store, "films")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_others_score_the_same_to_the_last_bit(store: Store, model: Path, taught: Path, change: str) -> None:
    shutil.copy(taught.parent / "requests.jsonl", model.parent)
    go_live(store, model, *(name for name in DOMAINS if name != "films" or change != "added"))
    live = LiveReaders(store)
    before, folders = scores(live), store.live_parts(PART)
    CHANGES[change](store, model)
    assert live.refresh() == (change != "retired and restored")
    after = scores(live)
    for domain in ("books", "home"):
        assert after[domain] == before[domain]
        assert store.live_parts(PART)[PART + domain] == folders[PART + domain]
    assert ("films" in after) == (change != "retired")
    assert (after.get("films") == before.get("films")) == (change == "retired and restored")


def test_the_report_goes_live_with_the_reranker(store: Store, model: Path) -> None:
    first = go_live(store, model, *DOMAINS)
    assert set(parts(store.artifacts / first["films"])) == {"reader", "reranker", "report"}
    assert go_live(store, model, *DOMAINS) == first
    live = LiveReaders(store)
    known = scores(live)
    shutil.rmtree(model / REPORTS / "films")
    second = go_live(store, model, "films")
    assert second["films"] != first["films"]
    assert set(parts(store.artifacts / second["films"])) == {"reader", "reranker"}
    assert live.refresh()
    assert scores(live) == known  # no score depends on a report
    (store.artifacts / first["home"] / "report" / "report.json").write_text("damaged")
    assert scores(LiveReaders(store)) == known


def test_requests_go_on_by_the_remaining_readers(reading: Engine) -> None:
    before = {one.domain: one for one in reading.ask("mary poppins").hypotheses}
    assert set(before) == {"books", "films", "home"}
    retire(reading.store, "films")
    answer = reading.ask("mary poppins")
    assert {one.domain: one for one in answer.hypotheses} == {name: before[name] for name in ("books", "home")}
    assert {one.domain for one in answer.results} == {"books"}
    understanding = answer.trace["understanding"]
    assert (understanding["by"], understanding["retired"]) == ("readers", ["films"])
    assert reading.ask("psycho", domain="films").results[0].id == "f2"  # named, it is searched
    restore(reading.store, "films")
    assert {one.domain: one for one in reading.ask("mary poppins").hypotheses} == before
    assert "retired" not in reading.ask("mary poppins").trace["understanding"]


def test_when_all_are_retired_it_is_said(reading: Engine) -> None:
    for domain in ("books", "films"):
        retire(reading.store, domain)
    assert [one.domain for one in reading.ask("turn on the lights in the hall").hypotheses] == ["home"]
    retire(reading.store, "home")
    with pytest.raises(NotFound, match=r"All domains are retired: books, films\..*segue restore reader"):
        reading.ask("psycho")
    assert reading.ask("psycho", domain="films").results[0].id == "f2"


def test_what_goes_live_is_retired_no_more(store: Store, model: Path) -> None:
    go_live(store, model, *DOMAINS)
    retire(store, "films")
    live = LiveReaders(store)
    assert (live.domains, live.retired) == (("books", "home"), frozenset({"films"}))
    go_live(store, model, "films")
    live.refresh()
    assert (live.domains, live.retired) == (DOMAINS, frozenset())


def test_what_cannot_be_used_has_a_reason(store: Store, model: Path) -> None:
    names = go_live(store, model, *DOMAINS)
    (store.artifacts / names["films"] / "reader" / "seen.json").write_text("{}")
    live = LiveReaders(store)
    assert live.domains == ("books", "home")
    assert "seen.json" in live.refused["films"]


def test_the_commands(store: Store, model: Path) -> None:
    names = go_live(store, model, *DOMAINS)

    def run(*words: str) -> tuple[int, str, str]:
        said = CliRunner().invoke(main, [*words, "--store", str(store.folder)])
        return said.exit_code, said.stdout, said.stderr

    assert run("retire", "reader", "--domain", "films") == (0, f"films: retired is {names['films']}.\n", "")
    status, _, problem = run("retire", "reader", "--domain", "films")
    assert (status, problem.count("\n")) == (1, 1)
    assert "No reader of 'films' is live in this store. Expected: one of: books, home." in problem
    assert run("restore", "reader", "--domain", "films")[:2] == (0, f"films: live is {names['films']}.\n")
    status, _, problem = run("restore", "reader", "--domain", "songs")
    assert status == 1
    assert "No reader of 'songs' is retired in this store. Expected: one of: none." in problem
    assert Interpreter.open(model).domains == DOMAINS  # the folder of readers is not touched
