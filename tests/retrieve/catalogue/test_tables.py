"""Every format gives the same rows; a row that cannot be read costs itself alone."""

import csv
import gzip
import io
import os
from pathlib import Path
from typing import Any

import orjson
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import InvalidInput
from segue.retrieve.catalogue import tables
from segue.retrieve.catalogue.tables import Row, fingerprint, format_of, from_mappings, rows

FILMS = [
    {"id": "1", "title": "Amélie", "plot": 'She says "hello",\nthen goes.'},
    {"id": "2", "title": "千と千尋の神隠し", "plot": ""},
    {"id": "3", "title": "Tab\there; and | there", "plot": " spaces "},
]


def separated(values: list[dict[str, str]], delimiter: str = ",", newline: str = "\n") -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(values[0]), delimiter=delimiter, lineterminator=newline)
    writer.writeheader()
    writer.writerows(values)
    return stream.getvalue().encode()


def as_parquet(values: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(values), stream)
    return stream.getvalue()


LINES = b"\n".join(map(orjson.dumps, FILMS))
FORMATS: list[tuple[str, str, bytes]] = [
    ("csv", "films.csv", separated(FILMS)),
    ("csv with semicolons", "films.csv", separated(FILMS, ";")),
    ("csv with bars", "films.csv", separated(FILMS, "|")),
    ("csv with tabs", "films.csv", separated(FILMS, "\t")),
    ("csv of Windows", "films.csv", separated(FILMS, newline="\r\n")),
    ("csv of an old Macintosh", "films.csv", separated(FILMS, newline="\r")),
    ("csv with a byte order mark", "films.csv", b"\xef\xbb\xbf" + separated(FILMS)),
    ("csv in capitals", "FILMS.CSV", separated(FILMS)),
    ("csv, gzipped", "films.csv.gz", gzip.compress(separated(FILMS))),
    ("tsv", "films.tsv", separated(FILMS, "\t")),
    ("json lines", "films.jsonl", LINES),
    ("json lines with a byte order mark", "films.jsonl", b"\xef\xbb\xbf" + LINES),
    ("json lines of Windows", "films.ndjson", LINES.replace(b"\n", b"\r\n")),
    ("json lines with empty lines", "films.jsonl", LINES + b"\n\n  \n"),
    ("json lines, gzipped", "films.jsonl.gz", gzip.compress(LINES)),
    ("json", "films.json", orjson.dumps(FILMS)),
    ("json with a byte order mark", "films.json", b"\xef\xbb\xbf" + orjson.dumps(FILMS)),
    ("parquet", "films.parquet", as_parquet(FILMS)),
]


@pytest.mark.parametrize(("name", "content"), [case[1:] for case in FORMATS], ids=[case[0] for case in FORMATS])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert [row.values for row in rows(tmp_path / name)] == FILMS


@pytest.mark.parametrize(
    "encoding", ["utf-8", "UTF8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"]
)
@pytest.mark.parametrize("name", ["films.csv", "films.tsv", "films.jsonl", "films.json", "films.csv.gz"])
def test_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    values = [{"id": "1", "title": "Amélie"}, {"id": "2", "title": "Café"}]
    if "json" in name:
        text = "\n".join(orjson.dumps(value).decode() for value in values)
        text = f"[{text.replace(chr(10), ',')}]" if name.endswith(".json") else text
    else:
        text = separated(values, "\t" if "tsv" in name else ",").decode()
    content = text.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert [row.values for row in rows(tmp_path / name, encoding=encoding)] == values


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=20)


@given(st.lists(st.fixed_dictionaries({"id": cell, "title": cell, "plot": cell}), min_size=1, max_size=5))
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, str]]
) -> None:
    file = tmp_path_factory.mktemp("rows") / "films.csv"
    file.write_bytes(separated(values))
    assert [row.values for row in rows(file)] == values


def read(tmp_path: Path, content: bytes, name: str = "films.csv") -> list[tuple[int, str]]:
    """(line, id) of good rows and (line, reason) of bad ones."""
    (tmp_path / name).write_bytes(content)
    return [(row.line, row.values["id"] if row.values else row.reason) for row in rows(tmp_path / name)]


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    content = b'id,title\n1,a\n\n2,"b\nc"\n3,d,e\n4,f\n'
    assert read(tmp_path, content) == [(2, "1"), (4, "2"), (6, "has 3 columns where the header names 2"), (7, "4")]


