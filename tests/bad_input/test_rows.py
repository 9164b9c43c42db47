"""Rows that cannot be used among good ones: each is kept out with its line and a reason, the good ones are indexed."""

import io
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from segue.engine import Engine
from segue.errors import InvalidInput

from .clear import assert_clear, refused

GOOD = [
    {"id": f"g{i}", "title": f"Good film {i}", "kind": "film", "text": "A long story. " * 9, "popularity": i}
    for i in range(30)
]
"""Enough that a bad one changes no column's role."""


def csv(*bad: bytes, separator: bytes = b",", last: bytes = b"") -> bytes:
    """The good rows on lines 2 to 31 with `bad` ones after line 3."""
    lines = [separator.join(str(value).encode() for value in row.values()) for row in GOOD]
    header = separator.join(name.encode() for name in GOOD[0])
    return b"\n".join([header, *lines[:2], *bad, *lines[2:]]) + b"\n" + last


def json_lines(*bad: bytes, last: bytes = b"") -> bytes:
    """The good rows with `bad` lines after line 2."""
    lines = [orjson.dumps(row) for row in GOOD]
    return b"\n".join([*lines[:2], *bad, *lines[2:]]) + b"\n" + last


def line(**changes: Any) -> bytes:
    return orjson.dumps({"id": "bad", "title": "Bad film", "kind": "film", "popularity": 1} | changes)


def as_parquet(column: str, value: Any, kind: arrow.DataType) -> bytes:
    """The good rows with a third one whose `column` holds `value`."""
    rows = [
        *GOOD[:2],
        GOOD[0] | {"id": "bad", column: value},
        *GOOD[2:],
    ]
    arrays = {name: [row[name] for row in rows] for name in GOOD[0]}
    table = arrow.table(
        {name: arrow.array(values, kind if name == column else None) for name, values in arrays.items()}
    )
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def not_utf8() -> bytes:
    """A Parquet file whose second title has a byte that no UTF-8 text has."""
    offsets = arrow.py_buffer(struct.pack("<4i", 0, 3, 6, 9))
    titles = arrow.StringArray.from_buffers(3, offsets, arrow.py_buffer(b"abc\xff\xfedxyz"))
    stream = io.BytesIO()
    parquet.write_table(arrow.table({"id": ["g0", "bad", "g1"], "title": titles}), stream)
    return stream.getvalue()


@dataclass(frozen=True)
class Bad:
    """A file, the lines that must be kept out with words of the reason, and how many good rows must be found."""

    case: str
    name: str
    content: bytes
    rejected: Mapping[int, tuple[str, ...]]
    good: int = 30
    encoding: str = "utf-8"
    holds: tuple[str, ...] = field(default=("g0", "g1", "g2", "g29"))


def in_csv(case: str, *bad: bytes, words: tuple[str, ...]) -> Bad:
    return Bad(f"csv with {case}", "films.csv", csv(*bad), {4 + i: words for i in range(len(bad))})


def in_lines(case: str, bad: bytes, *words: str) -> Bad:
    return Bad(f"jsonl with {case}", "films.jsonl", json_lines(bad), {3: words})


def in_parquet(case: str, column: str, value: Any, kind: arrow.DataType, *words: str) -> Bad:
    return Bad(f"parquet with {case}", "films.parquet", as_parquet(column, value, kind), {3: words})


