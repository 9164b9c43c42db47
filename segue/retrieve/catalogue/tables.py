"""Rows out of files: CSV, TSV, JSON Lines, JSON and Parquet, plain or gzipped, one at a time with their line numbers.

A row that cannot be read does not stop the file: it comes out as a `Row` with a `reason` and no values. What makes the
whole file unreadable (no such file, a cut-off gzip, no header) is an error.
"""

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import orjson
import pyarrow as arrow
import pyarrow.parquet as parquet

from segue.errors import Corrupt, InvalidInput, NotFound, Unavailable

LONGEST_ROW = 4_000_000
"""Bytes of one JSON line or characters of one CSV field that are still read."""

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_STARTS = {
    b"PK\x03\x04": "a zip or Excel file; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as CSV",
    b"\x1f\x8b": "gzipped; let its name end in .gz",
    b"PAR1": "a Parquet file; let its name end in .parquet",
    b"SQLi": "an SQLite database; export the table as CSV",
}
"""The first bytes of files that are no text, and what to do with them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its values by column name, or the `reason` it could not be read."""

    line: int
    values: Mapping[str, Any] | None
    reason: str = ""


def rows(file: Path, *, encoding: str = "utf-8") -> Iterator[Row]:
    """Every row of `file` in order; `line` counts from 1 and, in a CSV file, includes the header."""
    kind, encoding = format_of(file), _known(encoding)
    if kind == "parquet":
        yield from _parquet(file)
        return
    try:
        with _opened(file) as stream:
            _refuse_other_formats(_peek(stream, 4), file, encoding)
            if kind == "json":
                yield from _json(stream, file, encoding)
            elif kind == "json lines":
                yield from _json_lines(stream, encoding)
            else:
                yield from _separated(stream, file, encoding, "\t" if kind == "tsv" else None)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Corrupt(
            f"{file} is a broken gzip file: {error}.",
            expected="a whole .gz file",
            fix="fetch or compress the file again",
        ) from error
    except UnicodeError as error:
        raise InvalidInput(
            f"{file} is not {encoding}: {error}.", expected=f"text in {encoding}", fix="pass the right --encoding"
        ) from error


def from_mappings(values: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows that are already in memory, numbered from 1. NumPy's values become Python's, tuples and sets lists."""
    if not isinstance(values, Iterable):
        raise InvalidInput(f"The rows are a {type(values).__name__}.", expected="a file, or a list of mappings")
    for line, value in enumerate(values, 1):
        if not isinstance(value, Mapping):
            yield Row(line, None, f"is a {type(value).__name__}, not a mapping of column names to values")
        elif not value:
            yield Row(line, None, "is empty")
        elif wrong := [name for name in value if not isinstance(name, str) or not _is_text(name)]:
            yield Row(line, None, f"has the column name {wrong[0]!r}; text was expected")
        else:
            yield Row(line, {name: _plain(cell) for name, cell in value.items()})


def format_of(file: Path) -> str:
    """The format by the file's name: 'csv', 'tsv', 'json lines', 'json' or 'parquet'."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    kind = _FORMATS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise InvalidInput(
            f"{file.name} has no known format.",
            expected="a name that ends in .csv, .tsv, .jsonl, .ndjson, .json or .parquet (.gz may follow)",
            fix="rename the file to say what it is",
        )
    return kind


def fingerprint(file: Path) -> str:
    """Tells one version of a file from another without reading all of it: size, time of change, first and last MB."""
    status = existing(file).stat()
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with _readable(file) as stream:
        digest.update(stream.read(1 << 20))
        stream.seek(max(0, status.st_size - (1 << 20)))
        digest.update(stream.read(1 << 20))
    return digest.hexdigest()


def existing(file: Path) -> Path:
    """`file` itself, when it is one. Raises `NotFound` or `InvalidInput`."""
    try:
        there = file.exists()
    except OSError as error:
        raise InvalidInput(f"{str(file)[:100]!r} cannot be a file: {error.strerror}.", fix="check the path") from error
    if not there:
        raise NotFound(f"There is no file {file}.", fix="check the path")
    if not file.is_file():
        raise InvalidInput(f"{file} is not a file.", expected="a file of rows", fix="name one file inside it")
    return file


def _readable(file: Path) -> IO[bytes]:
    try:
        return existing(file).open("rb")
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror}.", fix="correct the file's rights") from error


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    with _readable(file) as raw:
        yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if file.suffix.lower() == ".gz" else raw


