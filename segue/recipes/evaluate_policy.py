"""Judge selection policies from the log, off-line: what people would have taken from pages that nobody was shown.

The learned bandit learns from the first part of the log and is judged, without exploration, on the last part; so are static
rank fusion and every strategy alone. Each held-out request is asked again, on the catalogue as it is now and with the memory
as it was then, and the page is compared with the one that was logged and the propensities it was logged with.

A *page* is what one answer held of one domain; its value is the sum of the weights of the actions on it. Two ways to estimate:

- **by place**: a result counts where the candidate puts the same item at the same place (`independent_ips`). Right when a
  place's actions depend on its own item alone; what the logging policy never puts there counts as nothing.
- **by item**: a result counts where the candidate keeps the item at all, wherever it stands: right when places do not matter.
  Source of both: Li and others, "Offline Evaluation of Ranking Policies with Click Models" (KDD 2018), the item-position and
  the document-based model.

Each also self-normalised, place by place or over all items, by the number of choices that the candidate has. The
pseudo-inverse estimator is not used: it needs slots that are filled independently of each other, and one draw of the weights
fills all places of a page.

Where a ranker put the kept items in order afterwards, the log does not tell how likely an item was to stand where it stood:
such pages are judged by item only.

What the logging policy would never have shown is not in the log. `coverage` says how much of a candidate that is: where it is
low, the estimates are of another policy than the one that is asked about.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from segue.engine import Engine
from segue.errors import InvalidInput
from segue.events import Event, weighed
from segue.recipes.progress import Steps
from segue.records import Candidates, Numbers, Request
from segue.retrieve.bandit import Bandit
from segue.retrieve.memory import Memory
from segue.retrieve.off_policy import Estimate, Values, independent_ips, ips
from segue.retrieve.people import People
from segue.retrieve.query import Query
from segue.retrieve.select import Policy, ReciprocalRankFusion, retrieve
from segue.retrieve.strategies import Strategy, family

LEARNING = 0.7
"""Share of the answers, the first in time, from which the bandit learns before it is judged on the others."""

FUSION, BANDIT = "fusion", "bandit"

_CLIP = 20.0
"""Largest importance weight. A page is one of 16 draws, which makes weights of up to 17; larger ones are chance meetings with
a candidate that was lifted to the reserved place, one row of which would outweigh all others."""

_COVERED, _HALF = 0.9, 0.5
"""With a smaller share of a candidate's choices in the log, its estimates are said to leave something out; and below half, what
is self-normalised is not shown to people: it would tell of the few results that both agree on, which are the good ones."""

_FEW = 100

_WAYS = ("by place", "by item")


@dataclass(frozen=True, slots=True)
class Logged:
    """A logged page: `numbers` int64 [kept] of the items kept, best first, by the catalogue as it is now; `rewards` float64
    [kept], the weighted actions on each; `propensities` float64 [kept, 2], that the item was kept at all and that it stood
    there; `shown` int64 [shown], the places (from 0) of those that came onto the page. `ranked`: whether a ranker changed the
    order that the propensities are of."""

    numbers: Numbers
    rewards: Values
    propensities: Values
    shown: Numbers
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """What another policy would have done on a logged page: the probabilities that it keeps each kept item at all (`kept`
    float64 [kept]), that it puts each shown item where it stood (`stands` [shown]) and that it puts anything there (`filled`
    [shown]); and how many items it keeps (`many`)."""

    kept: Values
    stands: Values
    filled: Values
    many: float

    @classmethod
    def page(cls, logged: Logged, numbers: Numbers) -> Self:
        """Of a policy that keeps just these items in this order."""
        filled = logged.shown < len(numbers)
        same = np.zeros(len(filled))
        same[filled] = logged.numbers[logged.shown[filled]] == numbers[logged.shown[filled]]
        kept = np.isin(logged.numbers, numbers).astype(np.float64)
        return cls(kept, same, filled.astype(np.float64), float(len(numbers)))


@dataclass(frozen=True, slots=True)
class Judged:
    """What the log says of a policy, by each way of estimating: the `value`; Σw·r / Σw (`normalised`); and the share of its
    choices that the logging policy could have made (`coverage`), as far as the log tells."""

    value: Estimate
    normalised: Estimate
    coverage: float


def evaluate_policy(
    engine: Engine,
    *,
    policy: str | None = None,
    domain: str | None = None,
    last: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Judge the candidates, or the one named `policy`, on the held-out pages of the log, or of one `domain`.

    At most the `last` answers are judged. Returns plain data. Raises `InvalidInput` for a name that is not there, and when
    the log holds fewer than two pages that tell anything.
    """
    names = [FUSION, BANDIT, *engine.strategies]
    if policy is not None and policy not in names:
        raise InvalidInput(f"There is no policy {policy!r} to judge.", expected=f"one of: {', '.join(names)}")
    if domain is not None:
        engine.domains.get(domain)
    if last is not None and last < 1:
        raise InvalidInput(f"The last {last} answers cannot be judged.", expected="1 or more")
    chosen = names if policy is None else [policy]
    rewards, order = _outcomes(engine)
    held_out = set(order[max(int(LEARNING * len(order)), len(order) - (last or len(order))) :])
    trial = _Trial(engine, chosen, domain)
    with Steps(unit=" events", quiet=quiet) as progress:
        for event in engine.log.replay():
            progress("replaying", 1)
            trial.follow(event, rewards.get(event.id, {}), held_out=event.id in held_out)
    trial.check()
    return {
        "log": {
            "answers": len(order),
            "learned from": len(order) - len(held_out),
            "pages": len(trial.pages),
            "put in order by a ranker": sum(page.ranked for page in trial.pages),
            "left out": dict(trial.left_out),
            "from": min(trial.moments),
            "to": max(trial.moments),
        },
        "domain": domain,
        "logged policy": asdict(_mean(np.array([page.rewards.sum() for page in trial.pages]))),
        "policies": {name: _plain(trial.pages, trial.wanted[name], trial.describe(name)) for name in chosen},
    }