ROWS = [
    in_csv("too few columns", b"bad,Bad film", words=("2 columns", "header names 5")),
    in_csv("too many columns", b"bad,Bad film,film,text,1,2,3", words=("7 columns", "header names 5")),
    in_csv("an unclosed quote", b'bad,"Bad film,film,text,1', words=("quote", "not closed")),
    in_csv("text behind a closed quote", b'bad,"Bad" film,film,text,1', words=("broken CSV",)),
    in_csv("an unclosed quote in two rows", b'bad,"Bad film,film,text,1', b'worse,"Bad,film,text,1',
        words=("not closed",)),
    in_csv("a byte of latin-1", b"bad,Caf\xe9,film,text,1", words=("not utf-8", "0xe9", "'title'", "latin-1")),
    in_csv("an id in latin-1", b"b\xe4d,Bad,film,text,1", words=("not utf-8", "0xe4", "'id'")),
    in_csv("NUL in an id", b"b\0d,Bad film,film,text,1", words=("id", "printed")),
    in_csv("a line break in an id", b'"b\nd",Bad film,film,text,1', words=("id", "printed")),
    in_csv("no id", b",Bad film,film,text,1", words=("no id", "'id'")),
    in_csv("an id of spaces", b"   ,Bad film,film,text,1", words=("no id", "'id'")),
    in_csv("an id of 201 letters", b"b" * 201 + b",Bad film,film,text,1", words=("201", "200")),
    in_csv("an id that turns the writing around", "b\u202ed,Bad film,film,text,1".encode(), words=("printed",)),
    in_csv("no title", b"bad,,film,text,1", words=("no title", "'title'")),
    in_csv("a title of NUL alone", b"bad,\0,film,text,1", words=("no title", "'title'")),
    in_csv("a title of 2,001 letters", b"bad," + b"t" * 2001 + b",film,text,1", words=("2,001", "2,000")),
    in_csv("a text of 3 MB", b"bad,Bad film,film," + b"t" * 3_000_000 + b",1",
        words=("3,000,000", "1,000,000", "'text'")),
    in_csv("a cell of 5 MB", b"bad,Bad film,film," + b"t" * 5_000_000 + b",1", words=("broken CSV", "limit")),
    in_csv("popularity NaN", b"bad,Bad film,film,text,NaN", words=("popularity", "'NaN'", "number from 0")),
    in_csv("popularity infinite", b"bad,Bad film,film,text,inf", words=("popularity", "'inf'")),
    in_csv("popularity below zero", b"bad,Bad film,film,text,-5", words=("popularity", "'-5'")),
    in_csv("popularity in words", b"bad,Bad film,film,text,many", words=("popularity", "'many'")),
    in_csv("popularity beyond every number", b"bad,Bad film,film,text,1e999", words=("popularity", "'1e999'")),
    in_csv("popularity beyond what can be kept", b"bad,Bad film,film,text,1e39",
        words=("popularity", "'1e39'", "1e+30")),
    in_csv("popularity with a comma", b'bad,Bad film,film,text,"1,234"', words=("popularity", "'1,234'")),
    in_csv("an id twice", b"g0,Again,film,text,1", words=("'g0'", "again", "line 2")),
    in_csv("an id four times", *[b"g1,Again,film,text,1"] * 3, words=("'g1'", "again", "line 3")),
    in_csv("the same row twice", csv().splitlines()[1], words=("'g0'", "again", "line 2")),
    in_csv("the header again", csv().splitlines()[0], words=("popularity", "'popularity'")),
    Bad("csv whose last row opens a quote", "films.csv", csv(last=b'bad,"Bad film'),
        {32: ("broken CSV", "end of data")}),
    Bad("csv whose last row is cut off", "films.csv", csv(last=b"bad,Bad fi"), {32: ("2 columns", "5")}),
    Bad("tsv with a space for a tab", "films.tsv", csv(b"bad\tBad film film\ttext\t1", separator=b"\t"),
        {4: ("4 columns",)}),
    Bad("csv with semicolons and one comma row", "films.csv", csv(b"bad,Bad,film,text,1", separator=b";"),
        {4: ("1 columns",)}),
    in_lines("a broken line", b'{"id": "bad", "title": ', "not JSON"),
    in_lines("an array", b'["bad", "Bad film"]', "array", "object"),
    in_lines("a string", b'"bad"', "string", "object"),
    in_lines("a number", b"7", "number", "object"),
    in_lines("null", b"null", "null", "object"),
    in_lines("an empty object", b"{}", "empty object"),
    in_lines("a comma too many", b'{"id": "bad", "title": "Bad",}', "not JSON"),
    in_lines("two objects", line() + line(), "not JSON"),
    in_lines("single quotes", b"{'id': 'bad'}", "not JSON"),
    in_lines("NaN", b'{"id": "bad", "title": "Bad", "popularity": NaN}', "NaN", "null"),
    in_lines("Infinity", b'{"id": "bad", "title": "Bad", "popularity": Infinity}', "Infinity", "null"),
    in_lines("half of a character", b'{"id": "bad", "title": "\\ud83d"}', "not JSON", "surrogate"),
    in_lines("a byte of latin-1", b'{"id": "bad", "title": "Caf\xe9"}', "not JSON"),
    in_lines("NUL bytes", b"\0" * 64, "not JSON"),
    in_lines("2,000 arrays in each other", b'{"id": "bad", "title": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        "not JSON", "depth"),
    in_lines("a title 900 arrays deep", b'{"id": "bad", "title": ' + b"[" * 900 + b"]" * 900 + b"}", "no title"),
    in_lines("a text 900 arrays deep", line(text=0)[:-2] + b"[" * 900 + b"]" * 900 + b"}", "text", "expected"),
    in_lines("a line of 5 MB", line(text="t" * 5_000_000), "4,000,000 bytes"),
    in_lines("no id", b'{"title": "Bad film"}', "no id", "'id'"),
    in_lines("an id that is null", line(id=None), "no id", "None"),
    in_lines("an id that is true", line(id=True), "no id", "True"),
    in_lines("an id that is an object", line(id={"$oid": "5f"}), "no id", "$oid"),
    in_lines("an id that is a list", line(id=["bad"]), "no id", "['bad']"),
    in_lines("an id of 300 digits", line(id=1e299), "id", "200"),
    in_lines("a title that is a list", line(title=["Bad", "film"]), "no title", "Bad"),
    in_lines("a title in several languages", line(title={"en": "Bad film"}), "no title", "en"),
    in_lines("a text that is an object", line(text={"en": "story"}), "text", "'text'", "en"),
    in_lines("a text of objects", line(text=[{"p": "story"}]), "'text'", "expected"),
    in_lines("a category that is an object", line(kind={"name": "film"}), "category", "'kind'"),
    in_lines("categories that are objects", line(kind=[{"id": 1, "name": "film"}]), "category", "'kind'", "expected"),
    in_lines("popularity true", line(popularity=True), "popularity", "True"),
    in_lines("popularity in a list", line(popularity=[5]), "popularity", "[5]"),
    Bad(
        "jsonl with an id as text and as number",
        "films.jsonl",
        json_lines(line(id="g30"), b'{"id": 7, "title": "x"}', b'{"id": "7", "title": "x"}'),
        {5: ("'7'", "again", "line 4")},
        32,
    ),
    Bad("jsonl whose last line is cut off", "films.jsonl", json_lines(last=b'{"id": "bad", "ti'),
        {31: ("not JSON",)}),
    Bad("json with a number among the objects", "films.json",
        b"[" + b",".join([*json_lines().splitlines(), b"7"]) + b"]", {31: ("number",)}),
    Bad("jsonl read as UTF-16 with a lone half", "films.jsonl",
        (json_lines().decode() + '{"id": "\\udc00", "title": "x"}').encode("utf-16"), {31: ("not JSON",)},
        encoding="utf-16"),
    in_parquet("popularity NaN", "popularity", math.nan, arrow.float64(), "popularity", "nan"),
    in_parquet("popularity infinite", "popularity", math.inf, arrow.float64(), "popularity", "inf"),
    in_parquet("a title that is null", "title", None, arrow.string(), "no title", "None"),
    in_parquet("an id that is null", "id", None, arrow.string(), "no id", "None"),
    Bad("parquet with a title that is not UTF-8", "films.parquet", not_utf8(),
        {2: ("cannot be read", "utf-8")}, 2, holds=("g0", "g1")),
]  # fmt: skip


@pytest.mark.parametrize("bad", ROWS, ids=lambda bad: bad.case)
def test_row_is_kept_out(shop: Engine, tmp_path: Path, bad: Bad) -> None:
    file = tmp_path / bad.name
    file.write_bytes(bad.content)
    report = shop.index(file, domain="incoming", encoding=bad.encoding)
    assert [number for number, _ in report.rejected_rows] == list(bad.rejected), report.rejected_rows
    for (_, reason), words in zip(report.rejected_rows, bad.rejected.values(), strict=True):
        assert_clear(reason + ".", *words)
    snapshot = shop.domains.get("incoming").snapshot
    assert report.rejected == len(bad.rejected)
    assert set(snapshot.numbers_of(bad.holds)) == set(bad.holds)
    assert not snapshot.numbers_of(["bad"])
    assert len(snapshot) == bad.good
    found = shop.ask("good film", domain="incoming")
    assert all(math.isfinite(result.score) for result in found.results)


MEMORY: list[tuple[str, Any, tuple[str, ...]]] = [
    ("row that is a string", "bad", ("str", "mapping")),
    ("row that is None", None, ("NoneType", "mapping")),
    ("row that is a tuple", ("bad", "Bad film"), ("tuple", "mapping")),
    ("row without a column", {}, ("empty",)),
    ("column whose name is a number", {"id": "bad", "title": "Bad", 7: "x"}, ("column name 7", "text")),
    ("column whose name is None", {"id": "bad", "title": "Bad", None: ["x"]}, ("column name None", "text")),
    ("column whose name is half of a character", {"id": "bad", "title": "Bad", "\ud800": 1}, ("column name", "ud800")),
    ("title with half of a character", {"id": "bad", "title": "B\ud83d"}, ("surrogate", "'title'")),
    ("text with half of a character", {"id": "bad", "title": "Bad", "text": "x\udfff"}, ("surrogate", "'text'")),
    ("category with half of a character", {"id": "bad", "title": "Bad", "kind": "\ud800"}, ("surrogate", "'kind'")),
    ("id with half of a character", {"id": "b\ud800", "title": "Bad"}, ("id", "printed")),
    ("id that is not a number", {"id": math.nan, "title": "Bad"}, ("no id", "nan")),
    ("id that is infinite", {"id": math.inf, "title": "Bad"}, ("no id", "inf")),
    ("id of NumPy that is not a number", {"id": np.float64("nan"), "title": "Bad"}, ("no id", "nan")),
    ("id of 5,000 digits", {"id": 10**5000, "title": "Bad"}, ("'id'", "too long")),
    ("title of 5,000 digits", {"id": "bad", "title": 10**5000}, ("'title'", "too long")),
    ("id in bytes", {"id": b"bad", "title": "Bad"}, ("no id", "b'bad'")),
    ("title in bytes", {"id": "bad", "title": b"Bad"}, ("no title", "b'Bad'")),
    ("text in bytes", {"id": "bad", "title": "Bad", "text": b"\xff"}, ("'text'", "expected")),
    ("popularity of NumPy, not a number", {"id": "bad", "title": "B", "popularity": np.float32("nan")}, ("nan",)),
    ("popularity in an array", {"id": "bad", "title": "B", "popularity": np.ones(3)}, ("popularity", "[1.0")),
]  # fmt: skip


@pytest.mark.parametrize(("row", "words"), [case[1:] for case in MEMORY], ids=[case[0] for case in MEMORY])
def test_row_in_memory_is_kept_out(shop: Engine, row: Any, words: tuple[str, ...]) -> None:
    report = shop.index([*GOOD[:25], row, *GOOD[25:]], domain="incoming")
    ((number, reason),) = report.rejected_rows
    assert number == 26
    assert_clear(reason + ".", *words)
    assert len(shop.domains.get("incoming").snapshot) == 30
    with refused(InvalidInput, "at least one good row"):
        shop.index([row], domain="incoming", replace=True)
    assert len(shop.domains.get("incoming").snapshot) == 30


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (7, ("int", "list of mappings")),
        (None, ("NoneType", "list of mappings")),
        ([], ("no readable row",)),
        ({"id": "bad", "title": "Bad"}, ("str", "mapping")),
    ],
    ids=["rows that are a number", "rows that are None", "rows that are none", "rows that are one row"],
)
def test_rows_that_are_no_rows(shop: Engine, rows: Any, words: tuple[str, ...]) -> None:
    with refused(InvalidInput, *words):
        shop.index(rows, domain="incoming")


