"""Learned sparse vectors: what words a document stands for, learned from the catalogue itself.

A head predicts from a document's vector how much each word of the catalogue's vocabulary belongs to it. Words that the
document holds get a level: how much more than elsewhere they were to be expected of it. Likely words that it does not hold
are added. All of this is done when the document is indexed; of a query nothing is needed but its words.

Source: Zhuang and Zuccon, "TILDE" (SIGIR 2021) and "Fast Passage Re-ranking with Contextualized Exact Term Matching and
Efficient Passage Expansion" (TILDEv2, 2021). There a transformer is trained with queries and judgements; here the vectors
are frozen, the head is linear, its targets are the documents' own words, and it is fitted in closed form (ridge regression
on the largest principal components). What a document teaches about itself is taken out of its own prediction (the leave-one-out
residual of a linear smoother: Allen, "The Relationship between Variable Selection and Data Augmentation", 1974).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, repeat

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError
from scipy.sparse import csr_array

Floats = NDArray[np.float32]

FEWEST = 200
"""Documents needed to learn from."""

LENGTH = 192
"""Terms of every document's representation, repetitions counted: one length, so that BM25 does not prefer short documents."""

PADDING = "."
"""Fills a representation up; no word, so no query asks for it."""

_COMPONENTS = 128
_RARE, _COMMON, _VOCABULARY = 3, 0.1, 12_000
"""A word is learned when it stands in at least so many documents and at most such a share; of more words the most frequent."""

_LEVELS = 4
_STEP = 2.0
"""Standard deviations of a word's predictions for one level; a word is repeated once for each, up to `_LEVELS` times."""

_ADDED, _SURE = 10, 4.0
"""Words added to a document at most, and the standard deviations that each must be above the mean."""

_BLOCK = 256
"""Documents weighed at once: their predictions, 12 MB, should stay near the processor."""

_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Head:
    """From a vector `v` to a score of every word: `(v - mean) @ projection @ weights`, in standard deviations of that word.

    `mean` [dimensions], `projection` [dimensions, components], `weights` [components, words], all float32. For the
    leave-one-out correction: a target's own effect is `1 / examples + |(v - mean) @ projection|²`, and a target `t` of a
    word in its standard deviations is `t * unit - offset`, both [words].
    """

    words: tuple[str, ...]
    mean: Floats
    projection: Floats
    weights: Floats
    unit: Floats
    offset: Floats
    examples: int

    def components(self, vectors: Floats) -> Floats:
        """float32 [n, components] for vectors [n, dimensions]."""
        return np.asarray((vectors - self.mean) @ self.projection, dtype=np.float32)

    def represent(
        self, vectors: Floats, bags: Sequence[Mapping[str, float]], taught: NDArray[np.bool_]
    ) -> list[dict[str, int]]:
        """Word → repetitions for each document: its own words from 1 up, and those that were added, once each.

        `vectors` [n, dimensions]; `bags` hold each document's words; `taught` [n] says which the head was fitted on.
        """
        column = {word: place for place, word in enumerate(self.words)}
        made: list[dict[str, int]] = []
        for start in range(0, len(bags), _BLOCK):
            part = slice(start, start + _BLOCK)
            made += self._represent(vectors[part], bags[part], taught[part], column)
        return made

    def _represent(
        self,
        vectors: Floats,
        bags: Sequence[Mapping[str, float]],
        taught: NDArray[np.bool_],
        column: Mapping[str, int],
    ) -> list[dict[str, int]]:
        rows, columns, targets = _table(bags, column)
        components = self.components(vectors)
        scores = components @ self.weights
        own = scores[rows, columns]
        effect = (1 / self.examples + (components**2).sum(axis=1))[rows]
        alone = (own - effect * (targets * self.unit[columns] - self.offset[columns])) / np.maximum(1 - effect, 1e-3)
        own = np.where(taught[rows], alone, own)
        levels = np.clip(np.rint(own / _STEP), 0, _LEVELS).astype(int)
        scores[rows, columns] = -np.inf
        made: list[dict[str, int]] = [{} for _ in bags]
        for row, place in _likeliest(scores):
            made[row][self.words[place]] = 1
        for representation, bag in zip(made, bags, strict=True):
            representation.update(plain(bag))
        raised = levels > 0
        for row, place, level in zip(
            rows[raised].tolist(), columns[raised].tolist(), levels[raised].tolist(), strict=True
        ):
            made[row][self.words[place]] += level
        return made

    def to_bytes(self) -> bytes:
        """The head as safetensors behind a hash of them."""
        tensors = {name: getattr(self, name) for name in ("mean", "projection", "weights", "unit", "offset")}
        tensors["words"] = np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8)
        tensors["examples"] = np.array([self.examples])
        raw = safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
        return blake2b(raw, digest_size=_DIGEST).digest() + raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Head":
        """The head that `to_bytes` wrote. Raises ValueError when a bit of it has changed."""
        if blake2b(raw[_DIGEST:], digest_size=_DIGEST).digest() != raw[:_DIGEST]:
            raise ValueError("the head is damaged")
        try:
            tensors = safetensors.numpy.load(raw[_DIGEST:])
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        words = tuple(tensors.pop("words").tobytes().decode().split("\n"))
        return cls(words=words, examples=int(tensors.pop("examples")[0]), **tensors)


