"""Instructions as words: the vocabulary of the demonstrations, and what an encoder knows of each word before any learning."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.encode.pretrained import TorchEncoder
from segue.errors import InvalidInput

PADDING, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("", "�", "(", ")")
LONGEST = 80
"""Words of an instruction; what is beyond is not read. The longest of Room-to-Room in 100 has 58."""

_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_BEFORE_MARKS = re.compile(r" ([.,;:!?')\]])")


def words_of(text: str) -> list[str]:
    """Lower case, words, numbers and marks apart.

    >>> words_of("Turn left; the 2nd door.")
    ['turn', 'left', ';', 'the', '2', 'nd', 'door', '.']
    """
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class Vocabulary:
    """The words that instructions are made of; a word's number is its place in `words`, the first four are `SPECIAL`."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, instructions: Iterable[str], *, least: int = 2) -> "Vocabulary":
        """Every word that occurs at least that often.

        >>> Vocabulary.of(["go left", "go right"]).words[4:]
        ('go',)
        """
        counts = Counter(word for text in instructions for word in words_of(text))
        return cls((*SPECIAL, *sorted(word for word, count in counts.items() if count >= least)))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def ids(self, instructions: Sequence[str], *, longest: int = LONGEST) -> Tensor:
        """Instructions → int64 [b, n], padded with `PADDING`; unknown words are `UNKNOWN`. Raises `InvalidInput` for one
        without words."""
        rows = [[self._number.get(word, UNKNOWN) for word in words_of(text)[:longest]] for text in instructions]
        if not all(rows):
            empty = [text for text, row in zip(instructions, rows, strict=True) if not row]
            raise InvalidInput(f"The instruction {empty[0]!r} has no words.", expected="an instruction in plain words")
        ids = torch.full((len(rows), max(map(len, rows), default=0)), PADDING)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor(row)
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """Words up to `END`, as one would write them.

        >>> Vocabulary((*SPECIAL, "go", "left", ".")).text([BEGIN, 4, 5, 6, END, 4])
        'go left.'
        """
        kept = list(ids)[: list(ids).index(END)] if END in ids else list(ids)
        return _BEFORE_MARKS.sub(r"\1", " ".join(self.words[one] for one in kept if one >= len(SPECIAL)))


def known_vectors(words: Sequence[str], encoder: TorchEncoder) -> Tensor:
    """What a pre-trained encoder's word table has for each word or name: the mean over its pieces, float32 [n, d], of unit
    variance over all; zeros for the empty word.
    """
    table: NDArray[np.float32] = encoder.transformer.words.weight.detach().numpy()
    pieces = encoder.tokenizer.tokenize(list(words))
    found = np.zeros((len(words), table.shape[1]), np.float32)
    for at, (word, row) in enumerate(zip(words, pieces, strict=True)):
        if word and row[1:-1]:
            found[at] = table[row[1:-1]].mean(0)
    return torch.from_numpy(found / (found.std() or 1.0))
