"""Learn a ranker for each domain from the log, and let it go live only if it would have served people better.

The last fifth of the pages is held out by time. On it the ranker's order is compared with the order that people were shown,
by what they took; what stood low was looked at less, so that each take counts more the less its place is looked at.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.events import Event, EventLog, weighed
from segue.rank.features import Features
from segue.rank.ranker import Floats, Page, Ranker, library, part, train
from segue.recipes.progress import Steps
from segue.retrieve.context import ITEM, REQUEST, STRATEGY
from segue.retrieve.examination import Examination
from segue.retrieve.memory import Memory
from segue.retrieve.off_policy import Estimate, independent_ips
from segue.retrieve.strategies import family
from segue.store import Store

ENOUGH = 300
"""Pages of a domain that something was taken from, fewer of which teach too little."""

_HELD_OUT = 0.2
_MOST = 100_000
"""Pages of a domain learned from at most: the last ones."""

_LATE, _FOLLOWED = 300.0, 50
"""An answer is done with after so many seconds, or when so many others have followed: who wanted something of it has taken it."""

_CLIP = 10.0
"""What a take counts at most, for a place that is hardly looked at."""

_RESAMPLES = 2000
_TOLERANCE = 0.005
"""A ranker that is better on average goes live if its interval ends no lower than this share below production."""

Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Log:
    """What a log tells of one domain: its `pages` that something was taken from, oldest first, and how many `answers` there
    were in all; `times` are theirs. Pages that another version of Segue logged are `unreadable`."""

    pages: list[Page] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Held-out pages in the ranker's and in production's order. `production` and `ranker`: Σ of what was taken over its
    chance to be looked at, discounted by 1 / log2(1 + place), a page; `low` and `high`: the 95 % interval of their difference."""

    production: float
    ranker: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Better on average, and worse by more than the tolerance with a chance of no more than 2.5 %."""
        return self.ranker > self.production and self.low >= -_TOLERANCE * self.production

    def describe(self) -> str:
        differences = (self.ranker - self.production, self.low, self.high)
        gain, low, high = (100 * value / max(self.production, 1e-12) for value in differences)
        said = f"{gain:+.1f} % against production, 95 % interval {low:+.1f} to {high:+.1f} %"
        return f"{said}: {'passed' if self.passed else 'not passed'}"


def engine_features() -> Features:
    """The features of this version's strategies."""
    return Features(tuple(family(Memory({}))), REQUEST, STRATEGY, ITEM)


def learn(
    store: Path, *, dry_run: bool = False, seed: int = 0, enough: int = ENOUGH, quiet: bool = False
) -> dict[str, Any]:
    """Train, judge, and let live what passed, domain by domain; `dry_run` writes nothing. Returns plain data.

    Raises `InvalidInput` when nothing was ever taken from a page that can be learned from, `Unavailable` without LightGBM.
    """
    opened = Store.open(store, create=False)
    library()
    features = engine_features()
    with closing(EventLog.open(opened.events)) as log, Steps(unit=" events", quiet=quiet) as progress:
        logs, examination = read(log.replay, opened.actions, features, now=time.time(), progress=progress)
    if not any(one.pages for one in logs.values()):
        raise InvalidInput(
            f"There is nothing to learn from in {store}: {sum(len(one.times) for one in logs.values()):,} answers, and nothing "
            "was taken from any.",
            expected=f"{enough:,} answers of a domain that something was taken from",
            fix="send feedback (segue feedback, POST /v1/feedback), and learn later",
        )
    with Steps(unit=" trees", quiet=quiet) as progress:
        domains = {
            domain: _learn_domain(opened, domain, one, features, examination.curve(), enough, seed, dry_run, progress)
            for domain, one in sorted(logs.items())
        }
    return {"store": str(store), "dry run": dry_run, "seed": seed, "domains": domains}


# -- reading the log --------------------------------------------------------------------------------------------------


def read(
    events: Callable[[], Iterable[Event]],
    actions: Mapping[str, float],
    features: Features,
    *,
    now: float,
    progress: Progress | None = None,
) -> tuple[dict[str, Log], Examination]:
    """The pages of every domain, and how likely each place is looked at; `events` gives the log from its start, twice.

    Answers of the last five minutes that fewer than 50 others have followed are left for the next time.
    """
    taken, answers = _taken(_told(events(), "reading", progress), actions)
    logs: dict[str, Log] = defaultdict(Log)
    examination = Examination()
    for event in _told(events(), "making pages", progress):
        if event.kind != "answer":
            continue
        answers -= 1
        if answers >= _FOLLOWED or now - event.time >= _LATE:
            for domain, learning in event.body.get("learning", {}).items():
                _add(logs[domain], event, domain, learning, taken.get((event.id, domain), {}), features, examination)
    return dict(logs), examination


