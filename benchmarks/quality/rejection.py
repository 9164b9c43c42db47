"""Is a request that no domain owns told from the others, and answered so?

Question: CLINC150 (Larson et al. 2019, the "full" data): 10 domains of 15 intents, and requests out of scope, for none of them;
15,000 and 100 to learn from, 3,000 and 100 for choices, 4,500 and 1,000 to test. How well does the confidence in the best
hypothesis of all domains tell the two apart (AUROC; AUPR with out of scope as what is looked for; the share of out-of-scope
requests that pass where 95 % of the others do), and what does the product's decision (`decide`) make of them?
Arms: the product of the readers' probabilities; each domain's R3 re-ranker, from what readers made of requests out of fold, with
the article's features and with extended ones; for readers that are light and for readers beside the frozen encoder; each without
out-of-scope examples, and with the 100 as requests of the reserved domain `nobody`, for readers and re-rankers alike.
Baselines: one logistic regression over all 150 intents on the same words and characters, which no domain can train alone, by its
largest probability and by its energy (Liu et al. 2020: log Σ exp of the scores); with examples, out of scope is one more class.
Intervals: bootstrap over requests, 95 %; differences are paired. Nothing was chosen on the test part; the *chosen limit*
is the one with the best mean of in-scope requests kept and out-of-scope requests turned away on the part for choices.
Claim: AUROC reported; a request that no domain owns is answered so, with the nearest guesses.

    python -m benchmarks.quality.rejection [--data DIR] [--arms light encoder joint] [--requests N] [--work DIR] [--out DIR]

--requests takes the first N of every intent only, to try it out. Resumable: what came of every request in a run (arms, with
examples or without) is a file in --work; delete it to run it again.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: processes share the cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib
import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.metrics import average_precision_score

from benchmarks.encoded import Remembered, remembered
from benchmarks.one_model import scored
from benchmarks.record import DATA, save
from benchmarks.runs import arguments, finished, run_all
from segue.understand.calibration import area_under_curve
from segue.understand.corpus import prepare
from segue.understand.features import PUBLISHED, extended
from segue.understand.hypotheses import NOBODY, Flags, Floats, Interpretation, Utterance, judge
from segue.understand.interpreter import Interpreted
from segue.understand.measures import outcomes
from segue.understand.merging import Decision, decide
from segue.understand.out_of_fold import read_out_of_fold, train_all
from segue.understand.readers import Readers
from segue.understand.reranker import fit

ARMS = ("light", "encoder", "joint")
PRODUCT, BEST = "product", "R3, extended"
LEAST = 0.2
"""The default of `decide`: below it a request is nobody's."""

_FOLDS, _RESAMPLES, _SHOWN, _GUESSES = 4, 500, 6, 3

Job = tuple[str, bool]
"""Readers, or "joint"; with out-of-scope examples?"""


@dataclass(frozen=True, slots=True)
class Split:
    """Requests of CLINC150 by what they are for. Out of scope is the domain `nobody`; `beyond` are those of it to learn from."""

    train: list[Utterance]
    beyond: list[Utterance]
    dev: list[Utterance]
    test: list[Utterance]