def judge(pages: Sequence[Logged], wanted: Sequence[Candidate]) -> dict[str, Judged]:
    """The value of a policy by place and by item, from what it would have done on each of the logged pages; by item alone when
    fewer than two pages are as the policy made them."""
    judged = dict[str, Judged]()
    both = list(zip(pages, wanted, strict=True))
    placed = [(page, one) for page, one in both if not page.ranked]
    if len(placed) > 1:
        rewards, propensities, stands, filled = _tables(
            [
                (page.rewards[page.shown], page.propensities[page.shown, 1], one.stands, one.filled)
                for page, one in placed
            ]
        )
        there = filled > 0  # elsewhere it has nothing, and so earns nothing: certain, whatever was logged
        judged["by place"] = _judged(
            np.where(there, rewards, 0), np.where(there, propensities, 1), np.where(there, stands, 1), filled
        )
    rewards, propensities, kept = _tables([(page.rewards, page.propensities[:, 0], one.kept) for page, one in both])
    many = np.array([[one.many] for one in wanted])
    judged["by item"] = _judged(rewards, np.where(propensities > 0, propensities, 1), kept, many)
    return judged


def as_table(result: Mapping[str, Any]) -> str:
    """The result for people: a Markdown table, and below it what to beware of."""
    log = result["log"]
    left_out = "".join(f" Left out: {count:,} {why}." for why, count in log["left out"].items())
    if ranked := log["put in order by a ranker"]:
        left_out += f" By place without the {ranked:,} that a ranker put in order."
    lines = [
        f"{log['pages']:,} pages of the last answers; the bandit learned from {log['learned from']:,} answers before.{left_out}",
        f"Weighted actions a page: {_cell(result['logged policy'])} by the logged policy, measured. Estimated for others:",
        "",
        "| policy | same | by place | self-normalised | by item | self-normalised | covered | effective pages |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = {name: row for name, row in result["policies"].items() if row["results a page"]}
    lines += [f"| {_called(name)} | {' | '.join(_cells(row))} |" for name, row in rows.items()]
    lines += [
        "",
        "same: its results that stood at just this place. covered, effective pages: by place / by item.",
        "by place: counts what stood where it would put it; by item: what it would show, wherever it stood.",
        "self-normalised –: less than half is covered.",
    ]
    if silent := [name for name in result["policies"] if name not in rows]:
        lines.append(f"Found nothing for any of these pages: {', '.join(silent)}.")
    lines += [f"{_called(name)}: {rows[name]['about']}" for name in (FUSION, BANDIT) if name in rows]
    for name, row in rows.items():
        found = [(way, row["estimates"].get(way, {"warnings": ()})["warnings"]) for way in _WAYS]
        lines += ["", f"{_called(name)}:"]
        lines += [f"  {way}: {warning}" for way, warnings in found for warning in warnings] or ["  no warnings"]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Everything behind the policy's name, in the order of the table's columns."""
    found = row["estimates"]
    cells = ["–" if row["same"] is None else f"{row['same']:.0%}"]
    for way in _WAYS:
        known = found.get(way)
        cells.append(_cell(known) if known else "–")
        cells.append(_cell(found[f"{way}, self-normalised"]) if known and known["coverage"] >= _HALF else "–")
    for what, form in (("coverage", ".0%"), ("effective_sample_size", ",.0f")):
        cells.append(" / ".join(format(found[way][what], form) if way in found else "–" for way in _WAYS))
    return cells


def _called(name: str) -> str:
    return {FUSION: "static rank fusion", BANDIT: "learned bandit, no exploration"}.get(name, f"{name} alone")


def _cell(found: Mapping[str, Any]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


# -- the log --------------------------------------------------------------------------------------------------------


def _outcomes(engine: Engine) -> tuple[dict[str, dict[tuple[str, str], float]], list[str]]:
    """Answer → (domain, item) → weighted actions; and the answers that a policy wants to learn from, in order."""
    weights = engine.store.actions
    rewards: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    order = list[str]()
    for event in engine.log.replay():
        body = event.body
        if event.kind == "answer" and body.get("learning"):
            order.append(event.id)
        elif event.kind == "feedback":
            rewards[body["answer"]][body["domain"], body["item"]] += weighed(body, weights)
    return rewards, order


def _logged(
    engine: Engine, event: Event, domain: str, rewards: Mapping[tuple[str, str], float]
) -> tuple[Logged | None, str]:
    """A page of the log; or none, and why it tells nothing of other policies."""
    learning = event.body["learning"][domain]
    shown = np.array(learning["shown"], dtype=np.int64)
    propensities = np.array(learning["propensity"], dtype=np.float64).reshape(-1, 2)
    if domain not in engine.domains.names():
        return None, "of a domain that is not there any more"
    if not len(shown):
        return None, "without a place on the answer"
    if learning["by"] == "incumbent":
        return None, "answered by the incumbent, which tries nothing out"
    if (propensities >= 1).all():
        return None, "that could not have been another"
    ids = next(ids for _, name, ids in event.body["shown"] if name == domain)
    now = engine.domains.get(domain).snapshot.numbers_of(ids)
    numbers = np.array(learning["numbers"], dtype=np.int64)
    numbers[shown] = [now.get(id, -1) for id in ids]
    earned = np.zeros(len(numbers))
    earned[shown] = [rewards.get((domain, id), 0.0) for id in ids]
    return Logged(numbers, earned, propensities, shown, "ranker" in learning), ""


class _Trial:
    """Learners that follow the log, and at each held-out answer the pages that the candidates would have made just then."""

    def __init__(self, engine: Engine, names: Sequence[str], domain: str | None) -> None:
        self.pages: list[Logged] = []
        self.moments: list[float] = []
        self.left_out: Counter[str] = Counter()
        self.wanted: dict[str, list[Candidate]] = {name: [] for name in names}
        self._engine, self._domain, self._judging = engine, domain, False
        actions = engine.store.actions
        self._memory, self._people = Memory(actions), People(actions)
        self._strategies: dict[str, Strategy] = family(self._memory, self._people)
        self._bandit = Bandit(list(self._strategies), self._memory, actions, explore=False)
        self._policies: dict[str, Policy] = {FUSION: ReciprocalRankFusion(), BANDIT: self._bandit}

    def follow(self, event: Event, rewards: Mapping[tuple[str, str], float], *, held_out: bool) -> None:
        """The memory and what is known of people go on, as they do in life; the bandit stops where judging starts."""
        if held_out:
            self._judging = True
            for domain in event.body["learning"]:
                if self._domain in (None, domain):
                    self._meet(event, domain, rewards)
        self._memory.learn(event)
        self._people.learn(event)
        if not self._judging and BANDIT in self.wanted:
            self._bandit.learn(event)

    def check(self) -> None:
        """Raises `InvalidInput` when there is nothing to judge by."""
        if len(self.pages) > 1:
            return
        reasons = ", ".join(f"{count:,} {why}" for why, count in self.left_out.items())
        raise InvalidInput(
            f"The log holds {len(self.pages)} pages from which another policy could be judged; "
            f"left out: {reasons or 'none'}.",
            expected='two or more, answered by the bandit ("policy": "bandit" in segue.json)',
            fix="ask, send feedback, and try again",
        )

    def describe(self, name: str) -> str:
        return self._policies[name].describe() if name in self._policies else f"the first results of {name}"

    def _meet(self, event: Event, domain: str, rewards: Mapping[tuple[str, str], float]) -> None:
        page, why = _logged(self._engine, event, domain, rewards)
        if page is None:
            self.left_out[why] += 1
            return
        self.pages.append(page)
        self.moments.append(event.time)
        for name, numbers in self._made(event, domain).items():
            self.wanted[name].append(Candidate.page(page, numbers))

    def _made(self, event: Event, domain: str) -> dict[str, Numbers]:
        """What each candidate would keep: the numbers of the items, best first."""
        asked = event.body["request"]
        request = Request(
            event.id, asked["text"], asked["context"], asked["domain"], asked["limit"], asked["seed"], asked["time"]
        )
        snapshot = self._engine.domains.get(domain).snapshot
        query = Query(request, event.body["learning"][domain]["query"], self._engine.encoder.encode)
        lists: dict[tuple[str, int], Candidates] = {}

        def ask(name: str, k: int) -> Candidates:
            if (name, k) not in lists:
                lists[name, k] = self._strategies[name].retrieve(query, snapshot, k)
            return lists[name, k]

        def kept(policy: Policy) -> Numbers:
            _, found = retrieve(
                policy, query, snapshot, list(self._strategies), request.limit, lambda one: ask(one.strategy, one.k)
            )
            return policy.spend(query, snapshot, found, request.limit).kept.numbers

        return {
            name: kept(self._policies[name]) if name in self._policies else ask(name, request.limit).numbers
            for name in self.wanted
        }


# -- numbers --------------------------------------------------------------------------------------------------------


def _tables(pages: Sequence[Sequence[Values]]) -> Values:
    """The arrays of each page, the k-th of every page as the k-th table: float64 [arrays, pages, places], 0 where a page has
    no such place."""
    tables = np.zeros((len(pages[0]), len(pages), max(len(arrays[0]) for arrays in pages)))
    for row, arrays in enumerate(pages):
        tables[:, row, : len(arrays[0])] = arrays
    return tables


def _judged(rewards: Values, propensities: Values, targets: Values, choices: Values) -> Judged:
    """Tables [pages, places]. `choices`: how many items the candidate has, at each place, or on the whole page [pages, 1]."""
    by_place = choices.shape == rewards.shape
    clipped = np.minimum(targets, _CLIP * propensities)
    weights = clipped / propensities * (choices > 0)
    covered = float(weights.sum() / max(choices.sum(), 1.0))
    if by_place:
        found = independent_ips(rewards, propensities, clipped)
    else:
        alike = weights.sum() ** 2 / max(float(np.square(weights).sum()), 1.0)  # Kish, over items
        found = _mean((weights * rewards).sum(axis=1))
        size = float(alike * len(rewards) / max(choices.sum(), 1.0))
        found = replace(found, effective_sample_size=size, warnings=_unsure(found, size))
    concerns = _concerns(found, covered, float((targets > clipped).mean()))
    normalised = _mean(_normalised(rewards, weights, choices, axis=0 if by_place else None))
    normalised = replace(normalised, effective_sample_size=found.effective_sample_size, warnings=concerns)
    return Judged(replace(found, warnings=concerns), normalised, covered)


def _normalised(rewards: Values, weights: Values, choices: Values, *, axis: int | None) -> Values:
    """For each page the linearised term of Σ choices · v, with v = Σw·r / Σw for each place (`axis` 0) or over all items (None):
    Σ choices · v + w·(r − v) · Σ choices / Σw, as in `snips`. What is never met is worth nothing."""
    total = weights.sum(axis=axis)
    met = np.where(total > 0, total, 1.0)
    value = (weights * rewards).sum(axis=axis) / met
    share = choices.sum(axis=axis) / met
    terms: Values = (choices * value).sum(axis=1) + (weights * (rewards - value) * share).sum(axis=1)
    return terms


def _mean(terms: Values) -> Estimate:
    return ips(terms, np.ones(len(terms)), np.ones(len(terms)))


def _unsure(found: Estimate, size: float) -> tuple[str, ...]:
    """What `independent_ips` would say of a sample as large as `size` is in effect."""
    concerns = []
    if size < _FEW:
        concerns.append(
            f"The effective sample size is {size:.0f} of {found.samples:,} pages: the log says little about this policy."
        )
    if found.low == found.high:
        concerns.append("Every page says the same: the log does not tell how far off this may be.")
    return tuple(concerns)


def _concerns(found: Estimate, covered: float, clipped: float) -> tuple[str, ...]:
    concerns = list(found.warnings)
    if covered < _COVERED:
        concerns.append(
            f"Only {covered:.0%} of its choices could have been logged: the others count as nothing, or, self-normalised, "
            "as worth as much as these."
        )
    if clipped:
        concerns.append(f"{clipped:.2%} of the weights were clipped to {_CLIP:g}: the estimate is a little low.")
    return tuple(concerns)


def _plain(pages: Sequence[Logged], wanted: Sequence[Candidate], about: str) -> dict[str, Any]:
    placed = [one for page, one in zip(pages, wanted, strict=True) if not page.ranked]
    filled = sum(float(one.filled.sum()) for one in placed)
    return {
        "about": about,
        "results a page": sum(one.many for one in wanted) / len(wanted),
        "same": sum(float(one.stands.sum()) for one in placed) / filled if filled else None,
        "estimates": {
            name: found
            for way, each in judge(pages, wanted).items()
            for name, found in (
                (way, {**asdict(each.value), "coverage": each.coverage}),
                (f"{way}, self-normalised", {**asdict(each.normalised), "coverage": each.coverage}),
            )
        },
    }
