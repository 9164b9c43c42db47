"""Re-rankers from the command line: each domain alone, byte for byte; in a store; from people's corrections."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from segue import artifact
from segue.cli import main
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import Corrupt, InvalidInput, NotFound
from segue.events import Event
from segue.recipes import read_ahead as ahead
from segue.recipes import train_reranker as recipe
from segue.recipes.corrections import corrections, known_texts, most
from segue.recipes.evaluate_reader import evaluate_reader
from segue.recipes.train_reader import train_reader
from segue.recipes.train_reranker import train_reranker
from segue.store import ACTIONS, Store
from segue.understand.features import ANOTHER
from segue.understand.hypotheses import Utterance
from segue.understand.interpreter import Interpreter
from segue.understand.measured import KIND as REPORT
from segue.understand.measured import read_report
from segue.understand.reranker import Reranker
from tests.spoken import UTTERANCES, write

SONGS = [
    {"id": "s1", "title": "Yesterday", "artist": "The Beatles", "votes": 9},
    {"id": "s2", "title": "Help", "artist": "Abba", "votes": 5},
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Labelled requests, readers with re-rankers for them, and what the command said."""
    folder = tmp_path_factory.mktemp("trained")
    data = write(folder / "requests.jsonl")
    train_reader(data, folder / "model", processes=1)
    return data, folder / "model", train_reranker(data, folder / "model", processes=1)


@pytest.fixture
def model(trained: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained[1], tmp_path / "model"))


@pytest.fixture
def data(trained: tuple[Path, Path, dict[str, Any]]) -> Path:
    return trained[0]


@pytest.fixture
def songs(tmp_path: Path, encoder: OnnxEncoder, int8_folder: Path) -> Iterator[Engine]:
    """A store with songs, whose domain is called as in the labelled requests."""
    shutil.copytree(int8_folder, tmp_path / "store" / "artifacts" / "encoder-minilm")
    (tmp_path / "store" / "segue.json").write_text('{"format": 1}')
    with Engine.open(tmp_path / "store", encoder=encoder) as engine:
        engine.index(SONGS, domain="music")
        engine.index([{"id": "c1", "title": "Good Morning"}], domain="chat")
        yield engine


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_every_domain_gets_one_and_is_measured(trained: tuple[Path, Path, dict[str, Any]]) -> None:
    _, model, result = trained
    assert sorted(path.name for path in (model / "rerankers").iterdir()) == ["chat", "music", "weather"]
    assert result["requests"] == len(UTTERANCES)
    for row in (result["all"], *result["domains"].values()):
        for arm in ("before", "after"):
            assert 0 <= row[arm]["semantic error"] <= 1
            assert 0 <= row[arm]["calibration error"] <= 1
            assert row[arm]["calibration floor"] >= 0
    assert result["all"]["after"]["domain accuracy"] > 0.8
    assert max(one["seconds"] for one in result["trained"].values()) < 1
    interpreter = Interpreter.open(model)
    assert sorted(interpreter.rerankers) == ["chat", "music", "weather"]
    (guess, *_) = interpreter.interpret(["play purple rain by prince"]).guesses()["music"]
    assert (guess.meaning.intent, guess.confidence > 0.5) == ("play", True)
    assert guess.slots("play purple rain by prince") == {"song": "purple rain", "artist": "prince"}


def test_one_domain_alone_leaves_files_and_scores_byte_for_byte(model: Path, tmp_path: Path) -> None:
    texts = [one.text for one in UTTERANCES]
    before, read = _files(model), Interpreter.open(model).interpret(texts)
    # The same requests, of which some of the music's are said to be something else: its re-ranker must change.
    said = [
        replace(one, meaning=replace(one.meaning, intent="who")) if one.text.startswith("put on") else one
        for one in UTTERANCES
    ]
    data = write(tmp_path / "other.jsonl", said)
    result = train_reranker(data, model, domain="music", processes=1)
    after, reread = _files(model), Interpreter.open(model).interpret(texts)
    trained = {name for name in before if not name.startswith("out-of-fold/")}
    assert {name.split("/")[1] for name in trained if before[name] != after[name]} == {"music"}
    changed = [name for name in trained if before[name] != after[name]]
    assert all(name.startswith(("rerankers/music/", "reports/music/")) for name in changed)
    for table, old, new in zip(read.tables, read.confidences, reread.confidences, strict=True):
        assert (old.tobytes() == new.tobytes()) == (table.domain != "music")
    assert list(result["trained"]) == ["music"]
    kept = json.loads(before["rerankers/music/manifest.json"][0])["hash"]
    assert artifact.open(model / "rerankers" / "music", kind="reranker").parent == kept


