"""Text → token ids, by the `tokenizer.json` of a model, through the `tokenizers` library."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

from segue.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Tokens:
    """A padded batch: `ids` int64 [n, longest] and `mask` int64 [n, longest], 1 at a token and 0 at padding."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The ids of one text and where each piece stands in it, in characters, the end exclusive; special ones at (0, 0)."""

    ids: list[int]
    spans: list[tuple[int, int]]


class Tokenizer:
    """An opened tokenizer that cuts a text after `longest` tokens, the special ones included.

    `longest` is a property of the model, not of its position table: all-MiniLM-L6-v2 has 512 positions and was
    tuned, and is used by its authors, with 256.
    """

    def __init__(self, definition: str, *, longest: int) -> None:
        """`definition` is the text of a `tokenizer.json`; its own padding and truncation are ignored."""
        try:
            opened = tokenizers.Tokenizer.from_str(definition)
        except Exception as error:  # the library raises nothing narrower
            raise InvalidInput(f"The tokenizer cannot be read: {error}.", expected="a tokenizer.json") from error
        special = opened.num_special_tokens_to_add(is_pair=False)
        if longest <= special:
            raise InvalidInput(
                f"The longest text is {longest} tokens.", expected=f"more than the {special} special ones"
            )
        opened.no_padding()
        opened.enable_truncation(longest)
        self.longest = longest
        self.definition = definition
        self._tokenizer = opened
        self._padding = opened.token_to_id("[PAD]") or 0

    @classmethod
    def open(cls, path: Path, *, longest: int) -> "Tokenizer":
        """Open a `tokenizer.json`; raises `NotFound` or `InvalidInput`."""
        try:
            return cls(path.read_text(encoding="utf-8"), longest=longest)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"There is no tokenizer at {path}.", fix="pass the folder of a whole model") from error
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{path} is not text.", expected="a tokenizer.json in UTF-8") from error

    @property
    def vocabulary(self) -> int:
        """How many different ids there are."""
        return self._tokenizer.get_vocab_size()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of every text, each at most `longest` long."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def whole(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of every text, of any length, without special ones."""
        # Another one, so that threads which share this one are not disturbed.
        uncut = tokenizers.Tokenizer.from_str(self.definition)
        uncut.no_padding()
        uncut.no_truncation()
        return [one.ids for one in uncut.encode_batch_fast(list(texts), add_special_tokens=False)]

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """The ids of every text, each at most `longest` long, and where they stand."""
        return [Pieces(encoding.ids, encoding.offsets) for encoding in self._tokenizer.encode_batch(list(texts))]

    def batch(self, texts: Sequence[str]) -> Tokens:
        """The ids of every text, padded to the longest of them."""
        rows = self.tokenize(texts)
        ids = np.full((len(rows), max(map(len, rows), default=0)), self._padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return Tokens(ids, mask)
