"""The selection policy that learns: a contextual semi-bandit over (strategy, depth), from what people take.

Each candidate's utility is a sum over the strategies that returned it: what each is worth at that depth for such a request
(`layout`). The weights start from the incumbent's rank fusion, are learned from pages that something was taken from
(`choice_model`) and drawn from their posterior for every page (Thompson sampling). Which strategies are worth asking is
learned as well (`worth`), and whether one has broken (`health`). All of it is a fold over the event log (`lessons`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segue.events import Event
from segue.records import Candidates, Selection
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.context import ITEM, describe_items, describe_request, describe_strategies, taken_before
from segue.retrieve.layout import Layout
from segue.retrieve.lessons import DRAWS, Lessons
from segue.retrieve.memory import Memory
from segue.retrieve.pages import to_log
from segue.retrieve.query import Query
from segue.retrieve.select import ReciprocalRankFusion, Spent, best_of, by_strategy
from segue.retrieve.union import Floats, Places, Union, unite

Mode = Literal["bandit", "economical", "apprentice"]

_EXPLORE = 0.05
"""Share of pages on which one place from 5 to 10 is given to a candidate that did not make it; and of requests in which a
strategy that is not worth asking is asked all the same."""

_RESERVED = np.arange(4, 10)
"""Places (from 0) of which one is given away, so that what is remembered or popular cannot keep everything else out."""

_NEXT = 20
"""Candidates after the page's last that may get the reserved place."""

_TRICKLE = 0.1
"""Share of requests in which a broken strategy is asked, to see whether it is well again."""

_CONFIDENCE, _TAKEN = ITEM.index("confidence"), ITEM.index("taken before")

_WIDEST = 5.0
"""Largest difference in the log of rank fusion's scores that counts."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A union with the utilities of its items under every draw, [n, draws], and the draw that this page is made with."""

    union: Union
    lists: Sequence[Candidates]
    strategies: Places
    fusion: Floats
    fused: Floats
    items: Floats
    values: Floats
    utilities: Floats
    weights: Floats
    draw: int


class Bandit:
    """A `Policy` that learns from the log (`learn`).

    In the mode "economical" only strategies that are likely to add something are asked: about a third fewer calls for about
    a point of recall. In the mode "apprentice" the incumbent answers, domain by domain, until what people took would have
    stood higher with the bandit. `explore` False makes the mean of the posterior decide, gives no place away, and so tries
    nothing out.
    """

    def __init__(
        self,
        strategies: Sequence[str],
        memory: Memory,
        actions: Mapping[str, float],
        *,
        incumbent: ReciprocalRankFusion | None = None,
        mode: Mode = "bandit",
        explore: bool = True,
    ) -> None:
        self.incumbent = incumbent or ReciprocalRankFusion()
        self.lessons = Lessons(strategies, actions, memory.examination)
        self._strategies = {name: place for place, name in enumerate(strategies)}
        self._layout = Layout(len(strategies))
        self.memory = memory
        self._mode = mode
        self._explore = _EXPLORE if explore else 0.0

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        self.lessons.learn(event)

    # -- a request ----------------------------------------------------------------------------------------------

    def choose(
        self,
        query: Query,
        catalogue: Snapshot,
        strategies: Sequence[str],
        budget: int,
        found: Sequence[Candidates] | None = None,
    ) -> tuple[Selection, ...]:
        """Every strategy that is well; in the mode "economical" the cheap ones first, then, seeing what they brought, the costly
        ones, and of both those that are worth it."""
        if found is not None and self._mode != "economical":
            return ()
        known = self.lessons.of(catalogue.domain)
        random = self._random(query, catalogue, "choose" if found is None else "choose more")
        depth = max(self.incumbent.depth, budget)
        well = [name for name in strategies if name not in known.broken]
        asked = [(name, 1.0) for name in well]
        if self._mode == "economical":
            context = describe_request(query, catalogue, self.memory)
            asked = known.worth.choose(context, well, found, random, explore=self._explore)
        if found is None:
            broken = [name for name in strategies if name in known.broken]
            asked += [(name, _TRICKLE) for name in broken if random.random() < _TRICKLE]
        return tuple(Selection(catalogue.domain, name, depth, round(propensity, 4)) for name, propensity in asked)

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent:
        """Keep the candidates of the highest utility, one place now and then given to another."""
        random = self._random(query, catalogue, "spend")
        context, described = describe_request(query, catalogue, self.memory), describe_strategies(found, catalogue)
        scored = self._score(query, catalogue, found, context, described, random)
        drawn = scored.utilities[:, scored.draw]
        incumbent = self._mode == "apprentice" and not self.lessons.of(catalogue.domain).has_taken_over
        _, totals, places = best_of(scored.union, scored.fused if incumbent else drawn, budget)
        odds = totals if incumbent else np.exp(totals - totals.max(initial=-np.inf))
        reserved, propensities = -1, np.ones((len(places), 2))
        if self._explore and not incumbent:
            places, reserved = _reserve(places, scored, drawn, random, self._explore)
            propensities = _propensities(scored, places, budget, self._explore)
        contributions, parts = self._explained(scored, places, incumbent=incumbent)
        logged = to_log(query, found, context, described, scored.lists, scored.union, scored.items, places)
        logged |= {
            "propensity": propensities.round(5).tolist(),
            "reserved": reserved,
            "by": "incumbent" if incumbent else "bandit",
        }
        if incumbent:
            logged["own place"] = (np.argsort(np.argsort(-drawn, kind="stable"), kind="stable")[places] + 1).tolist()
        return Spent(
            Candidates("fused", scored.union.numbers[places], odds.astype(np.float32)),
            contributions.sum(axis=1),
            parts,
            contributions,
            logged,
        )

    def describe(self) -> str:
        """For people: what decides, and from how much it has learned."""
        learned = self.lessons.pages()
        pages = ", ".join(f"{domain} {count:,}" for domain, count in learned.items()) or "none yet"
        return (
            f"{self._mode}: contextual semi-bandit over (strategy, depth), drawn from what was learned; pages: {pages}"
        )

    # -- steps --------------------------------------------------------------------------------------------------

    def _random(self, query: Query, catalogue: Snapshot, purpose: str) -> np.random.Generator:
        return query.random(purpose, catalogue.domain, self.lessons.of(catalogue.domain).model.belief.batches)

    def _score(
        self,
        query: Query,
        catalogue: Snapshot,
        found: Sequence[Candidates],
        context: Floats,
        described: Floats,
        random: np.random.Generator,
    ) -> _Scored:
        """Utilities of everything that strategies which are well brought."""
        known = self.lessons.of(catalogue.domain)
        trusted = [place for place, one in enumerate(found) if one.strategy not in known.broken]
        lists = [found[place] for place in trusted]
        union = unite(lists)
        fusion = self.incumbent.gains(union, lists)
        fused = union.add(fusion).round(12)
        taken = taken_before(query, catalogue, self.memory, union.numbers)
        items = describe_items(union, _confidence(fused), taken, catalogue)
        belief = known.model.belief
        weights = belief.draws if self._explore else belief.mean[:, None]
        strategies = np.array([self._strategies[one.strategy] for one in lists], dtype=np.int64)
        values = self._layout.of_entries(union, strategies, context, described[trusted], weights)
        utilities = (union.add(values) + self._layout.of_items(items, weights)).round(12)
        draw = int(random.integers(DRAWS)) if self._explore else 0
        return _Scored(union, lists, strategies, fusion, fused, items, values, utilities, weights, draw)

    def _explained(self, scored: _Scored, places: Places, *, incumbent: bool) -> tuple[Floats, tuple[str, ...]]:
        """What each strategy, popularity, and what was taken before adds to the items' totals: [kept, parts]."""
        names = tuple(one.strategy for one in scored.lists)
        if incumbent:
            return by_strategy(scored.union, scored.fusion, places, len(names)), names
        weights = scored.weights[:, scored.draw]
        share = scored.fusion / np.maximum(scored.fused, 1e-12)[scored.union.item]
        values = scored.values[:, scored.draw] + weights[0] * scored.items[scored.union.item, _CONFIDENCE] * share
        items = scored.items[places].copy()
        items[:, _CONFIDENCE] = 0.0
        both = self._layout.of_items(items, weights[:, None])
        items[:, _TAKEN] = 0.0
        popularity = self._layout.of_items(items, weights[:, None])
        columns = by_strategy(scored.union, values, places, len(names)), popularity, both - popularity
        return np.column_stack(columns), (*names, "popularity", "taken before")