def _known(encoding: str) -> str:
    """The usual name of an encoding: 'UTF8' and 'utf-8-sig' are 'utf-8'."""
    try:
        name = codecs.lookup(encoding).name
        io.TextIOWrapper(io.BytesIO(), encoding=name).close()  # refuses 'base64' and others that make no text
    except (LookupError, ValueError) as error:
        raise InvalidInput(
            f"There is no encoding {encoding[:50]!r}.", expected="a name such as utf-8, utf-16 or latin-1"
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def _peek(stream: IO[bytes], count: int) -> bytes:
    start = stream.read(count)
    stream.seek(0)
    return start


def _refuse_other_formats(start: bytes, file: Path, encoding: str) -> None:
    for first, what in _STARTS.items():
        if start.startswith(first):
            raise InvalidInput(f"{file} is {what.split(';')[0]}.", expected="text", fix=what.split("; ")[1])
    if encoding == "utf-8" and (start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start):
        raise InvalidInput(
            f"{file} is not UTF-8: it looks like UTF-16.",
            expected="UTF-8",
            fix="pass --encoding utf-16, or save it as UTF-8",
        )


class _Lines:
    """Lines that can be given back: a quote that is never closed must not take the rows behind it along."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self._before = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._row.append(line)
        return line

    def begin(self) -> int:
        """A new row begins: the number of its first line, from 1."""
        self._before += len(self._row)
        self._row = []
        return self._before + 1

    def give_back(self) -> bool:
        """Let every line of this row but the first be read again; False when there are none."""
        self._again.extendleft(reversed(self._row[1:]))
        several = len(self._row) > 1
        del self._row[1:]
        return several


def _separated(stream: IO[bytes], file: Path, encoding: str, delimiter: str | None) -> Iterator[Row]:
    lines = _Lines(_decoded(stream, "utf-8-sig" if encoding == "utf-8" else encoding))
    csv.field_size_limit(LONGEST_ROW)
    header, delimiter = _header(lines, file, delimiter)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.begin()
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(
                line, None, "opens a quote that is not closed" if lines.give_back() else f"is broken CSV ({error})"
            )
            continue
        if not values:
            continue
        if len(values) != len(header):
            lines.give_back()
            yield Row(line, None, f"has {len(values)} columns where the header names {len(header)}")
        elif any(_undecodable(value) for value in values):
            yield Row(line, None, f"is not {encoding}: {_bad_bytes(values, header)}")
        else:
            yield Row(line, dict(zip(header, values, strict=True)))


def _header(lines: _Lines, file: Path, delimiter: str | None) -> tuple[list[str], str]:
    """The names of the columns and the delimiter, which is the commonest mark in the first line unless it is given."""
    first = next(lines, "")
    if not first.strip():
        raise InvalidInput(f"{file} is empty.", expected="a first line with the names of the columns")
    delimiter = delimiter or max(",;\t|", key=first.count)
    try:
        header = [name.strip() for name in next(csv.reader(chain([first], lines), delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise InvalidInput(
            f"The first line of {file} is broken CSV ({error}).", expected="the names of the columns"
        ) from error
    _check_header(header, file)
    return header, delimiter


def _decoded(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines as text; bytes that are not of the encoding become lone surrogates, which the caller reports by row."""
    with io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="") as lines:
        yield from lines


def _undecodable(value: str) -> bool:
    return not value.isascii() and any("\udc80" <= character <= "\udcff" for character in value)


def _bad_bytes(values: list[str], header: list[str]) -> str:
    column, value = next((name, value) for name, value in zip(header, values, strict=True) if _undecodable(value))
    byte = next(ord(character) - 0xDC00 for character in value if "\udc80" <= character <= "\udcff")
    return f"byte 0x{byte:02x} in column {column!r} (another encoding? pass --encoding latin-1, say)"


def _check_header(header: list[str], file: Path) -> None:
    if any(_undecodable(name) for name in header):
        raise InvalidInput(
            f"The header of {file} is not text in the encoding given.", fix="pass --encoding latin-1, say"
        )
    empty = [str(place) for place, name in enumerate(header, 1) if not name]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InvalidInput(f"{file} names the column {twice[0]!r} twice.", expected="each column name once")
    if empty and not (len(empty) == 1 and not header[0]):  # pandas writes its row numbers under an empty name
        raise InvalidInput(
            f"{file} has columns without a name ({', '.join(empty)}).", expected="a name for each column"
        )


