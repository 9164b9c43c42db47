"""Search measured on a tiny judged collection, against the measures by hand."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.recipes.evaluate_search import as_table, evaluate_search
from segue.retrieve.memory import Memory
from segue.retrieve.strategies import family

TITLES = [
    "Mary Poppins",
    "Psycho",
    "The Birds",
    "Love Story",
    "Love Actually",
    "Some Like It Hot",
    "Emma",
    "The Apartment",
]
JUDGED = {"mary poppins": {"0": 1}, "love": {"3": 2, "4": 1, "9": 1}, "xyzzy": {"1": 1}, "nothing": {"2": 0}}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    catalogue, judgements = tmp_path / "films.jsonl", tmp_path / "judged.tsv"
    lines = [json.dumps({"id": str(place), "title": title, "votes": place}) for place, title in enumerate(TITLES)]
    catalogue.write_text("\n".join(lines))
    rows = [
        f"{place}\t{text}\t{item}\t{grade}"
        for place, (text, grades) in enumerate(JUDGED.items())
        for item, grade in grades.items()
    ]
    judgements.write_text("query_id\tquery\tdoc_id\tgrade\n" + "\n".join(rows) + "\n")
    return catalogue, judgements


def measured(files: tuple[Path, Path], encoder: OnnxEncoder, **more: Any) -> dict[str, Any]:
    return evaluate_search(*files, quiet=True, encoder=encoder, **more)


def quality(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {key: value for key, value in row.items() if "ms" not in key} for name, row in rows.items()}


def test_every_row_and_the_numbers_of_one(files: tuple[Path, Path], encoder: OnnxEncoder) -> None:
    result = measured(files, encoder, budget=5)
    assert set(result["rows"]) == {
        *(name for name in family(Memory({})) if name != "memory"),
        *("union", "rrf", "live policy"),
    }
    assert result["catalogue"]["items"] == len(TITLES)
    assert result["judgements"] == {
        "file": "judged.tsv",
        "queries": 3,
        "skipped": 0,
        "documents not in the catalogue": 1,
    }
    title = result["rows"]["title"]
    assert title["recall"] == pytest.approx((1 + 2 / 3 + 0) / 3, abs=1e-4)
    assert title["mrr@10"] == pytest.approx((1 + 1 + 0) / 3, abs=1e-4)
    assert title["judged@10"] == pytest.approx((1 + 1 + 0) / 3, abs=1e-4)
    for row in result["rows"].values():
        assert all(0 <= row[name] <= 1 for name in ("recall", "ndcg@10", "condensed ndcg@10", "mrr@10", "judged@10"))
        assert row["recall"] <= result["rows"]["union"]["recall"] + 1e-9


def test_the_same_seed_measures_the_same(files: tuple[Path, Path], encoder: OnnxEncoder, tmp_path: Path) -> None:
    kept = measured(files, encoder, store=tmp_path / "kept", queries=2, seed=3)
    again = measured(files, encoder, store=tmp_path / "kept", queries=2, seed=3)
    fresh = measured(files, encoder, queries=2, seed=3)
    assert kept["judgements"]["queries"] == 2
    assert quality(kept["rows"]) == quality(again["rows"]) == quality(fresh["rows"])
    with Engine.open(tmp_path / "kept", encoder=encoder, create=False) as engine:
        assert engine.recent_answers() == []  # measuring is no asking


def test_some_strategies(files: tuple[Path, Path], encoder: OnnxEncoder) -> None:
    result = measured(files, encoder, strategies=["title", "dense"], budget=1)
    assert set(result["rows"]) == {"title", "dense", "union", "rrf", "live policy"}
    with pytest.raises(InvalidInput, match=r"no strategy 'magic'.*title"):
        measured(files, encoder, strategies=["title", "magic"])


def test_what_cannot_be_measured(files: tuple[Path, Path], encoder: OnnxEncoder, tmp_path: Path) -> None:
    for budget in (0, 101):
        with pytest.raises(InvalidInput, match="budget"):
            measured(files, encoder, budget=budget)
    with pytest.raises(NotFound):
        measured((tmp_path / "nothing.jsonl", files[1]), encoder)
    with pytest.raises(NotFound):
        measured((files[0], tmp_path / "nothing.tsv"), encoder)


def test_the_table_has_a_line_for_every_row(files: tuple[Path, Path], encoder: OnnxEncoder) -> None:
    result = measured(files, encoder, budget=5)
    lines = as_table(result).splitlines()
    assert "recall@5" in lines[0]
    assert len(lines) == 2 + len(result["rows"])
    columns = {line.count("|") for line in lines}
    assert len(columns) == 1
    assert f"| title | {result['rows']['title']['recall']:.4f} |" in as_table(result)
