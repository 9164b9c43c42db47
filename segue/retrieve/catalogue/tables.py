"""Rows out of files: CSV, TSV, JSON Lines, JSON and Parquet, plain or gzipped, one at a time with their line numbers.

A row that cannot be read does not stop the file: it comes out as a `Row` with a `reason` and no values. What makes the
whole file unreadable (no such file, a cut-off gzip, no header) is an error.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

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


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its values by column name, or the `reason` it could not be read."""

    line: int
    values: Mapping[str, Any] | None
    reason: str = ""


def rows(file: Path, *, encoding: str = "utf-8") -> Iterator[Row]:
    """Every row of `file` in order; `line` counts from 1 and, in a CSV file, includes the header."""
    kind = format_of(file)
    if kind == "parquet":
        yield from _parquet(file)
        return
    try:
        with _opened(file) as stream:
            if kind == "json":
                yield from _json(stream, file)
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


def from_mappings(values: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows that are already in memory, numbered from 1."""
    for line, value in enumerate(values, 1):
        if isinstance(value, Mapping):
            yield Row(line, value)
        else:
            yield Row(line, None, f"is a {type(value).__name__}, not a mapping of column names to values")


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
    status = _existing(file).stat()
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with file.open("rb") as stream:
        digest.update(stream.read(1 << 20))
        stream.seek(max(0, status.st_size - (1 << 20)))
        digest.update(stream.read(1 << 20))
    return digest.hexdigest()


def _existing(file: Path) -> Path:
    if not file.exists():
        raise NotFound(f"There is no file {file}.", fix="check the path")
    if not file.is_file():
        raise InvalidInput(f"{file} is not a file.", expected="a file of rows", fix="name one file inside it")
    return file


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    try:
        stream: IO[bytes] = (
            cast(IO[bytes], gzip.open(_existing(file))) if file.suffix.lower() == ".gz" else _existing(file).open("rb")
        )
    except PermissionError as error:
        raise Unavailable(f"{file} may not be read by this user.", fix="correct the file's rights") from error
    with stream:
        yield stream


def _separated(stream: IO[bytes], file: Path, encoding: str, delimiter: str | None) -> Iterator[Row]:
    start = _peek(stream, 4)
    if encoding == "utf-8" and (start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start):
        raise InvalidInput(
            f"{file} is not UTF-8: it looks like UTF-16.",
            expected="UTF-8",
            fix="pass --encoding utf-16, or save it as UTF-8",
        )
    try:
        lines = _decoded(stream, "utf-8-sig" if encoding == "utf-8" else encoding)
        header_line = next(lines, "")
    except LookupError as error:
        raise InvalidInput(f"There is no encoding {encoding!r}.", expected="a name such as utf-8 or latin-1") from error
    if not header_line.strip():
        raise InvalidInput(f"{file} is empty.", expected="a first line with the names of the columns")
    delimiter = delimiter or max(",;\t|", key=header_line.count)
    csv.field_size_limit(LONGEST_ROW)
    header = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter))]
    _check_header(header, file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 2
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, None, f"is broken CSV ({error})")
            continue
        if not values:
            continue
        if len(values) != len(header):
            yield Row(line, None, f"has {len(values)} columns where the header names {len(header)}")
        elif any(_undecodable(value) for value in values):
            yield Row(line, None, f"is not {encoding}: {_bad_bytes(values, header)}")
        else:
            yield Row(line, dict(zip(header, values, strict=True)))


def _peek(stream: IO[bytes], count: int) -> bytes:
    start = stream.read(count)
    stream.seek(0)
    return start


def _decoded(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines as text; bytes that are not of the encoding become lone surrogates, which the caller reports by row."""
    yield from io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")


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
    line = 0
    while True:
        raw = stream.readline(LONGEST_ROW)
        if not raw:
            return
        line += 1
        if len(raw) >= LONGEST_ROW and not raw.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_ROW)) and not rest.endswith(b"\n"):
                pass
            yield Row(line, None, f"is longer than {LONGEST_ROW:,} bytes")
        elif raw.strip():
            yield _parsed(line, raw, encoding)


def _parsed(line: int, raw: bytes, encoding: str) -> Row:
    try:
        if line == 1 and raw.startswith(b"\xef\xbb\xbf"):
            raw = raw[3:]
        value = orjson.loads(raw if encoding == "utf-8" else raw.decode(encoding))
    except (orjson.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        return Row(line, None, f"is not JSON ({error})")
    return _object(line, value)


def _object(line: int, value: object) -> Row:
    if not isinstance(value, dict):
        return Row(line, None, f"is a JSON {_json_name(value)}, not an object with column names")
    return Row(line, value)


def _json_name(value: object) -> str:
    names = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _json(stream: IO[bytes], file: Path) -> Iterator[Row]:
    try:
        value = orjson.loads(stream.read())
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"{file} is not JSON ({error}).",
            expected="one array of objects",
            fix="if it holds one object a line, name it .jsonl",
        ) from error
    if not isinstance(value, list):
        raise InvalidInput(f"{file} holds a JSON {_json_name(value)}.", expected="one array of objects")
    for line, item in enumerate(value, 1):
        yield _object(line, item)


def _parquet(file: Path) -> Iterator[Row]:
    try:
        table = parquet.ParquetFile(_existing(file))
        line = 0
        for batch in table.iter_batches(batch_size=10_000):
            for value in batch.to_pylist():
                line += 1
                yield Row(line, value)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
        raise Corrupt(f"{file} cannot be read as Parquet: {error}.", expected="a whole Parquet file") from error
