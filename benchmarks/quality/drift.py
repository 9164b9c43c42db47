"""What happens when strategies break, are mended, or are added, and what does trying things out cost?

Question: after 1,500 interactions the two strongest strategies begin to return anything at all (with the scores of the real
thing). Recall of 10 candidates on queries that are never asked, 0 to 1,000 interactions later, as a share of the optimum: a
policy that never knew the broken strategies and learned for as long. After 1,000 they are mended. In other runs the strategy
that this collection's requests need most is not there at first and is added. Exploration: the same people are served with
and without it. Baseline: static rank fusion, which goes on asking the broken ones. Intervals are over seeds.
Claim: 95 % of the optimum within 1,000 interactions; the broken strategies named within 300; the new one found useful within
1,000; exploration costs at most 1 % of nDCG@10.

    python -m benchmarks.quality.drift [--data DIR] [--seeds 5] [--work DIR] [--out DIR]

Resumable: every run is a file in --work; collections and lists are shared with benchmarks.quality.selection.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot

from benchmarks.quality.selection import FILES, prepare, splits
from benchmarks.record import publish
from benchmarks.runs import arguments, finished, run_all
from segue.rank.clicks import Crowd, behaviour, zipf_stream
from segue.recipes.collection import DOMAIN, LEARNING, Collection, broken, opened
from segue.recipes.simulate import Break, Simulation, statics
from segue.retrieve.bandit import Bandit
from segue.retrieve.select import ReciprocalRankFusion
from segue.store import ACTIONS

LATER = (0, 100, 200, 300, 500, 1000)

NEEDED = {"mixed": "structured", "msrd": "text"}
"""What is added later in the runs of a new strategy."""

Job = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Course:
    """What happens when: `warm` interactions before the break, and at which numbers after it recall is looked at; the last of
    them is when it is mended."""

    warm: int
    later: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.later[-1]


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """One collection, kind of people and seed, and a line about it."""
    name, clicks, seed = job
    started, course = time.time(), Course(chosen.warm, tuple(chosen.later))
    catalogue, judgements = (chosen.data / part for part in FILES[name])
    with opened(catalogue, judgements, store=chosen.work / name, quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=chosen.work / f"{name}.npz", quiet=True)
        asked, unseen = splits(collection, judgements, name, seed)
        sample = np.random.default_rng((seed, 3)).permutation(unseen)[: chosen.measured].tolist()
        stream = [asked[one] for one in zipf_stream(len(asked), course.warm + 2 * course.end, seed=seed).tolist()]
        crowd = Crowd(behaviour(clicks, "low"), seed=seed)
        alone = {
            strategy: mean.means()["recall"]
            for strategy, mean in statics(collection, sample, 10, ReciprocalRankFusion()).items()
            if strategy in collection.strategies
        }
        strongest = sorted(alone, key=lambda strategy: -alone[strategy])[:2]
        result = {
            "collection": name,
            "clicks": clicks,
            "seed": seed,
            **breaking(collection, stream, crowd, sample, strongest, seed, course),
            "added": adding(collection, stream, crowd, sample, NEEDED[name], seed, course),
            "exploration": exploring(collection, stream, crowd, seed, course),
            "seconds": round(time.time() - started),
        }
    return result, f"{result['recall']}, alarms {result['alarms']}, {result['seconds']} s"


def breaking(
    collection: Collection,
    stream: list[int],
    crowd: Crowd,
    sample: list[int],
    strongest: list[str],
    seed: int,
    course: Course,
) -> dict[str, Any]:
    """Break the strongest after `course.warm` interactions, mend them 1,000 later."""
    fault = Break(frozenset(strongest), course.warm, course.warm + course.end)
    run = Simulation(collection, stream, crowd, breaks=[fault], seed=seed)
    left = [one for one in run.family if one not in strongest]
    knowing = Simulation(collection, stream, crowd, strategies=left, seed=seed)
    healthy = Simulation(collection, stream, crowd, seed=seed)
    before = advanced(run, course.warm - 1, sample)
    recall, optimum = {}, {}
    for later in course.later:
        recall[later] = advanced(run, min(course.warm + later, course.warm + course.end - 1), sample)
        optimum[later] = advanced(knowing, course.warm + later, sample)
    mended = advanced(run, course.warm + 2 * course.end, sample)
    alarms = run.policy.lessons.of(DOMAIN).alarms if isinstance(run.policy, Bandit) else []
    return {
        "broken": strongest,
        "before": before,
        "recall": recall,
        "optimum": optimum,
        "fusion": fusion_with(collection, sample, strongest, seed),
        "mended": mended,
        "never broken": advanced(healthy, course.warm + 2 * course.end, sample),
        "alarms": [[answers - course.warm, strategy, what] for answers, strategy, what in alarms],
    }


def adding(
    collection: Collection, stream: list[int], crowd: Crowd, sample: list[int], added: str, seed: int, course: Course
) -> dict[str, Any]:
    """Leave a strategy out for `course.warm` interactions, then let it in; beside a policy that had it all along."""
    run = Simulation(collection, stream, crowd, seed=seed)
    names, run.names = run.names, [one for one in run.names if one != added]
    without = advanced(run, course.warm, sample)
    run.names = names
    found = {later: advanced(run, course.warm + later, sample) for later in course.later}
    always = advanced(Simulation(collection, stream, crowd, seed=seed), course.warm + course.end, sample)
    return {"strategy": added, "without": without, "recall": found, "always there": always}


def exploring(collection: Collection, stream: list[int], crowd: Crowd, seed: int, course: Course) -> dict[str, float]:
    """Mean nDCG@10 of the pages that people were shown, with and without exploration."""
    found = {}
    for explore in (True, False):
        run = Simulation(collection, stream, crowd, seed=seed)
        run.policy = Bandit(list(run.family), run.memory, ACTIONS, explore=explore)
        shown = [run.scored(*run.step())[1] for _ in range(course.warm + course.end)]
        found["with" if explore else "without"] = float(np.mean(shown))
    return found


def advanced(run: Simulation, interactions: int, sample: list[int]) -> float:
    """Recall on the sample when the run has come so far."""
    while run.interaction < interactions:
        run.step()
    return run.measure(sample).means()["recall"]


def fusion_with(collection: Collection, sample: list[int], strongest: list[str], seed: int) -> float:
    """Recall of static rank fusion while the strongest are broken."""
    random, fusion, found = np.random.default_rng(seed), ReciprocalRankFusion(), []
    for place in sample:
        lists = [collection.found(place, one) for one in collection.strategies if one not in LEARNING]
        lists = [broken(one, collection.snapshot, random) if one.strategy in strongest else one for one in lists]
        kept, relevant = set(fusion.merge(lists, 10).kept.numbers.tolist()), collection.relevant(place)
        found.append(len(kept & relevant) / len(relevant))
    return float(np.mean(found))


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work) / f"drift-{'-'.join(map(str, job))}-{chosen.warm}-{chosen.later[-1]}.json"


def summary(runs: list[dict[str, Any]], later_marks: Sequence[int]) -> dict[str, Any]:
    """All seeds of one collection and kind of people; every seed's value beside each mean."""
    share = {later: [run["recall"][str(later)] / run["optimum"][str(later)] for run in runs] for later in later_marks}
    named = [_named(run) for run in runs]
    added = [run["added"]["recall"][str(later_marks[-1])] - run["added"]["without"] for run in runs]
    possible = [run["added"]["always there"] - run["added"]["without"] for run in runs]
    cost = [1 - run["exploration"]["with"] / run["exploration"]["without"] for run in runs]
    return {
        "broken": [run["broken"] for run in runs],
        "before": _spread([run["before"] for run in runs]),
        "fusion while broken": _spread([run["fusion"] for run in runs]),
        "optimum": _spread([run["optimum"][str(later_marks[-1])] for run in runs]),
        "recall": {later: _spread([run["recall"][str(later)] for run in runs]) for later in later_marks},
        "share of the optimum": {later: _spread(values) for later, values in share.items()},
        "named after": named,
        "false alarms": [_false(run) for run in runs],
        "mended": _spread([run["mended"] - run["never broken"] for run in runs]),
        "new strategy adds": _spread(added),
        "of": _spread(possible),
        "exploration costs": _spread(cost),
    }


