"""A request as the strategies of one domain see it."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from segue.records import Request
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import trigrams, words
from segue.retrieve.memory import Seen
from segue.retrieve.readings import Reading, read

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class Query:
    """What is searched for. Words, trigrams and the vector are made when first asked for, and once for all strategies."""

    def __init__(self, request: Request, text: str, encode: Encode) -> None:
        self.request = request
        self.text = text
        self._encode = encode
        self._encoding = Lock()
        self._vectors: list[NDArray[np.float32]] = []
        self._readings: dict[str, tuple[Reading, ...]] = {}
        self.known: dict[str, NDArray[np.float64]] = {}
        """What each domain's catalogue was found to know of the request (see `evidence`)."""
        self.remembered: dict[str, Mapping[str, Seen]] = {}
        """What each domain's memory was found to hold for it (see `strategies.remembered`)."""

    def again(self) -> "Query":
        """The same request, to be answered anew: without what was remembered of it before."""
        query = copy(self)
        query.remembered = {}
        return query

    def saying(self, text: str) -> "Query":
        """The same request, with other words to search for."""
        return Query(self.request, text, self._encode)

    @cached_property
    def words(self) -> list[str]:
        """Stemmed words, each once, in the order of the text."""
        return list(dict.fromkeys(words(self.text)))

    @cached_property
    def trigrams(self) -> list[str]:
        return trigrams(self.text)

    @property
    def vector(self) -> NDArray[np.float32]:
        """Unit vector float32 [dimensions]."""
        with self._encoding:  # strategies ask at the same time; a cached_property would make all requests wait for one
            if not self._vectors:
                self._vectors.append(self._encode([self.text])[0])
            return self._vectors[0]

    def random(self, purpose: str, domain: str, state: int) -> np.random.Generator:
        """Draws for one `purpose`: the same for the same request, seed and `state` of what was learned of the domain."""
        key = f"{purpose}\x1f{domain}\x1f{self.text}\x1f{state}"
        return np.random.default_rng((self.request.seed, zlib.crc32(key.encode())))

    def readings(self, catalogue: Snapshot) -> tuple[Reading, ...]:
        """The likely readings in one catalogue."""
        if catalogue.domain not in self._readings:
            self._readings[catalogue.domain] = read(self.text, catalogue)
        return self._readings[catalogue.domain]
