"""The ceiling: one list-wise model over all domains together. Better informed, and no domain can be trained without the others.

After Kim and others, "A Scalable Neural Shortlisting-Reranking Approach for Large-Scale Domain Classification in Natural
Language Understanding" (NAACL 2018, industry papers), which ranks the hypotheses of all domains as a list. Where we differ:
scores are linear, with weights of each domain's own, and with an offset that every domain's evidence gives every other one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from segue.errors import InvalidInput
from segue.understand.features import Context, FeatureSet, extended, product_logit, segments, standardisation
from segue.understand.hypotheses import Floats, Hypotheses, Judged, Places

_PRIOR, _OFFSET_PRIOR = 1.0, 0.0001
"""Variances of normal priors on a weight's distance from the product's, and on what a domain's evidence adds to another's."""


@dataclass(frozen=True)
class Joint:
    """Of D domains in order: each one's `features`, `weights`, `mean` and `scale`, float64 [f]; and `offsets` float64 [D, D],
    what the evidence for the domain of a row adds to the scores of the domain of a column."""

    domains: tuple[str, ...]
    features: tuple[FeatureSet, ...]
    weights: tuple[Floats, ...]
    mean: tuple[Floats, ...]
    scale: tuple[Floats, ...]
    offsets: Floats

    def confidences(self, tables: Sequence[Hypotheses], contexts: Sequence[Context] = ()) -> list[Floats]:
        """For each domain's table float64 [n]: a softmax over all hypotheses of a request and, with score 0, none of them.

        Raises `InvalidInput` for other domains than it was fitted to.
        """
        if tuple(table.domain for table in tables) != self.domains:
            raise InvalidInput("The tables are of other domains.", expected=f"{', '.join(self.domains)}, in that order")
        described = [
            (one.raw(table, contexts) - mean) / scale
            for one, table, mean, scale in zip(self.features, tables, self.mean, self.scale, strict=True)
        ]
        lists = _Lists(tables, described)
        shares = lists.softmax(lists.scores(self.weights, self.offsets))[0]
        return np.split(shares, lists.ends[:-1])


def fit_joint(
    tables: Sequence[tuple[Hypotheses, Judged]],
    *,
    features: Sequence[FeatureSet] | None = None,
    contexts: Sequence[Context] = (),
    error: float = 0.0,
    errors: Sequence[Floats] | None = None,
) -> Joint:
    """Fit all domains together by L-BFGS: −mean log P(what is right) over requests, where nothing but "none" may be right.

    `features` of each domain are `extended` ones unless given. `error` times the expected semantic error is added; `errors` then
    has the SemER of every hypothesis, also of requests for other domains. Raises `InvalidInput` when no hypothesis is right.
    """
    if not any(judged.right.any() for _, judged in tables):
        raise InvalidInput(
            "No hypothesis of any domain is right.", expected="tables of readers that are right at times"
        )
    hypotheses = [table for table, _ in tables]
    sets = tuple(features) if features is not None else tuple(extended(table) for table in hypotheses)
    raw = [one.raw(table, contexts) for one, table in zip(sets, hypotheses, strict=True)]
    moments = [standardisation(one, values) for one, values in zip(sets, raw, strict=True)]
    described = [(values - mean) / scale for values, (mean, scale) in zip(raw, moments, strict=True)]
    lists = _Lists(hypotheses, described)
    right = np.concatenate([judged.right for _, judged in tables]).astype(np.float64)
    answered = np.bincount(lists.of, right, lists.requests)
    right /= np.maximum(answered, 1)[lists.of]
    rates = np.concatenate(list(errors)) if error and errors is not None else np.zeros(len(right))
    start = np.concatenate([*(one.baseline for one in sets), np.zeros(len(tables) ** 2)])
    ridge = np.full(len(start), 1 / (_PRIOR * lists.requests))
    ridge[-(len(tables) ** 2) :] = 1 / (_OFFSET_PRIOR * lists.requests)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, offsets = lists.unpack(parameters)
        scores = lists.scores(weights, offsets)
        shares, none, totals = lists.softmax(scores)
        value = (totals.sum() - right @ scores) / lists.requests
        slope = (shares - right) / lists.requests
        if error:
            mean = np.bincount(lists.of, shares * rates, lists.requests) + none
            value += error * mean.mean()
            slope += error * shares * (rates - mean[lists.of]) / lists.requests
        away = parameters - start
        return float(value + ridge @ away**2 / 2), lists.gradient(slope) + ridge * away

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300, "maxcor": 20})
    weights, offsets = lists.unpack(np.asarray(found.x, dtype=np.float64))
    means, scales = (tuple(pair[place] for pair in moments) for place in (0, 1))
    return Joint(tuple(table.domain for table in hypotheses), sets, tuple(weights), means, scales, offsets)


class _Lists:
    """All hypotheses, domain after domain, n in all, and the list that each belongs to."""

    def __init__(self, tables: Sequence[Hypotheses], described: Sequence[Floats]) -> None:
        requests = np.concatenate([table.request for table in tables])
        known, of = np.unique(requests, return_inverse=True)
        self.requests = len(known)
        self.of: Places = of
        self.ends = np.cumsum([len(table) for table in tables])
        self._order = np.argsort(of, kind="stable")
        self._starts = segments(of[self._order])
        self._described = described
        self._domain = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        self._slices = [slice(end - len(table), end) for end, table in zip(self.ends, tables, strict=True)]
        # The evidence for a domain is the best product that it has for the request; without a hypothesis it is a small one.
        self._evidence = np.full((self.requests, len(tables)), _NO_EVIDENCE)
        logits = np.concatenate([product_logit(table) for table in tables])
        np.maximum.at(self._evidence, (self.of, self._domain), logits)

    def scores(self, weights: Sequence[Floats], offsets: Floats) -> Floats:
        own = np.concatenate([rows @ one for rows, one in zip(self._described, weights, strict=True)])
        summed: Floats = own + (self._evidence @ offsets)[self.of, self._domain]
        return summed

    def softmax(self, scores: Floats) -> tuple[Floats, Floats, Floats]:
        """Shares [n]; that of "none" and log(1 + Σ exp s), both [requests]."""
        highest = np.maximum(np.maximum.reduceat(scores[self._order], self._starts), 0)
        powers = np.exp(scores - highest[self.of])
        nothing = np.exp(-highest)
        total = np.bincount(self.of, powers, self.requests) + nothing
        return powers / total[self.of], nothing / total, np.log(total) + highest

    def gradient(self, slope: Floats) -> Floats:
        own = [slope[rows] @ values for rows, values in zip(self._slices, self._described, strict=True)]
        width = self._evidence.shape[1]
        summed = np.bincount(self.of * width + self._domain, slope, self.requests * width)
        return np.concatenate([*own, (self._evidence.T @ summed.reshape(-1, width)).ravel()])

    def unpack(self, parameters: Floats) -> tuple[list[Floats], Floats]:
        ends = np.cumsum([rows.shape[1] for rows in self._described])
        *weights, offsets = np.split(parameters, ends)
        return weights, offsets.reshape(len(self._described), -1)


_NO_EVIDENCE = -14.0
