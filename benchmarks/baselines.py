"""The policies that the learning one is compared with: tuned ones that do not learn, and Vowpal Wabbit.

`policies` names those that learn, or need nothing; `tuned` makes those that are tuned on the judgements of the stream's queries,
which is more than any learner from clicks is told. Each is made for the strategies and the memory of one simulation:

    run = Simulation(collection, stream, crowd)
    run.policy = policies()["greedy quotas"](list(run.family), run.memory)
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from vowpalwabbit import Workspace  # type: ignore[import-untyped,unused-ignore]

from segue.events import Event
from segue.recipes.collection import LEARNING, Collection
from segue.records import Candidates, Selection
from segue.retrieve.arms import GreedyQuotas, NoisyOr
from segue.retrieve.bandit import Bandit
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.context import REQUEST, STRATEGY, describe_request, describe_strategies
from segue.retrieve.memory import Memory
from segue.retrieve.pages import ClosedPage, OpenPages
from segue.retrieve.query import Query
from segue.retrieve.quotas import tune_quotas
from segue.retrieve.select import WEIGHTS, Policy, ReciprocalRankFusion, Spent
from segue.retrieve.tuning import tune_fusion
from segue.retrieve.union import Floats
from segue.store import ACTIONS

Make = Callable[[Sequence[str], Memory], Policy]
"""A policy for these strategies that looks at this memory."""

EXPLORATIONS = {
    "Vowpal Wabbit, cover": "--cover 4",
    "Vowpal Wabbit, SquareCB": "--squarecb --cb_min_cost -4.6 --cb_max_cost 0",
}
"""Cover: Agarwal et al., "Taming the Monster" (ICML 2014). SquareCB: Foster and Rakhlin, "Beyond UCB" (ICML 2020); the lowest
cost is that of a click on each of ten results."""

_FIRST = 1e4
"""Weight that puts all that one strategy returns before everything else."""

_TRUSTED = 4.0
"""How many times its usual weight a strategy that is trusted gets."""


def policies() -> dict[str, Make]:
    """Every policy that can be compared in a simulation and needs no judgements."""
    return {
        "static fusion": lambda names, memory: ReciprocalRankFusion(),
        "bandit": lambda names, memory: Bandit(names, memory, ACTIONS),
        "bandit, economical": lambda names, memory: Bandit(names, memory, ACTIONS, mode="economical"),
        "noisy-or": lambda names, memory: NoisyOr(names, memory, ACTIONS),
        "greedy quotas": lambda names, memory: GreedyQuotas(names, memory, ACTIONS),
        **{name: _vowpal_wabbit(options) for name, options in EXPLORATIONS.items()},
    }


def tuned(collection: Collection, places: Sequence[int], budget: int, *, seed: int = 0) -> dict[str, Policy]:
    """What does not learn, with the numbers that find most for judged queries: never those that it is measured on."""
    names = [name for name in collection.strategies if name not in LEARNING]
    lists = [[collection.found(place, name) for name in names] for place in places]
    relevant = [collection.relevant(place) for place in places]
    return {
        "tuned fusion": tune_fusion(lists, relevant, budget),
        "static quotas": tune_quotas(lists, relevant, budget, seed=seed),
    }


def configurations(strategies: Sequence[str]) -> dict[str, ReciprocalRankFusion]:
    """The actions of Vowpal Wabbit: each strategy alone with the rest behind it, and rank fusions that trust different ones."""
    usual = {name: WEIGHTS.get(name, 1.0) for name in strategies}
    alone = {f"{name} first": ReciprocalRankFusion({**usual, name: _FIRST}) for name in strategies}
    trusting = {
        f"trust {name}": ReciprocalRankFusion({**usual, name: _TRUSTED * usual[name]})
        for name in ("text", "title", "sparse", "dense", "structured", "related", "memory")
        if name in usual
    }
    return {
        "fusion": ReciprocalRankFusion(usual),
        "equal weights": ReciprocalRankFusion(dict.fromkeys(strategies, 1.0)),
        "flat": ReciprocalRankFusion(usual, constant=60.0),
        **trusting,
        **alone,
    }


class VowpalWabbit:
    """A `Policy` that picks one of the `configurations` for each request, by contextual bandit (`cb_explore_adf`).

    It sees the request and what every strategy brought, as the learning policy does; an action is known by its name, crossed
    with both. The reward of a page is the discounted gain of its clicks, Σ 1 / log2(1 + place). A page teaches when 50
    later ones were made, with the probability its action was drawn with.
    """

    def __init__(
        self,
        strategies: Sequence[str],
        memory: Memory,
        actions: Mapping[str, float],
        *,
        exploration: str,
        seed: int = 0,
    ) -> None:
        self._configurations = configurations(strategies)
        self._exploration = exploration
        self._memory = memory
        self._pages = OpenPages(actions, self._close)
        self._learned = 0
        self._workspace = Workspace(
            f"--cb_explore_adf {exploration} --quadratic ra --quadratic la --quiet --random_seed {seed}"
        )

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        self._pages.learn(event)

    def choose(
        self,
        query: Query,
        catalogue: Snapshot,
        strategies: Sequence[str],
        budget: int,
        found: Sequence[Candidates] | None = None,
    ) -> tuple[Selection, ...]:
        return ReciprocalRankFusion().choose(query, catalogue, strategies, budget, found)

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent:
        request = describe_request(query, catalogue, self._memory)
        told = _shared(request, [one.strategy for one in found], describe_strategies(found, catalogue))
        chances = np.array(self._workspace.predict([told, *self._actions()]), dtype=np.float64)
        chances /= chances.sum()
        random = query.random("Vowpal Wabbit", catalogue.domain, self._learned)
        action = int(random.choice(len(chances), p=chances))
        spent = list(self._configurations.values())[action].merge(found, budget)
        logged = {"shared": told, "action": action, "probability": float(chances[action])}
        return Spent(spent.kept, spent.totals, spent.parts, spent.contributions, logged)

    def describe(self) -> str:
        return f"Vowpal Wabbit, cb_explore_adf {self._exploration}, over {len(self._configurations)} rank fusions"

    def _close(self, domain: str, page: ClosedPage) -> None:
        gain = float((page.taken / np.log2(1 + page.positions)).sum())
        lines, chosen = self._actions(), page.learning["action"]
        lines[chosen] = f"0:{-gain:.5f}:{page.learning['probability']:.5f} {lines[chosen]}"
        self._workspace.learn([page.learning["shared"], *lines])
        self._learned += 1

    def _actions(self) -> list[str]:
        return [f"|a {name.replace(' ', '_').replace(',', '')}" for name in self._configurations]


def _shared(request: Floats, strategies: Sequence[str], lists: Floats) -> str:
    """The request and the lists in Vowpal Wabbit's text format; a feature of value 0 is left out."""
    asked = " ".join(_feature(name, value) for name, value in zip(REQUEST, request.tolist(), strict=True) if value)
    brought = " ".join(
        _feature(f"{strategy} {name}", value)
        for strategy, row in sorted(zip(strategies, lists.tolist(), strict=True))
        for name, value in zip(STRATEGY, row, strict=True)
        if value
    )
    return f"shared |r {asked} |l {brought}"


def _feature(name: str, value: float) -> str:
    return f"{name.replace(' ', '_')}:{value:.4f}"


def _vowpal_wabbit(exploration: str) -> Make:
    return lambda names, memory: VowpalWabbit(names, memory, ACTIONS, exploration=exploration)
