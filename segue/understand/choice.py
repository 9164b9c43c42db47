"""The first choice of domain: a calibrated guess from what each catalogue knows, until readers are trained.

Every domain is described by the same few features of the request; P(domain) is a softmax of one linear score over the
domains (a conditional logit). The weights are fitted on requests made from the catalogues' own titles, where the right
domain is known, so the probabilities can be checked against what is true.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from segue.understand.language import Spoken, cue_words

Features = NDArray[np.float64]

CUES = 2
"""Features added here to a catalogue's evidence: does the request name this domain; does it name another one."""

_RIDGE = 0.0003


@dataclass(frozen=True)
class Choice:
    """Fitted `weights` float64 [features]."""

    weights: Features

    def probabilities(self, features: Features) -> Features:
        """[domains] summing to 1, from features [domains, features]."""
        return np.asarray(softmax(features @ self.weights), dtype=np.float64)


def untrained(evidence: int) -> Choice:
    """Before anything was fitted: every feature of the catalogue counts alike, a named domain counts most."""
    return Choice(np.concatenate([np.full(evidence, 2.0), [2.0, -2.0]]))


def features(evidence: Sequence[Features], domains: Sequence[str], spoken: Spoken) -> Features:
    """[domains, evidence + 2] for one request: each catalogue's evidence and what the request says of the domain."""
    named = np.array([len(spoken.cues & cue_words(domain)) > 0 for domain in domains], dtype=np.float64)
    others = np.array([np.delete(named, place).max(initial=0.0) for place in range(len(domains))])
    return np.column_stack([np.stack(evidence), named, others])


def fit(examples: Features, right: NDArray[np.int64], *, parent: Choice | None = None) -> Choice:
    """Maximum likelihood with a small ridge, by L-BFGS.

    `examples` [n, domains, features], `right` [n] the index of the domain that each was made from. A new object comes back.
    """
    start = parent.weights if parent is not None else np.zeros(examples.shape[2])
    chosen = examples[np.arange(len(examples)), right]

    def loss(weights: Features) -> tuple[float, Features]:
        logs = log_softmax(examples @ weights, axis=1)
        expected = np.einsum("nd,ndf->nf", np.exp(logs), examples)
        value = -logs[np.arange(len(examples)), right].mean() + _RIDGE * weights @ weights / 2
        return float(value), (expected - chosen).mean(axis=0) + _RIDGE * weights

    return Choice(np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x, dtype=np.float64))
