"""The chance that what a strategy returns at a depth is what the person wants, and two ways to spend a budget by it.

`NoisyOr` asks every strategy and keeps the items that at least one of them is likely to be right about. `GreedyQuotas`
decides before anything is asked how many candidates to take of each strategy, and asks only those that get any: fewer
calls, for a little recall. Both log what the bandit logs, so each can learn from the others' pages.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segue.events import Event
from segue.records import Candidates, Selection
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.context import (
    REQUEST,
    STRATEGY,
    describe_items,
    describe_request,
    describe_strategies,
    taken_before,
)
from segue.retrieve.layout import BUCKETS, bucket
from segue.retrieve.linear_thompson import LinearThompson
from segue.retrieve.memory import Memory
from segue.retrieve.pages import ClosedPage, OpenPages, Repeats, Told, to_log
from segue.retrieve.query import Query
from segue.retrieve.quotas import Overlap, greedy
from segue.retrieve.select import SURE, ReciprocalRankFusion, Spent, by_strategy
from segue.retrieve.union import Floats, Places, unite

DRAWS = 16
"""Samples of the posterior that a page may be made from, each as likely: so every page's propensity can be counted."""

_SCALE = 1.0
"""Chance at the start that what a strategy returns first is wanted, for a weight / (constant + 1) of 1 in rank fusion."""

_BUCKET, _CONTEXT = 0.1, 0.05
"""Prior standard deviations of the chance at a depth, and of what one unit of a feature adds to it."""

_SPREAD = 0.25
"""Spread of the draws against the posterior's own, as in `lessons`."""

_BATCH = 25
"""Pages learned from at a time."""

_LEAST, _MOST = 1e-3, 0.98
"""Chances are kept between these, for a line knows no bounds; the lower falls with the rank as all chances do."""

_SELDOM = SURE | {"memory"}
_UNASKED = 0.2
"""Strategies that are right or silent; and how sure they are taken to be while they were not asked."""

_EXPLORE = 0.05
"""Share of requests in which the incumbent asks every strategy and keeps by rank fusion, so that the chances of those that get
no quota stay known; after b batches at least 1 / (1 + b), for quotas know little at the start."""

_AHEAD = 1e3
"""More than any total: puts what is inside a quota before everything else."""

_TOP_SCORE = STRATEGY.index("top score")


