"""The learned ranker: gradient-boosted trees that put a page's items in the order in which people take them.

LambdaMART. What rank fusion gives an item is a feature like others, so that it starts from what is known without clicks.
Source: Burges, "From RankNet to LambdaRank to LambdaMART: An Overview" (2010), by LightGBM's `lambdarank`.
"""

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.errors import Corrupt, InvalidInput, SegueError, Unavailable
from segue.rank.features import Features, Rows
from segue.rank.trees import Trees
from segue.store import Store

logger = logging.getLogger(__name__)

KIND = "ranker"
_MODEL = "model.txt"

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Debiasing = Literal["none", "position", "inverse propensity"]
"""What is done about people looking at high places first; see `train`."""

_CLIP = 10.0
"""Largest inverse propensity weight of a click."""

_TREES = 60
_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "objective": "lambdarank",
        "learning_rate": 0.05,
        "num_leaves": 6,
        "min_data_in_leaf": 50,
        "max_bin": 63,
        "feature_fraction": 0.7,
        "lambda_l2": 1.0,
        "lambdarank_truncation_level": 10,
        "lambdarank_norm": False,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
)
"""Small trees and few: on msrd (see benchmarks/quality/ranker.py) 30 to 100 trees of 6 or 8 leaves did about as well, 300 worse;
and trees with so few leaves can be served as tables (see `trees`). One thread adds up in one order."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a domain that something was taken from, in the order shown: `rows` float32 [n, columns], `positions` int64
    [n] on the whole page, from 1, `taken` bool [n]; `time` in seconds since 1970, and the `query` it was shown for."""

    query: str
    time: float
    rows: Rows
    positions: Places
    taken: NDArray[np.bool_]
    stands: Floats | None = None
    """The probability that each item stood where it did; None where that is not known."""


class Ranker:
    """Trees over `features`. Immutable; several threads may use it at once."""

    def __init__(self, features: Features, model: str, meta: Mapping[str, Any] | None = None) -> None:
        """`model` is LightGBM's text; it is read without LightGBM. Raises `Corrupt` where it cannot be."""
        self.features = features
        self.meta = dict(meta or {})
        self.model = model
        self._trees = Trees.read(model)
        if self._trees.names != tuple(_columns(features)):
            raise InvalidInput(
                "The ranker's trees and its list of features do not fit.",
                expected=f"trees over {len(features.names)} features",
                fix="learn it again: segue learn",
            )

    def scores(self, rows: Rows) -> Floats:
        """The higher, the sooner it is taken: float64 [n]. Comparable on one page only."""
        return self._trees.predict(rows)

    def contributions(self, rows: Rows) -> Floats:
        """What each part of `features.parts`, and last what every item gets, adds to the scores: float64 [n, parts + 1].

        Source: Lundberg and others, "From local explanations to global understanding with explainable AI for trees" (2020),
        TreeSHAP; a part is the sum of its columns.
        """
        return self._trees.contributions(rows, np.asarray(self.features.part_of), len(self.features.parts))

    def importances(self) -> dict[str, float]:
        """Feature → its share of all that the splits gained, the largest first; those never used are left out."""
        gains = self._trees.gains
        order = np.argsort(-gains, kind="stable")
        total = max(float(gains.sum()), 1e-12)
        return {self.features.names[place]: float(gains[place] / total) for place in order.tolist() if gains[place] > 0}

    def write(self, folder: Path, *, name: str, parent: str | None = None) -> artifact.Artifact:
        """Keep it as a trained part; its meta names every feature."""
        return artifact.write(
            folder,
            kind=KIND,
            name=name,
            files={_MODEL: self.model.encode()},
            meta={**self.meta, "features": asdict(self.features)},
            parent=parent,
        )

    @classmethod
    def open(cls, folder: Path) -> "Ranker":
        """Raises what `artifact.open` raises, and `Corrupt` where the part does not describe its features."""
        part = artifact.open(folder, kind=KIND)
        described = part.meta.get("features")
        try:
            features = Features(**{name: tuple(values) for name, values in described.items()})  # type: ignore[union-attr]
        except (AttributeError, TypeError) as error:
            raise Corrupt(f"{folder} does not name its features.", fix="learn the ranker again: segue learn") from error
        return cls(features, part.path(_MODEL).read_text(), part.meta)


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a ranker made of a page: `order` int64 [kept], which row stands at each place; and in that order the `scores`
    float64 [kept] and the `contributions` float64 [kept, parts] that add up to them. `by` is the name of the ranker."""

    by: str
    order: Places
    scores: Floats
    parts: tuple[str, ...]
    contributions: Floats


class LiveRankers:
    """The rankers that are live in a store now. One that cannot be used is said so in the log, once, and not used."""

    def __init__(self, store: Store, features: Features) -> None:
        """`features`: those that this version logs; a ranker of others is refused."""
        self._store = store
        self._features = features
        self._opened: dict[str, tuple[Path, Ranker | None]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take up what went live, in this process or another, and let go of what is live no more."""
        for domain in self._store.domains():
            try:
                folder = self._store.live(part(domain))
            except SegueError as error:
                logger.warning("the live rankers stay as they are: %s", error)
                return
            if folder is None:
                self._opened.pop(domain, None)
            elif domain not in self._opened or self._opened[domain][0] != folder:
                self._opened[domain] = folder, self._open(domain, folder)

    def use(self, domain: str, folder: Path) -> None:
        """Let the ranker in `folder` order a domain here, whatever is live, until the next `refresh`. Raises what `Ranker.open`
        raises, and `InvalidInput` for one of other features."""
        ranker = Ranker.open(folder)
        refuse_others(ranker, self._features)
        self._opened[domain] = folder, ranker

    def rank(self, domain: str, learning: Mapping[str, Any]) -> Ranked | None:
        """The order of what the policy kept (`learning` is what it logs of it); None without a ranker that can be used.

        A place that the policy gave away to try something out (`reserved`) keeps its item.
        """
        folder, ranker = self._opened.get(domain, (None, None))
        if folder is None or ranker is None or not learning:
            return None
        try:
            rows = ranker.features.rows(learning)
            scores, contributions = ranker.scores(rows), ranker.contributions(rows)
        except Exception:
            logger.exception("the ranker of %s failed", domain)
            return None
        order = np.argsort(-scores, kind="stable")
        if (reserved := learning.get("reserved", -1)) >= 0:
            order = np.insert(order[order != reserved], reserved, reserved)
        parts = (*ranker.features.parts, "every item")
        return Ranked(folder.name, order, scores[order], parts, contributions[order])

    def _open(self, domain: str, folder: Path) -> Ranker | None:
        try:
            ranker = Ranker.open(folder)
            refuse_others(ranker, self._features)
        except SegueError as error:
            logger.warning("the ranker of %s is not used, the policy's order is: %s", domain, error)
            return None
        return ranker


