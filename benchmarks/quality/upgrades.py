"""Can an encoder be replaced while the vectors of the old one stay?

Question: a catalogue is embedded by an old encoder (latent semantic analysis of its words, 512 dimensions); MiniLM is to answer
from now on, and at most 10 % of the items may be embedded anew (*calibration*, counted; the most used first where use is
known). Two catalogues: *msrd*, 9,750 films with people's judged queries (nDCG@10 of the judged films) and known items asked by
title; *films*, 19,552 of Wikipedia's: the abstract's last sentence, which is not embedded, asks (nDCG@10 of all), and titles
are the known items.
Arms: *old*; *paragon*, everything anew; *Procrustes* and *ridge* map stored vectors to the new space; *forward*, with side
vectors: of each text the mean of the new encoder's token table, 64 components, no pass of the encoder; *fusion* of the old
score and the new one, mapped by ridge or forward, in which calibrated items stand with their real vectors: by one weight, or by
*two*, of mapped vectors and of real ones; *trained queries*, a linear map of both encoders' query vectors that learned to find
the stored vectors from queries of calibrated items and judged queries of its own part, all of the way from the old query vector
or a part of it.
Backfilling: fusion by ridge and two weights with 10 to 75 % of the items anew, the most used first where use is known, at
random, or the least certain first.
Split: clusters of films ("sinister", "sinister 2") are in the training, the validation or the test part. The fusion's weights,
and the part of the way, are those with the best validation nDCG among those that on validation's known items lose at most 1.5
%, or 2 while backfilling, for sure: exact intervals, for all that were tried at once. Calibrated items are no known items, and
*not embedded* is nDCG with them left out of what is judged; while backfilling, known items come to be embedded anew like all
others. A known item is found where fewer than ten others score as much. Seeds draw the split, the sample, and the calibration
where use does not say.
Gate: `segue.evolve.release.gate` on the known items of all seeds, budget 1.5 %. Intervals: 95 %, bootstrap over queries of all
seeds.
Claim: fusion has nDCG ≥ 1.03 × old, known items ≥ 1.00 × old, loses ≤ 1.5 %; with 25 % backfilled gain ≥ .60 and ≤ 2 % lost;
the area under the backfilling curve is ≥ 1.10 × that of random order; the gate refuses Procrustes and lets fusion pass.

    python -m benchmarks.quality.upgrades [--data DIR] [--collections NAME …] [--seeds N] [--queries N] [--items N]
        [--most N] [--work DIR] [--out DIR]

Resumable: every collection and seed leaves a file in --work, and the vectors do.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: processes share the cores

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch.nn import functional

from benchmarks.catalogues import CATALOGUES, Catalogue
from benchmarks.record import publish, with_interval
from benchmarks.runs import arguments, finished, run_all
from segue.encode.bridged import BridgedEncoder
from segue.encode.pretrained import minilm
from segue.encode.quantised import OnnxEncoder
from segue.evolve.bridges import Fusion, LinearMap, Vectors, procrustes, ridge, unit
from segue.evolve.compatibility import BackfillingCurve, update_gain
from segue.evolve.compatible import gallery_loss
from segue.evolve.flips import highest_rate
from segue.evolve.forward import ForwardTransformation, forward_loss
from segue.evolve.intervals import bootstrap
from segue.evolve.release import Case, Verdict, gate
from segue.retrieve.catalogue.mixed import MixedRows
from segue.retrieve.catalogue.vectors import StoredRows, VectorSearcher, packed
from segue.store import make_encoder

CALIBRATED = 0.10
BUDGET, BACKFILLING = 0.015, 0.02
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
PAIRS = tuple((mapped, real) for mapped in WEIGHTS for real in WEIGHTS if mapped <= real)
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
ORDERS = ("most used first", "at random", "least certain first")
OLD, PARAGON = "old", "paragon"
_TWO = "fusion, ridge, two weights"
ARMS = (
    OLD,
    PARAGON,
    "Procrustes",
    "ridge",
    "forward",
    "fusion, ridge",
    "fusion, forward",
    _TWO,
    "fusion, forward, two weights",
    "trained queries",
    "trained, part of the way",
)
_OLD_WIDTH, _SIDE_WIDTH = 512, 64
_K = 10
_DISCOUNT = 1 / np.log2(np.arange(2, _K + 2))

Job = tuple[str, int]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Both:
    """Unit vectors by both encoders, and what is cheap to keep beside the old one."""

    old: Vectors
    new: Vectors
    side: Vectors | None = None

    def at(self, places: Places) -> "Both":
        return Both(self.old[places], self.new[places], None if self.side is None else self.side[places])


@dataclass(frozen=True, slots=True)
class Part:
    """Judged queries by place, and known items by place."""

    queries: Places
    known: Places


@dataclass(frozen=True, slots=True)
class Setting:
    """A catalogue with vectors of its items, of people's queries and of those for known items; and a split."""

    catalogue: Catalogue
    items: Both
    asked: Both
    known: Both
    train: Part
    validation: Part
    test: Part


