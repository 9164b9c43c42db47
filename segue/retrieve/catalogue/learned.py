"""The learned head of one text index: fitted once on the catalogue's own documents, and kept beside the index.

Documents that were indexed under one head keep what it gave them. So a head never changes: when there is none that can be
read, or most documents are newer than it, another one is fitted and every document is written again (see `TextIndex`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import orjson

from segue.records import Numbers
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.items import Items
from segue.retrieve.catalogue.terms import words
from segue.retrieve.catalogue.vectors import VectorFile
from segue.retrieve.expansion import FEWEST, Head, fit, plain, terms

_EXAMPLES = 50_000
"""Documents that a head is fitted on, at most: 1,000,000 would teach it little more and take minutes."""

_LONGEST = 5_000
"""Characters of a text that are looked at."""

_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Learned:
    """A head, the encoder whose vectors it reads, and the documents that taught it: every `step`th number up to `last`."""

    head: Head
    encoder: str
    last: int
    step: int

    def outdated(self, alive: Numbers, vectors: VectorFile) -> bool:
        """Whether it reads another encoder's vectors or more than half of the documents are newer than it."""
        return self.encoder != vectors.fingerprint or int((alive > self.last).sum()) > len(alive) / 2

    def taught(self, numbers: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray((numbers <= self.last) & (numbers % self.step == 0))


def learn(items: Items, version: int, vectors: VectorFile) -> Learned | None:
    """Fit a head on the documents alive at `version`, or an even sample of them; None when there are too few."""
    alive, _ = items.alive(version)
    if len(alive) < FEWEST:
        return None
    step = -(-len(alive) // _EXAMPLES)
    sample = alive[alive % step == 0]
    bags = []
    for start in range(0, len(sample), _BATCH):
        documents = items.get(sample[start : start + _BATCH].tolist())
        bags += [bag(documents[number]) for number in sorted(documents)]
    head = fit(vectors.rows().of(sample), bags)
    return None if head is None else Learned(head, vectors.fingerprint, int(alive[-1]), step)


def save(learned: Learned, file: Path) -> None:
    """Write a head and what it was learned from, durable at return; a reader finds the old file or the new one."""
    about = orjson.dumps({"encoder": learned.encoder, "last": learned.last, "step": learned.step})
    temporary = file.with_suffix(".new")
    with temporary.open("wb") as stream:
        stream.write(about + b"\n" + learned.head.to_bytes())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def load(file: Path) -> Learned | None:
    """The saved head, or None when there is none that can be read."""
    try:
        about, _, raw = file.read_bytes().partition(b"\n")
        named = orjson.loads(about)
        return Learned(Head.from_bytes(raw), named["encoder"], named["last"], named["step"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def represented(
    documents: Iterable[tuple[int, Document]], learned: Learned | None, vectors: VectorFile | None
) -> Iterator[tuple[int, Document, str]]:
    """Each document with its number and its representation: the terms of the field `sparse`."""
    stream = iter(documents)
    while batch := list(islice(stream, _BATCH)):
        numbers = np.array([number for number, _ in batch])
        bags = [bag(document) for _, document in batch]
        for (number, document), found in zip(batch, _representations(numbers, bags, learned, vectors), strict=True):
            yield number, document, terms(found)


def _representations(
    numbers: Numbers, bags: Sequence[Mapping[str, int]], learned: Learned | None, vectors: VectorFile | None
) -> list[dict[str, int]]:
    if learned is None or vectors is None:
        return [plain(one) for one in bags]
    return learned.head.represent(vectors.rows().of(numbers), bags, learned.taught(numbers))


def bag(document: Document) -> dict[str, int]:
    """How often each word stands in a document, the title counting double; the title's words first."""
    title = words(document.title)
    members = [member for members in document.categories.values() for member in members]
    years = [str(int(value)) for value in document.numbers.values() if value.is_integer() and 1000 <= value < 2200]
    rest = words(" ".join([*(text[:_LONGEST] for text in document.text), *members, *years]))
    counts = dict.fromkeys(title, 0)
    for word in (*title, *title, *rest):
        counts[word] = counts.get(word, 0) + 1
    return counts
