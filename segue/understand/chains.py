"""Linear chains: the arithmetic of a conditional random field, for training.

A chain's score is the sum of a score a word and tag and of a score a pair of neighbouring tags; its probability is the
exponential of that over the sum of all chains' (Lafferty, McCallum and Pereira, "Conditional Random Fields", 2001).

Sentences are *packed*: longest first, and word by word: first every sentence's first word, then the second words of those that
have one, and so on. `active` int64 [steps] says how many sentences have a word at each step. Shapes: `m` words, `l` tags.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Packing:
    """How sentences are packed. `order` int64 [m]: the place of each packed word among the words in reading order."""

    order: Places
    active: Places

    @property
    def steps(self) -> list[tuple[int, int]]:
        """First and last (exclusive) packed word of every step."""
        ends = np.cumsum(self.active)
        return list(zip((ends - self.active).tolist(), ends.tolist(), strict=True))


def packed(lengths: Places) -> Packing:
    """Pack sentences of so many words each; a sentence without words takes no part.

    >>> packed(np.array([1, 3])).order.tolist()
    [1, 0, 2, 3]
    """
    starts = np.cumsum(lengths) - lengths
    longest_first = np.argsort(-lengths, kind="stable")
    sorted_lengths, sorted_starts = lengths[longest_first], starts[longest_first]
    steps = np.arange(int(lengths.max(initial=0)))
    active = (sorted_lengths[None, :] > steps[:, None]).sum(axis=1)
    order = [sorted_starts[:count] + step for step, count in zip(steps.tolist(), active.tolist(), strict=True)]
    return Packing(np.concatenate(order) if order else np.zeros(0, dtype=np.int64), active.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a field expects of packed sentences: `log_total` the sum of their log Z; `tags` [m, l] P(tag of a word); `pairs`
    [l, l] how often one tag follows another."""

    log_total: float
    tags: Floats
    pairs: Floats


def expectations(scores: Floats, start: Floats, pairs: Floats, packing: Packing) -> Expectations:
    """Forward and backward over packed `scores` [m, l]. `start` [l] and `pairs` [l, l] (from row to column) are *exponentials* of
    scores, so that 0 forbids. Each step is scaled to sum to 1, which keeps long sentences within range."""
    steps = packing.steps
    highest = scores.max(axis=1, keepdims=True)
    local = np.exp(scores - highest)
    forward, scale = np.empty_like(local), np.empty(len(local))
    for step, (first, last) in enumerate(steps):
        if step == 0:
            now = local[first:last] * start
        else:
            before = steps[step - 1][0]
            now = (forward[before : before + last - first] @ pairs) * local[first:last]
        scale[first:last] = now.sum(axis=1)
        forward[first:last] = now / scale[first:last, None]
    backward, entering = np.ones_like(local), local / scale[:, None]
    for step in range(len(steps) - 1, 0, -1):
        (first, last), before = steps[step], steps[step - 1][0]
        entering[first:last] *= backward[first:last]
        backward[before : before + last - first] = entering[first:last] @ pairs.T
    # Packed words of one step and the words before them are both contiguous: one product a step would do, one in all is faster.
    earlier = np.concatenate([np.zeros(0, dtype=np.int64), *_earlier(steps)])
    later = slice(steps[0][1], None) if steps else slice(0, 0)
    return Expectations(
        float(np.log(scale).sum() + highest.sum()),
        forward * backward,
        pairs * (forward[earlier].T @ entering[later]),
    )


def _earlier(steps: list[tuple[int, int]]) -> list[Places]:
    return [np.arange(before, before + last - first) for (before, _), (first, last) in itertools.pairwise(steps)]