def _named(run: dict[str, Any]) -> dict[str, int | None]:
    """For each broken strategy the interactions until it was named, None if it was not."""
    return {
        strategy: next(
            (at for at, name, what in run["alarms"] if name == strategy and at >= 0 and "broke" in what), None
        )
        for strategy in run["broken"]
    }


def _false(run: dict[str, Any]) -> list[str]:
    return [
        f"{name} at {at}"
        for at, name, what in run["alarms"]
        if "broke" in what and (name not in run["broken"] or at < 0)
    ]


def _spread(values: list[float]) -> dict[str, Any]:
    array = np.array(values)
    half = 2.776 * array.std(ddof=1) / np.sqrt(len(array)) if len(array) > 1 else float("nan")
    return {
        "mean": round(float(array.mean()), 4),
        "±": round(float(half), 4),
        "seeds": [round(one, 4) for one in values],
    }


def as_table(result: Mapping[str, Any]) -> str:
    """For people: Markdown, a column for each collection and kind of people."""
    runs = result["runs"]
    lines = [f"| | {' | '.join(runs)} |", "|---" * (len(runs) + 1) + "|"]

    def row(title: str, cell: Any) -> None:
        lines.append(f"| {title} | {' | '.join(cell(found) for found in runs.values())} |")

    def plain(key: str) -> Any:
        return lambda found: f"{found[key]['mean']:.3f}"

    row("recall before", plain("before"))
    row("static fusion while broken", plain("fusion while broken"))
    row("optimum without the broken", plain("optimum"))
    for later in result["later"]:
        row(
            f"learned, {later} later (share of the optimum)",
            lambda found, at=str(later): (
                f"{_at(found['recall'], at)['mean']:.3f} ({_at(found['share of the optimum'], at)['mean']:.1%})"
            ),
        )
    row(
        "named after (each seed, each strategy)",
        lambda found: "; ".join(", ".join(map(str, one.values())) for one in found["named after"]),
    )
    row("false alarms", lambda found: str(sum(map(len, found["false alarms"]))))
    row("mended, 1,000 later, against never broken", lambda found: f"{found['mended']['mean']:+.3f}")
    row(
        "new strategy adds within 1,000",
        lambda found: f"{found['new strategy adds']['mean']:+.3f} of {found['of']['mean']:+.3f}",
    )
    row(
        "exploration costs, nDCG@10",
        lambda found: f"{found['exploration costs']['mean']:.2%} ± {found['exploration costs']['±']:.2%}",
    )
    return "\n".join(lines)


