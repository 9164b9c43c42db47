"""What can be chosen in a query tower, and how many multiply-adds a query then costs."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from numpy.random import Generator

from segue.errors import InvalidInput


@dataclass(frozen=True, slots=True, order=True)
class Architecture:
    """One tower. Without blocks it is a static table: a vector a token, pooled.

    `width` d is the token table's rank; `pairs`, whether each two tokens that follow one another have a vector too, in a hashed
    table; `window`, how many tokens a depthwise convolution sees (odd; 1 for none); `depth`, `heads` and `inner` (in widths)
    are those of transformer blocks; `weighted`, whether the mean over the tokens has learned weights, one a token of the
    vocabulary.
    """

    width: int
    depth: int = 0
    heads: int = 1
    inner: int = 1
    window: int = 1
    pairs: bool = False
    weighted: bool = True

    def __post_init__(self) -> None:
        sizes = (self.width, self.heads, self.inner, self.window)
        if min(sizes) < 1 or self.depth < 0 or self.width % self.heads or self.window % 2 == 0:
            raise InvalidInput(
                f"There is no tower {self}.",
                expected="sizes of 1 or more, a width that the heads divide, an odd window",
                fix="change the sizes",
            )

    def canonical(self) -> "Architecture":
        """The same function under one name: without blocks, heads and inner width say nothing.

        >>> Architecture(64, depth=0, heads=4, inner=2).canonical() == Architecture(64)
        True
        """
        return self if self.depth else replace(self, heads=1, inner=1)


CHOICES = tuple(field.name for field in fields(Architecture))


@dataclass(frozen=True, slots=True)
class Space:
    """The values that each choice may take; every combination is a tower. Raises `InvalidInput` where one is none."""

    width: tuple[int, ...]
    depth: tuple[int, ...] = (0, 1, 2)
    heads: tuple[int, ...] = (2, 4)
    inner: tuple[int, ...] = (1, 2, 4)
    window: tuple[int, ...] = (1, 3)
    pairs: tuple[bool, ...] = (False, True)
    weighted: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        for name in CHOICES:
            if not getattr(self, name):
                raise InvalidInput(f"The space offers no {name}.", expected="one value or more for each choice")
        for width, heads, window in product(self.width, self.heads, self.window):
            Architecture(width, heads=heads, window=window)

    def __iter__(self) -> Iterator[Architecture]:
        """Every different tower, each once."""
        made = (Architecture(*values).canonical() for values in product(*(getattr(self, name) for name in CHOICES)))
        return iter(dict.fromkeys(made))

    def largest(self) -> Architecture:
        """The one that all others are cut out of."""
        return Architecture(*(max(getattr(self, name)) for name in CHOICES))

    def sample(self, random: Generator) -> Architecture:
        """Each choice drawn uniformly."""
        return self._made({name: self._drawn(name, random) for name in CHOICES})

    def mutate(self, parent: Architecture, random: Generator, *, rate: float) -> Architecture:
        """Each choice drawn anew with probability `rate`."""
        return self._made(
            {name: self._drawn(name, random) if random.random() < rate else getattr(parent, name) for name in CHOICES}
        )

    def cross(self, first: Architecture, second: Architecture, random: Generator) -> Architecture:
        """Each choice from one of two parents."""
        return self._made({name: getattr((first, second)[int(random.integers(2))], name) for name in CHOICES})

    def _drawn(self, name: str, random: Generator) -> Any:
        values = getattr(self, name)
        return values[int(random.integers(len(values)))]

    def _made(self, values: dict[str, Any]) -> Architecture:
        # What a static parent hands down for the blocks it does not have may not be on offer.
        allowed = {
            name: value if value in getattr(self, name) else getattr(self, name)[0] for name, value in values.items()
        }
        return Architecture(**allowed).canonical()


def multiply_adds(architecture: Architecture, *, tokens: int, dimensions: int) -> int:
    """Multiply-adds of the matrix products and convolutions for one query of `tokens` tokens, `dimensions` being the gallery's.

    Looking a row up, adding, normalising and activations are not counted, as is usual; the pooled mean, a product, is.
    Of the tower as it learns: one that is served without its projection (`query_encoder.folded`) costs less.
    A static table of width 384 for a gallery of 384:

    >>> multiply_adds(Architecture(384), tokens=8, dimensions=384)  # 8 · 384 + 384²
    150528
    """
    if tokens < 1 or dimensions < 1:
        raise InvalidInput(f"{tokens} tokens and {dimensions} dimensions were passed.", expected="1 or more of both")
    width, inner = architecture.width, architecture.inner * architecture.width
    convolution = tokens * width * architecture.window * (architecture.window > 1)
    block = tokens * (4 * width**2 + 2 * width * inner) + 2 * tokens**2 * width
    return convolution + architecture.depth * block + tokens * width + width * dimensions


def encoder_multiply_adds(*, tokens: int, width: int, inner: int, blocks: int) -> int:
    """The same of a transformer whose mean over the tokens is its vector, such as the gallery's encoder.

    >>> encoder_multiply_adds(tokens=8, width=384, inner=1536, blocks=6)  # MiniLM
    85232640
    """
    block = tokens * (4 * width**2 + 2 * width * inner) + 2 * tokens**2 * width
    return blocks * block + tokens * width
