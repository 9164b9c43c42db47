"""Does selection help a collection that nothing in Segue was tuned on?

Question: recall of 10 candidates and nDCG@10 on queries that are never asked, before and after people clicked. Collections:
Cranfield (1,400 abstracts on aerodynamics, 225 questions, four grades) and Vaswani (11,429 abstracts on electronics, 93
questions, binary); no weight, constant or prior was chosen with either. People: position-based clicks with low noise and
cascade clicks with high noise, 1.5 % bots, 5 % of answers unseen, late clicks; Zipf(1) over the 70 % of the queries that are
asked. Baselines: static rank fusion as it is shipped, and the best single strategy, chosen with hindsight for each measure on
the very queries that it is compared on (so it is more than anyone could have chosen beforehand). Intervals: paired bootstrap
over seeds and queries; the unseen are 68 and 28 queries a seed, so they are wide.
Claim: before the first click within 2 points of the best single strategy, then better.

    python -m benchmarks.quality.untuned [--data DIR] [--seeds 5] [--interactions 2000] [--work DIR] [--out DIR]

Resumable: every run (collection, people, seed) is a file in --work; delete it to run it again.
"""

import argparse
import csv
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: two processes share two cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib
import numpy as np
from matplotlib import pyplot

from benchmarks.quality.selection import compared
from benchmarks.record import publish
from benchmarks.runs import arguments, finished, run_all
from segue.rank.clicks import Crowd, behaviour, zipf_stream
from segue.recipes.collection import Collection, opened
from segue.recipes.simulate import Simulation, split, statics
from segue.retrieve.select import ReciprocalRankFusion

PEOPLE = (("position", "low"), ("cascade", "high"))
CHECKPOINTS = (0, 500, 2000)
MEASURES = ("recall", "ndcg@10")
BUDGET = 10

Item = Mapping[str, str]
Judgement = tuple[str, str, str, int]
"""Query's id, query, document's id, grade (0 is not relevant)."""

Job = tuple[str, str, str, int]
"""Collection, clicks, noise, seed."""


def cranfield(folder: Path) -> tuple[list[Item], list[Judgement]]:
    """The collection in SMART's format. Two traps: a judgement names a query by its place in the file of queries, not by its
    number there; and code 1 is the best and 4 the least, while −1 (once a query) stands in no key of the codes and is left out.
    """
    items: list[Item] = []
    for id, body in _records(folder / "cran.all.1400"):
        title, author, source, text = re.split(r"^\.[TABW]\n", body, maxsplit=4, flags=re.MULTILINE)[1:]
        fields = {"title": title, "author": author, "source": source, "text": text}
        items.append({"id": id, **{name: _flat(value) for name, value in fields.items()}})
    queries = [_flat(body.removeprefix(".W\n")) for _, body in _records(folder / "cran.qry")]
    judgements = []
    for line in (folder / "cranqrel").read_text().splitlines():
        place, document, code = line.split()
        if int(code) > 0:
            judgements.append((place, queries[int(place) - 1], document, 5 - int(code)))
    return items, judgements


def vaswani(folder: Path) -> tuple[list[Item], list[Judgement]]:
    """The collection in TREC's format. A text begins with its title and has lost its full stops, which left two spaces (or the
    line's end): the title is the first line up to there."""
    found = re.findall(r"<DOCNO>(\d+)</DOCNO>\n(.*?)</DOC>", (folder / "doc-text.trec").read_text(), re.DOTALL)
    items: list[Item] = [
        {"id": id, "title": text.split("\n")[0].split("  ")[0], "text": _flat(text)} for id, text in found
    ]
    asked = re.findall(r"<num>(\d+)</num><title>(.*?)</title>", (folder / "query-text.trec").read_text(), re.DOTALL)
    queries = {id: _flat(text).lower() for id, text in asked}
    judgements = []
    for line in (folder / "qrels").read_text().splitlines():
        query, _, document, grade = line.split()
        judgements.append((query, queries[query], document, int(grade)))
    return items, judgements


