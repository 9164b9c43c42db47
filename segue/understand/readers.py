"""All domains' readers as one: a request goes in once, and every domain's n best hypotheses come out.

Text → words and features → one sparse product for all domains → P(domain), P(intent), and the k best taggings with their
probabilities → the n best pairs of intent and tagging by the product. Reading is the same function for one request and for many.

Source: Su et al. 2018 (see `segue.understand.hypotheses`), section 2; there each domain's models are maximum entropy and
conditional random fields as well. Ours may stand beside a frozen encoder, which encodes a request once for all domains.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from segue.encode.states import StatesEncoder
from segue.errors import InvalidInput, NotFound
from segue.understand import surface
from segue.understand.assemble import Readings, hypotheses
from segue.understand.corpus import Encoded, WordEncoder, encode, looked_up
from segue.understand.hypotheses import Hypotheses
from segue.understand.lattices import Chain, Lattices
from segue.understand.reader import Reader
from segue.understand.stack import stacked
from segue.understand.tagger import allowed
from segue.understand.training import rows
from segue.understand.words import Span, words

Floats = NDArray[np.float64]

ENCODER = "encoder"
"""The folder of the encoder, beside the domains' own."""

_TOGETHER = 64
"""Requests read in one piece; more need more memory and are no faster."""


class Readers:
    """Readers of several domains. Holds no state that a call changes: threads may share it."""

    def __init__(self, readers: Sequence[Reader], encoder: WordEncoder | None = None) -> None:
        """Raises `InvalidInput` for no reader, two of one domain, or readers of another encoder than the one given."""
        _check(readers, encoder)
        self.readers = tuple(sorted(readers, key=lambda reader: reader.domain))
        self._encoder = encoder if any(reader.encoder for reader in readers) else None
        self._texts = stacked([reader.texts for reader in self.readers])
        self._words = stacked([reader.words for reader in self.readers])
        self._lattices = Lattices([_chain(reader) for reader in self.readers])
        sizes = np.array([1 + len(reader.intents) for reader in self.readers], dtype=np.int64)
        self._domain_columns = np.cumsum(sizes) - sizes
        self._intent_columns = np.setdiff1d(np.arange(int(sizes.sum())), self._domain_columns)
        self._intent_firsts = self._domain_columns - np.arange(len(sizes))
        self._intent_domain = np.repeat(np.arange(len(sizes)), sizes - 1)

    @classmethod
    def open(cls, folder: Path | str, *, threads: int = 1) -> "Readers":
        """Every reader in `folder`, which `segue train reader` filled; the encoder too, where one wants it.

        Raises `NotFound` where there is none, and what `artifact.open` raises.
        """
        folder = Path(folder)
        found = [Reader.open(one) for one in reader_folders(folder)]
        if not found:
            raise NotFound(
                f"There is no reader in {folder}.",
                expected="a folder that `segue train reader` made",
                fix="check the path, or train readers first",
            )
        wanted = any(reader.encoder for reader in found)
        return cls(found, StatesEncoder.open(folder / ENCODER, threads=threads) if wanted else None)

    @property
    def domains(self) -> tuple[str, ...]:
        """In alphabetical order, which is the order of what `read` returns."""
        return tuple(reader.domain for reader in self.readers)

    def read(self, texts: Sequence[str], *, most: int = 6) -> list[Hypotheses]:
        """Each domain's hypotheses for the texts, at most `most` a text and domain.

        Raises `InvalidInput` for anything but texts.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InvalidInput("What was passed is not a list of texts.", expected="a list of str", fix="pass [text]")
        if most < 1:
            raise InvalidInput(f"most is {most}.", expected="1 or more", fix="pass most=6")
        starts = range(0, len(texts), _TOGETHER)
        found = [self._read(texts[start : start + _TOGETHER], most) for start in starts]
        return hypotheses(self.readers, found, most)

    def _read(self, texts: Sequence[str], most: int) -> Readings:
        spans = [words(text) for text in texts]
        lowers = [surface.lowered(text, found) for text, found in zip(texts, spans, strict=True)]
        encoded = None if self._encoder is None else encode(self._encoder, _encodable(texts), spans)
        domain, intent = self._score_texts(lowers, encoded)
        scores = self._score_words(texts, spans, lowers, encoded)
        counts = np.array([len(found) for found in spans], dtype=np.int64)
        firsts = np.cumsum(counts) - counts
        taggings: list[tuple[NDArray[np.int64], Floats, NDArray[np.int64]]] = []
        for count in np.unique(counts).tolist():
            # Requests of one length need no padding, and so do not depend on each other.
            same = np.flatnonzero(counts == count)
            best = self._lattices.best(scores[firsts[same, None] + np.arange(count)], most)
            taggings.append((same, best.logs, best.tags))
        return Readings(texts, spans, domain, intent, taggings)

    def _score_texts(self, lowers: Sequence[Sequence[str]], encoded: Encoded | None) -> tuple[Floats, Floats]:
        """log P(domain) [r, d], and log P(intent | domain), all domains' intents side by side."""
        features = looked_up([surface.of_text(lower) for lower in lowers], self._texts.places)
        scores = self._texts.scores(features, None if encoded is None else encoded.texts)
        intents = scores[:, self._intent_columns]
        intents -= np.maximum.reduceat(intents, self._intent_firsts, axis=1)[:, self._intent_domain]
        total = np.log(np.add.reduceat(np.exp(intents), self._intent_firsts, axis=1))
        return log_expit(scores[:, self._domain_columns]), intents - total[:, self._intent_domain]

    def _score_words(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        lowers: Sequence[Sequence[str]],
        encoded: Encoded | None,
    ) -> Floats:
        """A score for every word of all texts and every domain's tags, [m, t]."""
        places = self._words.places
        named: list[list[str]] = []
        for text, found, lower in zip(texts, spans, lowers, strict=True):
            features = surface.of_words(text, found, lower)
            _look_up_phrases(features, lower, places)
            named += features
        return self._words.scores(rows(named, places), None if encoded is None else encoded.words)


