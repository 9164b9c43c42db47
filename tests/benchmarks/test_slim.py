"""What the benchmark of query towers measures with, and how its queries are split."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.films import PARTS, films, longest_title, part_of, queries_for, words
from benchmarks.quality.slim import Arm, estimate, ndcg, padded
from segue.rank import measures


def test_ndcg_is_that_of_the_measures() -> None:
    random = np.random.default_rng(0)
    queries, gallery = (random.standard_normal((n, 4)).astype(np.float32) for n in (30, 50))
    grades = [
        {int(film): float(random.integers(3)) for film in random.permutation(50)[:12]} | {7: 1.0} for _ in range(30)
    ]
    found = ndcg(queries, gallery, grades)
    for query, graded, value in zip(queries, grades, found, strict=True):
        ranked = [str(film) for film in np.argsort(-(gallery @ query), kind="stable")]
        assert value == pytest.approx(measures.ndcg(ranked, {str(film): grade for film, grade in graded.items()}, 10))


def test_no_title_is_asked_for_in_two_parts(tmp_path: Path) -> None:
    rows = [
        {"id": f"{n}", "title": f"The {name} {n}", "overview": "A story."} for n, name in enumerate("abcdefghij" * 3)
    ]
    for row in rows:
        row["title"] = f"The {row['title'].split()[1]}ird tale {row['id']}"
    with gzip.open(tmp_path / "movies-corpus.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    with gzip.open(tmp_path / "movies-judgments.tsv.gz", "wt") as stream:
        stream.write("query_id\tquery\tdoc_id\tgrade\n")
        stream.writelines(f"q{row['id']}\twatch {row['title']}\t{row['id']}\t1\n" for row in rows)
    read = films(tmp_path)
    asked = {name: {query.split()[2] for query in part.queries} for name, part in read.parts.items()}
    assert sum(len(part.queries) for part in read.parts.values()) == len(rows)
    names = list(PARTS)
    assert not any(asked[one] & asked[other] for one in names for other in names if one != other)
    for part in read.parts.values():
        for query, grades in zip(part.queries, part.grades, strict=True):
            assert [read.texts[film].split(". ")[0] for film in grades] == [query.removeprefix("watch ")]


def test_a_query_goes_with_the_longest_title_in_it() -> None:
    titles = {words("Up"), words("Toy Story"), words("Toy Story 3")}
    assert longest_title(words("watch toy story 3 up"), titles) == ("toy", "story", "3")
    assert longest_title(words("nothing here"), titles) == ()
    assert part_of(words("Toy Story 3")) == part_of(words("The Toy Story"))


def test_queries_are_made_of_the_catalogue_alone() -> None:
    row = {
        "title": "Smile",
        "year": 2022,
        "actors": ["Kyle Gallner"],
        "characters": ["Joel / Him"],
        "overview": "One. Two.",
    }
    assert queries_for(row) == ["smile", "smile 2022 movie", "kyle gallner smile", "joel smile", "One."]


def test_an_estimate_is_paired() -> None:
    values = np.random.default_rng(0).random((3, 400))
    arm = Arm(values, values - 0.1)
    assert arm.own is not None
    less = estimate(arm.big, less=arm.own)
    assert less["value"] == pytest.approx(0.1)
    assert less["interval"] == pytest.approx([0.1, 0.1])
    assert estimate(0.5 * values, of=values) == {"value": 0.5, "interval": [0.5, 0.5]}


def test_a_batch_is_padded_and_cut() -> None:
    ids, mask = padded([[1, 2, 3], [4]], longest=2)
    assert ids.tolist() == [[1, 2], [4, 0]]
    assert mask.tolist() == [[1, 1], [1, 0]]
