"""Does what went before, as context in re-rankers that each service trains alone, tell which service a request is for?

Question: the Schema-Guided Dialogue set (Rastogi et al. 2020) has 45 services in 20 domains: three for music, four for hotels. A
request is a turn that opens an intent; its context is what the dialogue was at before: the *service*, the *intent* and what the
system just did (*acts*); the first turn of a dialogue has none. Each service has a reader of its own. A *service error* is a
request whose most confident hypothesis of all 45 is another service's, a *domain error* one that is another domain's. Turns that
open several services at once are dropped and counted.
Arms: the product of the readers' probabilities; each service's R3 re-ranker, from hypotheses that were read out of fold, with the
article's features and with extended ones, without and with blocks for the context. Baselines: *stay* in the service of the turn
before (in a first turn, the most frequent service); *stay, else the product*. Ceiling: one logistic regression over all services,
on the same words and characters, without and with the same context, which no service can train alone.
Split: the data's own by dialogue, with every service in each part: never a dialogue in two. Folds of the part to learn from go by
dialogue too. Intervals: paired bootstrap over dialogues, 95 %. Nothing was chosen on test.
Claim: service errors cut by at least 25 %.

    python -m benchmarks.quality.contexts [--data DIR] [--dialogues N] [--work DIR] [--out DIR]

--dialogues is how many are learned from (0: all), so that a run takes half an hour of a core. Resumable: every fold that was read
and every service that was weighed leaves a file in --work; delete it to run it again.
"""

import argparse
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: processes share the cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib
import numpy as np
from matplotlib import pyplot
from scipy.special import softmax

from benchmarks.dialogues import KEYS, Requests, domain_of, folds, load
from benchmarks.folds import joined
from benchmarks.one_model import scored
from benchmarks.record import DATA, plain, publish
from benchmarks.runs import arguments, finished, run_all
from segue.understand.corpus import prepare
from segue.understand.features import PUBLISHED, FeatureSet, extended
from segue.understand.hypotheses import Floats, Hypotheses, Places, Utterance, judge
from segue.understand.kept import keep, kept
from segue.understand.measures import Outcomes, compared, figures, outcomes
from segue.understand.merging import merge
from segue.understand.out_of_fold import train_all
from segue.understand.readers import Readers
from segue.understand.reranker import fit

PRODUCT, STAY, ELSE = "product", "stay", "stay, else the product"
BEST, BY_SERVICE, IN_CONTEXT = "R3, extended", "R3, extended, service alone", "R3, extended, context"
JOINT, JOINT_IN_CONTEXT = "joint", "joint, context"
RERANKERS: dict[str, tuple[bool, Sequence[str]]] = {
    "R3": (False, ()),
    "R3, context": (False, KEYS),
    BEST: (True, ()),
    BY_SERVICE: (True, KEYS[:1]),
    IN_CONTEXT: (True, KEYS),
}
"""Arm → whether it sees more than the article's features, and keys of contexts with blocks."""
WITHOUT = {"R3, context": "R3", BY_SERVICE: BEST, IN_CONTEXT: BEST, JOINT_IN_CONTEXT: JOINT}
"""Arm → the same without context."""
TURNS = ("all turns", "first turns", "later turns")

_FOLDS, _MOST, _SEED = 4, 3, 0
_ASKED = "held-out"
"""In place of a fold: dev and test, read by readers of all folds."""

Job = tuple[str, str]
"""What is done ("read", "weigh", "joint") and of what: a fold, a service."""


def asked(data: Path) -> tuple[Requests, int]:
    """Dev and test as one, and how many of them are dev's."""
    dev, test = (load(data, part) for part in ("dev", "test"))
    both = Requests([*dev.utterances, *test.utterances], [*dev.dialogues, *test.dialogues], dev.dropped + test.dropped)
    return both, len(dev.utterances)


