"""Labelled files: what is read, and what is refused with file and line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from segue.errors import Corrupt, InvalidInput, NotFound, SegueError
from segue.understand.hypotheses import Interpretation, Slot
from segue.understand.labelled import load

ROW: dict[str, Any] = {
    "text": "wake me at 7",
    "domain": "alarm",
    "intent": "set",
    "slots": [{"name": "time", "start": 11, "end": 12, "value": "7"}],
}


def _file(folder: Path, *lines: str) -> Path:
    file = folder / "requests.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_what_a_file_holds(tmp_path: Path) -> None:
    context = {"turn": 2, "device": None, "acts": ["offer", "inform"]}
    file = _file(
        tmp_path, json.dumps(ROW | {"fold": 3, "context": context}), "", '{"text":"","domain":"a","intent":"b"}'
    )
    found = load(file)
    assert found.folds == [3, None]
    assert found.utterances[0].meaning == Interpretation("set", (Slot("time", 11, 12),))
    assert found.utterances[0].context == {"turn": "2", "acts": "offer inform"}
    assert found.utterances[1].text == ""


def test_gzip_is_read(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(ROW).encode()))
    assert load(file).utterances[0].domain == "alarm"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(Corrupt, match="gzip"):
        load(file)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "[1]"),
        ('{"domain": "a", "intent": "b"}', "no 'text'"),
        ('{"text": "a", "domain": 3, "intent": "b"}', "the domain 3"),
        ('{"text": "a", "domain": "d", "intent": " "}', "the intent"),
        ('{"text": "\\ud800", "domain": "d", "intent": "i"}', "surrogate"),
        (json.dumps(ROW | {"slots": {"time": 3}}), "the slots"),
        (json.dumps(ROW | {"slots": [{"name": "time", "start": 0}]}), "the slot"),
        (json.dumps(ROW | {"slots": [{"name": "time", "start": 11, "end": 40}]}), "outside of its text of 12"),
        (json.dumps(ROW | {"slots": [{"name": "time", "start": 3, "end": 3}]}), "outside"),
        (json.dumps(ROW | {"slots": [{"name": "time", "start": 11, "end": 12, "value": "8"}]}), "'8'"),
        (json.dumps(ROW | {"slots": [{"name": n, "start": 5, "end": 9} for n in "ab"]}), "overlap"),
        (json.dumps(ROW | {"context": "home"}), "the context"),
        (json.dumps(ROW | {"fold": "1"}), "the fold"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: str, words: str) -> None:
    file = _file(tmp_path, json.dumps(ROW), bad)
    with pytest.raises(InvalidInput) as caught:
        load(file)
    message = str(caught.value)
    assert f"Line 2 of {file}" in message
    assert words in message
    assert "Expected:" in message
    assert len(message) < 1500


def test_no_file_and_no_row(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load(tmp_path / "none.jsonl")
    with pytest.raises(SegueError, match="no labelled request"):
        load(_file(tmp_path, "", " "))
