"""What a re-ranker looks at: a hypothesis in a few numbers, every one of which its own domain knows.

Source: Su, Gupta, Ananthakrishnan and Matsoukas, "A Re-ranker Scheme for Integrating Large Scale NLU Models" (SLT 2018):
log-probabilities, a bias, and log-probabilities again for each context. Where we differ: `extended` adds the logit
of the product, without which σ(w · log p + b) cannot follow a product that is calibrated already, and the domain's local
features.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.understand.hypotheses import Flags, Floats, Hypotheses, Places

Context = Mapping[str, str]
"""What is known beside the text, as device → kitchen; of each request one."""

PARTS = ("log P(domain)", "log P(intent)", "log P(slots)")
BIAS = "bias"
LOGIT = "logit of the product"

ANOTHER = ""
"""In place of a context's value: any that is known and has no block of its own."""

_SUREST = -1e-6
"""A product above exp(−1e−6) counts as that: its logit stays below 14."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Which features, in the order of `names`.

    Always log p_D, log p_I, log p_S and 1; the `logit` of their product; the reader's `local` features by their names; for
    each of `contexts`, a (key, value), the block e_t ⊗ [log p_D, log p_I, log p_S], which is 0 in any other context; with
    `shift` a block has a fourth column, 1. The value `ANOTHER` stands for all of the key's that are not listed; without it, and
    where the key is not known, a request gets the weights that all contexts share.
    """

    logit: bool = False
    local: tuple[str, ...] = ()
    contexts: tuple[tuple[str, str], ...] = ()
    shift: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """One name a weight."""
        parts = (*PARTS, BIAS) if self.shift else PARTS
        blocks = (f"{part}, {key} = {value or 'another'}" for key, value in self.contexts for part in parts)
        return (*PARTS, BIAS, *([LOGIT] if self.logit else []), *self.local, *blocks)

    @property
    def baseline(self) -> Floats:
        """Weights that order as the product does. With its logit as a feature, the confidence is then the product."""
        weights = np.zeros(len(self.names))
        weights[[4] if self.logit else [0, 1, 2]] = 1
        return weights

    @property
    def local_columns(self) -> slice:
        """Where the local features stand."""
        start = 4 + self.logit
        return slice(start, start + len(self.local))

    def with_contexts(
        self, hypotheses: Hypotheses, own: Flags, contexts: Sequence[Context], keys: Sequence[str]
    ) -> "FeatureSet":
        """For each of `keys` a block as well for every value that it has in at least 20 of the domain's own requests, and one for
        `ANOTHER` where at least 20 of all requests have one: that people were elsewhere tells as much. `own` bool [n] marks the
        hypotheses of the domain's own requests."""
        everywhere, here = (np.unique(hypotheses.request[rows]).tolist() for rows in (slice(None), own))
        blocks = list(self.contexts)
        for key in keys:
            seen = Counter(contexts[place].get(key, "") for place in here)
            values = sorted(value for value, count in seen.items() if value and count >= _OFTEN)
            others = sum(contexts[place].get(key, "") not in ("", *values) for place in everywhere)
            blocks += [(key, value) for value in [*values, *([ANOTHER] if others >= _OFTEN else [])]]
        return replace(self, contexts=tuple(blocks))

    def raw(self, hypotheses: Hypotheses, contexts: Sequence[Context] = ()) -> Floats:
        """float64 [n, features], local features as the reader gives them. `contexts` has the context of each request.

        Raises `InvalidInput` for other local features than these, or when the contexts of some requests are missing.
        """
        if self.local and hypotheses.names != self.local:
            raise InvalidInput(
                f"The hypotheses of {hypotheses.domain} have the local features {hypotheses.names}.",
                expected=f"{self.local}",
                fix="fit the re-ranker again from what the reader gives now",
            )
        count = len(hypotheses)
        columns = [hypotheses.logs, np.ones((count, 1))]
        if self.logit:
            columns.append(product_logit(hypotheses)[:, None])
        if self.local:
            columns.append(hypotheses.local)
        if self.contexts:
            columns.append(self._blocks(hypotheses, contexts))
        return np.hstack(columns)

    def _blocks(self, hypotheses: Hypotheses, contexts: Sequence[Context]) -> Floats:
        if len(hypotheses) and len(contexts) <= int(hypotheses.request.max()):
            raise InvalidInput(
                f"There are {len(contexts)} contexts, and a hypothesis of request {hypotheses.request.max()}.",
                expected="a context, which may be empty, for every request",
            )
        listed = set(self.contexts)
        said = [
            {(key, value if (key, value) in listed else ANOTHER) for key, value in one.items() if value}
            for one in contexts
        ]
        here = np.array([[block in one for block in self.contexts] for one in said], dtype=np.float64)
        chosen = here.reshape(len(contexts), len(self.contexts))[hypotheses.request]
        parts = np.column_stack([hypotheses.logs, np.ones(len(hypotheses))])[:, : 3 + self.shift]
        blocks: Floats = chosen[:, :, None] * parts[:, None, :]
        return blocks.reshape(len(hypotheses), -1)


PUBLISHED = FeatureSet()
"""The article's four."""

_OFTEN = 20
"""In fewer requests, a domain does not learn three weights for a context."""


def extended(hypotheses: Hypotheses) -> FeatureSet:
    """The article's, the logit of the product, every local feature that the reader gives, and a shift for each context."""
    return FeatureSet(logit=True, local=hypotheses.names, shift=True)


def product_logit(hypotheses: Hypotheses) -> Floats:
    """log(P / (1 − P)) of P = p_D · p_I · p_S, float64 [n]; a certain product counts as nearly so.

    >>> from segue.understand.hypotheses import Interpretation
    >>> logs = np.log([[0.5, 1, 1], [1, 0.9, 0.5]])
    >>> product_logit(Hypotheses("films", np.array([0, 1]), [Interpretation("play")] * 2, logs, np.zeros((2, 0)))).round(3)
    array([ 0.   , -0.201])
    """
    logs = np.minimum(hypotheses.logs.sum(axis=1), _SUREST)
    logit: Floats = logs - np.log(-np.expm1(logs))
    return logit


def standardisation(features: FeatureSet, raw: Floats) -> tuple[Floats, Floats]:
    """Mean and scale of each feature, float64 [features]: of the local ones as they are in `raw`, else 0 and 1."""
    mean, scale = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
    local = features.local_columns
    mean[local] = raw[:, local].mean(axis=0)
    spread = raw[:, local].std(axis=0)
    scale[local] = np.where(spread > 1e-9, spread, 1)
    return mean, scale


def segments(request: Places) -> NDArray[np.intp]:
    """Where the hypotheses of each request begin, of ascending `request`.

    >>> segments(np.array([3, 3, 5, 9, 9]))
    array([0, 2, 3])
    """
    return np.flatnonzero(np.r_[True, request[1:] != request[:-1]][: len(request)])
