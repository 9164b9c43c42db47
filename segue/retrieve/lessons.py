"""What the selection policy has learned, domain by domain: a fold over the event log, the same online and by replay."""

import hashlib
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.events import Event
from segue.retrieve.choice_model import ChoiceModel, Page, pages_of, state_of
from segue.retrieve.context import REQUEST, STRATEGY
from segue.retrieve.health import ArmHealth
from segue.retrieve.layout import Layout
from segue.retrieve.pages import ClosedPage, OpenPages, Repeats, Told
from segue.retrieve.worth import Worth
from segue.state import State

logger = logging.getLogger(__name__)

DRAWS = 16
"""Samples of the posterior that a page may be made from, each as likely: so every page's propensity can be counted."""

_SCALE = 0.1
"""Spread of the draws against the posterior's own. A page sums hundreds of weights, each drawn: at 1 the first pages were
many points of recall worse than the incumbent's, at this they are not."""

_NOISE = 0.2
"""Share of takes that are believed to be chance before any is seen."""

_BATCH = 25
"""Pages learned from at a time."""

_TAKEOVER = 200
"""Takes after which an apprentice that would have put them higher than the incumbent takes over."""

_DEEP = 10
"""What stands further down in a strategy's list is not to its credit."""

_RESULTS, _AGREEMENT = STRATEGY.index("results"), STRATEGY.index("agreement")

_WIDEN = 0.05
"""Share of what was known of a strategy that is kept when it broke or became well: it has to be learned anew."""


@dataclass(slots=True)
class Known:
    """What has been learned of one domain."""

    model: ChoiceModel
    worth: Worth
    health: dict[str, ArmHealth]
    waiting: list[Page] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)
    broken: frozenset[str] = frozenset()
    answers: int = 0
    pages: int = 0
    """Pages that something was taken from."""
    takes: int = 0
    incumbent_gain: float = 0.0
    own_gain: float = 0.0
    alarms: list[tuple[int, str, str]] = field(default_factory=list)
    """(answers so far, strategy, what happened)."""

    @property
    def has_taken_over(self) -> bool:
        """Whether what people took would have stood at least as high with the apprentice (Σ 1 / log2(1 + place))."""
        return self.takes >= _TAKEOVER and self.own_gain >= self.incumbent_gain

    def state(self) -> State:
        """Everything that was learned of the domain."""
        return State(
            {
                "answers": self.answers,
                "pages": self.pages,
                "takes": self.takes,
                "alarms": list(self.alarms),
                "health": {name: health.state() for name, health in self.health.items()},
            },
            {"gains": np.array([self.incumbent_gain, self.own_gain], dtype=np.float64)},
            {
                "model": self.model.state(),
                "worth": self.worth.state(),
                "waiting": state_of(self.waiting),
                "repeats": self.repeats.state(),
            },
        )

    def restore(self, state: State) -> None:
        """Know what a `state` of a domain with the same strategies knew, and nothing else."""
        data, parts = state.data, state.parts
        self.answers, self.pages, self.takes = data["answers"], data["pages"], data["takes"]
        self.alarms = [(answers, name, what) for answers, name, what in data["alarms"]]
        self.health = {name: ArmHealth.of(health) for name, health in data["health"].items()}
        self.broken = frozenset(name for name, health in self.health.items() if health.demoted)
        self.incumbent_gain, self.own_gain = state.arrays["gains"].tolist()
        self.model.restore(parts["model"])
        self.worth.restore(parts["worth"])
        self.waiting = pages_of(parts["waiting"])
        self.repeats.restore(parts["repeats"])