def _at(found: dict[Any, Any], later: str) -> dict[str, Any]:
    row: dict[str, Any] = found[later] if later in found else found[int(later)]
    return row


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Recall after the break, a line for each collection and kind of people, and its optimum."""
    matplotlib.use("Agg")
    figure, panel = pyplot.subplots(figsize=(6.5, 4))
    for key, found in result["runs"].items():
        means = [_at(found["recall"], str(later))["mean"] for later in result["later"]]
        (line,) = panel.plot([-100, *result["later"]], [found["before"]["mean"], *means], marker="o", label=key)
        panel.axhline(found["optimum"]["mean"], color=line.get_color(), linewidth=0.8, linestyle="--")
        panel.axhline(found["fusion while broken"]["mean"], color=line.get_color(), linewidth=0.8, linestyle=":")
    panel.set(
        xlabel="interactions since the two strongest strategies broke", ylabel="recall of 10 candidates, unseen queries"
    )
    panel.set_title("dashed: optimum without them; dotted: static fusion with them", fontsize=9)
    panel.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def main() -> None:
    options = arguments(__doc__, data="msrd/ and mixed/", collections=list(FILES), work="/tmp/segue-selection")
    options.add_argument("--measured", type=int, default=400, help="unseen queries looked at each time")
    options.add_argument("--warm", type=int, default=1500, help="interactions before anything happens")
    options.add_argument("--later", type=int, nargs="+", default=list(LATER), help="when to look after the break")
    chosen = options.parse_args()
    jobs: list[Job] = [
        (name, clicks, seed)
        for seed in range(chosen.seeds)
        for name in chosen.collections
        for clicks in ("position", "cascade")
    ]
    prepare(chosen)
    run_all(jobs, one_run, run_file, chosen)
    runs: dict[str, list[dict[str, Any]]] = {}
    for job, run in finished(jobs, run_file, chosen):
        runs.setdefault(f"{job[0]}, {job[1]}", []).append(run)
    result = {
        "warm": chosen.warm,
        "later": chosen.later,
        "runs": {key: summary(found, chosen.later) for key, found in runs.items()},
    }
    publish("drift", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
