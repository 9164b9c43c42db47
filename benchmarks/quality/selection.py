"""Does retrieval that learns from clicks beat what does not learn, on requests that nobody made before?

Question: recall of 10 candidates (and nDCG@10) on queries that the stream never asks, as people click. Collections: the mixed
stream (29,746 films, songs and books; 70 % of the queries of each kind are asked, 30 % never) and msrd (9,750 films, human
labels; split by title cluster). People: position-based and cascade clicks, low and high noise, 1.5 % bots, 5 % of answers
unseen, late clicks; Zipf(1) over the queries. The learner sees clicks only; scores are by the judgements only.
Baselines: every strategy alone, static rank fusion of the same lists, with the shipped weights and with weights tuned on
the judgements of the stream's queries, and the union of all lists. Intervals: paired bootstrap over seeds and queries.
Claim (mixed): best static fusion + 5 points after 2,000 interactions and + 7.5 after 20,000; best single + 18. Claim (msrd):
never .2 points below fusion from 500 interactions on, + .5 after 10,000.

    python -m benchmarks.quality.selection [--data DIR] [--seeds 5] [--interactions 20000] [--work DIR] [--out DIR]

Resumable: every run (collection, people, seed) is a file in --work; delete it to run it again.
"""

import argparse
import csv
import gzip
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: two processes share two cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib
import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray

from benchmarks.quality.judged_search import chosen_on
from benchmarks.record import publish
from benchmarks.runs import arguments, finished, run_all
from segue.rank.clicks import Crowd, behaviour, zipf_stream
from segue.recipes.collection import DOMAIN, LEARNING, Collection, opened
from segue.recipes.judgements import load
from segue.recipes.simulate import Mean, Simulation, split, statics
from segue.retrieve.bandit import Bandit
from segue.retrieve.memory import Memory
from segue.retrieve.select import ReciprocalRankFusion
from segue.retrieve.tuning import tune_fusion
from segue.store import ACTIONS

FILES = {
    "mixed": ("mixed/catalogue.jsonl.gz", "mixed/judgements.tsv.gz"),
    "msrd": ("msrd/movies-corpus.jsonl.gz", "msrd/movies-judgments.tsv.gz"),
}
PEOPLE = (("position", "low"), ("cascade", "high"), ("position", "high"), ("cascade", "low"))
INTERACTIONS = {"mixed": 20_000, "msrd": 10_000}
CHECKPOINTS = (0, 500, 1000, 2000, 5000, 10_000, 20_000)
Job = tuple[str, str, str, int]
"""A collection, how people click, with what noise, and the seed."""

BUDGET = 10
TUNED_ON = 500
"""Judged queries that the tuned fusion may see."""


