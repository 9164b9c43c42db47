"""Every domain's tags over the words of a request at once: the sum over all taggings, and the k best, exactly.

The domains' tags stand side by side as `t` columns; a domain's are next to each other. What one domain gets does not depend on
which others are there, to the last bit: every sum runs within a domain, in the same order. Shapes: `r` requests of equally many
words `w`; `d` domains; `k` taggings; `p` the most tags of any domain.

Sources: Rabiner 1989 (forward); Seshadri and Sundberg, "List Viterbi Decoding Algorithms with Applications" (1994).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chain:
    """One domain's tags: log scores of being first [l], and of following, [l, l] from row to column; −∞ forbids."""

    start: Floats
    pairs: Floats


@dataclass(frozen=True, slots=True)
class Taggings:
    """`logs` float64 [r, d, k]: log P(tagging), best first, −∞ where a domain has no more. `tags` int64 [r, d, k, w]: a tag's
    place among its domain's."""

    logs: Floats
    tags: Places


class Lattices:
    """Domains' chains, stacked."""

    def __init__(self, chains: Sequence[Chain]) -> None:
        sizes = np.array([len(chain.start) for chain in chains], dtype=np.int64)
        self._firsts = np.cumsum(sizes) - sizes
        self._domain = np.repeat(np.arange(len(chains)), sizes)
        self._start = np.concatenate([chain.start for chain in chains])
        count, widest = len(self._start), int(sizes.max())
        # A tag's predecessors are the tags of its domain; behind them stands `count`, a tag that is never reached.
        within = np.arange(widest)[None, :]
        self._before = np.where(
            within < sizes[self._domain, None], self._firsts[self._domain, None] + within, count
        )
        self._pairs = np.full((count, widest), -np.inf)
        for first, size, chain in zip(self._firsts.tolist(), sizes.tolist(), chains, strict=True):
            self._pairs[first : first + size, :size] = chain.pairs.T
        self._members = np.where(within < sizes[:, None], self._firsts[:, None] + within, count)

    def best(self, scores: Floats, k: int) -> Taggings:
        """The `k` best taggings of each domain, from `scores` [r, w, t], a log score a word and tag."""
        requests, words, _ = scores.shape
        domains = len(self._firsts)
        if words == 0:
            logs = np.full((requests, domains, k), -np.inf)
            logs[:, :, 0] = 0.0
            return Taggings(logs, np.zeros((requests, domains, k, 0), dtype=np.int64))
        found, tags = self._list_viterbi(scores, k)
        return Taggings(found - self.log_total(scores)[:, :, None], tags - self._firsts[:, None, None])

    def log_total(self, scores: Floats) -> Floats:
        """log Z [r, d]: the logarithm of the sum over all taggings, from `scores` [r, w, t]."""
        highest = np.maximum.reduceat(scores, self._firsts, axis=2)
        total = highest.sum(axis=1)
        local = np.exp(scores - highest[:, :, self._domain])
        follows, before = np.exp(self._pairs.T), self._before.T
        chances = local[:, 0] * np.exp(self._start)
        for word in range(scores.shape[1]):
            if word:
                reached = np.concatenate([chances, np.zeros((len(chances), 1))], axis=1)
                chances = (reached[:, before] * follows).sum(axis=1) * local[:, word]
            scale = np.add.reduceat(chances, self._firsts, axis=1)
            total += np.log(scale)
            chances /= scale[:, self._domain]
        return np.asarray(total)

    def _list_viterbi(self, scores: Floats, k: int) -> tuple[Floats, Places]:
        """Scores [r, d, k] of the best taggings, and their tags [r, d, k, w] as columns.

        Each tag keeps its k best beginnings. They come from its predecessors' lists, which are in order: k times the best of
        the lists' heads is taken, and that list moves on by one.
        """
        requests, words, count = scores.shape
        request = np.arange(requests)[:, None]
        column = np.arange(count)[None, :]
        # One more tag, never reached, and one more rank, where a list has ended.
        lists = np.full((requests, count + 1, k + 1), -np.inf)
        lists[:, :count, 0] = scores[:, 0] + self._start
        froms = np.zeros((words, requests, count, k), dtype=np.int64)
        ranks = np.zeros((words, requests, count, k), dtype=np.int64)
        for word in range(1, words):
            heads = lists[:, :, 0][:, self._before] + self._pairs
            taken = np.zeros(heads.shape, dtype=np.int64)
            longer = np.full_like(lists, -np.inf)
            for rank in range(k):
                place = heads.argmax(axis=2)
                used = taken[request, column, place]
                before = self._before[column, place]
                longer[:, :count, rank] = heads[request, column, place]
                froms[word, :, :, rank], ranks[word, :, :, rank] = before, used
                taken[request, column, place] = used + 1
                heads[request, column, place] = lists[request, before, used + 1] + self._pairs[column, place]
            longer[:, :count] += scores[:, word, :, None]
            lists = longer
        return self._followed(lists, froms, ranks, k)

    def _followed(self, lists: Floats, froms: Places, ranks: Places, k: int) -> tuple[Floats, Places]:
        """Back from the ends."""
        words, requests, count, _ = froms.shape
        ends = lists[:, self._members, :k].reshape(requests, len(self._firsts), -1)
        order = np.argsort(-ends, axis=2, kind="stable")[:, :, :k]
        found = np.take_along_axis(ends, order, axis=2)
        domain, request = np.arange(len(self._firsts))[None, :, None], np.arange(requests)[:, None, None]
        # Where a domain has fewer taggings than k, any column will do: its score says −∞.
        tag = np.minimum(self._members[domain, order // k], count - 1)
        tag = np.where(np.isneginf(found), self._firsts[None, :, None], tag)
        rank = np.where(np.isneginf(found), 0, order % k)
        tags = np.empty((*tag.shape, words), dtype=np.int64)
        tags[..., words - 1] = tag
        for word in range(words - 1, 0, -1):
            tag, rank = froms[word, request, tag, rank], ranks[word, request, tag, rank]
            tags[..., word - 1] = tag
        return found, tags
