"""What Segue has learned lately, for people to look at: followed from the log, a chunk of answers at a time.

Nothing is retrieved again: all of it stands in the logged answers and in what the policy believes now.
"""

import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from segue.engine import Engine
from segue.events import Event

_EVENTS = 20_000
"""Events of the log that are looked at when the report is first asked for: the last ones. Later it follows."""

_ANSWERS = 5_000
"""Answers that are reported, the last ones."""

_CHUNK, _POINTS = 25, 50
"""Answers that are counted together, and points of a curve at most."""

_FRESH = 2.0
"""Seconds for which a report is given again as it is."""

_ALARMS = 20


@dataclass(slots=True)
class _Chunk:
    """What was counted over some answers of one domain: results by the strategies that had returned them (`held`; `split`
    shares a result among all that had), and what was taken of them (`incumbent` minus own gain: `regret`)."""

    time: float
    answers: int = 0
    shown: int = 0
    held: Counter[str] = field(default_factory=Counter)
    split: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    taken: int = 0
    regret: float = 0.0
    corrected: float = 0.0
    pairs: int = 0


@dataclass(slots=True)
class _Domain:
    chunks: deque[_Chunk] = field(default_factory=lambda: deque(maxlen=_ANSWERS // _CHUNK))
    answers: int = 0
    remembered: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Shown:
    """Where the items of one answer stood in one domain: id → place, and place by the incumbent's score, both from 1."""

    chunk: _Chunk
    places: Mapping[str, tuple[int, int]]


class LearningReport:
    """`body` is the report as plain data. It costs what was logged since it was last asked for; safe to ask from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._domains: dict[str, _Domain] = defaultdict(_Domain)
        self._shown: OrderedDict[str, dict[str, _Shown]] = OrderedDict()
        self._after: int | None = None
        self._seen: set[str] = set()
        self._working = threading.Lock()
        self._body: dict[str, Any] = {}
        self._made = -_FRESH

    def body(self) -> dict[str, Any]:
        """The report, at most `_FRESH` seconds old."""
        with self._working:
            if time.monotonic() - self._made >= _FRESH:
                self._follow()
                self._body = self._report()
                self._made = time.monotonic()
            return self._body

    # -- following the log --------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Take in what is new. Events that come while we read are read once more the next time, and known by their id."""
        upto = self._engine.log.refresh()
        after = max(0, upto - _EVENTS) if self._after is None else self._after
        seen = set[str]()
        for event in self._engine.log.replay(after):
            seen.add(event.id)
            if event.id not in self._seen:
                self._learn(event)
        self._after, self._seen = upto, seen

    def _learn(self, event: Event) -> None:
        if event.kind == "answer":
            self._learn_answer(event)
        elif event.kind == "feedback":
            self._learn_action(event.body)

    def _learn_answer(self, event: Event) -> None:
        body = event.body
        sources: dict[str, list[list[str]]] = defaultdict(list)
        for result in body["results"]:
            sources[result["domain"]].append(list(result.get("sources", ())))
        shown = dict[str, _Shown]()
        for _, domain, ids in body["shown"]:
            chunk = self._chunk(self._domains[domain], event.time)
            for names in sources[domain]:
                chunk.shown += bool(names)
                chunk.held.update(names)
                for name in names:
                    chunk.split[name] += 1 / len(names)
            learning = body.get("learning", {}).get(domain)
            places = _places(learning) if learning else range(1, len(ids) + 1)
            shown[domain] = _Shown(
                chunk, {id: (own, other) for own, (id, other) in enumerate(zip(ids, places, strict=True), 1)}
            )
        self._shown[event.id] = shown
        if len(self._shown) > _ANSWERS:
            self._shown.popitem(last=False)

    def _chunk(self, domain: _Domain, moment: float) -> _Chunk:
        if not domain.chunks or domain.chunks[-1].answers == _CHUNK:
            domain.chunks.append(_Chunk(moment))
        domain.answers += 1
        domain.chunks[-1].answers += 1
        return domain.chunks[-1]

    def _learn_action(self, body: Mapping[str, Any]) -> None:
        """A take adds its gain where the item stood and where the incumbent would have put it; an undo takes both away."""
        known = self._domains.get(body["domain"])
        if known is None or not known.chunks:
            return
        pair = hash((" ".join(body["query"].casefold().split()), body["item"]))
        if pair not in known.remembered:
            known.remembered.add(pair)
            known.chunks[-1].pairs += 1
        page = self._shown.get(body["answer"], {}).get(body["domain"])
        if page is None or body["item"] not in page.places:
            return
        own, incumbent = page.places[body["item"]]
        undoes = body.get("undoes")
        weight = max(0.0, self._engine.store.actions.get(undoes or body["action"], 0.0)) * (-1 if undoes else 1)
        regret = weight * float(1 / np.log2(1 + incumbent) - 1 / np.log2(1 + own))
        page.chunk.taken += int(np.sign(weight))
        page.chunk.regret += regret
        page.chunk.corrected += regret / float(self._engine.memory.examination(np.array([own]))[0])

    # -- telling it ---------------------------------------------------------------------------------------------

    def _report(self) -> dict[str, Any]:
        return {
            "policy": self._engine.policy.describe(),
            "remembered": self._engine.memory.size,
            "domains": {name: self._of(name, domain) for name, domain in sorted(self._domains.items())},
        }

    def _of(self, name: str, domain: _Domain) -> dict[str, Any]:
        chunks = list(domain.chunks)
        step = -(-len(chunks) // _POINTS)
        groups = [chunks[at : at + step] for at in range(0, len(chunks), step)]
        counted = list(accumulate(sum(one.answers for one in group) for group in groups))
        before = domain.answers - counted[-1]
        totals: Counter[str] = Counter()
        for one in chunks:
            totals.update(one.held)
        names = [strategy for strategy, _ in totals.most_common()]
        pairs = list(accumulate(sum(one.pairs for one in group) for group in groups))
        return {
            "start": before,
            "answers": [before + one for one in counted],
            "times": [group[0].time for group in groups],
            "held": {one: [_share(group, sum(each.held[one] for each in group)) for group in groups] for one in names},
            "split": {
                one: [_share(group, sum(each.split[one] for each in group)) for group in groups] for one in names
            },
            "takes": [sum(one.taken for one in group) for group in groups],
            "regret": _cumulated(sum(one.regret for one in group) for group in groups),
            "corrected": _cumulated(sum(one.corrected for one in group) for group in groups),
            "pairs": [len(domain.remembered) - pairs[-1] + one for one in pairs],
            **self._believed(name),
        }

    def _believed(self, domain: str) -> dict[str, Any]:
        """What the policy has learned of a domain up to now."""
        known = self._engine.bandit.lessons.of(domain)
        worth = known.worth.expected()
        return {
            "pages": known.pages,
            "health": {
                name: {**health.describe(), "worth": round(worth[name], 4)} for name, health in known.health.items()
            },
            "alarms": [
                {"answers": answers, "strategy": strategy, "what": what}
                for answers, strategy, what in known.alarms[-_ALARMS:]
            ],
        }


def _places(learning: Mapping[str, Any]) -> list[int]:
    """For each shown item its place, from 1, among those shown if the incumbent's score ordered them; ties as they stood."""
    scores = np.array([learning["items"][row][0] for row in learning["shown"]])
    places = np.empty(len(scores), dtype=np.int64)
    places[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    order: list[int] = places.tolist()
    return order


def _share(group: list[_Chunk], count: float) -> float:
    return round(count / max(sum(one.shown for one in group), 1), 4)


def _cumulated(values: Any) -> list[float]:
    return [round(value, 4) for value in accumulate(values)]
