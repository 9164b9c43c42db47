"""Does a ranker that was learned from clicks alone put unseen requests in a better order than production does?

Question: nDCG@10 on msrd (9,750 films, human labels) after 15,000 sessions. Production is the policy as it is shipped, as an
apprentice that tries nothing out: it answers the sessions, and its kept items are what is ordered. People: position-based and
cascade clicks, low and high noise, 1.5 % bots, 5 % of answers unseen, late clicks; Zipf(1) over the queries. Queries whose
best film belongs to one title cluster ("sinister", "sinister 2") are all asked or all unseen. The rankers learn from clicks only;
scores are by the judgements only. Settings were chosen on the queries that are unseen with seed 100, which are left out here.
Baselines: production's order; LambdaMART that takes clicks at their word; position as LightGBM learns it; clipped inverse
propensities from the self-estimated curve of attention. Ceiling: LambdaMART from the judgements of the same pages.
Claim: what the gate lets live has ≥ .87 (high noise ≥ .86), and is never below production.

    python -m benchmarks.quality.ranker [--data DIR] [--seeds 5] [--sessions 15000] [--work DIR] [--out DIR]

Resumable: every run (people, seed) is a file in --work; delete it to run it again.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import orjson
from matplotlib import pyplot

from benchmarks.quality.selection import BUDGET, FILES, PEOPLE, by_cluster
from benchmarks.record import DATA, RESULTS, save
from segue.events import Event
from segue.rank import measures
from segue.rank.clicks import Crowd, behaviour, zipf_stream
from segue.rank.ranker import Page, Ranker, train
from segue.recipes.collection import DOMAIN, Collection, opened
from segue.recipes.learn import engine_features, judge, parted, read
from segue.recipes.simulate import Simulation
from segue.retrieve.bandit import Bandit
from segue.retrieve.select import Spent

ACTIONS = {"click": 1.0}
CHOSEN_ON = 100
LIVE = "position"
METHODS = ("none", "position", "inverse propensity")
ROWS = ("production", *METHODS, "full labels", "gate")


class Logged(Simulation):
    """A simulation that keeps its log, as bytes."""

    log: list[bytes]

    def _learn(self, event: Event) -> None:
        self.log.append(orjson.dumps((event.id, event.kind, event.time, event.body)))
        super()._learn(event)

    def events(self) -> list[Event]:
        return [Event(*orjson.loads(line)) for line in self.log]


def simulated(
    collection: Collection, asked: Sequence[int], clicks: str, noise: str, seed: int, sessions: int
) -> Logged:
    """So many sessions with production."""
    stream = [asked[one] for one in zipf_stream(len(asked), sessions, seed=seed).tolist()]
    run = Logged(collection, stream, Crowd(behaviour(clicks, noise), seed=seed), budget=BUDGET, seed=seed)
    run.log = []
    run.policy = Bandit(list(run.family), run.memory, ACTIONS, mode="apprentice", explore=False)
    while run.interaction < sessions:
        run.step()
    return run


def labelled(collection: Collection, events: Sequence[Event]) -> list[Page]:
    """One page for each query that was asked, with what the judges found relevant as taken."""
    places = {query.text: place for place, query in enumerate(collection.queries)}
    features = engine_features()
    pages: dict[str, Page] = {}
    for event in events:
        if event.kind != "answer":
            continue
        learning = event.body["learning"][DOMAIN]
        grades = collection.grades[places[learning["query"]]]
        relevant = np.array([grades.get(number, 0.0) > 0 for number in learning["numbers"]])
        if relevant.any():
            rows = features.rows(learning)
            pages[learning["query"]] = Page(learning["query"], event.time, rows, np.arange(1, len(rows) + 1), relevant)
    return list(pages.values())


def quality(collection: Collection, answers: Mapping[int, Spent], ranker: Ranker | None) -> list[float]:
    """nDCG@10 of every query, in the ranker's order or in production's."""
    values = []
    for place, spent in answers.items():
        numbers = spent.kept.numbers
        if ranker is not None:
            scores = ranker.scores(ranker.features.rows(spent.learning))
            numbers = numbers[np.argsort(-scores, kind="stable")]
        grades = {str(number): grade for number, grade in collection.grades[place].items()}
        values.append(round(measures.ndcg([str(number) for number in numbers.tolist()], grades, 10), 5))
    return values


def on_the_log(
    collection: Collection, events: Sequence[Event], pages: Sequence[Page], ranker: Ranker
) -> dict[str, float]:
    """Mean nDCG@10 of held-out pages by the judgements, as they were shown and in the ranker's order: what the gate cannot see
    and should have guessed."""
    places = {query.text: place for place, query in enumerate(collection.queries)}
    shown = {event.time: event.body["learning"][DOMAIN]["numbers"] for event in events if event.kind == "answer"}
    found: dict[str, list[float]] = {"production": [], "ranker": []}
    for page in pages:
        grades = {str(number): grade for number, grade in collection.grades[places[page.query]].items()}
        names = [str(number) for number in shown[page.time]]
        order = np.argsort(-ranker.scores(page.rows), kind="stable").tolist()
        found["production"].append(measures.ndcg(names, grades, 10))
        found["ranker"].append(measures.ndcg([names[row] for row in order], grades, 10))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def one_run(collection: Collection, clicks: str, noise: str, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    started = time.time()
    asked, unseen = by_cluster(collection, seed)
    left_out = set(by_cluster(collection, CHOSEN_ON)[1])
    fresh = [place for place in unseen if place not in left_out]
    sample = np.random.default_rng((seed, 3)).permutation(fresh)[: chosen.measured].tolist()
    run = simulated(collection, asked, clicks, noise, seed, chosen.sessions)
    events = run.events()
    logs, examination = read(lambda: events, ACTIONS, engine_features(), now=float("inf"))
    examined, (before, held_out) = examination.curve(), parted(logs[DOMAIN].pages)
    rankers = {
        name: train(engine_features(), before, debiasing=name, examined=examined, seed=seed)  # type: ignore[arg-type]
        for name in METHODS
    }
    rankers["full labels"] = train(engine_features(), labelled(collection, events), debiasing="none", seed=seed)
    verdicts = {name: judge(rankers[name], held_out, examined, seed=seed) for name in METHODS}
    answers = {place: run.answer(place)[0] for place in sample}
    rows = {name: quality(collection, answers, ranker) for name, ranker in rankers.items()}
    rows["production"] = quality(collection, answers, None)
    rows["gate"] = rows[LIVE] if verdicts[LIVE].passed else rows["production"]
    return {
        "clicks": clicks,
        "noise": noise,
        "seed": seed,
        "seconds": round(time.time() - started),
        "pages": len(before),
        "held out": len(held_out),
        "took over": run.policy.lessons.of(DOMAIN).has_taken_over if isinstance(run.policy, Bandit) else False,
        "examination": examined[:10].round(4).tolist(),
        "verdicts": {name: {"passed": one.passed, "says": one.describe()} for name, one in verdicts.items()},
        "held-out sessions, by the judgements": on_the_log(collection, events, held_out, rankers[LIVE]),
        "queries": len(sample),
        "ndcg@10": rows,
    }


def summary(runs: Sequence[Mapping[str, Any]], resamples: int = 2000) -> dict[str, Any]:
    """Means over seeds, and the 95 % interval of each difference from production: paired bootstrap over seeds and queries."""
    random = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for clicks, noise in PEOPLE:
        own = [run for run in runs if (run["clicks"], run["noise"]) == (clicks, noise)]
        if not own:
            continue
        rows: dict[str, Any] = {}
        for name in ROWS:
            values = [np.array(run["ndcg@10"][name]) for run in own]
            gains = [np.array(run["ndcg@10"][name]) - np.array(run["ndcg@10"]["production"]) for run in own]
            means = []
            for _ in range(resamples):
                drawn = random.integers(len(gains), size=len(gains))
                means.append(np.mean([random.choice(gains[one], len(gains[one])).mean() for one in drawn]))
            rows[name] = {
                "ndcg@10": round(float(np.mean([one.mean() for one in values])), 4),
                "by seed": [round(float(one.mean()), 4) for one in values],
                "against production": round(float(np.mean([one.mean() for one in gains])), 4),
                "interval": np.quantile(means, [0.025, 0.975]).round(4).tolist(),
            }
        passed = sum(run["verdicts"][LIVE]["passed"] for run in own)
        told = [run["held-out sessions, by the judgements"] for run in own]
        gain = float(np.mean([one["ranker"] - one["production"] for one in told]))
        found[f"{clicks}, {noise}"] = {"seeds": len(own), "passed": passed, "on the log": round(gain, 4), "rows": rows}
    return found


def as_table(result: Mapping[str, Any]) -> str:
    """For people, as Markdown."""
    people = list(result["people"])
    lines = [
        f"| nDCG@10 on unseen title clusters, {result['sessions']:,} sessions | {' | '.join(people)} |",
        "|---" * (len(people) + 1) + "|",
    ]
    for name in ROWS:
        cells = []
        for one in result["people"].values():
            row = one["rows"][name]
            low, high = (f"{100 * value:+.1f}" for value in row["interval"])
            gain = "" if name == "production" else f" ({low} to {high})"
            cells.append(f"{row['ndcg@10']:.3f}{gain}")
        lines.append(f"| {_named(name)} | {' | '.join(cells)} |")
    gates = " | ".join(f"{one['passed']} of {one['seeds']}" for one in result["people"].values())
    lines.append(f"| the gate let live | {gates} |")
    gains = " | ".join(f"{100 * one['on the log']:+.1f}" for one in result["people"].values())
    lines.append(f"| the shipped one on the log's own held-out sessions, points against production | {gains} |")
    return "\n".join(lines)


def _named(name: str) -> str:
    shipped = ", as shipped" if name == LIVE else ""
    return {
        "production": "production",
        "none": f"clicks as they are{shipped}",
        "position": f"position learned{shipped}",
        "inverse propensity": f"inverse propensity, clipped{shipped}",
        "full labels": "from the judgements",
        "gate": "**what the gate leaves live**",
    }[name]


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Difference from production of every method, with its interval, for each kind of people."""
    figure, panels = pyplot.subplots(1, len(result["people"]), figsize=(12, 3.2), sharey=True, squeeze=False)
    names = [name for name in ROWS if name != "production"]
    for panel, (people, one) in zip(panels[0], result["people"].items(), strict=True):
        for place, name in enumerate(names):
            row = one["rows"][name]
            low, high = (100 * value for value in row["interval"])
            panel.hlines(place, low, high, color="tab:blue", linewidth=3, alpha=0.5)
            panel.plot(100 * row["against production"], place, "o", color="tab:blue")
            seeds = 100 * (np.array(row["by seed"]) - np.array(one["rows"]["production"]["by seed"]))
            panel.plot(seeds, [place] * len(seeds), "|", color="black", markersize=6)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_title(f"{people} noise")
        panel.set_xlabel("points of nDCG@10 against production")
        panel.grid(axis="x", alpha=0.3)
    panels[0][0].set_yticks(range(len(names)), [_named(name).strip("*") for name in names])
    panels[0][0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(file, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA / "retrieve", help="folder that holds msrd/")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=15_000)
    parser.add_argument("--measured", type=int, default=1000, help="unseen queries that are scored")
    parser.add_argument(
        "--work", type=Path, default=Path("/tmp/segue-ranker"), help="index, lists and runs are kept here"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    wanted = [(*people, seed) for seed, people in product(range(chosen.seeds), PEOPLE)]
    files = {one: chosen.work / f"run-{chosen.sessions}-{'-'.join(map(str, one))}.json" for one in wanted}
    if not all(file.exists() for file in files.values()):
        catalogue, judgements = (chosen.data / part for part in FILES["msrd"])
        with opened(catalogue, judgements, store=chosen.work / "msrd", quiet=True) as (_, collection):
            collection.fill(range(len(collection)), keep=chosen.work / "msrd.npz")
            for (clicks, noise, seed), file in files.items():
                if file.exists():
                    continue
                run = one_run(collection, clicks, noise, seed, chosen)
                temporary = file.with_suffix(".new")
                temporary.write_text(json.dumps(run))
                temporary.replace(file)
                said = {name: round(float(np.mean(values)), 4) for name, values in run["ndcg@10"].items()}
                print(clicks, noise, seed, f"{run['seconds']} s", said, run["verdicts"][LIVE]["says"], flush=True)
    runs = [json.loads(file.read_text()) for file in files.values()]
    result = {
        "collection": "msrd",
        "sessions": chosen.sessions,
        "seeds": chosen.seeds,
        "shipped": LIVE,
        "people": summary(runs),
        "runs": [{key: value for key, value in run.items() if key != "ndcg@10"} for run in runs],
    }
    print(f"\n{as_table(result)}\n")
    saved = save("ranker", result, chosen.out)
    draw(result, saved.with_suffix(".png"))
    print(saved)


if __name__ == "__main__":
    main()