Scores = Callable[[Both], Vectors]
"""Scores [b, n] of queries, however they are made."""


# -- vectors, once ------------------------------------------------------------------------------------------------------


def vectors_of(name: str, chosen: argparse.Namespace) -> tuple[Catalogue, Both, Both, Both]:
    """The catalogue, and both encoders' vectors of its items, of people's queries and of known items' queries."""
    catalogue = CATALOGUES[name](chosen.data, chosen.most)
    parts = {"items": catalogue.texts, "asked": catalogue.queries, "known": catalogue.known}
    file = chosen.work / f"{name}{_cut(chosen)}.npz"
    if not file.exists():
        found = {f"new {part}": vectors for part, vectors in _embedded(parts, chosen.work).items()}
        words = TfidfVectorizer(sublinear_tf=True, min_df=2)
        counted = words.fit_transform(catalogue.texts)
        decomposed = TruncatedSVD(min(_OLD_WIDTH, min(counted.shape) - 1), random_state=0, n_iter=3)
        found["old items"] = unit(decomposed.fit_transform(counted))
        for part in ("asked", "known"):
            found[f"old {part}"] = unit(decomposed.transform(words.transform(parts[part])))
        found["side items"] = _side(catalogue.texts)
        new = file.with_suffix(".new.npz")
        np.savez(new, **{key: value.astype(np.float16) for key, value in found.items()})  # type: ignore[arg-type]
        new.replace(file)
    with np.load(file) as kept:
        items, asked, known = (
            Both(*(unit(kept[f"{which} {part}"].astype(np.float32)) for which in ("old", "new"))) for part in parts
        )
        return catalogue, Both(items.old, items.new, unit(kept["side items"].astype(np.float32))), asked, known


def _embedded(parts: Mapping[str, Sequence[str]], work: Path) -> dict[str, Vectors]:
    folder = work / "encoder"
    if not folder.exists():
        make_encoder(folder)
    encoder = OnnxEncoder.open(folder)
    return {part: encoder.encode(texts) for part, texts in parts.items()}


def _side(texts: Sequence[str]) -> Vectors:
    """Means of the token table's rows, rarer tokens more, in the directions in which they differ most."""
    encoder = minilm()
    table = encoder.transformer.words.weight.detach().numpy()
    rows = encoder.tokenizer.whole(list(texts))
    seen = np.zeros(len(table))
    for row in rows:
        seen[np.unique(row)] += 1
    weight = np.log(len(rows) / np.maximum(seen, 1))
    means = np.stack([weight[row] @ table[row] / max(len(row), 1) for row in rows])
    reduced: Vectors = TruncatedSVD(_SIDE_WIDTH, random_state=0).fit_transform(means - means.mean(axis=0))
    return unit(reduced)


def setting(name: str, seed: int, chosen: argparse.Namespace) -> Setting:
    """The split of a seed: two fifths of the clusters to learn from, a fifth to choose by, two fifths to measure on."""
    catalogue, items, asked, known = vectors_of(name, chosen)
    draw = np.random.default_rng((seed, 5))
    names = draw.permutation(sorted(set(catalogue.cluster)))
    number = {cluster: place for place, cluster in enumerate(names.tolist())}
    part_of_item = np.digitize([number[cluster] / len(names) for cluster in catalogue.cluster], [0.4, 0.6])
    best = np.array([max(of.items(), key=lambda pair: (pair[1], -pair[0]))[0] for of in catalogue.grades])
    calibrated = np.zeros(len(catalogue.texts), dtype=bool)
    calibrated[ordered(catalogue, items, ORDERS[0], seed)[: _count(CALIBRATED, catalogue)]] = True

    def part(which: int) -> Part:
        queries = draw.permutation(np.flatnonzero(part_of_item[best] == which))
        there = draw.permutation(np.flatnonzero((part_of_item == which) & ~calibrated))
        return Part(queries[: chosen.queries], there[: chosen.items])

    return Setting(catalogue, items, asked, known, part(0), part(1), part(2))


