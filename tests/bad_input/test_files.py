"""Files that cannot be read as a whole: one clear error, and nothing of them is indexed."""

import gzip
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from segue.engine import Engine
from segue.errors import Corrupt, InvalidInput, NotFound, SegueError, Unavailable
from segue.retrieve.catalogue import Wishes

from .clear import refused

CSV = b"id,title,popularity\n1,Alien,10\n2,Aliens,20\n"
JSON = b'[{"id": "1", "title": "Alien"}, {"id": "2", "title": "Aliens"}]'
LINES = b'{"id": "1", "title": "Alien"}\n{"id": "2", "title": "Aliens"}\n'


def as_parquet(columns: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(arrow.table(columns), stream)
    return stream.getvalue()


def twice_the_same_column() -> bytes:
    stream = io.BytesIO()
    table = arrow.Table.from_arrays(
        [arrow.array(["1"]), arrow.array(["a"]), arrow.array(["b"])], ["id", "title", "title"]
    )
    parquet.write_table(table, stream)
    return stream.getvalue()


PARQUET = as_parquet({"id": ["1", "2"], "title": ["Alien", "Aliens"]})
GZ = gzip.compress(CSV * 2000)


@dataclass(frozen=True)
class Bad:
    """A file's name and content, the error that it must give, and the words that the message must hold."""

    case: str
    name: str
    content: bytes
    kind: type[SegueError]
    words: tuple[str, ...]
    encoding: str = "utf-8"


FILES = [
    Bad("file of an unknown format", "films.docx", CSV, InvalidInput, ("films.docx", ".csv")),
    Bad("file without an ending", "films", CSV, InvalidInput, ("films", ".csv")),
    Bad("file named only .gz", "films.gz", GZ, InvalidInput, ("films.gz", ".csv")),
    Bad("csv of no bytes", "films.csv", b"", InvalidInput, ("films.csv", "empty")),
    Bad("csv of blank lines", "films.csv", b"\n\n\n", InvalidInput, ("films.csv", "empty")),
    Bad("csv of a byte order mark alone", "films.csv", b"\xef\xbb\xbf", InvalidInput, ("films.csv", "empty")),
    Bad("csv with a header and no row", "films.csv", b"id,title\n", InvalidInput, ("no readable row",)),
    Bad(
        "csv without a header", "films.csv", b"1,Alien\n2,Aliens\n", InvalidInput, ("looks like the id", "'1'", "--id")
    ),
    Bad("csv that names a column twice", "films.csv", b"id,title,title\n1,a,b\n", InvalidInput, ("title", "twice")),
    Bad(
        "csv with columns without a name",
        "films.csv",
        b"id,title,,\n1,a,b,c\n",
        InvalidInput,
        ("without a name", "3, 4"),
    ),
    Bad("csv with an unclosed quote in the header", "films.csv", b'id,"title\n1,a\n', InvalidInput, ("first line",)),
    Bad(
        "csv without an id column",
        "films.csv",
        b"colour,title\nred,a\nred,b\n",
        InvalidInput,
        ("the id", "colour", "--id"),
    ),
    Bad(
        "csv without a title column", "films.csv", b"id,colour\n1,red\n2,red\n", InvalidInput, ("the title", "--title")
    ),
    Bad("csv in UTF-16", "films.csv", CSV.decode().encode("utf-16"), InvalidInput, ("UTF-16", "--encoding utf-16")),
    Bad("csv in UTF-16 without a mark", "films.csv", CSV.decode().encode("utf-16-le"), InvalidInput, ("UTF-16",)),
    Bad(
        "csv with a header in latin-1",
        "films.csv",
        "id,título\n1,a\n".encode("latin-1"),
        InvalidInput,
        ("header", "latin-1"),
    ),
    Bad("csv in an encoding that does not exist", "films.csv", CSV, InvalidInput, ("klingon", "utf-8"), "klingon"),
    Bad("csv in an encoding that makes no text", "films.csv", CSV, InvalidInput, ("base64", "utf-8"), "base64"),
    Bad("encoding with NUL in its name", "films.csv", CSV, InvalidInput, ("encoding", "utf-8"), "utf\0"),
    Bad("encoding whose name is 1 MB long", "films.csv", CSV, InvalidInput, ("encoding", "utf-8"), "u" * 1_000_000),
    Bad(
        "UTF-8 csv read as UTF-16", "films.csv", CSV, InvalidInput, ("films.csv", "not utf-16", "--encoding"), "utf-16"
    ),
    Bad(
        "UTF-16 csv cut off in the middle of a character",
        "films.csv",
        CSV.decode().encode("utf-16")[:-1],
        InvalidInput,
        ("films.csv", "not utf-16"),
        "utf-16",
    ),
    Bad(
        "Excel workbook named .csv", "films.csv", b"PK\x03\x04" + bytes(100), InvalidInput, ("Excel", "save it as CSV")
    ),
    Bad(
        "old Excel workbook named .tsv",
        "films.tsv",
        b"\xd0\xcf\x11\xe0\xa1\xb1",
        InvalidInput,
        ("Excel", "save it as CSV"),
    ),
    Bad("gzip named .csv", "films.csv", GZ, InvalidInput, ("gzipped", ".gz")),
    Bad("Parquet named .jsonl", "films.jsonl", PARQUET, InvalidInput, ("Parquet", ".parquet")),
    Bad("SQLite database named .csv", "films.csv", b"SQLite format 3\0", InvalidInput, ("SQLite", "export")),
    Bad("gz cut off in the middle", "films.csv.gz", GZ[: len(GZ) // 2], Corrupt, ("films.csv.gz", "gzip", "again")),
    Bad("gz that is none", "films.csv.gz", CSV, Corrupt, ("films.csv.gz", "gzip")),
    Bad("gz of no bytes", "films.csv.gz", b"", InvalidInput, ("films.csv.gz", "empty")),
    Bad("gz with a wrong checksum", "films.csv.gz", GZ[:-8] + b"\0\0\0\0" + GZ[-4:], Corrupt, ("films.csv.gz", "CRC")),
    Bad(
        "gz with changed bytes", "films.csv.gz", GZ[:20] + b"\xff\xff\xff" + GZ[23:], Corrupt, ("films.csv.gz", "gzip")
    ),
    Bad("parquet of no bytes", "films.parquet", b"", Corrupt, ("films.parquet", "whole")),
    Bad("parquet cut off in the middle", "films.parquet", PARQUET[: len(PARQUET) // 2], Corrupt, ("films.parquet",)),
    Bad(
        "parquet with changed bytes",
        "films.parquet",
        PARQUET[:8] + b"\xff" * 40 + PARQUET[48:],
        Corrupt,
        ("films.parquet",),
    ),
    Bad("text named .parquet", "films.parquet", CSV, Corrupt, ("films.parquet", "whole Parquet file")),
    Bad("parquet that was gzipped", "films.parquet.gz", gzip.compress(PARQUET), InvalidInput, ("gzipped", "gunzip")),
    Bad(
        "parquet that names a column twice", "films.parquet", twice_the_same_column(), InvalidInput, ("title", "twice")
    ),
    Bad(
        "parquet without rows", "films.parquet", as_parquet({"id": [], "title": []}), InvalidInput, ("no readable row",)
    ),
    Bad("parquet without an id", "films.parquet", as_parquet({"name": ["a", "a"]}), InvalidInput, ("the id", "--id")),
    Bad("json that is none", "films.json", b"id,title\n1,a\n", InvalidInput, ("films.json", "not JSON")),
    Bad("json of no bytes", "films.json", b"", InvalidInput, ("films.json", "not JSON", "array")),
    Bad("json cut off in the middle", "films.json", JSON[:-20], InvalidInput, ("films.json", "not JSON")),
    Bad("json lines named .json", "films.json", LINES, InvalidInput, ("films.json", ".jsonl")),
    Bad("json that is an object", "films.json", b'{"films": []}', InvalidInput, ("films.json", "object", "array")),
    Bad("json that is a number", "films.json", b"7", InvalidInput, ("films.json", "number", "array")),
    Bad("json that is null", "films.json", b"null", InvalidInput, ("films.json", "null", "array")),
    Bad("json of an empty array", "films.json", b"[]", InvalidInput, ("no readable row",)),
    Bad("json nested 100,000 deep", "films.json", b"[" * 100_000 + b"]" * 100_000, InvalidInput, ("not JSON", "depth")),
    Bad("json in latin-1", "films.json", '[{"id":"é"}]'.encode("latin-1"), InvalidInput, ("films.json", "not JSON")),
    Bad("json with NaN", "films.json", b'[{"id": 1, "title": NaN}]', InvalidInput, ("films.json", "NaN", "null")),
    Bad("json in UTF-16", "films.json", JSON.decode().encode("utf-16"), InvalidInput, ("UTF-16", "--encoding")),
    Bad("json lines of no bytes", "films.jsonl", b"", InvalidInput, ("no readable row",)),
    Bad("json lines in UTF-16", "films.jsonl", LINES.decode().encode("utf-16"), InvalidInput, ("UTF-16", "--encoding")),
    Bad("json lines in an unknown encoding", "films.jsonl", LINES, InvalidInput, ("klingon",), "klingon"),
    Bad("json lines that are all broken", "films.jsonl", b"{\n{\n", InvalidInput, ("no readable row", "line 1")),
    Bad(
        "rows that all lack a title",
        "films.csv",
        b"id,title\n1,\n2,\n",
        InvalidInput,
        ("None of the 2 rows", "line 2", "title"),
    ),
]


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.case)
def test_file_is_refused(shop: Engine, tmp_path: Path, bad: Bad) -> None:
    file = tmp_path / bad.name
    file.write_bytes(bad.content)
    with refused(bad.kind, *bad.words):
        shop.index(file, domain="incoming", encoding=bad.encoding)
    assert "incoming" not in shop.domains.names()
    with refused(bad.kind, *bad.words):  # and into a domain that is there
        shop.index(file, domain="films", encoding=bad.encoding, replace=True)


def missing(folder: Path) -> Path:
    return folder / "nowhere.csv"


def a_folder(folder: Path) -> Path:
    (folder / "films.csv").mkdir()
    return folder / "films.csv"


def too_long(folder: Path) -> Path:
    return folder / ("f" * 300 + ".csv")


def nul(folder: Path) -> Path:
    return folder / "films\0.csv"


def link_to_nowhere(folder: Path) -> Path:
    (folder / "films.csv").symlink_to(folder / "gone.csv")
    return folder / "films.csv"


def link_to_itself(folder: Path) -> Path:
    (folder / "films.csv").symlink_to(folder / "films.csv")
    return folder / "films.csv"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "films.csv")
    return folder / "films.csv"


PATHS: list[tuple[str, Callable[[Path], Path], type[SegueError], str]] = [
    ("file that is not there", missing, NotFound, "nowhere.csv"),
    ("folder named like a file", a_folder, InvalidInput, "films.csv"),
    ("file with a name of 300 letters", too_long, InvalidInput, "fff"),
    ("file with NUL in its name", nul, NotFound, "films"),
    ("link to nowhere", link_to_nowhere, NotFound, "films.csv"),
    ("link to itself", link_to_itself, NotFound, "films.csv"),
    ("pipe instead of a file", pipe, InvalidInput, "films.csv"),
]


@pytest.mark.parametrize(("make", "kind", "word"), [case[1:] for case in PATHS], ids=[case[0] for case in PATHS])
def test_path_is_refused(
    shop: Engine, tmp_path: Path, make: Callable[[Path], Path], kind: type[SegueError], word: str
) -> None:
    with refused(kind, word):
        shop.index(make(tmp_path), domain="incoming")


def test_file_that_may_not_be_read(shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "films.csv"
    file.write_bytes(CSV)

    def forbidden(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patched, refused(Unavailable, "films.csv", "Permission denied", "rights"):
        patched.setattr(Path, "open", forbidden)
        shop.index(file, domain="incoming")


@pytest.mark.parametrize(
    ("wishes", "word"),
    [
        (Wishes(id="nummer"), "nummer"),
        (Wishes(title="titel"), "titel"),
        (Wishes(text=("plot",)), "plot"),
        (Wishes(popularity="views"), "views"),
        (Wishes(ignore=("rating",)), "rating"),
    ],
    ids=[f"wish for a missing {what} column" for what in ("id", "title", "text", "popularity", "ignored")],
)
def test_column_that_is_not_there(shop: Engine, tmp_path: Path, wishes: Wishes, word: str) -> None:
    (tmp_path / "films.csv").write_bytes(CSV)
    with refused(InvalidInput, word, "'id', 'title', 'popularity'"):
        shop.index(tmp_path / "films.csv", domain="incoming", wishes=wishes)


@pytest.mark.parametrize(
    "domain",
    ["", "Films!", "../films", "a/b", "x" * 64, "films\n", "films\0", "-films", "фильмы", 7, None],
    ids=[
        "domain without a name",
        "domain with a mark",
        "domain that leads out of the store",
        "domain with a slash",
        "domain with a name of 64 letters",
        "domain with a line break",
        "domain with NUL",
        "domain that starts with a dash",
        "domain in Cyrillic",
        "domain that is a number",
        "domain that is None",
    ],
)
def test_domain_that_cannot_be(shop: Engine, tmp_path: Path, domain: Any) -> None:
    (tmp_path / "films.csv").write_bytes(CSV)
    before = sorted(shop.store.folder.rglob("*"))
    with refused(InvalidInput, str(domain).strip()[:50].split("\0")[0], "name of a domain", "films"):
        shop.index(tmp_path / "films.csv", domain=domain)
    assert sorted(shop.store.folder.rglob("*")) == before


def test_broken_gz_loses_no_row_of_the_run_before(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.retrieve.catalogue.catalogue._BATCH", 100)
    whole, broken = tmp_path / "films.jsonl", tmp_path / "more.jsonl.gz"
    whole.write_bytes(LINES)
    lines = b"".join(orjson.dumps({"id": f"n{i}", "title": f"Film {i}"}) + b"\n" for i in range(600))
    packed = gzip.compress(lines)
    broken.write_bytes(packed[: len(packed) // 2])
    shop.index(whole, domain="incoming")
    with refused(Corrupt, "more.jsonl.gz"):
        shop.index(broken, domain="incoming", replace=True)
    assert len(shop.domains.get("incoming").snapshot) == 2
    assert shop.index(whole, domain="incoming").unchanged == 2
    broken.write_bytes(packed)
    assert shop.index(broken, domain="incoming", replace=True).added == 600