def load(file: Path, *, requests: int = 0) -> Split:
    """The data set; of every part and intent the first `requests` only, 0: all of them."""
    rows = json.loads(file.read_text())
    domains = json.loads(Path(__file__).with_name("clinc150_domains.json").read_text())
    of_intent = {intent: domain for domain, intents in domains.items() for intent in intents}

    def part(*names: str) -> list[Utterance]:
        seen: Counter[tuple[str, str]] = Counter()
        found = []
        for name in names:
            for text, intent in rows[name]:
                seen[name, intent] += 1
                if not requests or seen[name, intent] <= requests:
                    found.append(Utterance(text, of_intent.get(intent, NOBODY), Interpretation(intent)))
        return found

    return Split(part("train"), part("oos_train"), part("val", "oos_val"), part("test", "oos_test"))


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Learn with or without examples, read the other parts: what came of every request by each arm, and a line."""
    kind, reserved = job
    split = load(chosen.data / "clinc150.json", requests=chosen.requests)
    said = [*split.train, *(split.beyond if reserved else [])]
    asked = [*split.dev, *split.test]
    started = time.process_time()
    encoder = encoded(split, chosen) if kind == "encoder" else None
    arms, examples = (joint(said, asked), []) if kind == "joint" else by_domain(said, asked, encoder, len(split.dev))
    inside = np.array([one.domain != NOBODY for one in split.test])
    areas = [f"{arm} {area_under_curve(_test(found, len(split.dev)), inside):.3f}" for arm, found in arms.items()]
    return {
        "arms": arms,
        "examples": examples,
        "seconds": round(time.process_time() - started, 1),
    }, f"AUROC {', '.join(areas)}"


def encoded(split: Split, chosen: argparse.Namespace) -> Remembered:
    """What the frozen encoder says of every text of the data."""
    folder = chosen.work / f"states{_few(chosen)}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = (split.train, split.beyond, split.dev, split.test)
    return remembered([one.text for part in parts for one in part], folder)


def by_domain(
    said: Sequence[Utterance], asked: Sequence[Utterance], encoder: Remembered | None, dev: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Readers and re-rankers of every domain, each trained alone: what came of every request, and the first answers to requests
    out of scope after the first `dev`."""
    tables = Readers(train_all(prepare(said, encoder)), encoder).read([one.text for one in asked])
    learned = [(one, judge(one, said)) for one in read_out_of_fold(said, folds=_FOLDS, encoder=encoder)]
    arms: dict[str, list[Floats]] = {PRODUCT: [np.exp(one.logs.sum(axis=1)) for one in tables]}
    for arm, more in (("R3", False), (BEST, True)):
        fitted = [fit(*one, features=extended(one[0]) if more else PUBLISHED) for one in learned]
        arms[arm] = [one.confidences(table) for one, table in zip(fitted, tables, strict=True)]
    found = {}
    for arm, confidences in arms.items():
        merged = Interpreted(tables, confidences, len(asked)).merged()
        came = outcomes(merged, tables, asked)
        found[arm] = _kept(came.confidence, came.right, decide(merged) == Decision.NOBODYS)
    beyond = [place for place, one in enumerate(asked) if one.domain == NOBODY and place >= dev][:_SHOWN]
    return found, [answered(asked, Interpreted(tables, arms[BEST], len(asked)), place) for place in beyond]


def answered(asked: Sequence[Utterance], found: Interpreted, place: int) -> dict[str, Any]:
    """What a request is answered, and the nearest guesses: each domain's best hypothesis, the likeliest first."""
    best = [guesses[0] for guesses in found.guesses(place, most=1).values() if guesses]
    nearest = sorted(best, key=lambda one: -one.confidence)[:_GUESSES]
    return {
        "text": asked[place].text,
        "decision": Decision(int(decide(found.merged())[place])).name,
        "guesses": [[one.domain, one.meaning.intent, round(one.confidence, 3)] for one in nearest],
    }


def joint(said: Sequence[Utterance], asked: Sequence[Utterance]) -> dict[str, Any]:
    """One logistic regression over all intents, out of scope as one more where there are examples."""
    names, scores = scored(said, [one.meaning.intent for one in said], asked)
    owned = {one.meaning.intent for one in said if one.domain != NOBODY}
    inside = np.array([place for place, name in enumerate(names) if name in owned])
    shares = softmax(scores, axis=1)[:, inside]
    best, total = shares.max(axis=1), shares.sum(axis=1)
    guesses = [names[place] for place in inside[shares.argmax(axis=1)].tolist()]
    right = np.array([guess == one.meaning.intent for guess, one in zip(guesses, asked, strict=True)])
    found = {"largest probability": _kept(best, right, best < LEAST)}
    if len(inside) == len(names):
        return found | {"energy": _kept(logsumexp(scores, axis=1), right, None)}
    return found | {"probability of any": _kept(total, right, total < LEAST)}