def test_changed_decisions_are_counted_and_listed(data: Path, model: Path) -> None:
    before = _files(model)
    place = model / "rerankers" / "music"
    old = Reranker.open(place)
    shutil.rmtree(place)
    weights = old.weights.copy()
    weights[3] -= 100
    replace(old, weights=weights).write(place, name="music is never meant")
    result = train_reranker(data, model, domain="music", processes=1)
    made = result["decisions"]
    assert made["changed"] == made["to another domain"] == len(made["listed"]) >= 15
    assert {one["after"].split()[0] for one in made["listed"]} == {"music"}
    assert made["listed"][0]["before"].split()[0] in ("chat", "weather")
    assert (
        result["domains"]["music"]["before"]["semantic error"] > result["domains"]["music"]["after"]["semantic error"]
    )
    after = _files(model)
    changed = [name for name in before if before[name][0] != after[name][0]]
    assert changed == ["reports/music/manifest.json", "reports/music/report.json", "rerankers/music/manifest.json"]


def test_what_was_measured_is_kept_beside_each_reranker(data: Path, model: Path) -> None:
    first = {name: _report(model, name) for name in ("chat", "music", "weather")}
    for domain, report in first.items():
        own, run = report["own"], report["run"]
        assert own["requests"] == sum(one.domain == domain for one in UTTERANCES)
        assert run["requests"] == len(UTTERANCES)
        assert run["trained"] == ["chat", "music", "weather"]
        for arm in ("product", "re-ranker"):
            assert 0 <= own[arm]["calibration error"] <= 1
            confusion = run["confusion"][arm]
            assert confusion["names"] == ["chat", "music", "weather", "other"]
            meant = [sum(one.domain == name for one in UTTERANCES) for name in confusion["names"]]
            assert [sum(row) for row in confusion["counts"]] == meant
            for bin in own["reliability"][arm]:
                assert bin["from"] <= bin["confidence"] <= bin["to"]
                assert bin["low"] <= bin["accuracy"] + 1e-9
                assert bin["accuracy"] <= bin["high"] + 1e-9
            for cell in confusion["examples"]:
                row, column = (confusion["names"].index(cell[name]) for name in ("meant", "went"))
                assert row != column
                assert 1 <= len(cell["requests"]) <= min(5, confusion["counts"][row][column])
                assert all(one["text"] and 0 <= one["confidence"] <= 1 for one in cell["requests"])
    scores = Reranker.open(model / "rerankers" / "music")
    train_reranker(data, model, domain="music", processes=1)
    assert _report(model, "music")["run"]["trained"] == ["music"]
    assert _report(model, "music")["own"] == first["music"]["own"]
    assert _report(model, "weather") == first["weather"]
    assert Reranker.open(model / "rerankers" / "music").weights.tobytes() == scores.weights.tobytes()


def _report(model: Path, domain: str) -> dict[str, Any]:
    return read_report(artifact.open(model / "reports" / domain, kind=REPORT))


def test_a_report_that_is_no_json_is_said(tmp_path: Path) -> None:
    part = artifact.write(tmp_path / "report", kind=REPORT, name="x", files={"report.json": b"{"})
    with pytest.raises(Corrupt, match="not JSON"):
        read_report(part)