COLLECTIONS: dict[str, tuple[str, Callable[[Path], tuple[list[Item], list[Judgement]]]]] = {
    "cranfield": ("cranfield", cranfield),
    "vaswani": ("vaswani-npl", vaswani),
}
"""Name → folder in --data, and what reads it."""


def _records(file: Path) -> Iterator[tuple[str, str]]:
    """What stands between two lines ".I NUMBER" of a file in SMART's format, with the number."""
    parts = re.split(r"^\.I +(\d+)\n", file.read_text(), flags=re.MULTILINE)[1:]
    return zip(parts[::2], parts[1::2], strict=True)


def _flat(text: str) -> str:
    return " ".join(text.split())


def convert(name: str, data: Path, work: Path) -> tuple[Path, Path]:
    """The collection's items as JSON Lines and its judgements as TSV, in `work`; written once."""
    catalogue, judged = work / f"{name}.jsonl", work / f"{name}.tsv"
    if not judged.exists():
        folder, read = COLLECTIONS[name]
        items, judgements = read(data / folder)
        catalogue.write_text("".join(json.dumps(item) + "\n" for item in items))
        with judged.with_suffix(".new").open("w", newline="") as stream:
            rows = csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
            rows.writerows([("query_id", "query", "doc_id", "grade"), *judgements])
        judged.with_suffix(".new").replace(judged)
    return catalogue, judged


def prepare(name: str, chosen: argparse.Namespace) -> None:
    """Convert and index a collection, and ask every strategy once, before runs share them."""
    with opened(*convert(name, chosen.data, chosen.work), store=chosen.work / name) as (_, collection):
        collection.fill(range(len(collection)), keep=chosen.work / f"{name}.npz")


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """One stream of people: every unseen query's figures at every checkpoint, and a line about them."""
    name, clicks, noise, seed = job
    started = time.time()
    with opened(*convert(name, chosen.data, chosen.work), store=chosen.work / name, quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=chosen.work / f"{name}.npz", quiet=True)
        result = {
            **dict(zip(("collection", "clicks", "noise", "seed"), job, strict=True)),
            **streamed(collection, clicks, noise, seed, chosen.interactions),
            "seconds": round(time.time() - started),
        }
    recall = " ".join(f"{np.mean(values['recall']):.3f}" for values in result["live"].values())
    return result, f"recall {recall}, {result['seconds']} s"


