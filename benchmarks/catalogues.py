"""Catalogues with queries, for updates of the encoder: what is embedded, what is asked, and what should be found. `most` cuts
them."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.recipes.judgements import load

_START = 200
"""Characters of a text that are embedded, as in a store."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`texts` [n] are embedded, `used` [n] says how much each item is used. `known` [n] is a query that should find that item
    alone.

    `judged` are queries with grades of some items by place; `cluster` [n] names what belongs to one film.
    """

    texts: list[str]
    used: NDArray[np.float64]
    known: list[str]
    queries: list[str]
    grades: list[dict[int, float]]
    cluster: list[str]


def msrd(data: Path, most: int | None = None) -> Catalogue:
    """Films with titles, genres and the start of their stories; people's queries, judged. A known item is asked by its
    title."""
    films = [json.loads(line) for line in _text(data / "msrd" / "movies-corpus.jsonl.gz").splitlines()[:most]]
    place = {film["id"]: number for number, film in enumerate(films)}
    judged = load(data / "msrd" / "movies-judgments.tsv.gz")
    grades = [{place[id]: grade for id, grade in one.grades.items() if id in place} for one in judged]
    some = [any(grade > 0 for grade in of.values()) for of in grades]
    parts = [(film["title"], ", ".join(film["genres"][:4]), film["overview"][:_START]) for film in films]
    return Catalogue(
        [". ".join(part for part in one if part) for one in parts],
        np.array([film["votes"] for film in films], dtype=np.float64),
        [film["title"] for film in films],
        [one.text for one, keep in zip(judged, some, strict=True) if keep],
        [of for of, keep in zip(grades, some, strict=True) if keep],
        [_cluster(film["title"]) for film in films],
    )


def films(data: Path, most: int | None = None) -> Catalogue:
    """American films: title and the abstract's start are embedded, without its last sentence, which is asked and should find
    the film; those of fewer than three sentences are left out. A known item is asked by its title. Nothing says which is used
    more."""
    texts, sentences, titles = [], [], []
    for file in sorted((data / "wikipedia-movies").glob("*.json.gz")):
        for film in json.loads(_text(file)):
            *rest, last = re.split(r"(?<=[.!?])\s+", (film.get("extract") or "").strip())
            if len(rest) >= 2 and len(last.split()) >= 6:
                texts.append(f"{film['title']}. {' '.join(rest)[:_START]}")
                sentences.append(last[:_START])
                titles.append(film["title"])
    texts, sentences, titles = texts[:most], sentences[:most], titles[:most]
    return Catalogue(
        texts,
        np.zeros(len(texts)),
        titles,
        sentences,
        [{place: 1.0} for place in range(len(texts))],
        [_cluster(title) for title in titles],
    )


CATALOGUES: dict[str, Callable[[Path, int | None], Catalogue]] = {"msrd": msrd, "films": films}


def _text(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()


def _cluster(title: str) -> str:
    """A film and its sequels: "sinister" and "sinister 2" are one."""
    return " ".join(title.lower().split(":")[0].split()[:2])
