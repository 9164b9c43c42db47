"""How well do readers read, without a re-ranker?

Question: domain accuracy, intent F1, entity F1, SemER and calibration on HWU64 (Liu et al. 2019: 11,036 requests, 18 domains, 64
intents, 54 kinds of slots), pooled over its ten published folds: train on nine, read the tenth. Arms: *light* (words, characters,
a conditional random field) and *encoder* (the same, with the frozen MiniLM beside it). The answer to a request is the hypothesis
with the largest product of probabilities over all domains. Intervals: bootstrap over requests. Settings were chosen on fold 2
with readers trained on folds 3 to 10, never on the pooled figures.
Claim: light: domain ≥ 92.5, intent ≥ 87, entity F1 ≥ 80, SemER ≤ 22; encoder: ≥ 94, ≥ 91, ≥ 84, ≤ 19; p50 of a request ≤ 10 ms.
Baselines are others' published figures: DIET about 90.2 intent and 86.0 entity F1 (the whole network trained, one model for all
domains), HerMiT 87.6 and 84.7; they count slots as Liu et al. do, right if name is and spans overlap, so compare *overlapping*.
HerMiT on SLURP, the same requests spoken, gold text: 84.8 intent, 78.2 entity F1, SemER 22.7.

    python -m benchmarks.quality.readers [--data DIR] [--folds 1 2 …] [--arms light encoder] [--work DIR] [--out DIR]

Resumable: every fold of an arm is a file in --work; beside it are its hypotheses for the fold (`hypotheses-*.npz`, see
`benchmarks.folds`), which are out-of-fold and can train re-rankers.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: processes share the cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib
import numpy as np
from matplotlib import pyplot

from benchmarks.encoded import FOLDER, remembered
from benchmarks.folds import keep
from benchmarks.record import DATA, publish
from benchmarks.runs import arguments, finished, run_all
from segue.encode.states import StatesEncoder
from segue.understand.corpus import WordEncoder, prepare
from segue.understand.labelled import load
from segue.understand.readers import Readers
from segue.understand.reading_measures import Counts, count, first, measured
from segue.understand.training import train

ARMS = ("light", "encoder")
TARGETS = {
    "light": {"domain accuracy": 0.925, "intent F1": 0.87, "entity F1": 0.80, "SemER": 0.22},
    "encoder": {"domain accuracy": 0.94, "intent F1": 0.91, "entity F1": 0.84, "SemER": 0.19},
}
_LATER = "interpretation error rate"
_TIMED, _RESAMPLES = 200, 500

Job = tuple[str, int]
"""Arm, fold that is read."""


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Train on the other folds, read this one; what is kept of every request, and a line about it."""
    arm, fold = job
    labelled = load(chosen.data / "hwu64.jsonl")
    folds = np.array(labelled.folds)
    said = [labelled.utterances[place] for place in np.flatnonzero(folds != fold).tolist()]
    tested = [labelled.utterances[place] for place in np.flatnonzero(folds == fold).tolist()]
    encoder = remembered([one.text for one in labelled.utterances], chosen.work) if arm == "encoder" else None
    started = time.process_time()
    corpus = prepare(said, encoder)
    prepared = time.process_time() - started
    seconds, trained = {}, []
    for domain in corpus.domains:
        started = time.process_time()
        trained.append(train(domain, corpus))
        seconds[domain] = time.process_time() - started
    readers = Readers(trained, encoder)
    hypotheses = readers.read([one.text for one in tested])
    keep(chosen.work / f"hypotheses-{arm}-{fold}.npz", hypotheses, np.flatnonzero(folds == fold))
    counts = count(first(hypotheses, len(tested)), tested)
    live: WordEncoder | None = StatesEncoder.open(chosen.work / FOLDER) if arm == "encoder" else None
    result = {
        "arm": arm,
        "fold": fold,
        "counts": {name: getattr(counts, name).tolist() for name in Counts.__dataclass_fields__},
        "training seconds": {
            "preparing": round(prepared, 2),
            **{name: round(took, 2) for name, took in seconds.items()},
        },
        "milliseconds": latency(Readers(trained, live), [one.text for one in tested[:_TIMED]]),
    }
    found = measured(counts)
    line = ", ".join(f"{name} {100 * found[name]:.1f}" for name in TARGETS["light"])
    return result, f"{line}, {sum(seconds.values()):.0f} s"


