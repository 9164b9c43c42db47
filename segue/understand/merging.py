"""All domains' hypotheses of a request in one order, by confidence; and whether that is clear, to be asked back, or nobody's.

Source: Su and others (SLT 2018): scores of different domains compare, so merging is sorting. What is decided on
top of that is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.understand.hypotheses import Floats, Hypotheses, Places

LEAST = 0.2
"""A request of which nothing is likelier right than this is nobody's."""


class Decision(IntEnum):
    """What to do with a request."""

    NOBODYS = 0
    """No domain is likely to be meant: say so, with the nearest guesses."""
    ASK = 1
    """The best two are close: ask which is meant."""
    CLEAR = 2
    """Go on with the best."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The hypotheses of all `domains` for r requests, n in all, sorted by request and then the most confident first.

    `domain` int64 [n] is a place in `domains`, `place` int64 [n] the hypothesis' place in that domain's table, `confidence`
    float64 [n]. Those of request u are `starts[u]` to `starts[u + 1]`, int64 [r + 1]; there may be none.
    """

    domains: tuple[str, ...]
    domain: Places
    place: Places
    confidence: Floats
    starts: Places

    def best(self, nth: int = 0) -> Places:
        """Where the `nth` hypothesis of each request stands, from 0; −1 where it has not so many. int64 [r]."""
        at = self.starts[:-1] + nth
        return np.where(at < self.starts[1:], at, -1)

    def confidences(self, nth: int = 0) -> Floats:
        """Of the `nth` hypothesis of each request, 0 where there is none: float64 [r]."""
        at = self.best(nth)
        return np.where(at >= 0, np.append(self.confidence, 0)[at], 0)

    @property
    def margin(self) -> Floats:
        """How much more confident the best is than the second: float64 [r]."""
        return self.confidences(0) - self.confidences(1)

    @property
    def rejection(self) -> Floats:
        """How likely the best hypothesis is wrong, 1 − q: float64 [r]."""
        return 1 - self.confidences(0)

    @property
    def nobody(self) -> Floats:
        """How likely none is right were they independent, Π(1 − q): float64 [r]."""
        request = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        with np.errstate(divide="ignore"):
            logs = np.log1p(-self.confidence)
        return np.exp(np.bincount(request, logs, len(self.starts) - 1))


def merge(tables: Sequence[tuple[Hypotheses, Floats]], *, requests: int | None = None) -> Merged:
    """Sort the hypotheses of all domains by their confidences; of equal ones the domain's name decides, then its own order.

    `tables` has one table a domain with its confidences [n], of the same requests; `requests` is how many these are, else up to
    the last that has a hypothesis. Raises `InvalidInput` where confidences are missing or a domain comes twice.
    """
    domains = tuple(table.domain for table, _ in tables)
    if len(set(domains)) < len(domains):
        raise InvalidInput(f"A domain comes twice among {', '.join(domains)}.", expected="one table a domain")
    for table, confidence in tables:
        if confidence.shape != (len(table),) or np.isnan(confidence).any():
            raise InvalidInput(
                f"{table.domain} has {len(table)} hypotheses and confidences of shape {confidence.shape}.",
                expected="a number for each",
            )
    sizes = [len(table) for table, _ in tables]
    nothing = np.zeros(0, dtype=np.int64)
    request = np.concatenate([nothing, *(table.request for table, _ in tables)])
    confidence = np.concatenate([np.zeros(0), *(confidence for _, confidence in tables)])
    domain = np.repeat(np.arange(len(tables)), sizes)
    place = np.concatenate([nothing, *(np.arange(size) for size in sizes)])
    by_name = np.argsort(np.argsort(np.array(domains, dtype=str)))
    order = np.lexsort((place, by_name[domain] if len(domain) else domain, -confidence, request))
    if requests is None:
        requests = int(request.max(initial=-1)) + 1
    elif len(request) and requests <= request.max():
        raise InvalidInput(
            f"There is a hypothesis of request {request.max()}, of {requests}.", expected="more requests"
        )
    starts = np.searchsorted(request[order], np.arange(requests + 1))
    return Merged(domains, domain[order], place[order], confidence[order], starts.astype(np.int64))


def leading(tables: Sequence[tuple[Hypotheses, Floats]], *, requests: int) -> Merged:
    """The most confident hypothesis of each request alone, as the first of what `merge` gives: without sorting the others.

    >>> from segue.understand.hypotheses import Interpretation
    >>> table = Hypotheses("films", np.array([0, 0]), [Interpretation("play")] * 2, np.zeros((2, 3)), np.zeros((2, 0)))
    >>> leading([(table, np.array([0.2, 0.7]))], requests=1).place
    array([1])
    """
    ordered = sorted(tables, key=lambda one: one[0].domain)
    domains = tuple(table.domain for table, _ in ordered)
    best, place = np.full((len(ordered), requests), -1.0), np.zeros((len(ordered), requests), dtype=np.int64)
    for row, (table, confidence) in enumerate(ordered):
        order = np.lexsort((np.arange(len(table)), -confidence, table.request))
        asked, first = np.unique(table.request[order], return_index=True)
        place[row, asked] = order[first]
        best[row, asked] = confidence[order[first]]
    domain = best.argmax(axis=0) if len(ordered) else np.zeros(requests, dtype=np.int64)
    there = best.max(axis=0, initial=-1.0) >= 0
    at = np.flatnonzero(there)
    starts = np.r_[0, np.cumsum(there)].astype(np.int64)
    return Merged(domains, domain[at].astype(np.int64), place[domain[at], at], best[domain[at], at], starts)


def decide(merged: Merged, *, least: float = LEAST, close: float = 0.15) -> NDArray[np.int8]:
    """A `Decision` for each request, int8 [r].

    Nobody's where the best hypothesis is right with less than `least`, else to be asked back where the second is nearer than
    `close` to it. As confidences are calibrated, the defaults say themselves: an answer that would be wrong four times in five
    is not given, and of 0.5 against 0.4 people are asked.
    """
    best = merged.confidences(0)
    asked = np.where(merged.margin < close, Decision.ASK, Decision.CLEAR)
    return np.where(best < least, Decision.NOBODYS, asked).astype(np.int8)