def test_rows_that_fail_in_the_middle(shop: Engine) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from GOOD
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError, match="went away"):
        shop.index(failing(), domain="incoming")
    assert "incoming" not in shop.domains.names()
    assert shop.index(GOOD, domain="incoming").added == 30


def test_column_of_objects_plays_no_part(shop: Engine) -> None:
    report = shop.index([row | {"links": [{"url": "x"}], "raw": b"\xff"} for row in GOOD], domain="incoming")
    assert (report.added, report.rejected) == (30, 0)
    assert not {"links", "raw"} & {*report.roles.text, *report.roles.categories}


def test_good_values_that_look_bad(shop: Engine) -> None:
    """Spaces, marks, other writings and Python's own kinds of values are no reason to refuse a row."""
    rows: list[dict[str, Any]] = [
        {"id": 1, "title": "  Spaces  ", "genres": ("a", "b")},
        {"id": 2.0, "title": "NUL\0inside", "genres": {"a"}},
        {"id": "日本", "title": "千と千尋の神隠し", "genres": None},
        {"id": "a/b?c=d#e", "title": "1984", "genres": []},
        {"id": np.int64(5), "title": 2001, "genres": np.array(["a"])},
        {"id": "🎬", "title": "👨‍👩‍👧", "genres": ""},
    ]
    report = shop.index(rows, domain="incoming")
    assert (report.added, report.rejected) == (6, 0)
    snapshot = shop.domains.get("incoming").snapshot
    documents = {one.id: one for one in snapshot.documents(snapshot.numbers.tolist()).values()}
    assert documents["1"].categories == {"genres": ("a", "b")}
    assert documents["2"].title == "NUL inside"
    assert documents["5"].categories == {"genres": ("a",)}