class Arms:
    """p(a, b | x) of one domain: a `LinearThompson` for each strategy a over [depth bucket b, request, the strategy's list].

    Every feature is multiplied by (1 + constant) / (constant + rank), how rank fusion's gains fall with the rank. So the prior
    is rank fusion itself: one mean for all buckets, weight / (1 + constant), and 0 for the context, whose effect
    shrinks with the depth as well. In the buckets' features stands how sure the strategy is, if it says so.

    Semi-bandit: an item that was shown teaches every strategy that returned it. With θ = r^−.5 the chance that place r was
    looked at, the click is regressed on θ · features, so E[click] = θ p: a place that is hardly looked at tells little.
    """

    def __init__(self, strategies: Sequence[str], fusion: ReciprocalRankFusion, *, sees_lists: bool, seed: int) -> None:
        """Without `sees_lists` the chances are those before a strategy was asked: finding nothing is being wrong."""
        self._names = tuple(strategies)
        self._constant = fusion.constant
        self._sees_lists = sees_lists
        self._seed = seed
        told = len(REQUEST) + (len(STRATEGY) if sees_lists else 0)
        deviation = np.concatenate([np.full(len(BUCKETS), _BUCKET), np.full(told, _CONTEXT)])
        self._arms = []
        for name in strategies:
            mean = np.zeros(len(deviation))
            sure = _UNASKED if name in _SELDOM and not sees_lists else 1.0
            mean[: len(BUCKETS)] = _SCALE * sure * fusion.weights.get(name, 1.0) / (1 + fusion.constant)
            self._arms.append(LinearThompson.prior(mean, deviation))
        self.batches = 0
        self._draw()

    def chances(
        self, strategies: Places, ranks: Places, request: Floats, lists: Floats, *, drawn: bool = True
    ) -> Floats:
        """p of what strategies return at ranks, float64 [entries, draws]: `strategies` and `ranks` int64 [entries],
        `request` [features], `lists` [strategies of the house, features]. One column, of the mean, if not `drawn`."""
        told = self._told(request, lists)
        weights = self.drawn if drawn else self.mean[:, :, None]
        depth, context = weights[:, : len(BUCKETS)], weights[:, len(BUCKETS) :]
        by_context = np.einsum("sf,sfd->sd", told, context)
        by_depth = depth * self._sure(lists)[:, None, None]
        decay = self._decay(ranks)[:, None]
        chances: Floats = decay * (by_depth[strategies, bucket(ranks)] + by_context[strategies])
        return chances.clip(_LEAST * decay, _MOST)

    def learn(self, pages: Sequence[tuple[Told, Floats, Floats, float]]) -> None:
        """Take in pages: what was told of each, the chance that each place was `looked` at and what was `taken` [n], and what
        the page counts for."""
        rows: list[list[Floats]] = [[] for _ in self._names]
        for told, looked, taken, weight in pages:
            self._credit(rows, told, looked, taken, weight)
        for arm, own in zip(self._arms, rows, strict=True):
            if own:
                table = np.concatenate(own)
                arm.learn(table[:, 2:], table[:, 0], table[:, 1])
        self.batches += 1
        self._draw()

    def _credit(self, rows: list[list[Floats]], told: Told, looked: Floats, taken: Floats, weight: float) -> None:
        """Append to each strategy's rows [reward, weight, θ · features] its share of a page."""
        lists = np.zeros((len(self._names), len(STRATEGY)))
        lists[told.strategies] = told.lists
        known, sure = self._told(told.request, lists), self._sure(lists)
        for column, strategy in enumerate(told.strategies.tolist()):
            item = np.flatnonzero(told.ranks[:, column])
            ranks, rewards, seen = told.ranks[item, column], taken[item], looked[item]
            if not self._sees_lists and not told.lists[column].any():
                ranks, rewards, seen = np.ones(1, np.int64), np.zeros(1), np.ones(1)
            if len(ranks):
                features = np.zeros((len(ranks), len(BUCKETS) + known.shape[1]))
                features[np.arange(len(ranks)), bucket(ranks)] = sure[strategy]
                features[:, len(BUCKETS) :] = known[strategy]
                features *= (seen * self._decay(ranks))[:, None]
                rows[strategy].append(np.column_stack([rewards, np.full(len(ranks), weight), features]))

    def _draw(self) -> None:
        """New samples; `mean` [strategies, features] and `drawn` [strategies, features, draws] are replaced as a whole."""
        random = np.random.default_rng((self._seed, self.batches))
        means = np.stack([arm.mean for arm in self._arms])
        noise = np.stack([arm.draw(random, DRAWS) for arm in self._arms]) - means[:, :, None]
        self.mean, self.drawn = means, means[:, :, None] + _SPREAD * noise

    def _decay(self, ranks: Places) -> Floats:
        decay: Floats = (1 + self._constant) / (self._constant + ranks.astype(np.float64))
        return decay

    def _told(self, request: Floats, lists: Floats) -> Floats:
        told = np.tile(request, (len(self._names), 1))
        return np.column_stack([told, lists]) if self._sees_lists else told

    def _sure(self, lists: Floats) -> Floats:
        """How sure each strategy is: 1 unless its scores say so; then the best one, undone from its description."""
        says = np.array([name in SURE and self._sees_lists for name in self._names])
        return np.where(says, np.expm1(3 * lists[:, _TOP_SCORE]), 1.0)


@dataclass(slots=True)
class _Known:
    """What has been learned of one domain."""

    arms: Arms
    overlap: Overlap
    repeats: Repeats = field(default_factory=Repeats)
    waiting: list[tuple[Told, Floats, Floats, float]] = field(default_factory=list)
    pages: int = 0