class Lessons:
    """A learner for the log. Readers see whole beliefs, replaced at once, so that they need no lock."""

    def __init__(
        self,
        strategies: Sequence[str],
        actions: Mapping[str, float],
        examination: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> None:
        """`examination` says how likely positions (from 1) are looked at, as far as is known by now."""
        self._strategies = {name: place for place, name in enumerate(strategies)}
        self._layout = Layout(len(strategies))
        self._examination = examination
        self._pages = OpenPages(actions, self._close)
        self._domains: dict[str, Known] = {}

    def of(self, domain: str) -> Known:
        """What is known of a domain; of a new one, what is believed before anything is seen."""
        if domain not in self._domains:
            mean, deviation = self._layout.prior()
            seed = zlib.crc32(domain.encode())
            self._domains.setdefault(
                domain,
                Known(
                    ChoiceModel(mean, deviation, scale=_SCALE, draws=DRAWS, seed=seed, noise=_NOISE),
                    Worth(list(self._strategies), len(REQUEST)),
                    {name: ArmHealth() for name in self._strategies},
                ),
            )
        return self._domains[domain]

    def pages(self) -> dict[str, int]:
        """Pages learned from, by domain."""
        return {domain: known.pages for domain, known in sorted(self._domains.items()) if known.pages}

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        if event.kind == "answer":
            for domain, learning in event.body.get("learning", {}).items():
                self._watch(self.of(domain), learning)
        self._pages.learn(event)

    def digest(self) -> str:
        """A hash of the whole state, to the last bit."""
        state = hashlib.sha256()
        for domain, known in sorted(self._domains.items()):
            belief = known.model.belief
            state.update(repr((domain, known.answers, known.pages, known.takes, known.broken, known.alarms)).encode())
            state.update(belief.mean.tobytes() + belief.precision.tobytes() + belief.draws.tobytes())
            state.update(repr(known.model.noise).encode())
            state.update(known.worth.bits())
            state.update(repr(known.health).encode())
            for page in known.waiting:
                state.update(page.features.tobytes() + page.taken.tobytes())
        return state.hexdigest()

    def state(self) -> State:
        """What was learned of every domain that was asked, and the pages that are open."""
        known = {domain: one for domain, one in sorted(self._domains.items()) if one.answers}
        states = {f"domain {number}": one.state() for number, one in enumerate(known.values())}
        return State({"domains": list(known)}, parts={"pages": self._pages.state(), **states})

    def restore(self, state: State) -> None:
        """Know what a `state` of lessons with the same strategies and actions knew, and nothing else."""
        self._pages.restore(state.parts["pages"])
        self._domains = {}
        for number, domain in enumerate(state.data["domains"]):
            self.of(domain).restore(state.parts[f"domain {number}"])

    # -- steps --------------------------------------------------------------------------------------------------

    def _watch(self, known: Known, learning: Mapping[str, Any]) -> None:
        """Whether the strategies still are what they were."""
        known.answers += 1
        for name, row in learning["lists"].items():
            if name in self._strategies:
                results, agreement = row[_RESULTS], row[_AGREEMENT]
                self._observe(known, name, "answers", float(results > 0))
                if results > 0:
                    self._observe(known, name, "agreement", agreement)

    def _close(self, domain: str, page: ClosedPage) -> None:
        """Learn from a page that nothing more is expected of."""
        known, taken, learning = self.of(domain), page.taken, page.learning
        if not taken.any():
            return
        told = Told.read(learning, self._strategies)
        trusted = [name for name in learning["trusted"] if name in self._strategies]
        rows = self._layout.rows(told.items, told.strategies, told.ranks, told.shares, told.request, told.lists)
        offsets = np.log(self._examination(page.positions))
        weight = 1.0 / known.repeats.count(learning["query"])
        ranks = told.ranks
        took = np.flatnonzero(taken > 0)
        held = ranks[took] > 0
        known.worth.learn(told.request, np.array(learning["seen"]), trusted, held)
        credit = dict(zip(trusted, _credited(ranks[took]), strict=True))
        for name, row in learning.get("watched", {}).items():
            if name in self._strategies:
                credit[name] = _credited(np.array(row)[learning["shown"]][took])
        for name, deserved in credit.items():
            self._observe(known, name, "credit", float(deserved))
        if "own place" in learning:
            own = np.array(learning["own place"], dtype=np.float64)[learning["shown"]]
            known.takes += int(taken.sum())
            known.own_gain += float((taken / np.log2(1 + own)).sum())
            known.incumbent_gain += float((taken / np.log2(2 + np.arange(len(taken)))).sum())
        known.pages += 1
        known.waiting.append(Page(rows, offsets, taken, weight))
        if len(known.waiting) == _BATCH:
            known.model.learn(known.waiting)
            known.worth.redraw(known.pages)
            known.waiting = []

    def _observe(self, known: Known, name: str, signal: Any, value: float) -> None:
        health = known.health[name]
        if not health.observe(signal, value):
            return
        what = f"broke: {signal} fell" if health.demoted else "is well again"
        known.alarms.append((known.answers, name, what))
        known.broken = frozenset(one for one, state in known.health.items() if state.demoted)
        known.model.widen(self._layout.block(self._strategies[name]), _WIDEN)
        logger.warning("the strategy %s %s", name, what)


def _credited(ranks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether any item stood high in a list: of ranks [items, ...] from 1, 0 where it was not in it."""
    return np.asarray(((ranks > 0) & (ranks <= _DEEP)).any(axis=0))
