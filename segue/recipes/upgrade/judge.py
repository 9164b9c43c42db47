"""The gate's report on an encoder: what a store would find with it and does not find now, and the other way round.

Three verdicts, each on the same cases: the vector search alone, which is what an encoder changes; the whole answer, as people
see it; and, with several domains, which of them is taken to be meant, a rule that was made on what the old encoder knew.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segue import artifact
from segue.artifact import Artifact
from segue.encode.bridged import BridgedEncoder, calibrated_of
from segue.encode.encoder import Encoder
from segue.encode.quantised import KIND as ENCODER
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput
from segue.evolve.release import Case, Ranks, gate
from segue.recipes.upgrade.bridge import ranks_by_both
from segue.recipes.upgrade.candidates import adopt_bridge, open_bridge
from segue.recipes.upgrade.cases import Asked, Space, cases, rank_of, ranks
from segue.recipes.upgrade.report import report
from segue.store import Store

Progress = Callable[[str, int], None]


def judge(
    store: Path,
    candidate: Path,
    *,
    judgements: Path | None = None,
    budget: float = 0.015,
    k: int = 10,
    queries: int = 1000,
    seed: int = 0,
    progress: Progress = lambda step, done: None,
) -> dict[str, Any]:
    """What the gate says of a bridge for the store, or of an encoder whose vectors it holds; written to `Store.upgrades`.
    Returns plain data. It passes where every verdict does.

    At most `queries` cases of each kind (see `cases`), half of them left to validation. Nothing is logged and nothing changes.
    """
    opened = Store.open(store, create=False)
    with Engine.open(store, create=False, threads=2) as engine:
        part, encoder = _candidate(opened, candidate, engine.encoder)
        without = (
            {} if part.kind == ENCODER else {name: set(some.tolist()) for name, some in calibrated_of(part).items()}
        )
        asked = cases(
            engine,
            judgements=judgements,
            half="test",
            most=queries,
            without=without,
            seed=seed,
        )
        asked.sort(key=lambda one: one.domain)
        _check(engine, encoder)
        cross = _cross_test(engine, asked, encoder, k)
        now = _found(engine, asked, k, "now", progress)
        engine.domains.use(encoder)
        then = _found(engine, asked, k, "then", progress)
        named = _named(engine, asked)
    verdicts = {
        what: gate(named, now[what], then[what], k=1 if what == "domain" else k, budget=budget, seed=seed)
        for what in now
    }
    about = {
        "left out": {name: len(numbers) for name, numbers in without.items()},
        "judgements": None if judgements is None else judgements.name,
        "cross-test": cross,
    }
    return report(opened, part.folder.name, part.kind, verdicts, **about)


def _candidate(store: Store, candidate: Path, now: Encoder) -> tuple[Artifact, Encoder]:
    """A bridge; or, by name, an encoder of the store to which one has been taking over."""
    here = store.artifacts / candidate.name
    if (here / artifact.MANIFEST).exists() and here.name.startswith("encoder-"):
        part = artifact.open(here, kind=ENCODER)
        return part, OnnxEncoder.open(here, threads=2)
    part = adopt_bridge(store, candidate)
    return part, open_bridge(part, now)


def _check(engine: Engine, encoder: Encoder) -> None:
    """Raises `InvalidInput` for an encoder that has not embedded every item."""
    if isinstance(encoder, BridgedEncoder):
        return
    for name in engine.domains.names():
        catalogue = engine.domains.get(name)
        if left := len(catalogue.missing(encoder)):
            raise InvalidInput(
                f"{left:,} items of {name} have no vector of that encoder.",
                expected="all of them, or a bridge",
                fix="segue upgrade backfill --store DIR; before that, judge the bridge",
            )


def _found(engine: Engine, asked: Sequence[Asked], k: int, when: str, progress: Progress) -> dict[str, Ranks]:
    """At which rank each case finds its item, by what is looked at."""
    answers, domains = list[int](), list[int]()
    for one in asked:
        answer = engine.rehearse(one.case.text, limit=k)
        answers.append(rank_of((one.domain, one.id), [(result.domain, result.id) for result in answer.results]))
        domains.append(rank_of(one.domain, [hypothesis.domain for hypothesis in answer.hypotheses]))
        progress(f"asking, {when}", 1)
    found = {"vectors": _by_vectors(engine, asked), "answers": np.array(answers)}
    return found if len(engine.domains.names()) == 1 else {**found, "domain": np.array(domains)}


def _named(engine: Engine, asked: Sequence[Asked]) -> list[Case]:
    """The cases, with the titles of what they want."""
    titles = {
        (name, number): document.title
        for name in engine.domains.names()
        for number, document in engine.domains.get(name)
        .snapshot.documents([one.number for one in asked if one.domain == name])
        .items()
    }
    return [replace(one.case, wanted=titles[one.domain, one.number]) for one in asked]


def _cross_test(engine: Engine, asked: Sequence[Asked], encoder: Encoder, k: int) -> list[dict[str, Any]]:
    """Which share is found by queries of the one encoder among vectors of the other, by vectors alone: M(q, g)."""
    if isinstance(encoder, BridgedEncoder):
        new, mapped, counts = (
            encoder.new,
            encoder.map,
            (1 - encoder.weight, 1 - encoder.real, encoder.weight, encoder.real),
        )
    else:
        new, mapped, counts = encoder, None, (0.0, 0.0, 1.0, 1.0)
    ways = [(1, 1, 0, 0), (0, 0, 1, 1), counts]
    found = (ranks_by_both(engine, asked, new, mapped, ways) <= k).mean(axis=1)
    rows = [("old", "old"), ("new", "mapped, or new"), ("both", "both")]
    return [
        {"queries": queries, "vectors": vectors, "found": round(float(share), 5)}
        for (queries, vectors), share in zip(rows, found, strict=True)
    ]


def _by_vectors(engine: Engine, asked: Sequence[Asked]) -> Ranks:
    found = []
    for name in dict.fromkeys(one.domain for one in asked):
        few, snapshot = [one for one in asked if one.domain == name], engine.domains.get(name).snapshot
        wanted = np.array([one.number for one in few], dtype=np.int64)
        space = Space(snapshot.encoder.encode([one.case.text for one in few]), snapshot.vectors)
        found.append(ranks([space], [(1.0,)], snapshot.numbers, wanted)[0])
    return np.concatenate(found)