def groups(collection: Collection, judgements: Path, name: str) -> list[str]:
    """The kind of every query (mixed)."""
    kinds: dict[str, str] = {}
    if name == "mixed":
        with gzip.open(judgements, "rt", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                kinds[row["query_id"]] = row.get("kind", "")
    return [kinds.get(one.id, "") for one in collection.judged]


def by_cluster(collection: Collection, seed: int) -> tuple[list[int], list[int]]:
    """A split in which queries that share a relevant item, directly or through others, stay on one side where that leaves two
    sides: the clusters are of the items' titles, "sinister" and "sinister 2" being one."""
    titles = collection.snapshot.documents(collection.snapshot.numbers.tolist())
    cluster = {
        number: " ".join(document.title.lower().split(":")[0].split()[:2]) for number, document in titles.items()
    }
    of = []
    for place in range(len(collection)):
        best = max(collection.grades[place].items(), key=lambda pair: (pair[1], -pair[0]))[0]
        of.append(cluster.get(best, str(best)))
    random = np.random.default_rng((seed, 2))
    names = random.permutation(sorted(set(of)))
    unseen = set(names[: round(0.3 * len(names))].tolist())
    places = range(len(collection))
    return [place for place in places if of[place] not in unseen], [place for place in places if of[place] in unseen]


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """One stream of people: every query's figures at every checkpoint, and a line about them."""
    name, clicks, noise, seed = job
    interactions = min(INTERACTIONS[name], chosen.interactions)
    started = time.time()
    catalogue, judgements = (chosen.data / part for part in FILES[name])
    with opened(catalogue, judgements, store=chosen.work / name, quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=chosen.work / f"{name}.npz", quiet=True)
        asked, unseen = splits(collection, judgements, name, seed)
        sample = np.random.default_rng((seed, 3)).permutation(unseen)[: chosen.measured].tolist()
        stream = [asked[one] for one in zipf_stream(len(asked), interactions, seed=seed).tolist()]
        run = Simulation(collection, stream, Crowd(behaviour(clicks, noise), seed=seed), budget=BUDGET, seed=seed)
        live: dict[str, Any] = {}
        for mark in marks(interactions):
            while run.interaction < mark:
                run.step()
            live[str(mark)] = run.measure(sample).values
        repeated = repeats(run, chosen.measured, seed)
        result = {
            **dict(zip(("collection", "clicks", "noise", "seed"), job, strict=True)),
            "live": live,
            "static": {key: mean.values for key, mean in baselines(collection, asked, sample, seed).items()},
            "repeated": {"asked": [run.asked[place] for place in repeated], **on_repeats(run, repeated)},
            "economy": economy(run, sample),
            "pages learned from": run.policy.lessons.of(DOMAIN).pages if isinstance(run.policy, Bandit) else 0,
            "seconds": round(time.time() - started),
        }
    last = [float(np.mean(values["recall"])) for values in live.values()]
    return result, f"recall {' '.join(f'{one:.3f}' for one in last)}, {result['seconds']} s"


def repeats(run: Simulation, count: int, seed: int) -> list[int]:
    """Queries that were asked before: all that were asked 20 times or more, then others at random."""
    random = np.random.default_rng((seed, 4))
    often = [place for place, times in run.asked.items() if times >= 20]
    others = [place for place, times in run.asked.items() if times < 20]
    return [*sorted(often), *random.permutation(sorted(others)).tolist()][:count]


def splits(collection: Collection, judgements: Path, name: str, seed: int) -> tuple[list[int], list[int]]:
    """Queries that are asked, and queries that never are, without those on which the shipped weights were chosen."""
    if name == "mixed":
        asked, unseen = split(collection, seed=seed, groups=groups(collection, judgements, name))
    else:
        asked, unseen = by_cluster(collection, seed)
    used = chosen_on([one.id for one in load(judgements)])
    return asked, [place for place in unseen if collection.judged[place].id not in used]


def marks(interactions: int) -> list[int]:
    return [mark for mark in CHECKPOINTS if mark < interactions] + [interactions]


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work) / f"{'-'.join(map(str, job))}-{chosen.interactions}-{chosen.measured}.json"


def baselines(collection: Collection, asked: Sequence[int], sample: Sequence[int], seed: int) -> dict[str, Mean]:
    """What does not learn from clicks: each strategy, shipped fusion, and fusion tuned on judgements of the stream's queries."""
    rows = statics(collection, sample, BUDGET, ReciprocalRankFusion())
    training = np.random.default_rng((seed, 5)).permutation(asked)[:TUNED_ON].tolist()
    tuned = tuned_fusion(collection, training)
    rows["tuned RRF"] = statics(collection, sample, BUDGET, tuned)["static RRF"]
    return rows


def tuned_fusion(collection: Collection, places: Sequence[int]) -> ReciprocalRankFusion:
    """Weights and constant with the best recall on judged queries, by coordinate ascent from the shipped ones."""
    names = [name for name in collection.strategies if name not in LEARNING]
    lists = [[collection.found(place, name) for name in names] for place in places]
    return tune_fusion(lists, [collection.relevant(place) for place in places], BUDGET)


def on_repeats(run: Simulation, places: Sequence[int]) -> dict[str, Any]:
    """Queries that were asked before: as they are answered now, as if nothing were remembered of them, and by static fusion."""
    names, policy = run.names, run.policy
    found = {"live": run.measure(places).values}
    run.names = [name for name in names if name != "memory"]
    if isinstance(policy, Bandit):
        remembered, policy.memory = policy.memory, Memory(ACTIONS)
        found["without memory"] = run.measure(places).values
        policy.memory = remembered
    run.names = names
    found["static RRF"] = statics(run.collection, places, BUDGET, ReciprocalRankFusion())["static RRF"].values
    return found


