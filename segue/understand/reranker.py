"""A domain's re-ranker: what its reader's scores are worth, learned from the domain's own requests and no other domain's model.

s(h) = w · φ(h), confidence σ(s). Source: Su and others (SLT 2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from segue import artifact
from segue.errors import Corrupt, InvalidInput
from segue.understand.features import PUBLISHED, Context, FeatureSet, segments, standardisation
from segue.understand.hypotheses import Floats, Hypotheses, Judged
from segue.understand.matching import Matching, match
from segue.understand.objectives import R3, Objective, loss

KIND = "reranker"

_PRIOR = 1.0
"""Variance of a normal prior on a weight's distance from the product's; the bias has 100 times as much."""


@dataclass(frozen=True)
class Reranker:
    """Fitted `weights` float64 [f] of one domain over `features`, from which `mean` is taken and which are divided by `scale`,
    float64 [f] both. After a retraining, `matching` may bring scores back to where they were. `meta` says how it was made."""

    domain: str
    features: FeatureSet
    weights: Floats
    mean: Floats
    scale: Floats
    matching: Matching | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, hypotheses: Hypotheses, contexts: Sequence[Context] = ()) -> Floats:
        """float64 [n]. `contexts` has what is known of each request; it may be left out where no feature looks at it.

        Raises `InvalidInput` for another domain's hypotheses.
        """
        if hypotheses.domain != self.domain:
            raise InvalidInput(
                f"Hypotheses of {hypotheses.domain} came to the re-ranker of {self.domain}.",
                expected="each domain's own re-ranker",
            )
        described = (self.features.raw(hypotheses, contexts) - self.mean) / self.scale
        # Not BLAS, whose sums depend on how many rows there are: a request scores alike alone and in a batch.
        scores: Floats = np.einsum("nf,f->n", described, self.weights)
        return scores if self.matching is None else self.matching(scores)

    def confidences(self, hypotheses: Hypotheses, contexts: Sequence[Context] = ()) -> Floats:
        """How likely each hypothesis is right in every part: σ(score), float64 [n]."""
        return np.asarray(expit(self.scores(hypotheses, contexts)), dtype=np.float64)

    def matched(self, old: "Reranker", hypotheses: Hypotheses, contexts: Sequence[Context] = ()) -> "Reranker":
        """This re-ranker with its scores spread over the domain's `hypotheses` as those of the `old` one are."""
        bare = replace(self, matching=None)
        return replace(self, matching=match(bare.scores(hypotheses, contexts), old.scores(hypotheses, contexts)))

    def write(self, folder: Path, *, name: str, parent: str | None = None) -> artifact.Artifact:
        """Keep it as a trained part; `parent` is the content hash of the re-ranker that it follows."""
        tensors = {"weights": self.weights, "mean": self.mean, "scale": self.scale}
        if self.matching is not None:
            tensors |= {"matching.new": self.matching.new, "matching.old": self.matching.old}
        meta = {**self.meta, "domain": self.domain, "features": asdict(self.features), "names": self.features.names}
        return artifact.write(folder, kind=KIND, name=name, tensors=tensors, meta=meta, parent=parent)

    @classmethod
    def open(cls, folder: Path) -> "Reranker":
        """Raises what `artifact.open` raises, and `Corrupt` where the part does not describe its features."""
        part = artifact.open(folder, kind=KIND)
        tensors = part.tensors()
        try:
            described = part.meta["features"]
            contexts = tuple((str(key), str(value)) for key, value in described["contexts"])
            features = FeatureSet(
                bool(described["logit"]), tuple(described["local"]), contexts, bool(described["shift"])
            )
            weights, mean, scale = (np.asarray(tensors[key], dtype=np.float64) for key in ("weights", "mean", "scale"))
            fits = {weights.shape, mean.shape, scale.shape} == {(len(features.names),)}
        except (KeyError, TypeError, ValueError) as error:
            raise Corrupt(f"{folder} does not describe a re-ranker: {error}.", fix="fit it again") from error
        if not fits:
            raise Corrupt(f"The weights in {folder} do not fit its features.", fix="fit the re-ranker again")
        found = "matching.new" in tensors
        matching = Matching(tensors["matching.new"], tensors["matching.old"]) if found else None
        rest = {key: value for key, value in part.meta.items() if key not in ("domain", "features", "names")}
        return cls(str(part.meta["domain"]), features, weights, mean, scale, matching, rest)


def product(domain: str, features: FeatureSet = PUBLISHED) -> Reranker:
    """Before anything was fitted: the order of the product p_D · p_I · p_S."""
    size = len(features.names)
    return Reranker(domain, features, features.baseline, np.zeros(size), np.ones(size))


def fit(
    hypotheses: Hypotheses,
    judged: Judged,
    *,
    features: FeatureSet = PUBLISHED,
    contexts: Sequence[Context] = (),
    objective: Objective = R3,
    meta: Mapping[str, Any] | None = None,
) -> Reranker:
    """One domain's re-ranker, from its own tables alone, by L-BFGS from the product's weights.

    The hypotheses should be out-of-fold: of readers that have not seen the request. Requests of other domains belong to the
    table as well; without them it does not learn when to keep quiet.

    Raises `InvalidInput` without hypotheses, without a request of the domain's own, or when no hypothesis is right.
    """
    _refuse_unusable(hypotheses, judged)
    raw = features.raw(hypotheses, contexts)
    mean, scale = standardisation(features, raw)
    described = (raw - mean) / scale
    ridge = np.full(described.shape[1], 1 / (_PRIOR * len(segments(hypotheses.request))))
    ridge[3] /= 100
    minimised = loss(objective, described, hypotheses.request, judged, baseline=features.baseline, ridge=ridge)
    found = minimize(minimised, features.baseline, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxcor": 20})
    weights = np.asarray(found.x, dtype=np.float64)
    about = {"objective": asdict(objective), "requests": len(segments(hypotheses.request)), **(meta or {})}
    return Reranker(hypotheses.domain, features, weights, mean, scale, meta=about)


def _refuse_unusable(hypotheses: Hypotheses, judged: Judged) -> None:
    domain = hypotheses.domain
    if len(hypotheses) != len(judged.own):
        raise InvalidInput(
            f"{domain} has {len(hypotheses)} hypotheses, and {len(judged.own)} were judged.", expected="one each"
        )
    if not len(hypotheses):
        raise InvalidInput(f"{domain} has no hypotheses to learn from.", expected="what its reader made of requests")
    if (np.diff(hypotheses.request) < 0).any():
        raise InvalidInput(
            f"The hypotheses of {domain} are not in the order of requests.", expected="ascending requests"
        )
    if not np.isfinite(hypotheses.logs).all() or not np.isfinite(hypotheses.local).all():
        raise InvalidInput(
            f"The hypotheses of {domain} have values that are not finite.", expected="no probability of 0"
        )
    if not judged.own.any():
        raise InvalidInput(
            f"No request was meant for {domain}: nothing says when it is right.",
            expected="some requests of the domain's own beside those of others",
        )
    if not judged.right.any():
        raise InvalidInput(
            f"No hypothesis of {domain} is right, in {int(judged.own.sum())} of its own requests' hypotheses.",
            expected="a reader that is right at times",
            fix="check that labels and readers name domains, intents and slots alike",
        )
