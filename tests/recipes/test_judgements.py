"""Judged queries from a file."""

import csv
import gzip
from pathlib import Path

import pytest

from segue.errors import Corrupt, InvalidInput, NotFound, SegueError
from segue.recipes.judgements import Judged, load

GOOD = 'query_id\tquery\tdoc_id\tgrade\n1\tlove\tf4\t2\n1\tlove\tf5\t0\n2\tmary "poppins"\tf1\t1.5\n1\tlove\tf6\t1\n'
EXPECTED = [Judged("1", "love", {"f4": 2.0, "f5": 0.0, "f6": 1.0}), Judged("2", 'mary "poppins"', {"f1": 1.5})]


def written(folder: Path, text: str | bytes, name: str = "judged.tsv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_queries_in_their_order(tmp_path: Path) -> None:
    assert load(written(tmp_path, GOOD)) == EXPECTED
    assert load(written(tmp_path, GOOD.replace("\n", "\r\n"))) == EXPECTED
    assert load(written(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())) == EXPECTED
    assert load(written(tmp_path, gzip.compress(GOOD.encode()), "judged.tsv.gz")) == EXPECTED


def test_columns_may_stand_in_any_order_with_others_between(tmp_path: Path) -> None:
    text = "grade\tnote\tdoc_id\tquery\tquery_id\n2\thm\tf4\tlove\t1\n"
    assert load(written(tmp_path, text)) == [Judged("1", "love", {"f4": 2.0})]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column 'query_id'"),
        ("query_id\tquery\tdoc\tgrade\n", "no column 'doc_id'"),
        ("query_id,query,doc_id,grade\n1,love,f4,1\n", "no column 'query_id'"),
        (GOOD + "3\tlove\tf4\tgood\n", "Line 6 .* grade 'good'"),
        (GOOD + "3\tlove\tf4\t-1\n", "Line 6 .* grade '-1'"),
        (GOOD + "3\tlove\tf4\tnan\n", "Line 6 .* grade 'nan'"),
        (GOOD + "3\tlove\tf4\tinf\n", "Line 6 .* grade 'inf'"),
        (GOOD + "3\tlove\tf4\t\n", "Line 6 .* grade ''"),
        (GOOD + "3\tlove\n", "Line 6 .* grade None"),
        ("query_id\tquery\tdoc_id\tgrade\n1\tlove\tf4\t0\n", "No document .* is relevant"),
        ("query_id\tquery\tdoc_id\tgrade\n", "No document .* is relevant"),
        (GOOD.encode() + b"3\t\xff\tf4\t1\n", "not UTF-8"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        load(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        load(tmp_path / "nothing.tsv")
    with pytest.raises(NotFound, match="no file"):
        load(tmp_path)
    with pytest.raises(Corrupt, match="broken gzip"):
        load(written(tmp_path, GOOD, "plain.tsv.gz"))
    with pytest.raises(Corrupt, match="broken gzip"):
        load(written(tmp_path, gzip.compress(GOOD.encode())[:-20], "cut.tsv.gz"))


def test_a_field_of_any_length_is_read_or_refused(tmp_path: Path) -> None:
    before = csv.field_size_limit(131_072)  # Python's own limit, which reading a catalogue raises for the whole process
    text = f"query_id\tquery\tdoc_id\tgrade\n1\t{'long ' * 40_000}\tf4\t1\n"
    try:
        (query,) = load(written(tmp_path, text))
    except SegueError:
        return
    finally:
        csv.field_size_limit(before)
    assert len(query.text) == 200_000
