"""Long documents, on a few that are made up here."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import SMOKE
from benchmarks.long_texts import TABLE, abstracts, meetings, squad, texts_to_learn_from
from benchmarks.quality import long_documents
from segue.encode.pretrained import TorchEncoder
from tests.benchmarks.test_readers import ran

WORDS = "amber birch cedar delta ember flint grove heath iris jade kelp larch moss north opal pearl river slate oak reed".split()


def _words(count: int, seed: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count).tolist())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("xquad_en", "wikitext2_valid_test", "qmsum", "pubmedqa"):
        (folder / name).mkdir(parents=True)
    paragraphs = [
        {"context": f"The {word} was found in {year}.", "qas": [{"question": f"When was the {word} found?"}]}
        for word, year in (("comet", 1910), ("island", 1642))
    ]
    paragraphs.append({"context": _words(600, 0), "qas": [{"question": "What is too long?"}]})
    (folder / "xquad_en" / "xquad.en.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    for part in ("valid", "test"):
        articles = [f" = {word} = \n = = part = = \n {_words(900, number)} \n" for number, word in enumerate(WORDS[:4])]
        (folder / "wikitext2_valid_test" / f"{part}.txt").write_text("".join(articles))
    papers = {str(number): {"QUESTION": f"Is it {number}?", "CONTEXTS": [_words(300, number)]} for number in range(9)}
    (folder / "pubmedqa" / "ori_pqal.json").write_text(json.dumps(papers))
    (folder / "pubmedqa" / "test_ground_truth.json").write_text(json.dumps({"3": "yes", "5": "no"}))
    turns = [{"speaker": "A", "content": _words(100, turn)} for turn in range(20)]
    queries = [
        {"query": "late", "relevant_text_span": [["10", "12"]]},
        {"query": "too early", "relevant_text_span": [["1", "2"]]},
    ]
    line = json.dumps({"meeting_transcripts": turns, "specific_query_list": queries})
    for part in ("train", "test"):
        (folder / "qmsum" / f"Academic_{part}.jsonl").write_text(line + "\n")
    return folder


def test_both_orders_hold_the_same_and_the_evidence_is_beyond(data: Path, reference: TorchEncoder) -> None:
    asked = squad(reference, data, seed=0)
    assert asked.questions == ["When was the comet found?", "When was the island found?"]
    assert asked.answers.tolist() == [0, 1]
    for body, first, last in zip(
        reference.tokenizer.whole(["The comet was found in 1910.", "The island was found in 1642."]),
        asked.first,
        asked.last,
        strict=True,
    ):
        assert sorted(first) == sorted(last)
        assert 640 <= len(first) < 1021
        assert first[1 : 1 + len(body)] == last[-1 - len(body) : -1] == body
        assert len(last) - 1 - len(body) >= TABLE
    assert squad(reference, data, seed=1).first != asked.first
    assert abstracts(reference, data, seed=0).questions == ["Is it 3?", "Is it 5?"]
    (spoken,) = meetings(reference, data, "test").first
    assert len(spoken) == 1002
    assert len(texts_to_learn_from(data)) == 5


def test_a_small_run(data: Path, tmp_path: Path) -> None:
    options = [
        "--data",
        data,
        "--work",
        tmp_path / "work",
        "--out",
        tmp_path / "results",
        *SMOKE[long_documents.__name__],
    ]
    assert "| squad | FLOATER |" in ran(long_documents.__name__, *options)
    result = json.loads((tmp_path / "results" / "long_documents.json").read_text())
    rows = result["collections"]["squad"]
    assert list(rows) == ["cut at 512", "FLOATER", "best chunk of 256"]
    assert rows["cut at 512"]["first"]["accuracy"]["value"] >= 0.5
