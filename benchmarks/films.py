"""Films and judged queries of msrd for benchmarks of query encoders: texts, a split by title, and vectors made once."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.recipes.judgements import load

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

PARTS = {"train": range(60), "validation": range(60, 75), "test": range(75, 100)}
"""Part → which of a hundred draws of a query's title it holds."""
_START = 300
"""Characters of a film's story that are embedded."""


@dataclass(frozen=True, slots=True)
class Part:
    """Queries, and for each the grade of every film that was judged, by the film's row."""

    queries: list[str]
    grades: list[Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Films:
    """The gallery's texts, texts like queries made from the catalogue with the row that each tells of, and judged queries."""

    texts: list[str]
    made_up: list[str]
    about: Places
    parts: dict[str, Part]


def films(folder: Path, *, most: int | None = None) -> Films:
    """Read msrd; with `most`, only so many films and the queries whose every judged film is among them.

    A query belongs to the part that its title is drawn to: the longest title of the catalogue that its words hold, or that of
    the first film that is relevant to it; without an article, the first two words of it, so that a film and its sequels go
    together. No film that is asked for by name in one part is asked for in another.
    """
    with gzip.open(folder / "movies-corpus.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines][:most]
    row_of = {row["id"]: place for place, row in enumerate(rows)}
    titles = {words(row["title"]) for row in rows}
    parts = {name: Part([], []) for name in PARTS}
    for one in load(folder / "movies-judgments.tsv.gz"):
        grades = {row_of[id]: grade for id, grade in one.grades.items() if id in row_of}
        relevant = [place for place, grade in grades.items() if grade > 0]
        if relevant:
            title = longest_title(words(one.text), titles) or words(rows[relevant[0]]["title"])
            part = parts[part_of(title)]
            part.queries.append(one.text)
            part.grades.append(grades)
    made_up, about = [], []
    for place, row in enumerate(rows):
        asked = queries_for(row)
        made_up += asked
        about += [place] * len(asked)
    return Films([gallery_text(row) for row in rows], made_up, np.array(about), parts)


def words(text: str) -> tuple[str, ...]:
    """Lower-case letters and digits.

    >>> words("Spider-Man: No Way Home")
    ('spider', 'man', 'no', 'way', 'home')
    """
    return tuple(re.findall(r"[a-z0-9]+", text.lower()))


def longest_title(asked: tuple[str, ...], titles: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The longest run of the words asked that is a title, or none.

    >>> longest_title(("watch", "toy", "story", "3"), {("toy", "story"), ("story",)})
    ('toy', 'story')
    """
    for length in range(len(asked), 0, -1):
        for start in range(len(asked) - length + 1):
            if (run := asked[start : start + length]) in titles:
                return run
    return ()


def part_of(title: tuple[str, ...]) -> str:
    """Where queries for a title go.

    >>> part_of(("the", "toy", "story")) == part_of(("toy", "story", "3"))
    True
    """
    name = " ".join([word for word in title if word not in ("the", "a", "an")][:2])
    drawn = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100
    return next(part for part, draws in PARTS.items() if drawn in draws)


def gallery_text(row: Mapping[str, object]) -> str:
    """What is embedded of a film: title, genres, director, four actors, the start of its story."""
    genres, actors = (", ".join(_listed(row.get(name))[:4]) for name in ("genres", "actors"))
    parts = [row["title"], genres, row.get("director"), actors, str(row.get("overview") or "")[:_START]]
    return ". ".join(str(part) for part in parts if part)


def queries_for(row: Mapping[str, object]) -> list[str]:
    """Texts that somebody who looks for the film may type, out of the catalogue alone."""
    title, year, actors = str(row["title"]), row.get("year", ""), _listed(row.get("actors"))
    characters = [name.split(" / ")[0].split(" (")[0] for name in _listed(row.get("characters"))]
    asked = [title, f"{title} {year} movie"]
    asked += [f"{one} {title}" for one in (*actors[:1], *characters[:1])]
    story = re.split(r"(?<=[.!?]) ", str(row.get("overview") or ""))[0]
    return [one.lower() for one in asked] + [" ".join(story.split()[:20])] * bool(story)


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def kept(file: Path, make: Callable[[], Floats]) -> Floats:
    """The array in `file`, made if it is not there yet."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new.npy")
        np.save(new, make())
        new.replace(file)
    found: Floats = np.load(file)
    return found


def asked_in_all(parts: Mapping[str, Part]) -> Sequence[str]:
    """Every judged query, in the order of the parts."""
    return [query for part in parts.values() for query in part.queries]