def reader_folders(folder: Path) -> list[Path]:
    """The folders of readers in a folder; what is half-written begins with a dot and is passed over."""
    if not folder.is_dir():
        return []
    return sorted(
        one
        for one in folder.iterdir()
        if (one / "manifest.json").exists() and one.name[0] != "." and one.name != ENCODER
    )


def _look_up_phrases(features: list[list[str]], lower: Sequence[str], places: Mapping[str, int]) -> None:
    for first, last, phrase in surface.phrases(lower):
        if (key := f"B{phrase}") in places:
            features[first].append(key)
            for inside in range(first + 1, last):
                features[inside].append(f"I{phrase}")


def _chain(reader: Reader) -> Chain:
    may_start, may_follow = allowed(reader.tags)
    return Chain(
        np.where(may_start > 0, reader.start.astype(np.float64), -np.inf),
        np.where(may_follow > 0, reader.pairs.astype(np.float64), -np.inf),
    )


def _encodable(texts: Sequence[str]) -> list[str]:
    """Half of a surrogate pair is no character: the encoder gets a question mark."""
    return [text if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts]


def _check(readers: Sequence[Reader], encoder: WordEncoder | None) -> None:
    if not readers:
        raise InvalidInput("No reader was passed.", expected="one a domain", fix="train readers first")
    domains = [reader.domain for reader in readers]
    if twice := {domain for domain in domains if domains.count(domain) > 1}:
        raise InvalidInput(f"Two readers are of the domain {sorted(twice)[0]!r}.", expected="one reader a domain")
    for reader in readers:
        if reader.encoder and (encoder is None or encoder.fingerprint != reader.encoder):
            raise InvalidInput(
                f"The reader of {reader.domain!r} was trained beside another encoder.",
                expected=f"the encoder {reader.encoder[:12]}",
                fix="pass that encoder, or train the domain again beside this one",
            )
