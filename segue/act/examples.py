"""Where the discriminator's examples come from: what was shown, and what was made of it. Each source is an object; a method is
a list.

`Shown`, `Made`, `Rephrased` and `Relabelled` are positive, `Sampled` and `Misaligned` negative. A method without one of them is
the same learner without that object.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from segue.act.demonstrations import Demonstrations
from segue.act.episodes import Episodes, joined
from segue.act.language import PADDING


@dataclass(frozen=True, eq=False)
class Examples:
    """Episodes with the words [b, n] of a goal each. `which` int64 [b] numbers the episodes where some are the same; otherwise
    no two are."""

    episodes: Episodes
    words: Tensor
    which: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, chosen: NDArray[np.int64]) -> "Examples":
        which = chosen if self.which is None else self.which[chosen]
        return Examples(self.episodes[chosen], trimmed(self.words[torch.from_numpy(chosen)]), which)


def trimmed(words: Tensor) -> Tensor:
    """Words [b, n] without the columns that are padding in every row."""
    return words[:, : max(1, int((words != PADDING).sum(1).max()))]


def together(several: Sequence[Examples]) -> Examples:
    """One behind the other."""
    return Examples(joined([one.episodes for one in several]), padded([one.words for one in several]))


def padded(several: Sequence[Tensor]) -> Tensor:
    """Words [b, n] of several batches one behind the other, as wide as the widest."""
    longest = max(words.shape[1] for words in several)
    return torch.cat([F.pad(words, (0, longest - words.shape[1]), value=PADDING) for words in several])


@dataclass
class Replay:
    """What the policy did lately, in the portions that it was walked in: with the goal that it followed, and with the goal that
    the generator named it by, if there is a generator."""

    portions: int = 100
    followed: deque[Examples] = field(init=False)
    named: deque[Examples] = field(init=False)

    def __post_init__(self) -> None:
        self.followed, self.named = deque(maxlen=self.portions), deque(maxlen=self.portions)

    def add(self, followed: Examples, named: Examples | None) -> None:
        self.followed.append(followed)
        if named is not None:
            self.named.append(named)

    def keeps(self) -> dict[str, Tensor]:
        """All of it as tensors by name; `takes_up` is the inverse."""
        found: dict[str, Tensor] = {}
        for kind, portions in self._kinds().items():
            for at, one in enumerate(portions):
                found |= {f"{kind}/{at}/{name}": tensor for name, tensor in _tensors(one).items()}
        return found

    def takes_up(self, kept: Mapping[str, Tensor]) -> None:
        portions: dict[tuple[str, int], dict[str, Tensor]] = {}
        for name, tensor in kept.items():
            kind, at, rest = name.split("/", 2)
            portions.setdefault((kind, int(at)), {})[rest] = tensor
        kinds = self._kinds()
        for one in kinds.values():
            one.clear()
        for (kind, _), tensors in sorted(portions.items()):
            kinds[kind].append(_examples(tensors))

    def _kinds(self) -> dict[str, deque[Examples]]:
        return {"followed": self.followed, "named": self.named}


def _tensors(one: Examples) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in one.episodes.arrays().items()} | {"words": one.words}


def _examples(tensors: Mapping[str, Tensor]) -> Examples:
    return Examples(Episodes.of_arrays({name: one.numpy() for name, one in tensors.items()}), tensors["words"])


class Source(Protocol):
    """Draws `count` examples; None where there is nothing to draw from yet. `share` is how many are wanted of it for one of
    another; where `demonstrated`, what is done in them was shown and not only tried."""

    demonstrated: ClassVar[bool]

    @property
    def share(self) -> float: ...

    def draw(self, count: int, random: np.random.Generator) -> Examples | None: ...


@dataclass(frozen=True)
class Shown:
    """Demonstrations with the goals that they were shown with."""

    shown: Demonstrations
    words: Tensor
    share: float = 1.0
    demonstrated: ClassVar[bool] = True

    def draw(self, count: int, random: np.random.Generator) -> Examples:
        chosen = random.integers(len(self.shown), size=count)
        which = self.shown.shown[chosen]
        return Examples(self.shown.episodes[which], trimmed(self.words[torch.from_numpy(chosen)]), which)


@dataclass(frozen=True)
class Made:
    """Examples that were made before: what was explored and named, or episodes without goals."""

    examples: Examples
    share: float = 1.0
    demonstrated: ClassVar[bool] = True

    def draw(self, count: int, random: np.random.Generator) -> Examples:
        return self.examples[random.integers(len(self.examples), size=count)]


@dataclass(frozen=True)
class Misaligned:
    """Examples of another source with each other's goals: a right turn with "turn left".

    Each positive source wants its own: a discriminator that meets the generator's words in positive examples alone learns its
    style.
    """

    source: Source
    share: float = 1.0
    demonstrated: ClassVar[bool] = False

    def draw(self, count: int, random: np.random.Generator) -> Examples | None:
        some = self.source.draw(count, random)
        if some is None or len(some) < 2:
            return None
        other = np.roll(np.arange(len(some)), 1)
        differs = np.ones(len(some), bool) if some.which is None else some.which != some.which[other]
        kept = np.flatnonzero(differs)
        return Examples(some.episodes[kept], some.words[torch.from_numpy(other[kept])]) if len(kept) else None


@dataclass(frozen=True)
class Rephrased:
    """Demonstrations with their goal in other words: `words` int64 [m, r, n], `r` rephrasings of each, as of `rephrasings`."""

    shown: Demonstrations
    words: Tensor
    share: float = 1.0
    demonstrated: ClassVar[bool] = True

    def draw(self, count: int, random: np.random.Generator) -> Examples:
        chosen = random.integers(len(self.shown), size=count)
        which = random.integers(self.words.shape[1], size=count)
        shown = self.shown.shown[chosen]
        return Examples(self.shown.episodes[shown], trimmed(self.words[chosen, which]), shown)


@dataclass(frozen=True)
class Sampled:
    """What the policy did, with the goal that it followed."""

    replay: Replay
    share: float = 1.0
    demonstrated: ClassVar[bool] = False

    def draw(self, count: int, random: np.random.Generator) -> Examples | None:
        return _drawn(self.replay.followed, count, random)


@dataclass(frozen=True)
class Relabelled:
    """What the policy did, with the goal that it reached by the generator's word (hindsight)."""

    replay: Replay
    share: float = 0.5
    demonstrated: ClassVar[bool] = False

    def draw(self, count: int, random: np.random.Generator) -> Examples | None:
        return _drawn(self.replay.named, count, random)


def drawn(sources: Sequence[Source], count: int, random: np.random.Generator) -> list[Examples]:
    """`count` times its share of each source that has any; at least two."""
    found = [one.draw(max(2, round(count * one.share)), random) for one in sources]
    return [some for some in found if some is not None and len(some)]


def _drawn(portions: deque[Examples], count: int, random: np.random.Generator) -> Examples | None:
    if not portions:
        return None
    some = together([portions[at] for at in random.integers(len(portions), size=4)])
    return some[random.choice(len(some), size=count, replace=count > len(some))]
