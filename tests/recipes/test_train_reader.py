"""Readers from the command line: trained, replaced one alone, measured."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from segue.cli import main
from segue.errors import InvalidInput
from segue.recipes.evaluate_reader import evaluate_reader
from segue.recipes.train_reader import train_reader
from segue.understand.hypotheses import Interpretation, Slot, Utterance
from segue.understand.readers import Readers
from tests.spoken import UTTERANCES, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "requests.jsonl")


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_train_then_evaluate(data: Path, tmp_path: Path) -> None:
    trained = _run("train", "reader", "--data", data, "--out", tmp_path / "readers", "--processes", "1")
    assert trained.exit_code == 0, trained.output
    assert "weather: 16 requests, 1 intents, 2 kinds of slots" in trained.output
    measured = _run("evaluate", "reader", "--model", tmp_path / "readers", "--data", data, "--json")
    assert measured.exit_code == 0, measured.output
    result: dict[str, Any] = json.loads(measured.stdout)
    assert result["measures"]["domain accuracy"] > 0.98
    assert result["measures"]["ECE floor"] > 0
    assert result["re-ranked"] is None
    assert 0 < result["milliseconds"]["p50"] <= result["milliseconds"]["p99"]
    table = _run("evaluate", "reader", "--model", tmp_path / "readers", "--data", data)
    assert "| SemER |" in table.output


def test_one_domain_alone_leaves_the_others_byte_for_byte(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "readers"
    first = train_reader(data, out, processes=1)
    before, read = _files(out), Readers.open(out).read(["play help"])
    more = [*UTTERANCES, Utterance("skip this song", "music", Interpretation("skip"))]
    again = train_reader(write(tmp_path / "more.jsonl", more), out, domain="music", processes=1)
    after, reread = _files(out), Readers.open(out).read(["play help"])
    assert list(again["domains"]) == ["music"]
    assert again["domains"]["music"]["hash"] != first["domains"]["music"]["hash"]
    changed = {name.split("/")[0] for name in before if before[name] != after[name]}
    assert changed == {"music"}
    assert sorted(path.name for path in out.iterdir()) == ["chat", "music", "weather"]
    manifest = json.loads((out / "music" / "manifest.json").read_text())
    assert manifest["parent"] == first["domains"]["music"]["hash"]
    for one, other in zip(read, reread, strict=True):
        assert (one.logs.tobytes() == other.logs.tobytes()) == (one.domain != "music")


def test_processes_change_nothing(data: Path, tmp_path: Path) -> None:
    one, two = (train_reader(data, tmp_path / str(count), processes=count)["domains"] for count in (1, 2))
    assert [found["hash"] for found in one.values()] == [found["hash"] for found in two.values()]


def test_beside_the_encoder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "readers"
    train_reader(data, out, encoder=True, processes=1)
    assert sorted(path.name for path in out.iterdir()) == ["chat", "encoder", "music", "weather"]
    assert Readers.open(out).readers[0].encoder
    assert evaluate_reader(out, data)["measures"]["domain accuracy"] > 0.98


def test_labels_that_were_never_seen_are_listed_and_are_errors(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "readers"
    train_reader(data, out, processes=1)
    new = [
        Utterance("what is the news", "news", Interpretation("headlines")),
        Utterance("skip help", "music", Interpretation("skip", (Slot("title", 5, 9),))),
    ]
    result = _run("evaluate", "reader", "--model", out, "--data", write(tmp_path / "new.jsonl", new))
    assert result.exit_code == 0
    for line in ("1 domains of the data", "news", "music: skip", "music: title"):
        assert line in result.stderr
    assert evaluate_reader(out, tmp_path / "new.jsonl")["measures"]["intent F1"] == 0


def test_what_cannot_be_used_is_said_in_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no utterance of the domain 'news'"):
        train_reader(data, tmp_path / "readers", domain="news")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a"}\n')
    for arguments in (
        ("train", "reader", "--data", bad, "--out", tmp_path / "none"),
        ("train", "reader", "--data", tmp_path / "missing.jsonl", "--out", tmp_path / "none"),
        ("evaluate", "reader", "--model", tmp_path / "none", "--data", data),
    ):
        result = _run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("segue: ")
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()