def orders(catalogue: Catalogue) -> list[str]:
    """The most used first only where use is known."""
    return [how for how in ORDERS if how != ORDERS[0] or catalogue.used.any()]


def ordered(catalogue: Catalogue, items: Both, order: str, seed: int) -> Places:
    """All items in the order in which they are embedded anew."""
    chance = np.random.default_rng((seed, 6)).permutation(len(catalogue.texts))
    if order == "at random":
        return chance
    used = chance[np.argsort(-catalogue.used[chance], kind="stable")]
    if order == "most used first":
        return used
    count = _count(CALIBRATED, catalogue)
    fitted, rest = used[:count], used[count:]
    near = (items.old[rest] @ items.old[fitted].T).max(axis=1)
    return np.concatenate([fitted, rest[np.argsort(near, kind="stable")]])


def _count(share: float, catalogue: Catalogue) -> int:
    return round(share * len(catalogue.texts))


# -- arms ---------------------------------------------------------------------------------------------------------------


def forward_map(items: Both, calibrated: Places, seed: int) -> Vectors:
    """What the forward transformation makes of all stored vectors, learned on the calibrated items."""
    assert items.side is not None
    old, side, new = (torch.from_numpy(one) for one in (items.old, items.side, items.new))
    torch.manual_seed(seed)
    transformation = ForwardTransformation(old.shape[1], side.shape[1], new.shape[1])
    transformation.start(old[calibrated], side[calibrated], new[calibrated])
    optimiser = torch.optim.AdamW(transformation.parameters(), lr=1e-3, weight_decay=0.01)
    for _ in range(60):
        for rows in torch.split(torch.randperm(len(calibrated)), 128):
            chosen = torch.from_numpy(calibrated)[rows]
            loss = forward_loss(transformation(old[chosen], side[chosen]), new[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        return np.asarray(transformation(old, side).numpy())


def trained_queries(made: Setting, calibrated: Places, seed: int) -> Callable[[float], Scores]:
    """A linear map of both query vectors into the old space, begun at the old one's; its loss knows all stored
    vectors. Given is how far it goes: 1 all of the way."""
    gallery = torch.from_numpy(made.items.old)
    asked, known = made.asked.at(made.train.queries), made.known.at(calibrated)
    old, new = (np.concatenate([getattr(one, which) for one in (asked, known)]) for which in ("old", "new"))
    right = [max(made.catalogue.grades[place].items(), key=lambda pair: pair[1])[0] for place in made.train.queries]
    both = torch.from_numpy(np.concatenate([old, new], axis=1))
    wanted = torch.from_numpy(np.concatenate([right, calibrated]))
    torch.manual_seed(seed)
    start = torch.cat([torch.eye(old.shape[1]), torch.zeros(new.shape[1], old.shape[1])])
    matrix = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([matrix], lr=1e-3)
    for _ in range(200):
        rows = torch.randint(len(both), (256,))
        near = gallery_loss(both[rows] @ matrix, wanted[rows], gallery)
        loss = near + 1e-3 * functional.mse_loss(matrix, start, reduction="sum")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def gone(share: float) -> Scores:
        mapped = LinearMap(torch.lerp(start, matrix.detach(), share).numpy())
        return lambda queries: mapped(np.concatenate([queries.old, queries.new], axis=1)) @ made.items.old.T

    return gone


def fused(made: Setting, mapped: Vectors, done: Places, weights: tuple[float, float]) -> Scores:
    """The old score and the new one, of mapped vectors or, where items are `done`, of their real ones."""
    real = np.zeros(len(mapped), dtype=np.bool_)
    real[done] = True
    fusion = Fusion(*weights)
    gallery = fusion.gallery(made.items.old, np.where(real[:, None], made.items.new, mapped), real)
    return lambda queries: fusion.queries(queries.old, queries.new) @ gallery.T


def best_weights(
    made: Setting, mapped: Vectors, done: Places, pairs: Sequence[tuple[float, float]], budget: float = BUDGET
) -> tuple[float, float]:
    """`best`, of pairs of weights: the products are worked out once."""
    real = np.zeros(len(mapped), dtype=np.bool_)
    real[done] = True
    beside = np.where(real[:, None], made.items.new, mapped)
    both = (made.known.at(made.validation.known), made.asked.at(made.validation.queries))
    halves = [(queries.old @ made.items.old.T, queries.new @ beside.T) for queries in both]

    def found(pair: tuple[float, float]) -> tuple[Vectors, Vectors]:
        weights = np.where(real, pair[1], pair[0]).astype(np.float32)
        known, asked = ((1 - weights) * old + weights * new for old, new in halves)
        return known, asked

    return best(made, pairs, found, budget)


def best_share(made: Setting, scores: Callable[[float], Scores]) -> float:
    """`best`, of how far trained queries go."""
    known, asked = made.known.at(made.validation.known), made.asked.at(made.validation.queries)
    return best(made, WEIGHTS, lambda share: (scores(share)(known), scores(share)(asked)))


_Way = TypeVar("_Way")


def best(
    made: Setting,
    ways: Sequence[_Way],
    found: Callable[[_Way], tuple[Vectors, Vectors]],
    budget: float = BUDGET,
) -> _Way:
    """By the validation part: the best nDCG among the ways that lose no more than the budget for sure; the first where none
    does. `found` gives the scores of known items' queries and of people's."""
    part = made.validation
    before = ranks_of(old_scores(made)(made.known.at(part.known)), part.known) <= _K
    passing = []
    for place, way in enumerate(ways):
        known, asked = found(way)
        now = ranks_of(known, part.known) <= _K
        if now.mean() >= before.mean() and highest_rate(before, now, tried=len(ways)) <= budget:
            passing.append((float(np.mean(ndcg_of(asked, made.catalogue, part.queries))), place))
    return ways[max(passing)[1]] if passing else ways[0]


def old_scores(made: Setting) -> Scores:
    return lambda queries: queries.old @ made.items.old.T


# -- measures -----------------------------------------------------------------------------------------------------------


def ranks_of(found: Vectors, items: Places) -> Places:
    """At which rank each known item is found in its row of scores [b, n]: of equals it is the last."""
    own = found[np.arange(len(items)), items]
    return np.asarray((found >= own[:, None]).sum(axis=1), dtype=np.int64)


def ndcg_of(found: Vectors, catalogue: Catalogue, queries: Places, without: Places | None = None) -> Floats:
    """nDCG@10 of each query, [b]: of the judged items, or where only one is known to be right, of all; nan where nothing right
    is left `without` some items."""
    left_out = set() if without is None else set(without.tolist())
    values = []
    for row, query in zip(found, queries.tolist(), strict=True):
        grades = {place: grade for place, grade in catalogue.grades[query].items() if place not in left_out}
        if not any(grade > 0 for grade in grades.values()):
            values.append(np.nan)
            continue
        if len(catalogue.grades[query]) == 1:
            (right,) = grades
            rank = int((row >= row[right]).sum())
            values.append(_DISCOUNT[rank - 1] if rank <= _K else 0.0)
            continue
        judged, grade = np.array(list(grades)), np.array(list(grades.values()))
        order = np.lexsort((judged, -row[judged]))[:_K]
        best_first = np.sort(grade)[::-1][:_K]
        values.append(float(grade[order] @ _DISCOUNT[: len(order)]) / float(best_first @ _DISCOUNT[: len(best_first)]))
    return np.array(values)


# -- runs ---------------------------------------------------------------------------------------------------------------


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What every arm and every share of a backfill finds on the test part, and a line about it."""
    torch.set_num_threads(1)
    name, seed = job
    made = setting(name, seed, chosen)
    order = ordered(made.catalogue, made.items, ORDERS[0], seed)
    calibrated = order[: _count(CALIBRATED, made.catalogue)]
    source, target = made.items.old[calibrated], made.items.new[calibrated]
    by_ridge, by_forward = ridge(source, target)(made.items.old), forward_map(made.items, calibrated, seed)
    weights: dict[str, Any] = {}

    def chosen_fusion(arm: str, mapped: Vectors, done: Places, pairs: Sequence[tuple[float, float]]) -> Scores:
        budget = BUDGET if len(done) <= len(calibrated) else BACKFILLING
        weights[arm] = best_weights(made, mapped, done, pairs, budget)
        return fused(made, mapped, done, weights[arm])

    trained = trained_queries(made, calibrated, seed)
    weights["trained, part of the way"] = best_share(made, trained)
    same = [(weight, weight) for weight in WEIGHTS]
    arms: dict[str, Scores] = {
        OLD: old_scores(made),
        PARAGON: lambda queries: queries.new @ made.items.new.T,
        "Procrustes": lambda queries: queries.new @ procrustes(source, target)(made.items.old).T,
        "ridge": lambda queries: queries.new @ by_ridge.T,
        "forward": lambda queries: queries.new @ by_forward.T,
        "fusion, ridge": chosen_fusion("fusion, ridge", by_ridge, calibrated, same),
        "fusion, forward": chosen_fusion("fusion, forward", by_forward, calibrated, same),
        _TWO: chosen_fusion(_TWO, by_ridge, calibrated, PAIRS),
        "fusion, forward, two weights": chosen_fusion("fusion, forward, two weights", by_forward, calibrated, PAIRS),
        "trained queries": trained(1.0),
        "trained, part of the way": trained(weights["trained, part of the way"]),
    }
    found = {arm: _measured(scores, made, calibrated) for arm, scores in arms.items()}
    curves: dict[str, dict[str, Any]] = {}
    for how in orders(made.catalogue):
        every = ordered(made.catalogue, made.items, how, seed)
        for share in SHARES[:-1]:
            done = every[: _count(share, made.catalogue)]
            mapped = ridge(made.items.old[done], made.items.new[done])(made.items.old)
            scores = chosen_fusion(f"{how}, {share}", mapped, done, PAIRS)
            curves.setdefault(how, {})[str(share)] = _measured(scores, made)
    kept = {
        "arms": found,
        "curves": curves,
        "weights": weights,
        "calibrated": len(calibrated),
        "items": len(made.catalogue.texts),
        "known": made.test.known.tolist(),
    }
    return kept, ", ".join(f"{arm} {np.mean(of['ndcg']):.3f}" for arm, of in found.items())


def _measured(scores: Scores, made: Setting, calibrated: Places | None = None) -> dict[str, Any]:
    asked, known = made.test.queries, made.test.known
    found = scores(made.asked.at(asked))
    measured = {
        "ndcg": ndcg_of(found, made.catalogue, asked).round(4).tolist(),
        "ranks": ranks_of(scores(made.known.at(known)), known).tolist(),
    }
    if calibrated is not None:
        values = ndcg_of(found, made.catalogue, asked, calibrated)
        measured["ndcg, not embedded"] = values[~np.isnan(values)].round(4).tolist()
    return measured


@dataclass(frozen=True, slots=True)
class _Width:
    """An encoder, as far as its vectors' width goes."""

    dimensions: int
    fingerprint: str = ""

    def encode(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError


def cost(made: Setting, queries: int = 200) -> dict[str, float]:
    """Milliseconds of one processor a query to find the best 100 as a catalogue does, behind the encoders: by the new vectors
    alone, and by two encoders' vectors of which a tenth are real. The best of five rounds; taken in turns."""
    old, new = made.items.old, made.items.new
    done = np.arange(len(old)) % 10 == 0
    matrix = ridge(old[done], new[done]).matrix
    bridge = BridgedEncoder(_Width(old.shape[1]), _Width(new.shape[1]), matrix, 0.1, 0.5, name="cost")
    stored, mapped, real = (StoredRows(packed(vectors)) for vectors in (old, bridge.map(old), new))
    alive = np.arange(len(old))
    alone = VectorSearcher(real, alive, None)
    both = VectorSearcher(MixedRows(bridge, stored, mapped, real, done, len(old)), alive, None)
    asked = made.known.at(made.test.known[:queries])
    joined = np.concatenate([np.sqrt(0.9) * asked.old, np.sqrt(0.1) * asked.new], axis=1, dtype=np.float32)
    spent: dict[str, list[float]] = {"alone": [], "both": []}
    for _ in range(5):
        for way, searcher, vectors in (("alone", alone, asked.new), ("both", both, joined)):
            started = time.process_time()
            for vector in vectors:
                searcher.search("dense", vector, 100)
            spent[way].append(1000 * (time.process_time() - started) / len(vectors))
    return {way: round(min(times), 3) for way, times in spent.items()}


# -- what it comes to -----------------------------------------------------------------------------------------------------


def summary(runs: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> dict[str, Any]:
    """Of one collection: every arm, every share of every backfill, over the runs of all seeds."""
    old, paragon = ([run["arms"][arm] for run in runs] for arm in (OLD, PARAGON))
    rows = {arm: _row([run["arms"][arm] for run in runs], old, paragon) for arm in ARMS}
    for arm, row in rows.items():
        if arm != OLD:
            verdict = _judged(runs, arm, catalogue)
            row["gate"] = {
                "passed": verdict.passed,
                "reason": verdict.reason,
                "lost": [
                    {"query": one.case.text, "before": one.before, "after": one.after} for one in verdict.broken[:5]
                ],
            }
        row["weights"] = [run["weights"][arm] for run in runs if arm in run["weights"]]
    curves: dict[str, Any] = {}
    for how in runs[0]["curves"]:
        points = {
            share: _row([run["curves"][how][share] for run in runs], old, paragon) for share in runs[0]["curves"][how]
        }
        areas = [_area(run, how) for run in runs]
        curves[how] = {
            "shares": points,
            "area": round(float(np.mean(areas)), 4),
            "area by seed": [round(area, 4) for area in areas],
            "weights": {share: [run["weights"][f"{how}, {share}"] for run in runs] for share in points},
        }
    return {
        "items": runs[0]["items"],
        "calibrated": runs[0]["calibrated"],
        "queries": [len(run["arms"][OLD]["ndcg"]) for run in runs],
        "known items": [len(run["known"]) for run in runs],
        "arms": rows,
        "backfilling": curves,
    }


def _row(
    found: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]], paragon: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """One arm's figures against the old encoder's and the paragon's, runs of all seeds one after the other."""
    values, before, best = (np.concatenate([one["ndcg"] for one in of]) for of in (found, old, paragon))
    now, was = (np.concatenate([np.array(one["ranks"]) <= _K for one in of]) for of in (found, old))
    return {
        "ndcg": with_interval(bootstrap(lambda mean: mean, values)),
        "ndcg of old": with_interval(bootstrap(lambda mean, base: mean / base, values, before)),
        "known": with_interval(bootstrap(lambda mean: mean, now)),
        "known of old": with_interval(bootstrap(lambda mean, base: mean / base, now, was)),
        "lost": with_interval(bootstrap(lambda mean: mean, was & ~now)),
        "gain": with_interval(bootstrap(lambda mean, low, high: (mean - low) / (high - low), values, before, best)),
        **_not_embedded(found, old),
        "by seed": [
            {
                "ndcg": round(float(np.mean(one["ndcg"])), 4),
                "known": round(float((np.array(one["ranks"]) <= _K).mean()), 4),
                "lost": round(float(((np.array(base["ranks"]) <= _K) & (np.array(one["ranks"]) > _K)).mean()), 4),
            }
            for one, base in zip(found, old, strict=True)
        ],
    }


def _not_embedded(found: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """nDCG against the old encoder's without the items that were embedded to fit the map, where that was measured."""
    if "ndcg, not embedded" not in found[0]:
        return {}
    now, before = (np.concatenate([one["ndcg, not embedded"] for one in of]) for of in (found, old))
    return {"not embedded, of old": with_interval(bootstrap(lambda mean, base: mean / base, now, before))}


def _judged(runs: Sequence[Mapping[str, Any]], arm: str, catalogue: Catalogue) -> Verdict:
    """The gate, on known items of all seeds; an item asked in several seeds is asked as often."""
    cases = [Case(catalogue.known[place], catalogue.known[place]) for run in runs for place in run["known"]]
    before, after = (np.concatenate([run["arms"][of]["ranks"] for run in runs]) for of in (OLD, arm))
    return gate(cases, before, after, k=_K, budget=BUDGET)


def _area(run: Mapping[str, Any], how: str) -> float:
    """Under the curve of update gains, from the old encoder to the paragon."""
    old, best = (float(np.mean(run["arms"][arm]["ndcg"])) for arm in (OLD, PARAGON))
    shares = [0.0, *map(float, run["curves"][how]), 1.0]
    gains = [update_gain(float(np.mean(one["ndcg"])), old, best) for one in run["curves"][how].values()]
    return BackfillingCurve(shares, [0.0, *gains, 1.0]).area()


def as_table(result: Mapping[str, Any]) -> str:
    """For people: Markdown tables of the arms and of backfilling."""
    lines = []
    for name, of in result["collections"].items():
        lines += [
            f"**{name}**: {of['items']:,} items, {of['calibrated']:,} embedded anew; seeds: {len(of['queries'])}",
            "",
            "| | nDCG@10 | of old | known items | of old | lost, % (95 %) | gain | not embedded, of old | gate |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for arm, row in of["arms"].items():
            passed = "" if "gate" not in row else ("passes" if row["gate"]["passed"] else "refused")
            lines.append(f"| {arm} | {_cells(row)} | {row['not embedded, of old']['value']:.3f} | {passed} |")
        lines += [
            "",
            "| backfilled | order | nDCG@10 | of old | known items | of old | lost, % (95 %) | gain |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for how, curve in of["backfilling"].items():
            for share, row in curve["shares"].items():
                lines.append(f"| {float(share):.0%} | {how} | {_cells(row)} |")
        areas = {how: curve["area"] for how, curve in of["backfilling"].items()}
        random = areas["at random"]
        shown = ", ".join(f"{how} {area:.3f} ({area / random:.2f} × random)" for how, area in areas.items())
        spent = of["milliseconds"]
        lines += [
            "",
            f"Area under the curve of gains: {shown}. To find the best 100 among all items, behind the encoders, on one "
            f"processor: {spent['alone']:.2f} ms by the new vectors alone, {spent['both']:.2f} by both.",
            "",
        ]
    return "\n".join(lines[:-1])


def _cells(row: Mapping[str, Any]) -> str:
    low, high = row["lost"]["interval"]
    return (
        f"{row['ndcg']['value']:.3f} | {row['ndcg of old']['value']:.3f} | {row['known']['value']:.3f} | "
        f"{row['known of old']['value']:.3f} | {100 * row['lost']['value']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | "
        f"{row['gain']['value']:.2f}"
    )


def draw(result: Mapping[str, Any], file: Path) -> None:
    """What each arm gains and loses, and the backfilling curves."""
    mpl.use("Agg")
    collections: Mapping[str, Any] = result["collections"]
    figure, panels = pyplot.subplots(len(collections), 2, figsize=(11, 4 * len(collections)), squeeze=False)
    for (left, right), (name, of) in zip(panels, collections.items(), strict=True):
        for arm, row in of["arms"].items():
            left.plot(100 * row["lost"]["value"], row["ndcg"]["value"], "o")
            left.annotate(arm, (100 * row["lost"]["value"], row["ndcg"]["value"]), fontsize=8)
        left.axvline(100 * BUDGET, color="grey", linewidth=0.8)
        left.set(title=name, xlabel="known items lost, % (the gate's budget: grey)", ylabel="nDCG@10", xscale="symlog")
        ends = [of["arms"][arm]["ndcg"]["value"] for arm in (OLD, PARAGON)]
        for how, curve in of["backfilling"].items():
            shares = [0.0, *map(float, curve["shares"]), 1.0]
            right.plot(
                shares, [ends[0], *(row["ndcg"]["value"] for row in curve["shares"].values()), ends[1]], label=how
            )
        right.set(title=name, xlabel="share embedded anew", ylabel="nDCG@10")
        right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    name, seed = job
    return Path(chosen.work / f"{name}{_cut(chosen)}-{chosen.queries}-{chosen.items}-{seed}.json")


def _cut(chosen: argparse.Namespace) -> str:
    return f"-{chosen.most}" if chosen.most else ""


def gather(chosen: argparse.Namespace, jobs: Sequence[Job]) -> dict[str, Any]:
    """The result of the jobs that are done."""
    done = dict(finished(jobs, run_file, chosen))
    collections = {name: [run for (one, _), run in done.items() if one == name] for name in chosen.collections}
    return {
        "seeds": chosen.seeds,
        "collections": {
            name: {
                **summary(runs, CATALOGUES[name](chosen.data, chosen.most)),
                "milliseconds": cost(setting(name, 0, chosen)),
            }
            for name, runs in collections.items()
            if runs
        },
    }


def main() -> None:
    options = arguments(
        __doc__, data="msrd and wikipedia-movies", collections=tuple(CATALOGUES), work="/tmp/segue-upgrades"
    )
    options.add_argument("--queries", type=int, default=1500, help="of each part, at most")
    options.add_argument("--items", type=int, default=1500, help="known items of each part, at most")
    options.add_argument("--most", type=int, help="items of a catalogue  [all]")
    options.set_defaults(processes=1)
    chosen = options.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    for name in chosen.collections if not chosen.gather else ():
        vectors_of(name, chosen)
    jobs = [(name, seed) for seed in range(chosen.seeds) for name in chosen.collections]
    run_all(jobs, one_run, run_file, chosen)
    publish("upgrades", gather(chosen, jobs), chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