def fit(vectors: Floats, bags: Sequence[Mapping[str, float]], *, ridge: float = 10.0) -> Head | None:
    """Learn a head from `vectors` [n, dimensions] and the counts of words that belong to each; None when there is too little.

    The target of a word with count c is c / (c + 1). A clicked query can be given as one more row: the document's vector and
    the query's words. `ridge` is the penalty on the squared weights, as many examples' worth of evidence that a component
    says nothing.
    """
    words = _vocabulary(bags)
    if len(bags) < FEWEST or not words:
        return None
    rows, columns, targets = _table(bags, {word: place for place, word in enumerate(words)})
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    variances, directions = variances[::-1][:_COMPONENTS], directions[:, ::-1][:, :_COMPONENTS]
    kept = variances > 1e-6 * variances[0]
    variances, directions = variances[kept], directions[:, kept]
    projection = (directions / np.sqrt(variances + ridge)).astype(np.float32)
    held = csr_array((targets, (columns, rows)), shape=(len(words), len(bags)))
    weights = (held @ (centred @ projection)).T
    deviations = np.sqrt(np.einsum("cw,c->w", weights**2, variances / (variances + ridge)) / len(bags))
    unit = 1 / np.maximum(deviations, 1e-9)
    means = np.bincount(columns, weights=targets, minlength=len(words)) / len(bags)
    return Head(
        words=words,
        mean=mean,
        projection=projection,
        weights=(weights * unit).astype(np.float32),
        unit=unit.astype(np.float32),
        offset=(means * unit).astype(np.float32),
        examples=len(bags),
    )


def plain(bag: Iterable[str]) -> dict[str, int]:
    """The representation of a document by its own words where nothing was learned: each once."""
    return dict.fromkeys(bag, 1)


def terms(representation: Mapping[str, int]) -> str:
    """A representation as `LENGTH` terms with spaces between them: the highest levels first, then padding.

    >>> terms({"bond": 2, "spy": 1}).split()[:5]
    ['bond', 'bond', 'spy', '.', '.']
    """
    pairs = list(representation.items())
    if sum(representation.values()) > LENGTH:
        pairs.sort(key=lambda pair: -pair[1])
    repeated = [word for word, level in pairs for _ in range(level)][:LENGTH]
    return " ".join(repeated) + f" {PADDING}" * (LENGTH - len(repeated))


def _vocabulary(bags: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    frequency = Counter(word for bag in bags for word in bag)
    known = [word for word, count in frequency.items() if _RARE <= count <= _COMMON * len(bags)]
    return tuple(sorted(sorted(known, key=lambda word: (-frequency[word], word))[:_VOCABULARY]))


def _table(
    bags: Sequence[Mapping[str, float]], column: Mapping[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Row, column and target of every word of the vocabulary in every bag."""
    rows = np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])
    columns = np.fromiter(map(column.get, chain.from_iterable(bags), repeat(-1)), np.int64, len(rows))
    counts = np.fromiter(chain.from_iterable(bag.values() for bag in bags), np.float32, len(rows))
    known = columns >= 0
    return rows[known], columns[known], (counts / (counts + 1))[known]


def _likeliest(scores: Floats) -> list[tuple[int, int]]:
    """(row, column) of the highest scores in every row, if they are high enough."""
    rows, columns = np.divmod(np.flatnonzero(scores > _SURE), scores.shape[1])
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    best = rank < _ADDED
    return list(zip(rows[best].tolist(), columns[best].tolist(), strict=True))