def test_an_unclosed_quote_costs_one_row(tmp_path: Path) -> None:
    rest = b"".join(b"%d,title %d\n" % (number, number) for number in range(3, 60))
    found = read(tmp_path, b'id,title\n1,a\n2,"b\n' + rest + b'60,"c"\n')
    assert found[:2] == [(2, "1"), (3, "opens a quote that is not closed")]
    assert [id for _, id in found[2:]] == [str(number) for number in range(3, 61)]
    assert [line for line, _ in found] == list(range(2, 62))


def test_a_quote_closed_in_a_later_row_costs_one_row(tmp_path: Path) -> None:
    found = read(tmp_path, b'id,title,plot\n1,a,b\n2,"b,c\n3,d,e\n4,f,"\n5,g,h\n')
    assert found[0] == (2, "1")
    assert found[1][0] == 3
    assert [pair for pair in found if pair[1] in ("3", "5")] == [(4, "3"), (6, "5")]


def test_many_unclosed_quotes_take_no_longer_than_few(tmp_path: Path) -> None:
    content = b"id,title\n" + b'1,"a\n2,b\n' * 5_000
    found = read(tmp_path, content)
    assert sum(id == "2" for _, id in found) == 5_000


def test_a_header_over_two_lines(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_bytes(b'id,"title\nof film"\n1,a\n')
    assert list(rows(tmp_path / "films.csv")) == [Row(3, {"id": "1", "title\nof film": "a"})]


def test_the_row_numbers_of_pandas(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_bytes(b",title\n0,a\n1,b\n")
    assert [row.values for row in rows(tmp_path / "films.csv")] == [{"": "0", "title": "a"}, {"": "1", "title": "b"}]


def test_a_json_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST_ROW", 100)
    content = b'{"id": "1"}\n{"id": "' + b"x" * 950 + b'"}\n{"id": "3"}\n{"id": "' + b"x" * 300
    assert read(tmp_path, content, "films.jsonl") == [
        (1, "1"),
        (2, "is longer than 100 bytes"),
        (3, "3"),
        (4, "is longer than 100 bytes"),
    ]


def test_a_cell_of_parquet_that_python_cannot_hold(tmp_path: Path) -> None:
    """A year beyond 9999 costs its own row."""
    days = arrow.array([0, 10_000_000, 1], arrow.date32())
    parquet.write_table(arrow.table({"id": ["1", "2", "3"], "day": days}), tmp_path / "films.parquet")
    found = [(row.line, row.values["id"] if row.values else row.reason) for row in rows(tmp_path / "films.parquet")]
    assert [found[0], found[2]] == [(1, "1"), (3, "3")]
    assert found[1][1].startswith("cannot be read")


def test_rows_in_memory_become_plain_values() -> None:
    np = pytest.importorskip("numpy")
    value = {"a": np.int64(1), "b": np.array(["x", "y"]), "c": ("x",), "d": {"y", "x"}, "e": None, "f": np.float32(0.5)}
    (row,) = from_mappings([value])
    assert row == Row(1, {"a": 1, "b": ["x", "y"], "c": ["x"], "d": ["x", "y"], "e": None, "f": 0.5})
    assert type(row.values["a"]) is int  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"),
        ("a.b.TSV", "tsv"),
        ("a.tab.gz", "tsv"),
        ("a.ndjson", "json lines"),
        ("a.json.gz", "json"),
        ("a.pq", "parquet"),
    ],
)
def test_the_name_tells_the_format(name: str, kind: str) -> None:
    assert format_of(Path(name)) == kind


def test_fingerprint_tells_versions_apart(tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    file.write_bytes(separated(FILMS))
    first = fingerprint(file)
    assert fingerprint(file) == first
    time = file.stat().st_mtime_ns
    file.write_bytes(separated(FILMS).replace(b"hello", b"HELLO"))
    os.utime(file, ns=(time, time))
    assert fingerprint(file) != first


def test_an_abandoned_file_is_closed(tmp_path: Path) -> None:
    for name, content in (
        ("films.csv", separated(FILMS)),
        ("films.jsonl", LINES),
        ("films.parquet", as_parquet(FILMS)),
    ):
        (tmp_path / name).write_bytes(content)
        stream = rows(tmp_path / name)
        next(stream)
        del stream  # a ResourceWarning is an error here


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    stream = rows(tmp_path / "films.docx")
    with pytest.raises(InvalidInput, match=r"no known format.*\.csv"):
        next(stream)