def _told(events: Iterable[Event], step: str, progress: Progress | None) -> Iterator[Event]:
    for event in events:
        if progress is not None:
            progress(step, 1)
        yield event


def _taken(
    events: Iterable[Event], actions: Mapping[str, float]
) -> tuple[dict[tuple[str, str], dict[str, float]], int]:
    """(answer, domain) → item → weight of what was done with it; and how many answers there are."""
    taken: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    answers = 0
    for event in events:
        if event.kind == "answer":
            answers += 1
        elif event.kind == "feedback":
            body = event.body
            items = taken[body["answer"], body["domain"]]
            items[body["item"]] = items.get(body["item"], 0.0) + weighed(body, actions)
    return taken, answers


def _add(
    log: Log,
    event: Event,
    domain: str,
    learning: Mapping[str, Any],
    weights: Mapping[str, float],
    features: Features,
    examination: Examination,
) -> None:
    shown = [
        (place, result["id"]) for place, result in enumerate(event.body["results"], 1) if result["domain"] == domain
    ]
    if not shown:
        return
    positions = [place for place, _ in shown]
    took = np.array([weights.get(id, 0.0) > 0 for _, id in shown])
    clicked = {place for place, one in zip(positions, took, strict=True) if one}
    log.times.append(event.time)
    examination.learn(learning["query"], domain, [id for _, id in shown], clicked, positions)
    if not clicked:
        return
    try:
        rows = features.rows(learning)[learning["shown"]]
    except (KeyError, ValueError, IndexError):
        log.unreadable += 1
        return
    stands = None
    if "ranker" not in learning:
        stands = np.array(learning["propensity"], dtype=np.float64)[learning["shown"], 1]
    log.pages.append(Page(learning["query"], event.time, rows, np.array(positions), took, stands))
    if len(log.pages) > _MOST:
        del log.pages[0]


# -- one domain -------------------------------------------------------------------------------------------------------


def _learn_domain(
    store: Store,
    domain: str,
    log: Log,
    features: Features,
    examined: Floats,
    enough: int,
    seed: int,
    dry_run: bool,
    progress: Progress,
) -> dict[str, Any]:
    learned: dict[str, Any] = {
        "answers": len(log.times),
        "answers that something was taken from": len(log.pages),
        "unreadable": log.unreadable,
        "went live": False,
    }
    if len(log.pages) < enough:
        return learned | {"verdict": f"too few answers that something was taken from: {enough:,} are needed"}
    before, held_out = parted(log.pages)
    meta = {"domain": domain, "pages": len(before), "seed": seed}
    ranker = train(features, before, seed=seed, meta=meta, progress=lambda: progress(domain, 1))
    verdict = judge(ranker, held_out, examined, seed=seed)
    learned |= {
        "learned from": len(before),
        "held out": len(held_out),
        "examination": [round(chance, 3) for chance in examined[:10].tolist()],
        "production": verdict.production,
        "ranker": verdict.ranker,
        "difference": {"low": verdict.low, "high": verdict.high},
        "off-policy": _off_policy(ranker, held_out, sum(when >= held_out[0].time for when in log.times)),
        "importances": ranker.importances(),
        "passed": verdict.passed,
        "verdict": verdict.describe(),
    }
    if verdict.passed and not dry_run:
        learned |= go_live(store, domain, ranker)
    return learned


def parted(pages: Sequence[Page]) -> tuple[Sequence[Page], Sequence[Page]]:
    """The pages to learn from, and the last fifth, to judge by."""
    cut = len(pages) - round(_HELD_OUT * len(pages))
    return pages[:cut], pages[cut:]


