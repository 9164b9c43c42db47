"""Which way of choosing strategies and spending the budget finds most, and which does it with the fewest calls?

Question: after 5,000 interactions, recall of 10 and of 20 candidates, nDCG@10 and strategies asked, on queries that are never
asked, for every selection policy under the same people: the bandit, its economical mode, noisy-or and greedy quotas (the
paper's two ways of spending), Vowpal Wabbit's cb_explore_adf over the same features, and what does not learn: shipped and
tuned rank fusion, static quotas by the cross-entropy method (both tuned on 500 judged queries of the stream).
Claim: the recall of shipped fusion at 20 with at most 60 % of its calls, or with 13 candidates.

    python -m benchmarks.quality.policies [--data DIR] [--seeds 5] [--interactions 5000] [--work DIR] [--out DIR]

Resumable: every run (collection, people, seed, policy) is a file in --work, which benchmarks.quality.selection shares.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines import policies, tuned
from benchmarks.quality.selection import BUDGET, FILES, TUNED_ON, prepare, splits
from benchmarks.record import save
from benchmarks.runs import arguments, finished, run_all
from segue.rank.clicks import Crowd, behaviour, zipf_stream
from segue.recipes.collection import opened
from segue.recipes.simulate import Simulation

PEOPLE = (("position", "low"), ("cascade", "high"))
FIXED = ("tuned fusion", "static quotas")
NAMES = (*policies(), *FIXED)

Job = tuple[str, str, str, int, str]


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """One policy among one kind of people, and a line about it."""
    name, clicks, noise, seed, policy = job
    started = time.time()
    catalogue, judgements = (chosen.data / part for part in FILES[name])
    with opened(catalogue, judgements, store=chosen.work / name, quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=chosen.work / f"{name}.npz", quiet=True)
        asked, unseen = splits(collection, judgements, name, seed)
        sample = np.random.default_rng((seed, 3)).permutation(unseen)[: chosen.measured].tolist()
        stream = [asked[one] for one in zipf_stream(len(asked), chosen.interactions, seed=seed).tolist()]
        run = Simulation(collection, stream, Crowd(behaviour(clicks, noise), seed=seed), budget=BUDGET, seed=seed)
        if policy in FIXED:
            training = np.random.default_rng((seed, 5)).permutation(asked)[:TUNED_ON].tolist()
            run.policy = tuned(collection, training, BUDGET, seed=seed)[policy]
        else:
            run.policy = policies()[policy](list(run.family), run.memory)
            while run.interaction < chosen.interactions:
                run.step()
        measured = {}
        for budget in (BUDGET, 13, 2 * BUDGET):
            run.budget = budget
            measured[budget] = run.measure(sample).values
    result = {"job": job, "measured": measured, "seconds": round(time.time() - started)}
    return result, f"{np.mean(measured[BUDGET]['recall']):.3f}, {result['seconds']} s"


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    name = "-".join(map(str, job)).replace(" ", "_").replace(",", "")
    return Path(chosen.work) / f"policies-{name}-{chosen.interactions}-{chosen.measured}.json"


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """All seeds of one policy among one kind of people: means, and every seed's recall."""

    def mean(budget: int, measure: str) -> float:
        return round(float(np.mean([np.mean(run["measured"][str(budget)][measure]) for run in runs])), 4)

    return {
        "recall@10": mean(BUDGET, "recall"),
        "recall@13": mean(13, "recall"),
        "recall@20": mean(2 * BUDGET, "recall"),
        "ndcg@10": mean(BUDGET, "ndcg@10"),
        "calls": mean(BUDGET, "calls"),
        "calls@20": mean(2 * BUDGET, "calls"),
        "seeds": [round(float(np.mean(run["measured"][str(BUDGET)]["recall"])), 4) for run in runs],
    }


def as_table(result: dict[str, Any]) -> str:
    """For people: a Markdown table for each collection and kind of people."""
    lines = []
    for key, rows in result["runs"].items():
        lines += [
            f"\n**{key}**\n",
            "| policy | recall@10 | nDCG@10 | calls | recall@13 | recall@20 | calls for 20 |",
            "|---|---|---|---|---|---|---|",
        ]
        for policy, row in sorted(rows.items(), key=lambda pair: -pair[1]["recall@10"]):
            lines.append(
                f"| {policy} | {row['recall@10']:.3f} | {row['ndcg@10']:.3f} | {row['calls']:.1f} | {row['recall@13']:.3f} | "
                f"{row['recall@20']:.3f} | {row['calls@20']:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    options = arguments(__doc__, data="msrd/ and mixed/", collections=list(FILES), work="/tmp/segue-selection")
    options.add_argument("--policies", nargs="+", default=list(NAMES), choices=list(NAMES))
    options.add_argument(
        "--people", type=int, default=len(PEOPLE), help="how many kinds of people, in the order of PEOPLE"
    )
    options.add_argument("--interactions", type=int, default=5000)
    options.add_argument("--measured", type=int, default=400, help="unseen queries that are measured")
    chosen = options.parse_args()
    jobs: list[Job] = [
        (name, *people, seed, policy)
        for seed in range(chosen.seeds)
        for people in PEOPLE[: chosen.people]
        for name in chosen.collections
        for policy in chosen.policies
    ]
    prepare(chosen)
    run_all(jobs, one_run, run_file, chosen)
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for job, run in finished(jobs, run_file, chosen):
        runs.setdefault(f"{job[0]}, {job[1]} clicks, {job[2]} noise", {}).setdefault(job[4], []).append(run)
    result = {
        "interactions": chosen.interactions,
        "seeds": chosen.seeds,
        "runs": {key: {policy: summary(found) for policy, found in rows.items()} for key, rows in runs.items()},
    }
    print(as_table(result))
    print(save("policies", result, chosen.out))


if __name__ == "__main__":
    main()
