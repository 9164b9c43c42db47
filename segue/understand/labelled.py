"""Labelled requests from a JSON Lines file: text, domain, intent and slots, one object a line (.gz too).

`{"text": "wake me at 7", "domain": "alarm", "intent": "set", "slots": [{"name": "time", "start": 11, "end": 12, "value": "7"}]}`.
Offsets are characters, the end exclusive; `slots`, each slot's `value`, `context` and `fold` may be left out; other fields are
passed over.
"""

import gzip
import itertools
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from segue.errors import Corrupt, InvalidInput, NotFound
from segue.understand.hypotheses import Interpretation, Slot, Utterance

_FORM = '{"text": …, "domain": …, "intent": …, "slots": [{"name": …, "start": 0, "end": 4}]}'
_QUOTED = 80


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a file holds, in its order. `folds`: the part of a published cross-validation in which each is tested, None where the
    file does not say."""

    utterances: Sequence[Utterance]
    folds: Sequence[int | None]


def load(file: Path | str) -> Labelled:
    """Every utterance of a file.

    Raises `NotFound`, `Corrupt` (broken gzip) or `InvalidInput`, which names the line that cannot be used.
    """
    file = Path(file)
    utterances, folds = [], []
    for number, line in _lines(file):
        where = f"Line {number} of {file}"
        row = _parsed(line, where)
        utterances.append(_utterance(row, where))
        fold = row.get("fold")
        if fold is not None and type(fold) is not int:
            raise InvalidInput(f"{where} has the fold {_short(fold)}.", expected="a whole number")
        folds.append(fold)
    if not utterances:
        raise InvalidInput(f"{file} holds no labelled request.", expected=f"lines such as {_FORM}")
    return Labelled(utterances, folds)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, and their numbers from 1."""
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", fix="check the path")
    try:
        with cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Corrupt(f"{file} is a broken gzip file: {error}.", fix="fetch or compress the file again") from error


def _parsed(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} is not JSON: {error}.", expected=f"one object, such as {_FORM}") from error
    if not isinstance(row, dict):
        raise InvalidInput(f"{where} is {_short(row)}.", expected=f"one object, such as {_FORM}")
    return row


def _utterance(row: Mapping[str, Any], where: str) -> Utterance:
    text, domain, intent = (_text(row, key, where) for key in ("text", "domain", "intent"))
    listed = row.get("slots") or []
    if not isinstance(listed, list):
        raise InvalidInput(f"{where} has the slots {_short(listed)}.", expected="a list of objects")
    slots = sorted((_slot(slot, text, where) for slot in listed), key=lambda slot: (slot.start, slot.end))
    for one, other in itertools.pairwise(slots):
        if other.start < one.end:
            raise InvalidInput(
                f"{where} has slots that overlap: {one.name} at {one.start}–{one.end} and {other.name} at "
                f"{other.start}–{other.end}.",
                expected="every character in one slot at most",
                fix="keep one of the two",
            )
    return Utterance(text, domain, Interpretation(intent, tuple(slots)), _context(row.get("context"), where))


def _slot(slot: Any, text: str, where: str) -> Slot:
    match slot:
        case {"name": str(name), "start": int(start), "end": int(end)} if name:
            pass
        case _:
            raise InvalidInput(f"{where} has the slot {_short(slot)}.", expected='{"name": …, "start": 0, "end": 4}')
    if not 0 <= start < end <= len(text):
        raise InvalidInput(
            f"{where} has the slot {name} at {start}–{end}, outside of its text of {len(text)} characters.",
            expected="0 ≤ start < end ≤ length, counted in characters",
        )
    if (value := slot.get("value")) is not None and value != text[start:end]:
        raise InvalidInput(
            f"{where} has the slot {name} with the value {_short(value)}, but {start}–{end} is {_short(text[start:end])}.",
            expected="the characters from start to end (exclusive), from 0",
            fix="correct the offsets, or leave the value out",
        )
    return Slot(name, start, end)


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or (key != "text" and not value.strip()):
        found = f"has the {key} {_short(value)}" if key in row else f"has no {key!r}"
        raise InvalidInput(f"{where} {found}.", expected=f"a text, as in {_FORM}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{where} holds half of a surrogate pair in {key!r}, which is no character.", expected="whole characters"
        ) from error
    return value


def _context(context: Any, where: str) -> dict[str, str]:
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise InvalidInput(f"{where} has the context {_short(context)}.", expected="an object of texts")
    return {str(key): _plain(value) for key, value in context.items() if value is not None}


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _QUOTED else f"{shown[:_QUOTED]}…"