def streamed(collection: Collection, clicks: str, noise: str, seed: int, interactions: int) -> dict[str, Any]:
    """What is answered to unseen queries as people ask, and what does not learn."""
    asked, unseen = split(collection, seed=seed)
    stream = [asked[one] for one in zipf_stream(len(asked), interactions, seed=seed).tolist()]
    run = Simulation(collection, stream, Crowd(behaviour(clicks, noise), seed=seed), budget=BUDGET, seed=seed)
    live = {}
    for mark in [*(mark for mark in CHECKPOINTS if mark < interactions), interactions]:
        while run.interaction < mark:
            run.step()
        live[str(mark)] = run.measure(unseen).values
    fixed = statics(collection, unseen, BUDGET, ReciprocalRankFusion())
    return {"live": live, "static": {name: mean.values for name, mean in fixed.items()}}


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / f"{'-'.join(map(str, job))}-{chosen.interactions}.json")


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All runs of one collection and kind of people."""
    return {
        "seeds": len(runs),
        "unseen queries": len(runs[0]["static"]["union"]["recall"]),
        "union": round(_mean(runs, "union", "recall"), 4),
        "measures": {measure: _measured(runs, measure) for measure in MEASURES},
    }


def _measured(runs: Sequence[Mapping[str, Any]], measure: str) -> dict[str, Any]:
    singles = [name for name in runs[0]["static"] if name not in ("static RRF", "union")]
    single = max(singles, key=lambda name: _mean(runs, name, measure))
    return {
        "best single": single,
        "checkpoints": {
            mark: {
                against: compared(
                    [(np.array(run["live"][mark][measure]), np.array(run["static"][baseline][measure])) for run in runs]
                )
                for against, baseline in (("best single", single), ("static RRF", "static RRF"))
            }
            for mark in runs[0]["live"]
        },
    }


def _mean(runs: Sequence[Mapping[str, Any]], name: str, measure: str) -> float:
    return float(np.mean([np.mean(run["static"][name][measure]) for run in runs]))


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row for each collection, kind of people, measure and checkpoint."""
    lines = [
        "| collection, people | measure | interactions | learned | best single | difference (95 %) | shipped RRF | "
        "difference (95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, found in result["runs"].items():
        for measure, rows in found["measures"].items():
            for mark, row in rows["checkpoints"].items():
                single, fusion = row["best single"], row["static RRF"]
                lines.append(
                    f"| {key} | {measure.replace('ndcg', 'nDCG')} | {int(mark):,} | {single['live']:.3f} | "
                    f"{rows['best single']} {single['baseline']:.3f} | {_points(single)} | {fusion['baseline']:.3f} | "
                    f"{_points(fusion)} |"
                )
    unions = {key.split(",")[0]: found["union"] for key, found in result["runs"].items()}
    ceilings = ", ".join(f"{name} {union:.3f}" for name, union in unions.items())
    seeds = min(found["seeds"] for found in result["runs"].values())
    lines.append(f"\n{seeds} seeds. Recall of the union of all strategies' first 10: {ceilings}.")
    return "\n".join(lines)


def _points(row: Mapping[str, Any]) -> str:
    low, high = (100 * one for one in row["interval"])
    return f"{100 * row['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Points of recall over the best single strategy and over shipped fusion, with intervals; a panel for each collection
    and kind of people."""
    matplotlib.use("Agg")
    width = 3.6 * len(result["runs"])
    figure, panels = pyplot.subplots(1, len(result["runs"]), figsize=(width, 3.4), squeeze=False, sharey=True)
    for panel, (key, found) in zip(panels[0], result["runs"].items(), strict=True):
        checkpoints = found["measures"]["recall"]["checkpoints"]
        for shift, against, label in (
            (-0.06, "best single", "best single strategy"),
            (0.06, "static RRF", "shipped RRF"),
        ):
            points = [100 * row[against]["difference"] for row in checkpoints.values()]
            ends = np.array([[100 * one for one in row[against]["interval"]] for row in checkpoints.values()])
            panel.errorbar(
                np.arange(len(points)) + shift,
                points,
                np.abs(ends.T - points),
                marker="o",
                capsize=3,
                label=f"over {label}",
            )
        panel.axhline(0, color="grey", linewidth=0.8)
        panel.axhline(-2, color="grey", linewidth=0.8, linestyle=":")
        panel.set_xticks(range(len(checkpoints)), [f"{int(mark):,}" for mark in checkpoints])
        panel.set_title(key, fontsize=9)
        panel.set(xlabel="interactions")
    panels[0][0].set_ylabel("points of recall, unseen queries")
    panels[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(
        __doc__, data="cranfield/ and vaswani-npl/", collections=list(COLLECTIONS), work="/tmp/segue-untuned"
    )
    options.add_argument("--interactions", type=int, default=2000)
    chosen = options.parse_args()
    jobs: list[Job] = [
        (name, *people, seed) for seed in range(chosen.seeds) for name in chosen.collections for people in PEOPLE
    ]
    if not chosen.gather:
        chosen.work.mkdir(parents=True, exist_ok=True)
        for name in chosen.collections:
            prepare(name, chosen)
    run_all(jobs, one_run, run_file, chosen)
    runs: dict[str, list[dict[str, Any]]] = {}
    for job, run in finished(jobs, run_file, chosen):
        runs.setdefault(f"{job[0]}, {job[1]} clicks, {job[2]} noise", []).append(run)
    result = {
        "interactions": chosen.interactions,
        "budget": BUDGET,
        "runs": {key: summary(found) for key, found in sorted(runs.items())},
    }
    publish("untuned", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
