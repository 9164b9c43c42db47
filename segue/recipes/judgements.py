"""Judged queries from a TSV file: which document is how good an answer to which query."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO, cast

from segue.errors import Corrupt, InvalidInput, NotFound

_COLUMNS = ("query_id", "query", "doc_id", "grade")


@dataclass(frozen=True, slots=True)
class Judged:
    """One query and the grades of the documents that were judged for it; above 0 is relevant."""

    id: str
    text: str
    grades: Mapping[str, float]


def load(file: Path) -> list[Judged]:
    """Every query of a TSV file (`query_id`, `query`, `doc_id`, `grade`, header first, .gz accepted), in its order.

    Raises `NotFound`, `Corrupt` (broken gzip) or `InvalidInput` with the line number of what does not fit.
    """
    texts: dict[str, str] = {}
    grades: dict[str, dict[str, float]] = {}
    try:
        with _opened(file) as lines:
            reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidInput(
                    f"{file} has no column {missing[0]!r}.", expected=f"a header with {', '.join(_COLUMNS)}"
                )
            for row in reader:
                query, grade = row["query_id"], _grade(row["grade"], file, reader.line_num)
                texts.setdefault(query, row["query"])
                grades.setdefault(query, {})[row["doc_id"]] = grade
    except csv.Error as error:
        raise InvalidInput(
            f"{file} cannot be read: {error}.", expected="short fields with tabs between them"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8: {error.reason}.", expected="UTF-8") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Corrupt(f"{file} is a broken gzip file: {error}.", fix="fetch or compress the file again") from error
    judged = [Judged(query, texts[query], grades[query]) for query in texts]
    if not any(grade > 0 for query in judged for grade in query.grades.values()):
        raise InvalidInput(f"No document in {file} is relevant to any query.", expected="some grades above 0")
    return judged


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", fix="check the path")
    with (
        cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as stream,
    ):
        yield stream


def _grade(text: str | None, file: Path, line: int) -> float:
    try:
        grade = float(text or "")
    except ValueError:
        grade = float("nan")
    if not 0 <= grade < 100:
        raise InvalidInput(
            f"Line {line} of {file} has the grade {text!r}.", expected="a number from 0 up (0 is not relevant)"
        )
    return grade