def judge(ranker: Ranker, pages: Sequence[Page], examined: Floats, *, seed: int = 0) -> Verdict:
    """Compare the ranker's order with the one shown, on pages it has not learned from; `examined` [positions] is how likely each
    position is looked at.

    Source: Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased Feedback" (2017), with the discount of
    nDCG. The interval is a paired bootstrap over queries: pages of one query say much the same.
    """
    scores = scored(ranker, pages)
    values = np.array([_values(page, own, examined) for page, own in zip(pages, scores, strict=True)])
    _, query = np.unique([page.query for page in pages], return_inverse=True)
    gained = np.bincount(query, weights=values[:, 1] - values[:, 0])
    count = np.bincount(query)
    random = np.random.default_rng(seed)
    means = np.empty(_RESAMPLES)
    for place in range(_RESAMPLES):
        drawn = random.integers(len(count), size=len(count))
        means[place] = gained[drawn].sum() / count[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    production, ours = values.mean(axis=0).tolist()
    return Verdict(production, ours, low, high)


def scored(ranker: Ranker, pages: Sequence[Page]) -> list[Floats]:
    """The ranker's scores, page by page."""
    ends = np.cumsum([len(page.rows) for page in pages])[:-1]
    return np.split(ranker.scores(np.concatenate([page.rows for page in pages])), ends)


def _values(page: Page, scores: Floats, examined: Floats) -> tuple[float, float]:
    """What was taken from a page, in production's order and in the ranker's."""
    place = np.minimum(page.positions, len(examined)) - 1
    weight = page.taken * np.minimum(1 / examined[place], _CLIP)
    discount = 1 / np.log2(np.arange(2, len(scores) + 2))
    return float(weight @ discount), float(weight[_order(scores)] @ discount)


def _order(scores: Floats) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")


def _off_policy(ranker: Ranker, pages: Sequence[Page], answers: int) -> dict[str, Any] | None:
    """What the ranker would have earned, from the chances with which pages were made: Σ taken / log2(1 + place) an answer. None
    where nothing was left to chance: then the log cannot tell.

    The chance that the ranker puts an item where it stood is taken to be 1 or 0, as if other draws of the policy would not
    have changed its order.
    """
    tried = [page for page in pages if page.stands is not None and page.stands.min() > 0]
    if not tried or min(page.stands.min() for page in tried if page.stands is not None) > 0.999:
        return None
    slots = max(len(page.rows) for page in tried)
    rewards, stands, targets = np.zeros((answers, slots)), np.ones((answers, slots)), np.ones((answers, slots))
    for place, (page, scores) in enumerate(zip(tried, scored(ranker, tried), strict=True)):
        count = len(scores)
        rewards[place, :count] = page.taken / np.log2(np.arange(2, count + 2))
        stands[place, :count] = page.stands
        targets[place, :count] = _order(scores) == np.arange(count)
    production, ours = rewards.sum() / answers, independent_ips(rewards, stands, targets)
    return {"production": float(production), "ranker": _plain(ours)}


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "effective sample size": estimate.effective_sample_size,
        "warnings": list(estimate.warnings),
    }


def go_live(store: Store, domain: str, ranker: Ranker) -> dict[str, Any]:
    """Keep the ranker in the store and let it order the domain's answers, whatever a gate would say of it."""
    before = store.live(part(domain))
    name = f"{part(domain)}-{sha256(ranker.model.encode()).hexdigest()[:12]}"
    folder = store.artifacts / name
    if not folder.exists():
        ranker.write(folder, name=name)
    store.go_live(part(domain), folder)
    return {"went live": True, "artifact": name, "before": before.name if before else None}


# -- for people -------------------------------------------------------------------------------------------------------


def as_table(result: Mapping[str, Any]) -> str:
    """What was learned, as a Markdown table; then, for each ranker, what it looks at and how to undo it."""
    lines = [
        "| domain | answers | something taken | learned from | held out | production | ranker | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for domain, one in result["domains"].items():
        trained = "production" in one
        cells = [
            domain,
            f"{one['answers']:,}",
            f"{one['answers that something was taken from']:,}",
            f"{one['learned from']:,}" if trained else "",
            f"{one['held out']:,}" if trained else "",
            f"{one['production']:.3f}" if trained else "",
            f"{one['ranker']:.3f}" if trained else "",
            one["verdict"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for domain, one in result["domains"].items():
        lines += _details(domain, one, result)
    return "\n".join(lines)


def _details(domain: str, one: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    if "production" not in one:
        return []
    used = ", ".join(f"{name} {share:.0%}" for name, share in list(one["importances"].items())[:8])
    lines = ["", f"{domain}: looks at {used}."]
    if one["off-policy"]:
        earned, own = one["off-policy"]["production"], one["off-policy"]["ranker"]
        lines.append(
            f"{domain}: off-policy, {own['value']:.3f} an answer ({own['low']:.3f} to {own['high']:.3f}) against {earned:.3f}; "
            f"effective sample size {own['effective sample size']:,.0f}."
        )
        lines += [f"{domain}: {warning}" for warning in own["warnings"]]
    if one["went live"]:
        back = f'put "{one["before"]}" there' if one["before"] else "take that line out"
        lines.append(f"{domain}: live is {one['artifact']}.")
        lines.append(f'{domain}: to undo it, find "{part(domain)}" in {result["store"]}/live.json and {back}.')
    elif one["passed"]:
        lines.append(f"{domain}: a dry run; nothing was changed.")
    else:
        lines.append(f"{domain}: nothing was changed.")
    return lines