def latency(readers: Readers, texts: Sequence[str]) -> list[tuple[float, float]]:
    """Of each request alone: milliseconds on the clock, and of this thread's computing."""
    readers.read(texts[:5])
    taken = []
    for text in texts:
        clock, own = time.perf_counter(), time.thread_time()
        readers.read([text])
        taken.append((1000 * (time.perf_counter() - clock), 1000 * (time.thread_time() - own)))
    return taken


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / f"{job[0]}-{job[1]}.json")


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All folds of an arm, pooled."""
    columns = {name: np.concatenate([run["counts"][name] for run in runs]) for name in Counts.__dataclass_fields__}
    counts = Counts(**columns)
    random = np.random.default_rng(0)
    drawn = [
        _headline(counts.take(random.integers(len(counts.domain), size=len(counts.domain)))) for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0).tolist()
    training = [run["training seconds"] for run in runs]
    taken = np.concatenate([run["milliseconds"] for run in runs])
    return {
        "folds": [run["fold"] for run in runs],
        "requests": len(counts.domain),
        "measures": {name: round(value, 4) for name, value in measured(counts).items()},
        "intervals": {name: [round(one, 4) for one in ends] for name, *ends in zip(HEADLINE, low, high, strict=True)},
        "training seconds of one core": {
            "all domains": round(float(np.mean([sum(one.values()) for one in training])), 1),
            "slowest domain": round(
                max(value for one in training for name, value in one.items() if name != "preparing"), 1
            ),
        },
        "milliseconds a request": {
            name: {"p50": round(p50, 2), "p99": round(p99, 2)}
            for name, (p50, p99) in zip(("clock", "computing"), np.quantile(taken, [0.5, 0.99], axis=0).T, strict=True)
        },
        "reliability": reliability(counts),
    }


HEADLINE = ("domain accuracy", "intent F1", "entity F1", "entity F1, overlapping", "SemER", _LATER)


def _headline(counts: Counts) -> list[float]:
    slots = max(1, counts.guessed.sum() + counts.slots.sum())
    entities = [2 * found.sum() / slots for found in (counts.hits, counts.overlapping)]
    rate = counts.errors.sum() / (1 + counts.slots).sum()
    return [counts.domain.mean(), counts.intent.mean(), *entities, rate, (counts.errors > 0).mean()]


def reliability(counts: Counts) -> list[dict[str, float]]:
    """Confidence and accuracy in ten bins of equal width, and how many requests fall into each."""
    place = np.minimum((counts.confidence * 10).astype(np.int64), 9)
    right = counts.errors == 0
    return [
        {
            "confidence": round(float(counts.confidence[place == one].mean()), 4),
            "accuracy": round(float(right[place == one].mean()), 4),
            "requests": int((place == one).sum()),
        }
        for one in np.unique(place).tolist()
    ]


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row an arm."""
    lines = [
        "| readers | folds | domain | intent F1 | entity F1 | overlapping | SemER | anything wrong | ECE (floor) | trained in "
        "| p50 / p99 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, found in result["arms"].items():
        values, ends = found["measures"], found["intervals"]
        shown = [f"{100 * values[name]:.1f} ({100 * ends[name][0]:.1f}–{100 * ends[name][1]:.1f})" for name in HEADLINE]
        took, trained = found["milliseconds a request"]["clock"], found["training seconds of one core"]["all domains"]
        lines.append(
            f"| {arm} | {len(found['folds'])} | {' | '.join(shown)} | {values['ECE']:.3f} ({values['ECE floor']:.3f}) | "
            f"{trained:.0f} s | {took['p50']:.1f} / {took['p99']:.1f} ms |"
        )
    return "\n".join(lines)


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Reliability: how often the first interpretation is right, by how sure it is."""
    matplotlib.use("Agg")
    figure, panel = pyplot.subplots(figsize=(4.5, 4.2))
    for arm, found in result["arms"].items():
        rows = found["reliability"]
        label = f"{arm}, ECE {found['measures']['ECE']:.3f}"
        panel.plot([row["confidence"] for row in rows], [row["accuracy"] for row in rows], marker="o", label=label)
    panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    panel.set(xlabel="product of probabilities", ylabel="right in every part", xlim=(0, 1), ylim=(0, 1))
    panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data="hwu64.jsonl", collections=(), work="/tmp/segue-readers")
    options.set_defaults(data=DATA / "understand")
    options.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    options.add_argument("--folds", nargs="+", type=int, default=list(range(1, 11)))
    chosen = options.parse_args()
    jobs: list[Job] = [(arm, fold) for fold in chosen.folds for arm in chosen.arms]
    if not chosen.gather:
        chosen.work.mkdir(parents=True, exist_ok=True)
        if "encoder" in chosen.arms:
            remembered([one.text for one in load(chosen.data / "hwu64.jsonl").utterances], chosen.work)
    run_all(jobs, one_run, run_file, chosen)
    runs: dict[str, list[dict[str, Any]]] = {}
    for job, run in finished(jobs, run_file, chosen):
        runs.setdefault(job[0], []).append(run)
    result = {"data": "HWU64", "targets": TARGETS, "arms": {arm: summary(found) for arm, found in runs.items()}}
    publish("readers", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
