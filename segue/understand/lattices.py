"""Every domain's tags over the words of a request at once: the sum over all taggings, and the k best, exactly.

The domains' tags stand side by side as `t` columns; a domain's are next to each other. What one domain gets does not depend on
which others are there, to the last bit: every sum runs within a domain, in the same order. Shapes: `r` requests of equally many
words `w`; `d` domains; `k` taggings; `p` the most tags of any domain; `m` the most tags of a word that can be in a best tagging.

Sources: Rabiner 1989 (forward, Viterbi); Seshadri and Sundberg, "List Viterbi Decoding Algorithms with Applications" (1994).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_ROUNDING = 1e-9
"""A score is a sum in one order or another: what is closer than this to a bound is not below it."""


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
        count, widest = int(sizes.sum()), int(sizes.max())
        within = np.arange(widest)
        # A domain's columns [d, p]; where it has fewer than p, `count`: a tag that is never reached.
        self._members = np.where(within < sizes[:, None], self._firsts[:, None] + within, count)
        self._neighbours = np.ascontiguousarray(self._members[self._domain].T)
        self._start = np.concatenate([chain.start for chain in chains])
        self._leaving = np.full((widest, count), -np.inf)
        self._entering = np.full((widest, count), -np.inf)
        # Every pair once more by domain, [d, p + 1, p + 1], with the tag that is never reached at the end.
        self._pairs = np.full((len(chains), widest + 1, widest + 1), -np.inf)
        for domain, (first, size, chain) in enumerate(zip(self._firsts.tolist(), sizes.tolist(), chains, strict=True)):
            self._leaving[:size, first : first + size] = chain.pairs.T
            self._entering[:size, first : first + size] = chain.pairs
            self._pairs[domain, :size, :size] = chain.pairs
        self._starting, self._following = np.exp(self._start), np.exp(self._entering)

    def best(self, scores: Floats, k: int) -> Taggings:
        """The `k` best taggings of each domain, from `scores` [r, w, t], a log score a word and tag."""
        requests, words, _ = scores.shape
        if words == 0:
            logs = np.full((requests, len(self._firsts), k), -np.inf)
            logs[:, :, 0] = 0.0
            return Taggings(logs, np.zeros((requests, len(self._firsts), k, 0), dtype=np.int64))
        kept = self._kept(scores, k)
        found, tags = self._list_viterbi(scores, kept, k)
        return Taggings(found - self.log_total(scores)[:, :, None], tags)

    def log_total(self, scores: Floats) -> Floats:
        """log Z [r, d]: the logarithm of the sum over all taggings, from `scores` [r, w, t]."""
        highest = np.maximum.reduceat(scores, self._firsts, axis=2)
        total = highest.sum(axis=1)
        local = np.exp(scores - highest[:, :, self._domain])
        chances = local[:, 0] * self._starting
        for word in range(scores.shape[1]):
            if word:
                reached = _padded(chances, 0.0).take(self._neighbours, axis=1)
                reached *= self._following
                chances = reached.sum(axis=1) * local[:, word]
            scale = np.add.reduceat(chances, self._firsts, axis=1)
            total += np.log(scale)
            chances /= scale[:, self._domain]
        return np.asarray(total)

    def _kept(self, scores: Floats, k: int) -> Places:
        """The tags that can be in one of the k best taggings, [r, w, d, m], as places among their domain's, `p` where none is.

        A tag's best tagging is known from Viterbi forth and back. At one word, taggings with different tags are different:
        the k-th best of a word's tags is a bound that the k-th best tagging reaches, at every word.
        """
        through = self._through(scores)
        by_domain = _padded(through, -np.inf).take(self._members, axis=2)
        widest = by_domain.shape[3]
        if k >= widest:
            bound = np.full(by_domain.shape[:3], -np.inf)
        else:
            bound = np.partition(by_domain, widest - k, axis=3)[..., widest - k]
        least = bound.max(axis=1)[:, None, :, None] - _ROUNDING
        keep = (by_domain >= least) & (by_domain > -np.inf)
        most = int(keep.sum(axis=3).max())
        order = np.argsort(~keep, axis=3, kind="stable")[..., :most]
        return np.where(np.take_along_axis(keep, order, axis=3), order, widest)

    def _through(self, scores: Floats) -> Floats:
        """The score of the best tagging that has this tag at this word, [r, w, t]."""
        words = scores.shape[1]
        forth, back = np.empty_like(scores), np.zeros_like(scores)
        forth[:, 0] = scores[:, 0] + self._start
        for word in range(1, words):
            reached = _padded(forth[:, word - 1], -np.inf).take(self._neighbours, axis=1)
            reached += self._entering
            forth[:, word] = reached.max(axis=1) + scores[:, word]
        for word in range(words - 1, 0, -1):
            reached = _padded(back[:, word] + scores[:, word], -np.inf).take(self._neighbours, axis=1)
            reached += self._leaving
            back[:, word - 1] = reached.max(axis=1)
        return np.asarray(forth + back)

    def _list_viterbi(self, scores: Floats, kept: Places, k: int) -> tuple[Floats, Places]:
        """Scores [r, d, k] of the best taggings, and their tags [r, d, k, w].

        Each tag keeps its k best beginnings. They come from its predecessors' lists, which are in order: k times the best of
        the lists' heads is taken, and that list moves on by one.
        """
        requests, words, domains, most = kept.shape
        lattices = requests * domains
        domain = np.arange(domains)[:, None]
        start = _padded(self._start, -np.inf)[self._column(kept[:, 0], domain)]
        local = np.take_along_axis(
            _padded(scores, -np.inf), self._column(kept, domain).reshape(requests, words, -1), axis=2
        ).reshape(requests, words, domains, most)
        # One more rank, where a list has ended: [lattices, m, k + 1], flat.
        lists = np.full((lattices, most, k + 1), -np.inf)
        lists[:, :, 0] = (local[:, 0] + start).reshape(lattices, most)
        froms = np.zeros((words, lattices, most, k), dtype=np.int64)
        rows = np.arange(lattices * most) * most
        owner = np.repeat(np.arange(lattices) * most, most)
        for word in range(1, words):
            pairs = self._pairs[domain[:, :, None], kept[:, word - 1, :, None, :], kept[:, word, :, :, None]]
            pairs = pairs.reshape(lattices * most, most)
            heads = (lists[:, None, :, 0] + pairs.reshape(lattices, most, most)).reshape(-1, most)
            flat, flat_heads, flat_pairs = lists.reshape(-1), heads.reshape(-1), pairs.reshape(-1)
            at = np.zeros(lattices * most * most, dtype=np.int64)
            longer = np.full((lattices * most, k + 1), -np.inf)
            step = froms[word].reshape(-1, k)
            for rank in range(k):
                place = heads.argmax(axis=1)
                head = rows + place
                before = (owner + place) * (k + 1) + at[head]
                longer[:, rank] = flat_heads[head]
                step[:, rank] = before
                at[head] += 1
                flat_heads[head] = flat[before + 1] + flat_pairs[head]
            longer += local[:, word].reshape(-1, 1)
            lists = longer.reshape(lattices, most, k + 1)
        return self._followed(lists, froms, kept, k)

    def _column(self, kept: Places, domain: Places) -> Places:
        """Places among a domain's tags → columns; the tag that is never reached → the column behind the last."""
        members = np.concatenate([self._members, np.full((len(self._members), 1), len(self._start))], axis=1)
        return np.asarray(members[domain, kept])

    def _followed(self, lists: Floats, froms: Places, kept: Places, k: int) -> tuple[Floats, Places]:
        """Back from the ends."""
        requests, words, domains, most = kept.shape
        ends = lists[:, :, :k].reshape(requests * domains, -1)
        order = np.argsort(-ends, axis=1, kind="stable")[:, :k]
        found = np.full((requests * domains, k), -np.inf)
        found[:, : order.shape[1]] = np.take_along_axis(ends, order, axis=1)
        tag, rank = np.zeros(found.shape, dtype=np.int64), np.zeros(found.shape, dtype=np.int64)
        tag[:, : order.shape[1]], rank[:, : order.shape[1]] = order // k, order % k
        # Where a domain has fewer taggings than k, any will do: the score says −∞.
        none = np.isneginf(found)
        tag[none], rank[none] = 0, 0
        lattice = np.arange(requests * domains)[:, None]
        chosen = kept.transpose(0, 2, 1, 3).reshape(requests * domains, words, most)
        tags = np.empty((words, *found.shape), dtype=np.int64)
        for word in range(words - 1, -1, -1):
            tags[word] = chosen[lattice, word, tag]
            if word:
                before = froms[word, lattice, tag, rank]
                tag, rank = before // (k + 1) % most, before % (k + 1)
                tag[none], rank[none] = 0, 0
        shape = (requests, domains, k)
        return found.reshape(shape), np.moveaxis(tags, 0, -1).reshape(*shape, words)


def _padded(values: Floats, filling: float) -> Floats:
    """With one more column at the end."""
    return np.concatenate([values, np.full((*values.shape[:-1], 1), filling)], axis=-1)
