"""Simulated people on a judged catalogue: how much better retrieval gets when it learns from what they click.

The learner sees clicks only; everything is scored with the judgements only. A share of the queries is never asked in the
stream (`unseen`): nothing was taken for them, so what is better there was learned about requests in general.
"""

import heapq
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segue.encode.encoder import Encoder
from segue.errors import InvalidInput
from segue.events import Event
from segue.rank import measures
from segue.rank.clicks import Crowd, behaviour, relevance, zipf_stream
from segue.recipes.collection import DOMAIN, LEARNING, Collection, ask, broken, opened
from segue.recipes.progress import Steps
from segue.records import Candidates, Selection
from segue.retrieve.bandit import Bandit
from segue.retrieve.catalogue.predicted import same_words
from segue.retrieve.memory import Memory
from segue.retrieve.pages import LearningPolicy
from segue.retrieve.select import Policy, ReciprocalRankFusion, Spent, retrieve
from segue.retrieve.strategies import Strategy, family
from segue.store import ACTIONS

UNSEEN = 0.3
"""Share of the queries that the stream never asks."""

FEWEST = 10
"""Judged queries without which nothing can be said."""

POLICIES = ("live policy", "best single", "static RRF", "union")


@dataclass(frozen=True, slots=True)
class Break:
    """Strategies that return anything at all from an interaction on (until another, if any)."""

    strategies: frozenset[str] = frozenset()
    start: int = 0
    end: int | None = None

    def holds(self, strategy: str, interaction: int) -> bool:
        return (
            strategy in self.strategies and self.start <= interaction and (self.end is None or interaction < self.end)
        )


@dataclass(slots=True)
class Mean:
    """Means of measures over queries, kept query by query so that runs can be compared in pairs."""

    values: dict[str, list[float]] = field(default_factory=lambda: {"recall": [], "ndcg@10": [], "calls": []})

    def add(self, recall: float, ndcg: float, calls: float) -> None:
        for name, value in zip(self.values, (recall, ndcg, calls), strict=True):
            self.values[name].append(value)

    def means(self) -> dict[str, float]:
        return {
            name: round(float(np.mean(values)), 4) if values else float("nan") for name, values in self.values.items()
        }