def refuse_others(ranker: Ranker, features: Features) -> None:
    """Raises `InvalidInput` for a ranker of other features than those that are logged now."""
    if ranker.features != features:
        gone = sorted({*ranker.features.names} - {*features.names}) or ["another order"]
        new = sorted({*features.names} - {*ranker.features.names}) or ["another order"]
        raise InvalidInput(
            f"The ranker looks at other features than this version logs: {len(gone)} are gone ({gone[0]}), {len(new)} are new "
            f"({new[0]}).",
            expected="a ranker for the same strategies and descriptions",
            fix="learn it again: segue learn",
        )


def train(
    features: Features,
    pages: Sequence[Page],
    *,
    debiasing: Debiasing = "position",
    examined: Floats | None = None,
    seed: int = 0,
    meta: Mapping[str, Any] | None = None,
    progress: Callable[[], None] | None = None,
) -> Ranker:
    """Learn from pages that something was taken from; the same pages and seed make the same trees.

    `debiasing` "none" takes a click for what it says. "position" learns, beside the trees, what each position adds by itself
    (LightGBM's `position`). "inverse propensity" makes a page of each click and weighs it with 1 / `examined` [positions],
    clipped to 10: Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased Feedback" (2017).
    The n-th page of a query counts 1 / √n: it tells less of other queries than the first, but repeats must not be forgotten
    (at 1 / n, people who repeated a query were served worse on msrd with noisy clicks). `progress` is called after each tree.

    Raises `InvalidInput` without pages, `Unavailable` without LightGBM.
    """
    if not pages:
        raise InvalidInput("There are no pages to learn from.", expected="pages that something was taken from")
    weights = _repeats(pages)
    if debiasing == "inverse propensity":
        pages, weights = _one_click_each(pages, weights, examined)
    sizes = [len(page.rows) for page in pages]
    lightgbm = library()
    data = lightgbm.Dataset(
        np.concatenate([page.rows for page in pages]),
        np.concatenate([page.taken for page in pages]).astype(np.int32),
        group=sizes,
        weight=np.repeat(weights, sizes),
        position=np.concatenate([page.positions for page in pages]) if debiasing == "position" else None,
        feature_name=_columns(features),
    )
    callbacks = [] if progress is None else [lambda _: progress()]
    booster = lightgbm.train({**_SETTINGS, "seed": seed}, data, _TREES, callbacks=callbacks)
    return Ranker(features, booster.model_to_string(), {**(meta or {}), "debiasing": debiasing})


def _repeats(pages: Sequence[Page]) -> Floats:
    """1 / √n for the n-th page of a query."""
    asked: dict[str, int] = {}
    weights = np.empty(len(pages))
    for place, page in enumerate(pages):
        asked[page.query] = asked.get(page.query, 0) + 1
        weights[place] = asked[page.query] ** -0.5
    return weights


def _one_click_each(pages: Sequence[Page], weights: Floats, examined: Floats | None) -> tuple[list[Page], Floats]:
    """A page for each click, with the items that were not clicked, and its weight."""
    if examined is None:
        raise InvalidInput(
            "Clicks were to be weighed by the chance that their place is looked at, and it was not passed.",
            expected="examined=, as Examination.curve() gives it",
        )
    single, heavy = list[Page](), list[float]()
    for page, weight in zip(pages, weights.tolist(), strict=True):
        for row in np.flatnonzero(page.taken):
            left = ~page.taken
            left[row] = True
            seen = examined[min(int(page.positions[row]), len(examined)) - 1]
            single.append(replace(page, rows=page.rows[left], positions=page.positions[left], taken=page.taken[left]))
            heavy.append(weight * min(1 / float(seen), _CLIP))
    return single, np.array(heavy)


@cache
def library() -> Any:
    """LightGBM, loaded when it is first needed: only to learn a ranker, not to serve one."""
    try:
        return importlib.import_module("lightgbm")
    except (ImportError, OSError) as error:
        raise Unavailable(
            f"LightGBM, which learns the rankers, cannot be loaded: {error}.",
            expected="the package lightgbm, and the system's libgomp1 (OpenMP)",
            fix="apt-get install libgomp1; pip install lightgbm",
        ) from error


def part(domain: str) -> str:
    """The part that a domain's ranker plays in the store (live.json)."""
    return f"ranker-{domain}"


def _columns(features: Features) -> list[str]:
    """Names as LightGBM can write them, which has no blanks in them."""
    return [f"{place}:{name}".translate(_PLAIN) for place, name in enumerate(features.names)]


_PLAIN = str.maketrans({" ": "_", **dict.fromkeys(',:[]{}"', "_")})