class _Learning:
    """What both policies share: they learn arms from the log, domain by domain, and order what they keep by noisy-or."""

    name: str
    sees_lists: bool

    def __init__(
        self,
        strategies: Sequence[str],
        memory: Memory,
        actions: Mapping[str, float],
        *,
        incumbent: ReciprocalRankFusion | None = None,
    ) -> None:
        self.incumbent = incumbent or ReciprocalRankFusion()
        self._strategies = {name: place for place, name in enumerate(strategies)}
        self._memory = memory
        self._pages = OpenPages(actions, self._close)
        self._domains: dict[str, _Known] = {}

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        self._pages.learn(event)

    def of(self, domain: str) -> _Known:
        """What is known of a domain; of a new one, what is believed before anything is seen."""
        if domain not in self._domains:
            seed = zlib.crc32(domain.encode())
            arms = Arms(list(self._strategies), self.incumbent, sees_lists=self.sees_lists, seed=seed)
            self._domains.setdefault(domain, _Known(arms, Overlap.new(len(self._strategies))))
        return self._domains[domain]

    def describe(self) -> str:
        """For people: what decides, and from how much it has learned."""
        learned = [f"{domain} {known.pages:,}" for domain, known in sorted(self._domains.items()) if known.pages]
        return f"{self.name} over (strategy, depth), drawn from what was learned; pages: {', '.join(learned) or 'none yet'}"

    # -- steps --------------------------------------------------------------------------------------------------

    def _close(self, domain: str, page: ClosedPage) -> None:
        """Learn from a page that nothing more is expected of, also when nothing was taken."""
        known = self.of(domain)
        weight = 1.0 / known.repeats.count(page.learning["query"])
        looked = self._memory.examination(page.positions)
        known.waiting.append((Told.read(page.learning, self._strategies), looked, page.taken, weight))
        known.pages += 1
        if len(known.waiting) == _BATCH:
            known.arms.learn(known.waiting)
            known.waiting = []

    def _random(self, query: Query, catalogue: Snapshot) -> np.random.Generator:
        return query.random(self.name, catalogue.domain, self.of(catalogue.domain).arms.batches)

    def _spend(
        self,
        query: Query,
        catalogue: Snapshot,
        found: Sequence[Candidates],
        budget: int,
        *,
        draw: int,
        within: NDArray[np.bool_] | None = None,
        explores: bool = False,
    ) -> Spent:
        """Keep `budget` items, ordered by noisy-or (by the incumbent's fusion when this page `explores`). Items with an entry
        that is `within` a quota, bool [entries, draws], go before others."""
        request, lists = describe_request(query, catalogue, self._memory), describe_strategies(found, catalogue)
        union = unite(found)
        fusion = self.incumbent.gains(union, found)
        of = np.array([self._strategies[one.strategy] for one in found], dtype=np.int64)
        by_house = np.zeros((len(self._strategies), len(STRATEGY)))
        by_house[of] = lists
        chances = self.of(catalogue.domain).arms.chances(of[union.strategy], union.rank, request, by_house)
        gains = np.tile(fusion[:, None], DRAWS) if explores else -np.log1p(-chances)
        totals = union.add(gains)
        first = np.zeros_like(totals) if within is None else union.add(within.astype(np.float64))
        places, propensities = _page(totals, first > 0, budget, draw)
        contributions = by_strategy(union, gains[:, draw], places, len(found))
        taken = taken_before(query, catalogue, self._memory, union.numbers)
        items = describe_items(union, union.add(fusion).round(12), taken, catalogue)
        logged = to_log(query, found, request, lists, found, union, items, places)
        logged |= {"propensity": propensities.round(5).tolist(), "reserved": -1}
        logged["by"] = "incumbent" if explores else self.name
        return Spent(
            Candidates("fused", union.numbers[places], -np.expm1(-totals[places, draw]).astype(np.float32)),
            contributions.sum(axis=1),
            tuple(one.strategy for one in found),
            contributions,
            logged,
        )


class NoisyOr(_Learning):
    """A `Policy` that asks every strategy and keeps the items of the highest 1 − Π_a (1 − p(a, b(item) | x)), weights drawn.

    As if every strategy that returned an item had its own chance to be right about it. A total is −log of the chance that
    none is right, so what the strategies contribute adds up; the score is the chance that one is.
    """

    name = "noisy-or"
    sees_lists = True

    def choose(
        self,
        query: Query,
        catalogue: Snapshot,
        strategies: Sequence[str],
        budget: int,
        found: Sequence[Candidates] | None = None,
    ) -> tuple[Selection, ...]:
        return self.incumbent.choose(query, catalogue, strategies, budget, found)

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent:
        draw = int(self._random(query, catalogue).integers(DRAWS))
        return self._spend(query, catalogue, found, budget, draw=draw)