# -- runs -------------------------------------------------------------------------------------------------------------


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What is kept of a job, and a line about it."""
    started = time.process_time()
    done = {"read": read, "weigh": weigh, "joint": joint}[job[0]](job[1], chosen)
    taken = round(time.process_time() - started, 1)
    return {"seconds": taken, **done}, f"{taken:.0f} s"


def read(fold: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Train readers on the other folds and keep what they make of this one."""
    train = load(chosen.data, "train", dialogues=chosen.dialogues)
    if fold == _ASKED:
        said, texts = train.utterances, asked(chosen.data)[0].utterances
    else:
        inside = folds(train, _FOLDS) == int(fold)
        said, texts = (
            [train.utterances[place] for place in np.flatnonzero(rows).tolist()] for rows in (~inside, inside)
        )
    tables = Readers(train_all(prepare(said))).read([one.text for one in texts], most=_MOST)
    folder = _tables(fold, chosen)
    shutil.rmtree(folder, ignore_errors=True)
    keep(folder, tables, name=f"fold {fold}")
    return {"trained on": len(said), "read": len(texts)}


def weigh(service: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Fit one service's re-rankers: each arm's confidences in its hypotheses for what is asked."""
    train = load(chosen.data, "train", dialogues=chosen.dialogues)
    fold = folds(train, _FOLDS)
    parts = [([_table(kept(_tables(str(one), chosen)), service)], np.flatnonzero(fold == one)) for one in range(_FOLDS)]
    (table,), _ = joined(parts)
    held_out = _table(kept(_tables(_ASKED, chosen)), service)
    judged = judge(table, train.utterances)
    known, here = ([one.context for one in of.utterances] for of in (train, asked(chosen.data)[0]))
    arms, blocks, seconds = {}, {}, {}
    for arm, (more, keys) in RERANKERS.items():
        started = time.process_time()
        features: FeatureSet = (extended(table) if more else PUBLISHED).with_contexts(table, judged.own, known, keys)
        fitted = fit(table, judged, features=features, contexts=known)
        seconds[arm] = round(time.process_time() - started, 2)
        arms[arm] = fitted.confidences(held_out, here).tolist()
        blocks[arm] = len(features.contexts)
    return {"arms": arms, "blocks": blocks, "seconds by arm": seconds}


def joint(_: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """One model over all services, without and with context: which service it takes a request to, and how sure it is."""
    said, here = load(chosen.data, "train", dialogues=chosen.dialogues).utterances, asked(chosen.data)[0].utterances
    found = {}
    for arm in (JOINT, JOINT_IN_CONTEXT):
        names, scores = scored(said, [one.domain for one in said], here, contexts=arm == JOINT_IN_CONTEXT)
        shares = softmax(scores, axis=1)
        went = [names[place] for place in shares.argmax(axis=1).tolist()]
        found[arm] = {"went to": went, "confidence": shares.max(axis=1).tolist()}
    return {"arms": found}


def _table(tables: Sequence[Hypotheses], service: str) -> Hypotheses:
    return next(one for one in tables if one.domain == service)


def _tables(fold: str, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / f"tables-{fold}-{chosen.dialogues}")


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / f"{'-'.join(one for one in job if one)}-{chosen.dialogues}.json")


# -- what it comes to -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arm:
    """What came of every request, and the service that each went to. Without hypotheses, only the service is judged."""

    came: Outcomes
    went: Sequence[str]
    whole: bool = True

    def take(self, places: Places) -> "Arm":
        """Of the requests at `places`."""
        columns = (getattr(self.came, name)[places] for name in Outcomes.__dataclass_fields__)
        return Arm(Outcomes(*columns), [self.went[place] for place in places.tolist()], self.whole)

    def by_domain(self, said: Sequence[Utterance]) -> float:
        """The share of requests that went to another domain."""
        return float(np.mean([domain_of(one) != domain_of(of.domain) for one, of in zip(self.went, said, strict=True)]))


def arms_of(
    weighed: Mapping[str, Mapping[str, Any]], together: Mapping[str, Any], usual: str, chosen: argparse.Namespace
) -> dict[str, Arm]:
    """Every arm over dev and test; `usual` is the service that is asked most often."""
    said = asked(chosen.data)[0].utterances
    tables = kept(_tables(_ASKED, chosen))
    values = {PRODUCT: [np.exp(one.logs.sum(axis=1)) for one in tables]}
    for arm in RERANKERS:
        values[arm] = [np.array(weighed[one.domain]["arms"][arm], dtype=np.float64) for one in tables]
    found = {arm: _merged(tables, confidences, said) for arm, confidences in values.items()}
    before = [one.context.get("service", "") for one in said]
    stay = _elsewhere([one or usual for one in before], np.ones(len(said)), said)
    going = [one or other for one, other in zip(before, found[PRODUCT].went, strict=True)]
    return {
        STAY: stay,
        ELSE: _elsewhere(going, np.ones(len(said)), said),
        **found,
        **{arm: _elsewhere(one["went to"], np.array(one["confidence"]), said) for arm, one in together.items()},
    }


def _merged(tables: Sequence[Hypotheses], confidences: Sequence[Floats], said: Sequence[Utterance]) -> Arm:
    merged = merge(list(zip(tables, confidences, strict=True)), requests=len(said))
    went = [merged.domains[place] for place in merged.domain[merged.best()].tolist()]
    return Arm(outcomes(merged, tables, said), went)


def _elsewhere(went: Sequence[str], confidence: Floats, said: Sequence[Utterance]) -> Arm:
    right = np.array([one == of.domain for one, of in zip(went, said, strict=True)])
    return Arm(
        Outcomes(right, right, (~right).astype(np.int64), np.zeros(len(went), dtype=np.int64), confidence), went, False
    )


def summary(arms: Mapping[str, Arm], requests: Requests) -> dict[str, Any]:
    """Of one part: all turns, those that open a dialogue and those that have a context."""
    later = np.array([bool(one.context) for one in requests.utterances])
    chosen = dict(zip(TURNS, (np.ones(len(later), dtype=bool), ~later, later), strict=True))
    return {name: _turns(arms, requests, np.flatnonzero(rows)) for name, rows in chosen.items() if rows.any()}


def _turns(arms: Mapping[str, Arm], requests: Requests, places: Places) -> dict[str, Any]:
    said = [requests.utterances[place] for place in places.tolist()]
    _, groups = np.unique(np.array(requests.dialogues)[places], return_inverse=True)
    chosen = {name: arm.take(places) for name, arm in arms.items()}
    return {
        "requests": len(places),
        "dialogues": int(groups.max()) + 1,
        "arms": {name: _row(name, arm, chosen, said, groups) for name, arm in chosen.items()},
    }


def _row(name: str, arm: Arm, arms: Mapping[str, Arm], said: Sequence[Utterance], groups: Places) -> dict[str, Any]:
    values = figures(arm.came)
    against = {"the product": PRODUCT, "the same without context": WITHOUT.get(name, "")}
    whole = ("interpretation error", "semantic error", "calibration error") if arm.whole else ()
    return {
        "service error": round(values["domain error"], 4),
        "domain error": round(arm.by_domain(said), 4),
        **{measure: round(values[measure], 4) for measure in whole},
        "service errors against": {
            label: plain(compared(arms[other].came, arm.came, seed=_SEED, groups=groups)["domain error"])
            for label, other in against.items()
            if other and other != name
        },
    }


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row for each arm, on the test part."""
    test = result["test"]
    lines = [
        "| arm | service errors | in first turns | in later turns | domain errors | SemER | service errors against the product "
        "(95 %) | against the same without context |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm, row in test[TURNS[0]]["arms"].items():
        by_turn = [test[turns]["arms"][arm]["service error"] if turns in test else None for turns in TURNS[1:]]
        cells = [row["service error"], *by_turn, row["domain error"], row.get("semantic error")]
        shown = " | ".join("" if value is None else f"{100 * value:.1f}" for value in cells)
        lines.append(
            f"| {arm} | {shown} | {_relative(row, 'the product')} | {_relative(row, 'the same without context')} |"
        )
    counts = [f"{test[turns]['requests']:,} {turns}" for turns in TURNS[1:] if turns in test]
    dropped = result["dropped"]
    lines.append(
        f"\n{' and '.join(counts)} of {test[TURNS[0]]['dialogues']:,} dialogues; readers and re-rankers from "
        f"{result['learned from']['requests']:,} requests of {result['learned from']['dialogues']:,} others. Turns that open "
        f"several services were dropped: {dropped['train']:,} of the part to learn from, {dropped['dev and test']:,} of dev and "
        f"test. Fitting all services' re-rankers with context took {result['seconds']['re-rankers']:.0f} s, the longest "
        f"{result['seconds']['longest re-ranker']:.1f} s."
    )
    return "\n".join(lines)


def _relative(row: Mapping[str, Any], label: str) -> str:
    found = row["service errors against"].get(label)
    if found is None:
        return ""
    low, high = (100 * end for end in found["relative interval"])
    return f"{100 * found['relative']:+.1f} % ({low:+.1f} to {high:+.1f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Service errors of every arm, in first and in later turns."""
    matplotlib.use("Agg")
    figure, panel = pyplot.subplots(figsize=(7, 4.4))
    names = list(result["test"][TURNS[0]]["arms"])
    for place, turns in enumerate(one for one in TURNS[1:] if one in result["test"]):
        rows = result["test"][turns]["arms"]
        heights = [100 * rows[name]["service error"] for name in names]
        bars = panel.barh(np.arange(len(names)) + 0.4 * place, heights, 0.4, label=turns)
        panel.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    panel.set_yticks(np.arange(len(names)) + 0.2, names)
    panel.invert_yaxis()
    panel.set(xlabel="service errors, % of requests")
    panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data="sgd_{train,dev,test}.jsonl.gz", collections=(), work="/tmp/segue-contexts")
    options.set_defaults(data=DATA / "understand", processes=1)
    options.add_argument("--dialogues", type=int, default=7000, help="to learn from; 0: all")
    chosen = options.parse_args()
    train = load(chosen.data, "train", dialogues=chosen.dialogues)
    both, dev = asked(chosen.data)
    services = sorted({one.domain for one in train.utterances})
    run_all([("read", fold) for fold in [*map(str, range(_FOLDS)), _ASKED]], one_run, run_file, chosen)
    jobs: list[Job] = [("joint", ""), *(("weigh", service) for service in services)]
    run_all(jobs, one_run, run_file, chosen)
    (_, together), *weighed = finished(jobs, run_file, chosen)
    runs = {job[1]: run for job, run in weighed}
    usual = Counter(one.domain for one in train.utterances).most_common(1)[0][0]
    arms = arms_of(runs, together["arms"], usual, chosen)
    parts = {"dev": np.arange(dev), "test": np.arange(dev, len(both.utterances))}
    taken = [run["seconds by arm"][IN_CONTEXT] for run in runs.values()]
    result = {
        "data": "Schema-Guided Dialogue",
        "seed": _SEED,
        "folds": _FOLDS,
        "services": len(services),
        "keys": KEYS,
        "learned from": {"requests": len(train.utterances), "dialogues": len(set(train.dialogues))},
        "dropped": {"train": train.dropped, "dev and test": both.dropped},
        "blocks a service": round(float(np.mean([run["blocks"][IN_CONTEXT] for run in runs.values()])), 1),
        "seconds": {"re-rankers": round(sum(taken), 1), "longest re-ranker": max(taken)},
    }
    for part, places in parts.items():
        of_part = {name: arm.take(places) for name, arm in arms.items()}
        result[part] = summary(of_part, both.take(places.tolist()))
    publish("contexts", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
