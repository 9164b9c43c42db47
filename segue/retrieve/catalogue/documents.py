"""A row becomes a document: checked, typed, and the same for every later step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from segue.retrieve.catalogue.roles import Roles, nested, number

_LONGEST_ID = 200
_LONGEST_TITLE = 2_000
_LONGEST_TEXT = 1_000_000
_MOST_POPULAR = 1e30
"""Popularity is kept as float32, which ends at 3e38."""


class BadRow(ValueError):
    """A row that cannot become a document; its message is the reason shown beside the line number."""


@dataclass(frozen=True, slots=True)
class Document:
    """One item of a catalogue. `others` are columns with no role, kept for display only."""

    id: str
    title: str
    text: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, float]
    popularity: float
    others: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        return orjson.dumps(
            [self.id, self.title, self.text, self.categories, self.numbers, self.popularity, self.others],
            option=orjson.OPT_SORT_KEYS,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Document":
        id, title, text, categories, numbers, popularity, others = orjson.loads(raw)
        return cls(id, title, tuple(text), {k: tuple(v) for k, v in categories.items()}, numbers, popularity, others)

    def fields(self) -> dict[str, Any]:
        """Everything but id and title under the catalogue's own column names, for display."""
        shown: dict[str, Any] = {}
        for name, values in self.categories.items():
            shown[name] = values[0] if len(values) == 1 else list(values)
        shown.update(self.numbers)
        shown.update(self.others)
        if self.text:
            shown["text"] = self.text[0][:500]
        return shown


def to_document(values: Mapping[str, Any], roles: Roles) -> Document:
    """Check one row and give every value its role. Raises `BadRow` with the reason."""
    separators = roles.separators or {}
    taken = {roles.id, roles.title, *roles.text, *roles.categories, *roles.numbers}
    return Document(
        id=_id(values.get(roles.id), roles.id),
        title=_title(values.get(roles.title), roles.title),
        text=tuple(text for name in roles.text if (text := _text(values.get(name), name))),
        categories={
            name: members
            for name in roles.categories
            if (members := _members(values.get(name), name, separators.get(name)))
        },
        numbers={name: value for name in roles.numbers if (value := _finite(values.get(name))) is not None},
        popularity=_popularity(values.get(roles.popularity), roles.popularity) if roles.popularity else 0.0,
        others={
            name: value
            for name, value in values.items()
            if name and name not in taken and isinstance(value, str | int | float | bool) and _storable(value)
        },
    )


def readable_id(value: Any) -> str:
    """The id that a cell holds, as it is kept, or nothing."""
    try:
        return _id(value, "")
    except BadRow:
        return ""


def _id(value: Any, column: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if _unfit(value) or not (id := _written(value, column).strip()):
        raise BadRow(f"has no id (column {column!r} holds {_shown(value)})")
    if len(id) > _LONGEST_ID:
        raise BadRow(f"has an id of {len(id)} characters; at most {_LONGEST_ID} are allowed")
    if not id.isprintable():
        raise BadRow(f"has an id with characters that cannot be printed ({_shown(id)})")
    return id


def _title(value: Any, column: str) -> str:
    if _unfit(value) or not (title := _clean(_written(value, column), column)):
        raise BadRow(f"has no title (column {column!r} holds {_shown(value)})")
    if len(title) > _LONGEST_TITLE:
        raise BadRow(f"has a title of {len(title):,} characters; at most {_LONGEST_TITLE:,} are allowed")
    return title


def _text(value: Any, column: str) -> str:
    if value is None or value != value:
        return ""
    if nested(value):
        raise BadRow(f"holds {_shown(value)} in the text column {column!r}; text was expected")
    members = value if isinstance(value, list) else [value]
    text = _clean(" ".join(_written(member, column) for member in members if member is not None), column)
    if len(text) > _LONGEST_TEXT:
        raise BadRow(f"has {len(text):,} characters in {column!r}; at most {_LONGEST_TEXT:,} are allowed")
    return text


def _members(value: Any, column: str, separator: str | None) -> tuple[str, ...]:
    if value is None or value != value or value == "":
        return ()
    if nested(value):
        raise BadRow(f"holds {_shown(value)} in the category column {column!r}; a value or a list was expected")
    if isinstance(value, str):
        members = value.split(separator) if separator else [value]
    else:
        listed = value if isinstance(value, list) else [value]
        members = [_written(member, column) for member in listed if member is not None]
    return tuple(clean for member in members if (clean := _clean(member, column)))


def _unfit(value: Any) -> bool:
    """Whether a cell holds nothing that names an item: empty, not a number (NaN), infinite, true or false, nested."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or isinstance(value, bool | list | dict | bytes)


def _written(value: Any, column: str) -> str:
    try:
        return str(value)
    except ValueError as error:  # Python writes no whole number of more than 4300 digits
        raise BadRow(f"holds a number in {column!r} that is too long to be written") from error


def _clean(text: str, column: str) -> str:
    if text.isascii():
        return text.replace("\0", " ").strip() if "\0" in text else text.strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"holds half of a character (a lone surrogate) in {column!r}") from error
    return text.replace("\0", " ").strip()


def _finite(value: Any) -> float | None:
    parsed = number(value)
    return parsed if parsed is not None and math.isfinite(parsed) else None


def _popularity(value: Any, column: str) -> float:
    if value is None or value == "":
        return 0.0
    parsed = number(value)
    if parsed is None or not 0 <= parsed <= _MOST_POPULAR:
        raise BadRow(
            f"has popularity {_shown(value)} in column {column!r}; a number from 0 to {_MOST_POPULAR:g} was expected"
        )
    return parsed


def _storable(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return not isinstance(value, str) or value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # a number of more than 4300 digits, lists a thousand deep
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= 60 else shown[:57] + "…"