def _page(totals: Floats, first: NDArray[np.bool_], budget: int, draw: int) -> tuple[Places, Floats]:
    """Under one draw, the places in the union of what is kept, best first; and the probability [kept, 2] that each is kept at
    all, and that it stands where it does: the share of the draws in which it does."""
    kept = _ranks(totals + np.where(first, _AHEAD, 0.0)) < budget
    ranks = _ranks(np.where(kept, totals, -1.0))
    places = np.argsort(ranks[:, draw])[:budget]
    here = np.arange(len(places))[:, None]
    return places, np.column_stack([kept[places].mean(axis=1), (ranks[places] == here).mean(axis=1)])


def _ranks(values: Floats) -> Places:
    """Place of each row from 0 in each column, the highest value first, ties by row."""
    ranks: Places = np.argsort(np.argsort(-values, axis=0, kind="stable"), axis=0, kind="stable")
    return ranks


class GreedyQuotas(_Learning):
    """A `Policy` that decides beforehand how many candidates to take of each strategy, and asks only those that get any.

    The next place goes to the strategy whose next candidate has the highest p(a, b | x) times the chance that the others'
    quotas do not hold it: learned from what was taken, as the share of it that was found by a and stood so high with another.
    The places that duplicates leave free go to the best of what lies deeper in the lists of the strategies that were asked.

    At the start, and in a few requests ever after, the incumbent answers: quotas learn nothing of whom they never ask. The
    propensities of strategies count these requests in; those of items are given what was asked.
    """

    name = "greedy quotas"
    sees_lists = False

    def choose(
        self,
        query: Query,
        catalogue: Snapshot,
        strategies: Sequence[str],
        budget: int,
        found: Sequence[Candidates] | None = None,
    ) -> tuple[Selection, ...]:
        if found is not None or not strategies:
            return ()
        house = [name for name in self._strategies if name in strategies]
        quotas = self.quotas(query, catalogue, house, budget) > 0
        draw, explores, share = self._decide(query, catalogue)
        propensities = (1 - share) * quotas.mean(axis=1) + share
        depth = max(self.incumbent.depth, budget)
        return tuple(
            Selection(catalogue.domain, name, depth, round(float(propensity), 4))
            for name, asked, propensity in zip(house, quotas[:, draw] | explores, propensities, strict=True)
            if asked
        )

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent:
        draw, explores, _ = self._decide(query, catalogue)
        if explores:
            return self._spend(query, catalogue, found, budget, draw=draw, explores=True)
        house = [name for name in self._strategies if name in {one.strategy for one in found}]
        quotas = dict(zip(house, self.quotas(query, catalogue, house, budget), strict=True))
        own = np.array([quotas[one.strategy] for one in found], dtype=np.int64).reshape(len(found), DRAWS)
        union = unite(found)
        within = union.rank[:, None] <= own[union.strategy]
        return self._spend(query, catalogue, found, budget, draw=draw, within=within)

    def _decide(self, query: Query, catalogue: Snapshot) -> tuple[int, bool, float]:
        """The draw, whether the incumbent answers this request, and in what share of requests it does."""
        random = self._random(query, catalogue)
        share = max(_EXPLORE, 1 / (1 + self.of(catalogue.domain).arms.batches))
        return int(random.integers(DRAWS)), bool(random.random() < share), share

    def quotas(self, query: Query, catalogue: Snapshot, house: Sequence[str], budget: int) -> Places:
        """How many candidates to take of each strategy under each draw: int64 [strategies, draws], every column sums to the
        budget (but for no strategies at all)."""
        of = np.array([self._strategies[name] for name in house], dtype=np.int64)
        ranks = np.tile(np.arange(1, budget + 1), len(house))
        lists = np.zeros((len(self._strategies), len(STRATEGY)))
        arms = self.of(catalogue.domain).arms
        chances = arms.chances(np.repeat(of, budget), ranks, describe_request(query, catalogue, self._memory), lists)
        missed = self.of(catalogue.domain).overlap.missed[np.ix_(of, of)]
        return greedy(chances.reshape(len(house), budget, DRAWS), missed)

    def _close(self, domain: str, page: ClosedPage) -> None:
        super()._close(domain, page)
        if page.taken.any():
            told = Told.read(page.learning, self._strategies)
            self.of(domain).overlap.learn(told.strategies, told.ranks[page.taken > 0])