def _kept(confidence: Floats, right: Flags, nobodys: Flags | None) -> dict[str, Any]:
    return {
        "confidence": confidence.tolist(),
        "right": right.tolist(),
        "nobody's": None if nobodys is None else nobodys.tolist(),
    }


def _test(found: Mapping[str, Any], dev: int) -> Floats:
    return np.array(found["confidence"][dev:], dtype=np.float64)


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / f"{job[0]}{'-with-examples' if job[1] else ''}{_few(chosen)}.json")


def _few(chosen: argparse.Namespace) -> str:
    return f"-{chosen.requests}" if chosen.requests else ""


# -- what it comes to -------------------------------------------------------------------------------------------------


def summary(run: Mapping[str, Any], split: Split) -> dict[str, Any]:
    """Each arm's measures on the test part, with intervals; AUROC against the run's first arm as well, paired."""
    dev = len(split.dev)
    inside, before = (np.array([one.domain != NOBODY for one in part]) for part in (split.test, split.dev))
    drawn = list(_resamples(inside))
    rows: dict[str, Any] = {}
    areas: dict[str, Floats] = {}
    for arm, found in run["arms"].items():
        score = _test(found, dev)
        areas[arm] = np.array([area_under_curve(score[places], inside[places]) for places in drawn])
        first = areas[next(iter(areas))]
        limit = best_limit(np.array(found["confidence"][:dev]), before)
        right, nobodys = np.array(found["right"][dev:]), found["nobody's"]
        rows[arm] = {
            "AUROC": round(area_under_curve(score, inside), 4),
            "AUROC interval": _interval(areas[arm]),
            "AUROC above the first": _interval(areas[arm] - first) if first is not areas[arm] else None,
            "AUPR": round(float(average_precision_score(~inside, -score)), 4),
            "passing at 95 % kept": round(float((score[~inside] >= np.quantile(score[inside], 0.05)).mean()), 4),
            "in-scope accuracy": round(float(right[inside].mean()), 4),
            "nobody's": None if nobodys is None else turned_away(np.array(nobodys[dev:]), inside),
            "chosen limit": {"limit": round(limit, 4)} | turned_away(score < limit, inside),
        }
    return {"arms": rows, "examples": run["examples"], "seconds": run["seconds"]}


def best_limit(score: Floats, inside: Flags) -> float:
    """Where the mean of in-scope requests kept (score ≥ limit) and others turned away is largest.

    >>> best_limit(np.array([0.1, 0.3, 0.6, 0.9]), np.array([False, False, True, True]))
    0.6
    """
    limits = np.unique(score)
    kept = 1 - np.searchsorted(np.sort(score[inside]), limits) / inside.sum()
    away = np.searchsorted(np.sort(score[~inside]), limits) / (~inside).sum()
    return float(limits[(kept + away).argmax()])


def turned_away(nobodys: Flags, inside: Flags) -> dict[str, float]:
    """Shares of in-scope and out-of-scope requests that are answered "nobody's"."""
    return {
        "in scope": round(float(nobodys[inside].mean()), 4),
        "out of scope": round(float(nobodys[~inside].mean()), 4),
    }


def _resamples(inside: Flags) -> Iterable[NDArray[np.int64]]:
    random = np.random.default_rng(0)
    for _ in range(_RESAMPLES):
        places = random.integers(len(inside), size=len(inside))
        if 0 < inside[places].sum() < len(places):
            yield places