class Simulation:
    """One stream of people against one policy. `step` is one interaction; `measure` scores what would be answered now."""

    def __init__(
        self,
        collection: Collection,
        stream: Sequence[int],
        crowd: Crowd,
        *,
        policy: Policy | None = None,
        budget: int = 10,
        breaks: Sequence[Break] = (),
        strategies: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.collection, self.crowd, self.budget, self.breaks = collection, crowd, budget, breaks
        self.memory = Memory(ACTIONS)
        self.family: dict[str, Strategy] = family(self.memory)
        self.names = list(strategies or self.family)
        self.policy: Policy = policy or Bandit(list(self.family), self.memory, ACTIONS)
        self.interaction = 0
        self.asked: dict[int, int] = {}
        """Query → how often it was asked so far."""
        self._stream = stream
        self._due: list[tuple[int, int, Event]] = []
        self._told = 0
        self._seed = seed

    def step(self) -> tuple[int, Spent]:
        """The next interaction: ask, show, click, and tell the clicks that are due. Returns the query and what was shown."""
        now = self.interaction
        while self._due and self._due[0][0] <= now:
            self._learn(heapq.heappop(self._due)[2])
        place = int(self._stream[now])
        spent, _ = self.answer(place)
        self._show(place, spent)
        self.asked[place] = self.asked.get(place, 0) + 1
        self.interaction += 1
        return place, spent

    def answer(self, place: int) -> tuple[Spent, int]:
        """What the policy keeps for a query, and how many strategies it asked."""
        query, snapshot = self.collection.queries[place].again(), self.collection.snapshot

        def asked(chosen: Selection) -> Candidates:
            return self.as_now(place, ask(self.collection, place, query, chosen, self.family))

        _, found = retrieve(self.policy, query, snapshot, self.names, self.budget, asked)
        return self.policy.spend(query, snapshot, found, self.budget), len(found)

    def measure(self, places: Sequence[int]) -> Mean:
        """Recall of the kept candidates, nDCG@10 and calls of strategies for queries, as they would be answered now."""
        mean = Mean()
        for place in places:
            spent, calls = self.answer(place)
            mean.add(*scored(self.collection, place, spent.kept, self.budget), calls)
        return mean

    def scored(self, place: int, spent: Spent) -> tuple[float, float]:
        """Recall of the budget and nDCG@10 of a page."""
        return scored(self.collection, place, spent.kept, self.budget)

    def as_now(self, place: int, found: Candidates) -> Candidates:
        """What a strategy returns at this interaction: what it `found`, or anything at all while it is broken."""
        if not any(one.holds(found.strategy, self.interaction) for one in self.breaks):
            return found
        key = (self._seed, 1, self.interaction, place, zlib.crc32(found.strategy.encode()))  # looking disturbs nothing
        return broken(found, self.collection.snapshot, np.random.default_rng(key))

    def _show(self, place: int, spent: Spent) -> None:
        now, query = self.interaction, self.collection.queries[place].text
        shown = [self.collection.ids[number] for number in spent.kept.numbers.tolist()]
        body: dict[str, Any] = {
            "request": {"text": query, "context": {}, "time": float(now)},
            "results": [{"domain": DOMAIN, "id": id} for id in shown],
            "shown": [[query, DOMAIN, shown]],
            "learning": {DOMAIN: {**spent.learning, "shown": list(range(len(shown)))}} if spent.learning else {},
        }
        self._learn(Event(f"a{now}", "answer", float(now), body))
        grades = self.collection.grades[place]
        wanted = np.array([grades.get(number, 0.0) for number in spent.kept.numbers.tolist()])
        for due, position in self.crowd.visit(now, relevance(wanted, self.collection.highest)):
            told = {
                "answer": f"a{now}",
                "domain": DOMAIN,
                "item": shown[position - 1],
                "action": "click",
                "query": query,
                "position": position,
            }
            self._told += 1
            heapq.heappush(self._due, (due + 1, self._told, Event(f"f{self._told}", "feedback", float(due), told)))

    def _learn(self, event: Event) -> None:
        self.memory.learn(event)
        if isinstance(self.policy, LearningPolicy):
            self.policy.learn(event)


def scored(collection: Collection, place: int, kept: Candidates, budget: int) -> tuple[float, float]:
    """Recall of the first `budget` and nDCG@10 of what was kept for a query."""
    grades = {str(number): grade for number, grade in collection.grades[place].items()}
    ranked = [str(number) for number in kept.numbers.tolist()]
    return measures.recall(ranked, grades, budget), measures.ndcg(ranked, grades, 10)


def split(collection: Collection, *, seed: int, groups: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
    """Queries for the stream and queries that are never asked; of every group the same share, if groups are given.

    A query of the same words as one of the stream is in neither when the draw would have left it unasked.
    """
    random = np.random.default_rng((seed, 2))
    of = np.array(groups if groups is not None else [""] * len(collection))
    stream, unseen = list[int](), list[int]()
    for group in sorted(set(of.tolist())):
        places = random.permutation(np.flatnonzero(of == group))
        cut = round(len(places) * UNSEEN)
        unseen += places[:cut].tolist()
        stream += places[cut:].tolist()
    words = [same_words(one.text) or one.text.casefold() for one in collection.judged]
    asked = {words[place] for place in stream}
    return sorted(stream), sorted(place for place in unseen if words[place] not in asked)


def statics(
    collection: Collection,
    places: Sequence[int],
    budget: int,
    rrf: ReciprocalRankFusion,
    as_now: Callable[[int, Candidates], Candidates] = lambda place, found: found,
) -> dict[str, Mean]:
    """What does not learn: every strategy alone, rank fusion, and the union of all first `budget` (its recall is a ceiling).

    `as_now` says what becomes of a list of the query at a place, as `Simulation.as_now` does.
    """
    names = [name for name in collection.strategies if name not in LEARNING]
    rows = {name: Mean() for name in (*names, "static RRF", "union")}
    for place in places:
        found = [as_now(place, collection.found(place, name)) for name in names]
        for one in found:
            rows[one.strategy].add(*scored(collection, place, one.top(budget), budget), 1)
        kept = rrf.merge(found, budget).kept
        rows["static RRF"].add(*scored(collection, place, kept, budget), len(names))
        union = np.unique(np.concatenate([one.numbers[:budget] for one in found]))
        everything = Candidates("union", union, np.zeros(len(union), np.float32))
        rows["union"].add(scored(collection, place, everything, len(union))[0], float("nan"), len(names))
    return rows


def checkpoints(interactions: int, start: int = 0) -> list[int]:
    """Where to look: at the start, then at 1, 2 and 5 times the powers of ten from 100 on, and at the end; and as many
    interactions after `start`, when something breaks there.

    >>> checkpoints(2500)
    [0, 100, 200, 500, 1000, 2000, 2500]
    >>> checkpoints(1000, start=600)
    [0, 100, 200, 500, 600, 700, 800, 1000]
    """
    marks = [0, *(factor * 10**power for power in range(2, 9) for factor in (1, 2, 5))]
    looked_at = {*marks, *(start + mark for mark in marks), interactions}
    return sorted(mark for mark in looked_at if mark <= interactions)


def simulate(
    catalogue: Path,
    judgements: Path,
    *,
    interactions: int,
    budget: int = 10,
    clicks: str = "position",
    noise: str = "low",
    breaks: Break | None = None,
    measured: int = 500,
    store: Path | None = None,
    seed: int = 0,
    quiet: bool = False,
    encoder: Encoder | None = None,
) -> dict[str, Any]:
    """Let people ask `interactions` times, and look at checkpoints at `measured` unseen and at as many repeated queries.

    Returns plain data; what could not be measured is None. Raises `InvalidInput` for numbers that make no sense, strategies
    that are not there, too few queries, and a `store` that holds another catalogue.
    """
    _check(interactions, budget, measured, seed, breaks)
    people = Crowd(behaviour(clicks, noise), seed=seed)
    with opened(catalogue, judgements, store=store, encoder=encoder, fewest=FEWEST, quiet=quiet) as (_, collection):
        asked, unseen = split(collection, seed=seed)
        if not unseen:
            raise InvalidInput(
                f"The judged queries in {judgements} are much the same.", expected="queries of different words"
            )
        sample = _some(unseen, measured, (seed, 3))
        stream = [asked[one] for one in zipf_stream(len(asked), interactions, seed=seed).tolist()]
        collection.fill(sorted({*stream, *sample}), quiet=quiet)
        run = Simulation(collection, stream, people, budget=budget, breaks=[breaks] if breaks else [], seed=seed)
        single = _best_single(statics(collection, sample, budget, ReciprocalRankFusion()))
        marks = checkpoints(interactions, breaks.start if breaks else 0)
        repeated = {mark: _some(sorted({*stream[:mark]}), measured, (seed, 4)) for mark in marks}
        rows = []
        with (
            Steps(unit=" requests", total=interactions, quiet=quiet) as asking,
            Steps(
                unit=" queries", total=sum(len(sample) + len(repeated[mark]) for mark in marks), quiet=quiet
            ) as looking,
        ):
            for mark in marks:
                while run.interaction < mark:
                    run.step()
                    asking("asking and clicking", 1)
                row: dict[str, Any] = {"interactions": mark}
                for kind, places in (("unseen", sample), ("repeated", repeated[mark])):
                    row[kind] = _looked_at(run, places, single)
                    looking("measuring", len(places))
                rows.append(row)
    return {
        "catalogue": catalogue.name,
        "judgements": judgements.name,
        "queries": {"in the stream": len(asked), "unseen": len(unseen), "measured": len(sample)},
        "documents not in the catalogue": collection.missing,
        "interactions": interactions,
        "budget": budget,
        "clicks": clicks,
        "noise": noise,
        "broken": {"strategies": sorted(breaks.strategies), "from": breaks.start} if breaks else None,
        "seed": seed,
        "best single": single,
        "checkpoints": rows,
        "alarms": _alarms(run),
    }


def _check(interactions: int, budget: int, measured: int, seed: int, breaks: Break | None) -> None:
    if interactions < 1 or not 1 <= budget <= 100:
        raise InvalidInput(
            f"{interactions} interactions with a budget of {budget} cannot be simulated.",
            expected="1 interaction or more, and a budget from 1 to 100",
        )
    if measured < 1 or seed < 0:
        raise InvalidInput(
            f"{measured} queries cannot be measured with the seed {seed}.", expected="1 query or more, a seed from 0 up"
        )
    if breaks is None:
        return
    names = list(family(Memory(ACTIONS)))
    if unknown := sorted(breaks.strategies - set(names)):
        raise InvalidInput(f"There is no strategy {unknown[0]!r} to break.", expected=f"some of {', '.join(names)}")
    if not 0 <= breaks.start < interactions:
        raise InvalidInput(
            f"Nothing breaks at interaction {breaks.start:,} of {interactions:,}.",
            expected=f"an interaction from 0 to {interactions - 1:,}",
        )


def _some(places: Sequence[int], most: int, key: tuple[int, int]) -> list[int]:
    drawn: list[int] = np.random.default_rng(key).permutation(places)[:most].tolist()
    return drawn


def _best_single(rows: Mapping[str, Mean]) -> str:
    """The strategy with the best recall alone: with hindsight, since it is chosen on what it is compared on."""
    return max((name for name in rows if name not in POLICIES), key=lambda name: rows[name].means()["recall"])


def _looked_at(run: Simulation, places: Sequence[int], single: str) -> dict[str, Any]:
    """What the live policy and what does not learn would answer now, and what the first is ahead of rank fusion."""
    live = run.measure(places)
    fixed = statics(run.collection, places, run.budget, ReciprocalRankFusion(), run.as_now)
    rows = dict(zip(POLICIES, (live, fixed[single], fixed["static RRF"], fixed["union"]), strict=True))
    return {
        "queries": len(places),
        **{
            name: {measure: None if np.isnan(value) else value for measure, value in mean.means().items()}
            for name, mean in rows.items()
        },
        "over static RRF": {
            measure: _difference(live.values[measure], fixed["static RRF"].values[measure])
            for measure in ("recall", "ndcg@10")
        },
    }


def _difference(mine: Sequence[float], theirs: Sequence[float]) -> dict[str, float] | None:
    """Mean of the differences query by query, and half of its 95 % interval (normal approximation)."""
    if not mine:
        return None
    apart = np.subtract(mine, theirs)
    return {"difference": round(float(apart.mean()), 4), "±": round(float(1.96 * apart.std() / len(apart) ** 0.5), 4)}


def _alarms(run: Simulation) -> list[dict[str, Any]]:
    known = run.policy.lessons.of(DOMAIN).alarms if isinstance(run.policy, Bandit) else []
    return [{"interaction": answers, "strategy": name, "what": what} for answers, name, what in known]
