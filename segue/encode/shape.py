"""The sizes of a transformer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a transformer. `inner` is the width inside the feed-forward part, `types` the token types."""

    vocabulary: int
    width: int
    blocks: int
    heads: int
    inner: int
    types: int = 2
    epsilon: float = 1e-12