def test_what_was_read_is_not_read_again(data: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(ahead, "read_out_of_fold", refuse)
    again = train_reranker(data, model, processes=1)
    first = {name: one["hash"] for name, one in again["trained"].items()}
    assert first == {
        name: one["hash"] for name, one in train_reranker(data, model, processes=1)["trained"].items()
    }  # nothing is random
    assert again["decisions"]["changed"] == 0


def test_a_damaged_table_is_made_again(data: Path, model: Path) -> None:
    (kept,) = (model / "out-of-fold").iterdir()
    (kept / artifact.TENSORS).write_bytes(b"")
    assert train_reranker(data, model, domain="chat", processes=1)["decisions"]["changed"] == 0
    assert (kept / artifact.TENSORS).stat().st_size > 1000


def test_matched_scores_stay_where_they_were(data: Path, model: Path) -> None:
    result = train_reranker(data, model, domain="music", match=True, processes=1)
    assert result["trained"]["music"]["matched"]
    assert Reranker.open(model / "rerankers" / "music").matching is not None


def test_contexts_get_weights(tmp_path: Path, model: Path) -> None:
    said = [replace(one, context={"device": "tv" if one.domain == "music" else "phone"}) for one in UTTERANCES]
    file = tmp_path / "contexts.jsonl"
    write(file, said)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text(
        "".join(json.dumps(row | {"context": dict(one.context)}) + "\n" for row, one in zip(rows, said, strict=True))
    )
    train_reranker(file, model, contexts=["device", "room"], processes=1)
    opened = Reranker.open(model / "rerankers" / "music")
    assert opened.features.contexts == (("device", "tv"), ("device", ANOTHER))
    assert opened.meta["contexts"] == ["device", "room"]


def test_the_command(data: Path, model: Path, tmp_path: Path) -> None:
    said = _run(
        *("train", "reranker", "--data", data, "--model", model, "--domain", "music", "--processes", "1"),
        *("--pictures", tmp_path / "pictures"),
    )
    assert said.exit_code == 0, said.output
    assert "| music | 20 |" in said.output
    assert "decisions changed" in said.output
    drawn = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert drawn == ["confusion-after.png", "confusion-before.png", "reliability.png"]
    as_json = _run("train", "reranker", "--data", data, "--model", model, "--processes", "1", "--json")
    assert json.loads(as_json.stdout)["requests"] == len(UTTERANCES)


def test_what_cannot_be_trained_is_said(data: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no reader of 'news'"):
        train_reranker(data, model, domain="news", processes=1)
    with pytest.raises(NotFound, match="no reader in"):
        train_reranker(data, tmp_path, processes=1)
    few = write(tmp_path / "few.jsonl", [one for one in UTTERANCES if one.domain != "chat"])
    with pytest.raises(InvalidInput, match="no request for: chat"):
        train_reranker(few, model, processes=1)
    result = _run("train", "reranker", "--data", few, "--model", model)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


# -- with a store -----------------------------------------------------------------------------------------------------


def test_with_a_store_slots_are_looked_up_and_all_goes_live(data: Path, model: Path, songs: Engine) -> None:
    result = train_reranker(data, model, store=songs.store.folder, processes=1)
    assert sorted(result["live"]) == ["chat", "music", "weather"]
    assert "a slot is a title" in Reranker.open(model / "rerankers" / "music").features.local
    assert "a slot is a title" not in Reranker.open(model / "rerankers" / "weather").features.local
    before = Store.open(songs.store.folder).live_parts("understanding-")
    alone = train_reranker(data, model, store=songs.store.folder, domain="music", processes=1, match=True)
    after = Store.open(songs.store.folder).live_parts("understanding-")
    assert {part for part in after if after[part] != before[part]} == {"understanding-music"}
    assert alone["passed over"] == []
    # Without the store the features are gone: the product stands for the old re-ranker, and it is said so.
    assert train_reranker(data, model, domain="chat", processes=1)["passed over"] == ["chat", "music"]


def test_rerankers_are_measured_with_the_readers(data: Path, model: Path, songs: Engine) -> None:
    train_reranker(data, model, processes=1)
    alone = evaluate_reader(model, data)
    assert alone["re-ranked"]["ECE"] != alone["measures"]["ECE"]
    train_reranker(data, model, store=songs.store.folder, domain="music", live=False, processes=1)
    result = _run("evaluate", "reader", "--model", model, "--data", data)
    assert "The re-rankers of music look into catalogues: pass --store" in result.stderr
    assert "| measure | readers | re-ranked | |" in result.stdout
    there = _run("evaluate", "reader", "--model", model, "--data", data, "--store", songs.store.folder, "--json")
    assert json.loads(there.stdout)["passed over"] == []


def test_corrections_are_learned_from(data: Path, model: Path, songs: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "good morning by abba"
    answer = songs.ask(told)
    other = next(one for one in answer.results if one.domain != answer.hypotheses[0].domain)
    songs.feedback(answer, other, action="play")
    seen: list[Utterance] = []
    trained = recipe._train

    def spy(given: Any, *arguments: Any) -> Any:
        seen.extend(given.utterances[given.labelled :])
        return trained(given, *arguments)

    monkeypatch.setattr(recipe, "_train", spy)
    result = train_reranker(data, model, store=songs.store.folder, live=False, processes=1)
    assert result["corrections"] == {other.domain: 1}
    assert [(one.text, one.domain) for one in seen] == [(told, other.domain)]
    assert result["requests"] == len(UTTERANCES)  # figures are of labelled requests
    assert result["live"] == {}


def _answer(id: str, text: str, first: str, *, domain: str | None = None, time: float = 0.0) -> Event:
    request: dict[str, Any] = {"text": text, "context": {}, "domain": domain}
    return Event(id, "answer", time, {"request": request, "hypotheses": [{"domain": first}]})


def _took(id: str, answer: str, domain: str, action: str = "play", **more: str) -> Event:
    return Event(id, "feedback", 0.0, {"answer": answer, "domain": domain, "item": "1", "action": action, **more})


def test_what_counts_as_a_correction() -> None:
    events = [
        _answer("1", "Mary Poppins", "films", time=1),
        _took("2", "1", "books"),
        _answer("3", "psycho", "films"),  # taken where it was shown first
        _took("4", "3", "films"),
        _answer("5", "emma", "films"),  # skipped only
        _took("6", "5", "books", "skip"),
        _answer("7", "the birds", "films"),  # taken back
        _took("8", "7", "books"),
        _took("9", "7", "books", "undo", undoes="play"),
        _answer("10", "the shining", "films", time=2),  # asked back, and the book chosen
        _answer("11", "the  Shining", "books", domain="books", time=3),
        _took("12", "11", "books"),
        _answer("13", "only asked for", "books", domain="books"),
        _took("14", "13", "books"),
        _answer("15", "in the file", "films"),
        _took("16", "15", "books"),
    ]
    known = known_texts(["In the file"])
    found = corrections(lambda: events, ACTIONS, known=known, size=100)
    assert [(one.text, one.domain) for one in found] == [("the  Shining", "books"), ("Mary Poppins", "books")]
    assert corrections(lambda: events, ACTIONS, known=known, size=4) == found[:1]
    assert (most(4), most(100)) == (1, 25)