def economy(run: Simulation, places: Sequence[int]) -> dict[str, list[float]]:
    """Recall of 13 learned candidates against 20 of static fusion."""
    run.budget = 13
    thirteen = run.measure(places).values
    run.budget = BUDGET
    twenty = statics(run.collection, places, 20, ReciprocalRankFusion())["static RRF"].values
    return {
        "live 13": thirteen["recall"],
        "static RRF 20": twenty["recall"],
        "calls": thirteen["calls"],
        "all": twenty["calls"],
    }


def gain(runs: Sequence[dict[str, Any]], mark: str, against: str, measure: str = "recall") -> dict[str, Any]:
    """Live policy against a baseline at a checkpoint: means, each seed's difference, and the 95 % interval by bootstrap over
    seeds and, inside them, queries."""
    pairs = [
        (np.array(run["live"][mark][measure]), np.array(run["static"][against][measure]))
        for run in runs
        if mark in run["live"]
    ]
    return compared(pairs)


def compared(pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    differences = [mine - theirs for mine, theirs in pairs]
    drawn = []
    for _ in range(500):
        picked = random.integers(len(differences), size=len(differences))
        drawn.append(np.mean([random.choice(differences[one], len(differences[one])).mean() for one in picked]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "live": round(float(np.mean([mine.mean() for mine, _ in pairs])), 4),
        "baseline": round(float(np.mean([theirs.mean() for _, theirs in pairs])), 4),
        "difference": round(float(np.mean([one.mean() for one in differences])), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "seeds": [round(float(one.mean()), 4) for one in differences],
    }


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All runs of one collection and kind of people."""
    checkpoints = list(runs[0]["live"])
    singles = [name for name in runs[0]["static"] if name not in ("static RRF", "tuned RRF", "union")]
    recall = {name: float(np.mean([np.mean(run["static"][name]["recall"]) for run in runs])) for name in singles}
    single = max(recall, key=lambda name: recall[name])
    asked = [np.array(run["repeated"]["asked"]) for run in runs]
    bands = {"1–4": (1, 5), "5–19": (5, 20), "20 and more": (20, 10**9)}
    return {
        "best single": {"name": single, "recall": round(recall[single], 4)},
        "union": round(float(np.mean([np.mean(run["static"]["union"]["recall"]) for run in runs])), 4),
        "checkpoints": {
            mark: {
                "ndcg@10": gain(runs, mark, "static RRF", "ndcg@10"),
                "calls": round(float(np.mean([np.mean(run["live"][mark]["calls"]) for run in runs])), 2),
                **{against: gain(runs, mark, against) for against in ("static RRF", "tuned RRF", single)},
            }
            for mark in checkpoints
        },
        "memory": {
            band: {
                "queries": int(sum(((times >= low) & (times < high)).sum() for times in asked)),
                **{
                    against: compared(
                        [
                            (
                                np.array(run["repeated"]["live"]["ndcg@10"])[(times >= low) & (times < high)],
                                np.array(run["repeated"][against]["ndcg@10"])[(times >= low) & (times < high)],
                            )
                            for run, times in zip(runs, asked, strict=True)
                            if ((times >= low) & (times < high)).any()
                        ]
                    )
                    for against in ("without memory", "static RRF")
                },
            }
            for band, (low, high) in bands.items()
            if any(((times >= low) & (times < high)).any() for times in asked)
        },
        "economy": {
            **compared(
                [(np.array(run["economy"]["live 13"]), np.array(run["economy"]["static RRF 20"])) for run in runs]
            ),
            "calls": round(float(np.mean([np.mean(run["economy"]["calls"]) for run in runs])), 2),
            "of": float(np.mean([np.mean(run["economy"]["all"]) for run in runs])),
        },
    }


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table a collection."""
    lines = []
    for key, found in result["runs"].items():
        lines += [
            f"\n**{key}** ({len(next(iter(found['checkpoints'].values()))['static RRF']['seeds'])} seeds): best single strategy "
            f"{found['best single']['name']} {found['best single']['recall']:.3f}, union {found['union']:.3f}\n",
            "| interactions | recall@10 learned | shipped RRF | difference (95 %) | tuned RRF | difference (95 %) | "
            "nDCG@10 learned | shipped RRF | difference (95 %) |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for mark, row in found["checkpoints"].items():
            one, other, order = row["static RRF"], row["tuned RRF"], row["ndcg@10"]
            lines.append(
                f"| {int(mark):,} | {one['live']:.3f} | {one['baseline']:.3f} | {_signed(one)} | {other['baseline']:.3f} | "
                f"{_signed(other)} | {order['live']:.3f} | {order['baseline']:.3f} | {_signed(order)} |"
            )
        lines += [
            "\n| asked before | queries | nDCG@10 | without memory | static RRF | memory adds |",
            "|---|---|---|---|---|---|",
        ]
        for band, row in found["memory"].items():
            lines.append(
                f"| {band} times | {row['queries']:,} | {row['static RRF']['live']:.3f} | "
                f"{row['without memory']['baseline']:.3f} | {row['static RRF']['baseline']:.3f} | "
                f"{_signed(row['without memory'], unit=1)} |"
            )
        spare = found["economy"]
        lines.append(
            f"\n13 learned candidates find {spare['live']:.3f}, 20 of shipped RRF {spare['baseline']:.3f} "
            f"(difference {_signed(spare)})."
        )
    return "\n".join(lines)


def _signed(row: dict[str, Any], unit: int = 100) -> str:
    digits = 1 if unit == 100 else 3
    low, high = (unit * one for one in row["interval"])
    return f"{unit * row['difference']:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Recall against interactions, a panel for each collection and kind of people."""
    matplotlib.use("Agg")
    figure, panels = pyplot.subplots(1, len(result["runs"]), figsize=(4 * len(result["runs"]), 3.6), squeeze=False)
    for panel, (key, found) in zip(panels[0], result["runs"].items(), strict=True):
        at = [int(mark) for mark in found["checkpoints"]]
        rows = list(found["checkpoints"].values())
        panel.plot(at, [row["static RRF"]["live"] for row in rows], marker="o", label="learned from clicks")
        panel.plot(at, [row["static RRF"]["baseline"] for row in rows], linestyle="--", label="shipped rank fusion")
        panel.plot(
            at, [row["tuned RRF"]["baseline"] for row in rows], linestyle=":", label="fusion tuned on judgements"
        )
        panel.axhline(found["union"], color="grey", linewidth=0.8, label="union of all lists")
        panel.set_xscale("symlog", linthresh=500)
        panel.set(title=key, xlabel="interactions", ylabel="recall of 10 candidates, unseen queries")
    panels[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def main() -> None:
    options = arguments(__doc__, data="msrd/ and mixed/", collections=list(FILES), work="/tmp/segue-selection")
    options.add_argument("--interactions", type=int, default=20_000, help="at most so many; on msrd 10,000 are enough")
    options.add_argument(
        "--measured", type=int, default=400, help="unseen and repeated queries looked at at a checkpoint"
    )
    options.add_argument(
        "--people", type=int, default=len(PEOPLE), help="how many kinds of people, in the order of PEOPLE"
    )
    chosen = options.parse_args()
    jobs: list[Job] = [
        (name, *people, seed)
        for people in PEOPLE[: chosen.people]
        for seed in range(chosen.seeds)
        for name in chosen.collections
    ]
    prepare(chosen)
    run_all(jobs, one_run, run_file, chosen)
    runs: dict[str, list[dict[str, Any]]] = {}
    for job, run in finished(jobs, run_file, chosen):
        runs.setdefault(f"{job[0]}, {job[1]} clicks, {job[2]} noise", []).append(run)
    result = {
        "interactions": chosen.interactions,
        "measured queries": chosen.measured,
        "runs": {key: summary(found) for key, found in sorted(runs.items())},
    }
    publish("selection", result, chosen.out, table=as_table, draw=draw)


def prepare(chosen: argparse.Namespace) -> None:
    """Index every collection and ask every strategy once, before runs share them; not to --gather."""
    if chosen.gather:
        return
    chosen.work.mkdir(parents=True, exist_ok=True)
    for name in chosen.collections:
        with opened(*(chosen.data / part for part in FILES[name]), store=chosen.work / name) as (_, collection):
            collection.fill(range(len(collection)), keep=chosen.work / f"{name}.npz")


if __name__ == "__main__":
    main()
