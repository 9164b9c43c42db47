"""What every encoder does, and how texts are put together into batches. No torch here: serving imports this file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segue.encode.tokenizer import Tokenizer
from segue.errors import InvalidInput

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

_WINDOW = 16_384
"""Texts tokenised at a time: bounds the memory of a large catalogue, and is enough to fill batches of one length."""

_TEXTS, _TOKENS = 64, 1_024
"""Most texts and tokens in a batch. Measured on 2 cores: four times as many are no faster for film titles, a quarter
slower for long texts, and take four times the memory."""


class Encoder(Protocol):
    """Text → vectors. Two encoders with one `fingerprint` give the same vectors."""

    @property
    def dimensions(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`n` texts → unit rows, float32 [n, dimensions]; `n` may be 0."""
        ...


def encode_by_length(
    texts: Iterable[str], tokenizer: Tokenizer, embed: Callable[[Ids], Vectors], *, dimensions: int
) -> Vectors:
    """Encode texts in batches of one token length each: ids int64 [b, length] → `embed` → float32 [b, dimensions].

    A batch never holds padding, so no work is spent on it and a text's vector does not depend on its neighbours.
    Raises `InvalidInput` for anything but texts.
    """
    listed = checked(texts)
    if len(listed) == 1:  # a request: sorting what needs no sorting takes as long as a small encoder does
        return embed(np.array(tokenizer.tokenize(listed), dtype=np.int64))
    vectors = np.empty((len(listed), dimensions), dtype=np.float32)
    for start in range(0, len(listed), _WINDOW):
        rows = tokenizer.tokenize(listed[start : start + _WINDOW])
        for group in by_length([len(row) for row in rows], texts=_TEXTS, tokens=_TOKENS):
            ids = np.array([rows[i] for i in group], dtype=np.int64)
            vectors[start + group] = embed(ids)
    return vectors


def by_length(lengths: Sequence[int], *, texts: int, tokens: int) -> Iterator[NDArray[np.int64]]:
    """Indices in groups of equal length, each of at most `texts` texts and `tokens` tokens, or of one long text.

    >>> [group.tolist() for group in by_length([3, 5, 3, 3], texts=2, tokens=100)]
    [[0, 2], [3], [1]]
    """
    measured = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(measured, kind="stable")
    edges = np.flatnonzero(np.diff(measured[order])) + 1
    for same in np.split(order, edges):
        if len(same):
            most = max(1, min(texts, tokens // max(1, int(measured[same[0]]))))
            yield from (same[i : i + most] for i in range(0, len(same), most))


def checked(texts: Iterable[str]) -> list[str]:
    """`texts` as a list; raises `InvalidInput` where one of them is not a text that can be encoded."""
    if isinstance(texts, str):
        raise InvalidInput("One text was passed where several are expected.", expected="a list", fix="pass [text]")
    listed = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInput(
                f"Text {i} is of type {type(text).__name__}.", expected="str", fix="convert it with str()"
            )
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InvalidInput(
                    f"Text {i} holds half of a surrogate pair, which is no character.",
                    expected="text that can be written as UTF-8",
                    fix="decode it again with errors='replace'",
                ) from error
    return listed
