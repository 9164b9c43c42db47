"""A bridge from a store's vectors to a new encoder: a few items embedded anew, a map fitted on them, and how much the new
encoder may count, chosen by what is found on validation queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.encode import bridged
from segue.encode.encoder import Encoder
from segue.encode.quantised import KIND as ENCODER
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput
from segue.evolve.bridges import LinearMap, procrustes, ridge
from segue.evolve.flips import highest_rate
from segue.recipes.upgrade.candidates import adopt_encoder, not_taking_over
from segue.recipes.upgrade.cases import Asked, Space, Vectors, cases, ranks
from segue.recipes.upgrade.embedding import embed
from segue.records import Numbers
from segue.retrieve.catalogue.mixed import Incoming
from segue.retrieve.catalogue.vectors import Floats, VectorSearcher
from segue.store import Store

How = Literal["fusion", "ridge", "procrustes", "compatible"]
Progress = Callable[[str, int], None]

WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
PAIRS = tuple((mapped, real) for mapped in WEIGHTS for real in WEIGHTS if mapped <= real)
FEWEST = 50
"""Items that both encoders must have embedded, at the least, to fit a map."""

_K = 10
_MOST = 20_000


def bridge(
    store: Path,
    model: Path,
    *,
    how: How = "fusion",
    share: float = 0.1,
    judgements: Path | None = None,
    budget: float = 0.015,
    queries: int = 1000,
    seed: int = 0,
    progress: Progress = lambda step, done: None,
) -> dict[str, Any]:
    """Make a candidate of `model` for the store, which stays as it is: an artifact of kind "bridge". Returns plain data.

    `share` of each domain's items is embedded by the new encoder, the most used first; those that it has embedded before count.
    On them a map is fitted by ridge regression, from stored vectors to the new ones. With `how` "fusion" the weights of the new
    encoder, where its vectors are mapped and where they are real, are those that find validation queries best (mean reciprocal
    rank) among those that lose no more than the `budget` of them for sure; the smallest where none does. "ridge" and
    "procrustes" are others' ways: the new encoder alone. "compatible" is for an encoder that was trained to find the stored
    vectors (`segue upgrade train`): nothing is embedded and nothing mapped. Raises `InvalidInput` for a store that is empty or
    under way to another encoder, or a model that is live already.
    """
    if not 0 < share <= 1:
        raise InvalidInput(f"The share is {share}.", expected="above 0, and 1 at most")
    opened = Store.open(store, create=False)
    not_taking_over(opened)
    with Engine.open(store, create=False, threads=2) as engine:
        coming = artifact.open(adopt_encoder(opened, model), kind=ENCODER)
        old, new = engine.encoder, OnnxEncoder.open(coming.folder, threads=2)
        _check(engine, old, new, how)
        calibrated = {} if how == "compatible" else _calibrated(engine, new, share, seed, progress)
        matrix = _fitted(engine, new, calibrated, how)
        asked = cases(engine, judgements=judgements, half="validation", most=queries, without={}, seed=seed)
        progress("judging", 0)
        tried = _tried(engine, asked, new, matrix, calibrated, PAIRS if how == "fusion" else ((1.0, 1.0),), budget)
        weights = _chosen(tried)
        about: dict[str, object] = {
            "how": how,
            "calibrated": {name: len(numbers) for name, numbers in calibrated.items()},
            "items": {name: len(engine.domains.get(name).snapshot) for name in engine.domains.names()},
            "validation": {"cases": len(asked), "weights": tried},
            "seed": seed,
        }
        key = sha256(matrix.tobytes() + repr((weights, old.fingerprint, coming.hash, how, about)).encode()).hexdigest()
        folder = opened.artifacts / f"bridge-{key[:16]}"
        if not folder.exists():
            bridged.write(folder, matrix, weights, calibrated, old=old, new=coming, name=how, about=about)
    return {"candidate": folder.name, "encoder": coming.folder.name, "weight": weights[0], "real": weights[1], **about}


def _check(engine: Engine, old: Encoder, new: Encoder, how: How) -> None:
    if old.fingerprint == new.fingerprint:
        raise InvalidInput("The model is the store's encoder already.", fix="pass another model")
    if how == "compatible" and old.dimensions != new.dimensions:
        raise InvalidInput(
            f"The model's vectors have {new.dimensions} components, the stored ones {old.dimensions}.",
            expected="as many, from an encoder that was trained to find the stored ones",
            fix="leave --how out: a map is fitted then",
        )
    if not engine.domains.names():
        raise InvalidInput(
            "The store holds no items.", fix="index something: segue index FILE --domain NAME --store DIR"
        )


def _calibrated(engine: Engine, new: Encoder, share: float, seed: int, progress: Progress) -> dict[str, Numbers]:
    """By domain, the items that both encoders have embedded, ascending."""
    found = {}
    for name in engine.domains.names():
        catalogue = engine.domains.get(name)
        wanted = min(_MOST, max(1, round(share * len(catalogue.snapshot))))
        alive = catalogue.snapshot.numbers
        missing = catalogue.missing(new)
        few = most_used(engine, name, missing, seed)[: max(0, wanted - len(alive) + len(missing))]
        embed(catalogue, few, new, progress=partial(progress, "embedding"))
        found[name] = alive[catalogue.incoming(new).among(alive)]
    if sum(map(len, found.values())) < FEWEST:
        raise InvalidInput(
            f"{sum(map(len, found.values()))} items are embedded by both encoders.",
            expected=f"{FEWEST} or more to fit a map",
            fix="embed a larger --share, or in a catalogue that small everything: segue index FILE --encoder MODEL",
        )
    return found


def most_used(engine: Engine, domain: str, numbers: Numbers, seed: int) -> Numbers:
    """Items in the order in which people took them, then by popularity, then by chance."""
    snapshot = engine.domains.get(domain).snapshot
    taken = engine.memory.most_taken(domain, len(snapshot))
    weight = dict.fromkeys(numbers.tolist(), 0.0)
    weight |= {number: taken[id] for id, number in snapshot.numbers_of(list(taken)).items() if number in weight}
    used = np.array([weight[number] for number in numbers.tolist()], dtype=np.float64)
    shares = snapshot.shares[snapshot.places(numbers)]
    chance = np.random.default_rng((seed, 7)).random(len(numbers))
    return numbers[np.lexsort((chance, -shares, -used))]


def _fitted(engine: Engine, new: Encoder, calibrated: Mapping[str, Numbers], how: How) -> NDArray[np.float32]:
    """The map [d_old, d_new], fitted on all domains at once."""
    if how == "compatible":
        return np.eye(engine.encoder.dimensions, dtype=np.float32)
    catalogues = {name: engine.domains.get(name) for name in calibrated}
    source = np.concatenate([catalogues[name].snapshot.vectors.of(numbers) for name, numbers in calibrated.items()])
    target = np.concatenate([catalogues[name].incoming(new).rows().of(numbers) for name, numbers in calibrated.items()])
    return (procrustes if how == "procrustes" else ridge)(source, target).matrix


def _tried(
    engine: Engine,
    asked: Sequence[Asked],
    new: Encoder,
    matrix: NDArray[np.float32],
    calibrated: Mapping[str, Numbers],
    pairs: Sequence[tuple[float, float]],
    budget: float,
) -> list[dict[str, Any]]:
    """What each pair of weights, of mapped vectors and of real ones, finds on the validation cases, and whether what it loses
    is within the budget for sure, though it is chosen out of all of them; items that were embedded to fit the map say how much
    is gained, and nothing of what is lost."""
    ways = [(1.0, 1.0, 0.0, 0.0), *((1 - mapped, 1 - real, mapped, real) for mapped, real in pairs)]
    order = sorted(asked, key=lambda one: one.domain)
    before, *after = ranks_by_both(engine, order, new, LinearMap(matrix), ways)
    own = {(name, number) for name, numbers in calibrated.items() for number in numbers.tolist()}
    counts = np.array([(one.domain, one.number) not in own for one in order])
    if not counts.any():
        raise InvalidInput(
            "Every item that validation could ask for was embedded to fit the map.",
            expected="items that were not, so that what is lost can be seen",
            fix="embed a smaller --share, or pass --judgements",
        )
    was = before[counts] <= _K
    tried = []
    for (mapped, real), now in zip(pairs, after, strict=True):
        found_now = now[counts] <= _K
        at_most = highest_rate(was, found_now, tried=len(pairs))
        tried.append(
            {
                "weight": mapped,
                "real": real,
                "passed": at_most <= budget,
                "lost": round(float((was & ~found_now).mean()), 5),
                "at most": round(at_most, 5),
                "found": round(float(found_now.mean()), 5),
                "found before": round(float(was.mean()), 5),
                "reciprocal rank": round(float((1 / now).mean()), 5),
            }
        )
    return tried


def ranks_by_both(
    engine: Engine,
    asked: Sequence[Asked],
    new: Encoder,
    mapped: Callable[[Floats], Floats] | None,
    ways: Sequence[Sequence[float]],
) -> NDArray[np.int64]:
    """`ranks` of cases, which stand by domain, by the store's encoder and a `new` one, [ways, b]: each way says how much the old
    score counts for items that are not embedded anew and for those that are, and then the new one for both. Without `mapped` all
    are."""
    found = []
    for name in dict.fromkeys(one.domain for one in asked):
        catalogue, few = engine.domains.get(name), [one for one in asked if one.domain == name]
        texts, wanted = [one.case.text for one in few], np.array([one.number for one in few], dtype=np.int64)
        stored, incoming = catalogue.snapshot.vectors, catalogue.incoming(new)
        half = incoming.rows() if mapped is None else NewHalf(stored, incoming, mapped)
        halves = ((engine.encoder.encode(texts), stored), (new.encode(texts), half))
        spaces = [Space(queries, Some(items, incoming, real)) for queries, items in halves for real in (False, True)]
        found.append(ranks(spaces, ways, catalogue.snapshot.numbers, wanted))
    return np.concatenate(found, axis=1)


@dataclass(frozen=True, slots=True)
class NewHalf:
    """Vectors in the new space: those of the new encoder where it has embedded an item, mapped from the `stored` ones where
    not."""

    stored: VectorSearcher
    incoming: Incoming
    mapped: Callable[[Floats], Floats]

    def of(self, numbers: Numbers) -> Floats:
        vectors, real = self.mapped(self.stored.of(numbers)), self.incoming.among(numbers)
        vectors[real] = self.incoming.rows().of(numbers[real])
        return vectors


@dataclass(frozen=True, slots=True)
class Some:
    """Of items that the new encoder has embedded (`real`), or of the others, their vectors; 0 for the rest."""

    items: Vectors
    incoming: Incoming
    real: bool

    def of(self, numbers: Numbers) -> Floats:
        vectors = self.items.of(numbers)
        vectors[self.incoming.among(numbers) != self.real] = 0
        return vectors


def _chosen(tried: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    passing = [one for one in tried if one["passed"] and one["found"] >= one["found before"]]
    best = max(passing, key=lambda one: (one["reciprocal rank"], one["weight"], one["real"])) if passing else tried[0]
    return float(best["weight"]), float(best["real"])


def as_text(result: Mapping[str, Any]) -> str:
    """The report for people."""
    embedded, items = sum(result["calibrated"].values()), sum(result["items"].values())
    weights = result["weight"], result["real"]
    chosen = next(one for one in result["validation"]["weights"] if (one["weight"], one["real"]) == weights)
    lines = [
        f"{result['candidate']}: to {result['encoder']} by {result['how']}",
        f"  {embedded:,} of {items:,} items embedded anew ({embedded / items:.1%}); the new encoder counts {result['weight']:g} "
        f"where its vectors are mapped, {result['real']:g} where they are real",
        f"  on {result['validation']['cases']:,} validation queries, among the first 10: {chosen['found before']:.1%} before, "
        f"{chosen['found']:.1%} now; lost {chosen['lost']:.2%}, at most {chosen['at most']:.2%}",
    ]
    if not chosen["passed"]:
        lines.append("  no weight is sure to lose less than the budget: more queries would tell")
    return "\n".join([*lines, f"judge it: segue upgrade gate --store DIR --candidate {result['candidate']}"])