def _json_lines(stream: IO[bytes], encoding: str) -> Iterator[Row]:
    if encoding == "utf-8":
        yield from _parsed_lines(stream)
    else:
        with io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="\n") as lines:
            yield from _parsed_lines(lines)


def _parsed_lines(lines: IO[Any]) -> Iterator[Row]:
    line = 0
    while raw := lines.readline(LONGEST_ROW):
        line += 1
        if len(raw) >= LONGEST_ROW and raw[-1:] not in (b"\n", "\n"):
            while (rest := lines.readline(LONGEST_ROW)) and rest[-1:] not in (b"\n", "\n"):
                pass
            yield Row(line, None, f"is longer than {LONGEST_ROW:,} bytes")
        elif raw.strip():
            yield _parsed(line, raw)


def _parsed(line: int, raw: bytes | str) -> Row:
    try:
        value = orjson.loads(_without_mark(raw) if line == 1 else raw)
    except (orjson.JSONDecodeError, RecursionError) as error:
        return Row(line, None, f"is not JSON ({_explained(error, raw)})")
    return _object(line, value)


def _without_mark(raw: bytes | str) -> bytes | str:
    """Without the byte order mark that some editors put first."""
    return raw.removeprefix(codecs.BOM_UTF8) if isinstance(raw, bytes) else raw.removeprefix("\ufeff")


def _explained(error: Exception, raw: bytes | str) -> str:
    """What the parser says, and what it does not: Python's json writes NaN and Infinity, which no other JSON has."""
    text = raw if isinstance(raw, str) else raw.decode(errors="replace")
    hint = "; NaN and Infinity are not JSON, write null" if "NaN" in text or "Infinity" in text else ""
    return f"{error}{hint}"


def _object(line: int, value: object) -> Row:
    if not isinstance(value, dict):
        return Row(line, None, f"is a JSON {_json_name(value)}, not an object with column names")
    return Row(line, value) if value else Row(line, None, "is an empty object")


def _json_name(value: object) -> str:
    names = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _json(stream: IO[bytes], file: Path, encoding: str) -> Iterator[Row]:
    raw = stream.read()
    try:
        value = orjson.loads(_without_mark(raw if encoding == "utf-8" else raw.decode(encoding)))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"{file} is not JSON ({_explained(error, raw)}).",
            expected="one array of objects",
            fix="if it holds one object a line, name it .jsonl",
        ) from error
    if not isinstance(value, list):
        raise InvalidInput(f"{file} holds a JSON {_json_name(value)}.", expected="one array of objects")
    for line, item in enumerate(value, 1):
        yield _object(line, item)


def _parquet(file: Path) -> Iterator[Row]:
    if file.suffix.lower() == ".gz":
        raise InvalidInput(f"{file} is a gzipped Parquet file.", expected="Parquet as it is", fix=f"gunzip {file}")
    line = 0
    with _readable(file) as stream:
        try:
            table = parquet.ParquetFile(stream)
            _check_header(table.schema_arrow.names, file)
            for batch in table.iter_batches(batch_size=10_000):
                for row in _parquet_rows(batch, line + 1):
                    line = row.line
                    yield row
        except (arrow.ArrowException, OSError) as error:
            raise Corrupt(f"{file} cannot be read as Parquet: {error}.", expected="a whole Parquet file") from error


def _parquet_rows(batch: arrow.RecordBatch, line: int) -> Iterator[Row]:
    try:
        values = batch.to_pylist()
    except (arrow.ArrowException, ValueError, OverflowError) as error:  # a cell that Python cannot hold
        if len(batch) == 1:
            yield Row(line, None, f"cannot be read ({error})")
            return
        for place in range(len(batch)):
            yield from _parquet_rows(batch.slice(place, 1), line + place)
        return
    for place, value in enumerate(values):
        yield Row(line + place, value)


def _plain(cell: Any) -> Any:
    if isinstance(cell, np.ndarray | np.generic):
        return cell.tolist()
    if isinstance(cell, tuple):
        return list(cell)
    return sorted(cell, key=str) if isinstance(cell, set | frozenset) else cell


def _is_text(text: str) -> bool:
    """Whether all of it can be written as UTF-8: no lone surrogates."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