def _confidence(fused: Floats) -> Floats:
    """How sure rank fusion is of each item: the log of its score against the best, from 0 (e⁻⁵ of it or less) to 5.

    In the score itself all of the lower places are nearly equal, so that any noise in the learned weights would stir them.
    """
    best = max(float(fused.max(initial=0.0)), 1e-12)
    confidence: Floats = _WIDEST + np.log(np.maximum(fused / best, np.exp(-_WIDEST)))
    return confidence


def _reserve(
    places: Places, scored: _Scored, drawn: Floats, random: np.random.Generator, explore: float
) -> tuple[Places, int]:
    """Now and then, put one of the next candidates at one of the reserved places; the page's last goes. Returns the page and
    the place (from 0) that was given away, or −1."""
    order = np.lexsort((scored.union.numbers, -drawn))
    following = order[len(places) : len(places) + _NEXT]
    reserved = _RESERVED[: np.searchsorted(_RESERVED, len(places))]
    if not len(following) or not len(reserved) or random.random() >= explore:
        return places, -1
    at = int(random.choice(reserved))
    return np.insert(places, at, random.choice(following))[: len(places)], at


def _propensities(scored: _Scored, places: Places, budget: int, explore: float) -> Floats:
    """Probability [kept, 2] that each item was kept at all, and that it stood where it does, over every draw and every
    reserved place that could have been."""
    utilities, mine = scored.utilities, scored.utilities[places][:, None]
    first = np.arange(len(utilities)) < places[:, None]
    rank = (utilities > mine).sum(axis=1) + ((utilities == mine) & first[:, :, None]).sum(axis=1)
    kept = min(budget, len(utilities))
    following = min(_NEXT, len(utilities) - kept)
    reserved = _RESERVED[: np.searchsorted(_RESERVED, kept)]
    if not following or not len(reserved):
        explore = 0.0
    lifted = (rank >= kept) & (rank < kept + following)
    here = np.arange(len(places))[:, None]
    before = (reserved < here).mean(axis=1, keepdims=True) if len(reserved) else np.zeros_like(here, dtype=float)
    at = (reserved == here).mean(axis=1, keepdims=True) if len(reserved) else np.zeros_like(here, dtype=float)
    stands = (1 - before - at) * (rank == here) + at * lifted / max(following, 1) + before * (rank == here - 1)
    inside = (rank < kept - 1) + lifted / max(following, 1)
    return np.column_stack(
        [
            ((1 - explore) * (rank < kept) + explore * inside).mean(axis=1),
            ((1 - explore) * (rank == here) + explore * stands).mean(axis=1),
        ]
    )