def _interval(drawn: Floats) -> list[float]:
    return [round(end, 4) for end in np.quantile(drawn, [0.025, 0.975]).tolist()]


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row for each arm, and what the first requests out of scope are answered."""
    lines = [
        "| trained | arm | out-of-scope examples | AUROC (95 %) | AUPR | pass at 95 % kept | in-scope accuracy | "
        '"nobody\'s": in scope / out of scope | at the chosen limit |',
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        for arm, row in run["arms"].items():
            low, high = row["AUROC interval"]
            examples = run["out-of-scope examples"] or "none"
            lines.append(
                f"| {run['trained']} | {arm} | {examples} | {row['AUROC']:.3f} ({low:.3f}–{high:.3f}) "
                f"| {row['AUPR']:.3f} | {100 * row['passing at 95 % kept']:.1f} | {100 * row['in-scope accuracy']:.1f} | "
                f"{_shares(row[_NOBODYS])} | {_shares(row['chosen limit'])} |"
            )
    parts = result["requests"]
    lines += [
        f"\n{parts['in scope']:,} requests in scope and {parts['out of scope']:,} out of scope.",
        f"\nThe first requests out of scope, answered by {BEST}:\n",
        "| request | answer | nearest guesses |",
        "|---|---|---|",
    ]
    for one in result["examples"]:
        guesses = "; ".join(f"{domain}, {intent} {confidence:.2f}" for domain, intent, confidence in one["guesses"])
        lines.append(f"| {one['text']} | {_SAID[one['decision']]} | {guesses} |")
    return "\n".join(lines)


_NOBODYS = "nobody's"
_SAID = {"NOBODYS": "nobody's", "ASK": "asked back", "CLEAR": "clear"}


def _shares(found: Mapping[str, float] | None) -> str:
    return "" if found is None else f"{100 * found['in scope']:.1f} / {100 * found['out of scope']:.1f} %"


def draw(runs: Sequence[tuple[Job, Mapping[str, Any]]], split: Split, file: Path) -> None:
    """In-scope requests kept against out-of-scope requests kept, over all limits: one panel without, one with examples."""
    matplotlib.use("Agg")
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 4.4), sharey=True)
    dev = len(split.dev)
    inside = np.array([one.domain != NOBODY for one in split.test])
    for (kind, reserved), run in runs:
        arm = BEST if BEST in run["arms"] else next(iter(run["arms"]))
        for name, style in ((arm, "-"), *(((PRODUCT, ":"),) if PRODUCT in run["arms"] else ())):
            order = np.argsort(-_test(run["arms"][name], dev), kind="stable")
            kept, passed = (np.cumsum(flags[order]) / flags.sum() for flags in (inside, ~inside))
            panels[int(reserved)].plot(passed, kept, style, color=f"C{ARMS.index(kind)}", label=f"{kind}: {name}")
    for panel, title in zip(
        panels, ("without out-of-scope examples", "with them, as requests for nobody"), strict=True
    ):
        panel.set(title=title, xlabel="out-of-scope requests kept", xlim=(0, 0.6), ylim=(0.6, 1.005))
        panel.legend(loc="lower right", fontsize=8)
    panels[0].set_ylabel("in-scope requests kept")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data="clinc150.json", collections=(), work="/tmp/segue-rejection")
    options.set_defaults(data=DATA / "understand", processes=1)
    options.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    options.add_argument("--requests", type=int, default=0, help="of every intent; 0: all")
    chosen = options.parse_args()
    split = load(chosen.data / "clinc150.json", requests=chosen.requests)
    if "encoder" in chosen.arms and not chosen.gather:
        encoded(split, chosen)
    jobs: list[Job] = [(kind, reserved) for kind in chosen.arms for reserved in (False, True)]
    run_all(jobs, one_run, run_file, chosen)
    runs = list(finished(jobs, run_file, chosen))
    found = [
        {"trained": kind, "out-of-scope examples": len(split.beyond) if reserved else 0, **summary(run, split)}
        for (kind, reserved), run in runs
    ]
    outside = sum(one.domain == NOBODY for one in split.test)
    result = {
        "data": "CLINC150",
        "requests": {"learned from": len(split.train), "in scope": len(split.test) - outside, "out of scope": outside},
        "seed": 0,
        "examples": next((run["examples"] for run in reversed(found) if run["examples"]), []),
        "runs": [{key: value for key, value in run.items() if key != "examples"} for run in found],
    }
    print(as_table(result))
    file = save("rejection", result, chosen.out)
    draw(runs, split, file.with_suffix(".png"))
    print(file)


if __name__ == "__main__":
    main()
