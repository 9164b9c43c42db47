"""Which column plays which part. People's files do not follow our names, so the columns are found by name and content."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from segue.errors import InvalidInput

_ID = (
    "id",
    "_id",
    "item_id",
    "doc_id",
    "docid",
    "product_id",
    "key",
    "uuid",
    "sku",
    "isbn",
    "asin",
    "url_id",
    "rownames",
    "",
)
_ID_ENDS = ("_id", "id")
"""A column named so (movieId, track_id) is the id when no usual name is there and every row has another value in it."""

_TITLE = ("title", "name", "product_title", "product_name", "headline", "label", "track", "song", "question", "subject")
_TITLE_ENDS = ("title", "_name", "name")
_TEXT = (
    "text", "overview", "description", "body", "content", "summary", "abstract", "extract", "plot", "lyrics", "synopsis",
    "about", "product_description", "answer", "details",
)  # fmt: skip
_POPULARITY = (
    "popularity", "votes", "plays", "play_count", "views", "sales", "ratings_count", "num_ratings", "rating_count",
    "downloads", "clicks", "listeners", "hotttnesss", "hotness", "reviews", "review_count", "citations", "stars",
    "vote_count", "num_votes", "numvotes", "citation_count", "n_citation", "num_sold",
)  # fmt: skip
_SEPARATORS = "|;"
_LONG = 60
"""Characters: a column whose values are longer on average is text to search, not a value to pick."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of a catalogue by the part they play. `separators` holds what splits a column that packs several values."""

    id: str
    title: str
    text: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    popularity: str | None = None
    separators: Mapping[str, str] | None = None

    def describe(self) -> str:
        """One line for people: what was chosen.

        >>> Roles("id", "title", text=("overview",), popularity="votes").describe()
        'id: id · title: title · text: overview · popularity: votes'
        """
        parts = [f"id: {self.id or '(the unnamed first column)'}", f"title: {self.title}"]
        for name, columns in (("text", self.text), ("categories", self.categories), ("numbers", self.numbers)):
            if columns:
                parts.append(f"{name}: {', '.join(columns)}")
        parts.append(f"popularity: {self.popularity or '(none)'}")
        return " · ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Roles":
        return cls(**{f.name: _tuple(value[f.name]) for f in fields(cls) if f.name in value})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person said about the columns; what is None or empty is found by name."""

    id: str | None = None
    title: str | None = None
    text: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    popularity: str | None = None
    ignore: tuple[str, ...] = ()


def find_roles(sample: Sequence[Mapping[str, Any]], wishes: Wishes | None = None) -> Roles:
    """Choose the columns' roles from the first rows of a file.

    Raises `InvalidInput` when there is no row, when a wished column is not there, or when no id or title can be told.
    """
    wishes = wishes or Wishes()
    if not sample:
        raise InvalidInput("There is no readable row to index.", expected="at least one row with an id and a title")
    columns = list(dict.fromkeys(name for row in sample for name in row))
    for wish in (wishes.id, wishes.title, *wishes.text, *wishes.categories, wishes.popularity, *wishes.ignore):
        if wish is not None and wish not in columns:
            raise InvalidInput(f"There is no column {wish!r}.", expected=f"one of {', '.join(map(repr, columns))}")
    values = {name: [row[name] for row in sample if not _empty(row.get(name))] for name in columns}
    known = [name for name in columns if name not in wishes.ignore]
    id = wishes.id if wishes.id is not None else _named(known, _ID)
    if id is None:
        id = _ending([name for name in known if _tells_apart(values[name], len(sample))], _ID_ENDS)
    others = [name for name in known if name != id]
    title = wishes.title or _named(others, _TITLE) or _ending(others, _TITLE_ENDS)
    if id is None:
        raise _unfound("id", columns)
    if title is None:
        raise _unfound("title", columns)
    free = [name for name in columns if name not in {id, title, *wishes.ignore} and values[name]]
    numeric = [name for name in free if _numeric(values[name])]
    popularity = wishes.popularity or _named([name for name in numeric if name not in wishes.categories], _POPULARITY)
    words = [
        name for name in free if name not in numeric and not _is_link(values[name]) and not _is_nested(values[name])
    ]
    text = wishes.text or tuple(name for name in words if name.lower() in _TEXT or _mean_length(values[name]) > _LONG)
    separators = {name: mark for name in words if name not in text and (mark := _separator(values[name]))}
    categories = wishes.categories or tuple(
        name for name in words if name not in text and (name in separators or _mean_length(values[name]) <= _LONG)
    )
    return Roles(
        id=id,
        title=title,
        text=tuple(text),
        categories=tuple(name for name in categories if name not in text),
        numbers=tuple(name for name in numeric if name not in (popularity, *categories)),
        popularity=popularity,
        separators={name: mark for name, mark in separators.items() if name in categories},
    )


def number(value: Any) -> float | None:
    """The number that a cell holds, or None; text from CSV counts when all of it is a number."""
    if value is None or isinstance(value, bool | bytes):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def nested(value: Any) -> bool:
    """Whether a cell holds an object or bytes, itself or in a list, where a value or a list of values was expected."""
    if isinstance(value, list):
        return any(isinstance(member, dict | list | bytes) for member in value)
    return isinstance(value, dict | bytes)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _unfound(role: str, columns: list[str]) -> InvalidInput:
    return InvalidInput(
        f"No column looks like the {role}. The columns are {', '.join(map(repr, columns[:30]))}.",
        expected=f"a column with a usual name such as {', '.join(map(repr, (_ID if role == 'id' else _TITLE)[:4]))}",
        fix=f"say which one it is: --{role} COLUMN",
    )


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(columns)}
    return next((by_lower[name] for name in names if name in by_lower), None)


def _ending(columns: Sequence[str], ends: Sequence[str]) -> str | None:
    return next((name for end in ends for name in columns if name.lower().endswith(end)), None)


def _tells_apart(values: Sequence[Any], rows: int) -> bool:
    return len(values) == rows and not any(map(nested, values)) and len(set(map(str, values))) == rows


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value != value  # NaN is not equal to itself


def _numeric(values: Sequence[Any]) -> bool:
    return sum(number(value) is not None for value in values) >= 0.95 * len(values)


def _is_link(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value.startswith(("http://", "https://", "/")) for value in values[:20])


def _is_nested(values: Sequence[Any]) -> bool:
    """Whether most values are objects, lists of objects or raw bytes: nothing to search or to pick."""
    return sum(nested(value) for value in values) > len(values) / 2


def _mean_length(values: Sequence[Any]) -> float:
    """Mean characters of one value; a list counts by its members."""
    flat = [value for value in values if not nested(value)]
    members = [str(member) for value in flat for member in (value if isinstance(value, list) else [value])]
    return sum(map(len, members)) / max(1, len(members))


def _separator(values: Sequence[Any]) -> str:
    """The mark that packs several values into one cell ("action|comedy"), or nothing."""
    texts = [value for value in values if isinstance(value, str)]
    for mark in _SEPARATORS:
        if sum(mark in value for value in texts) > 0.1 * max(1, len(texts)):
            return mark
    return ""
