"""Does an agent that practises and names what it did need fewer demonstrations of BabyAI's missions?

Question: from 300 or 1,200 demonstrations of an expert in GoToLocal, PickupLoc and PutNextLocal, worded in many ways, how often
is a mission done whose pair of colour and kind was never named in training, whose wording was never read, or both? The agent says
itself that it is done. Arms: behavioural cloning, for 300 updates or 600 of twice the batch, whichever does more of the
validation tasks; and ours (`segue.act.practising`): the cloned policy goes about 12,000 missions that nobody shows and whose
outcome nobody tells, a generator learned from the demonstrations names what it did, the adversarially learned reward chooses
among the names, and a policy begins anew from these and the demonstrations; twice, for 600 updates each.
Each arm also with eight tries at every mission, of which the one counts that it believes most: ours by reward and generator,
cloning by the likelihood.
Chosen on: other tasks of the training kind (`validation`) choose when to stop, and chose every setting; the tests choose nothing.
Claim: at the smaller number ≥ 10 points more than cloning on held-out pairs and wordings. Intervals: 95 %, paired bootstrap over
tasks, seeds of one task together.

    python -m benchmarks.quality.missions [--seeds N] [--numbers 300 1200] [--work DIR] [--out DIR]

Needs the extra `act` and no data. Resumable: every part of every seed is kept in --work.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray

from benchmarks.followers import Field, Lengths, Seed
from benchmarks.record import ends, publish
from benchmarks.runs import arguments, finished, run_all
from segue.act.cloning import believed_by
from segue.act.deliberating import tried
from segue.act.grounds import of_babyai
from segue.act.judging import Judge
from segue.act.worlds import babyai
from segue.evolve.intervals import bootstrap

Job = tuple[int, str, int]
"""Demonstrations, arm, seed."""
CLONING, OURS = "behavioural cloning", "ours"
LEVELS = ("GoToLocal", "PickupLoc", "PutNextLocal")
TESTS = ("seen", "pairs", "wordings", "both")
TARGET = 0.10
TRIED = "success of eight tries"


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    torch.set_num_threads(1)
    number, arm, at = job
    field = _field(number, chosen.tested)
    seed = Seed(field, chosen.lengths, at, chosen.work / str(number) / f"seed-{at}")
    if arm == CLONING:
        courses = [seed.cloned, seed.anew("cloned for longer", [seed.shown])]
        policy = max(courses, key=lambda one: field.held(one)["success"])
        judges = [believed_by(policy)]
    else:
        asked = babyai.tasks(LEVELS, chosen.practised, split="train", seed=1)
        policy = seed.practised(arm, asked)
        judges = Judge(seed.told(misaligned=True), seed.goals).among_ways
    result: dict[str, Any] = field.judged(policy)
    for test, tasks in field.tests.items():
        words = field.build.vocabulary.ids([task.instruction for task in tasks])
        result[test][TRIED] = tried(policy, judges, field.world, tasks, words, seed=at)[1]["success"].tolist()
    return result, ", ".join(f"{name} {100 * np.mean(result[name]['success']):.1f}" for name in TESTS)


@cache
def _field(number: int, tested: int) -> Field:
    ground = of_babyai(LEVELS, demonstrations=number, held=max(20, tested // 2))
    return Field(ground, {name: babyai.tasks(LEVELS, tested, split=name, seed=0) for name in TESTS})


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work) / "runs" / f"{job[0]}-{job[1].replace(' ', '-')}-{job[2]}.json"


def gather(chosen: argparse.Namespace, jobs: Sequence[Job]) -> dict[str, Any]:
    """Success of each arm on each test, and how much more ours has."""
    runs: dict[int, dict[str, dict[int, dict[str, Any]]]] = {}
    for (number, arm, at), run in finished(jobs, run_file, chosen):
        runs.setdefault(number, {}).setdefault(arm, {})[at] = run
    found = {
        str(number): {test: {how: _row(arms, test, how) for how in ("success", TRIED)} for test in TESTS}
        for number, arms in runs.items()
    }
    return {"levels": LEVELS, "tested": chosen.tested, "numbers": found}


def _row(runs: Mapping[str, Mapping[int, Mapping[str, Any]]], test: str, how: str) -> dict[str, Any]:
    arms = {arm: {at: run for at, run in of.items() if how in run[test]} for arm, of in runs.items()}
    arms = {arm: of for arm, of in arms.items() if of}
    row: dict[str, Any] = {
        arm: ends(bootstrap(lambda mean: mean, _cases(of, sorted(of), test, how))) for arm, of in arms.items()
    }
    row["by seed"] = {arm: [_mean(of[at], test, how) for at in sorted(of)] for arm, of in arms.items()}
    if both := sorted(set(arms.get(CLONING, {})) & set(arms.get(OURS, {}))):
        cases = [_cases(arms[arm], both, test, how) for arm in (OURS, CLONING)]
        row["more"] = ends(bootstrap(lambda ours, base: ours - base, *cases))
    return row


def _cases(of: Mapping[int, Mapping[str, Any]], seeds: Sequence[int], test: str, how: str) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([of[at][test][how] for at in seeds], axis=0)
    return mean


def _mean(run: Mapping[str, Any], test: str, how: str) -> float:
    return round(float(np.mean(run[test][how])), 4)


def as_table(result: Mapping[str, Any]) -> str:
    lines = [
        "| demonstrations | tries | test | cloning, % | ours, % | more, points | |",
        "|---|---|---|---|---|---|---|",
    ]
    smallest = min(result["numbers"], key=int, default="")
    for number, tests in result["numbers"].items():
        for how, tries in (("success", 1), (TRIED, 8)):
            for test, rows in tests.items():
                row = rows[how]
                if not row["by seed"]:
                    continue
                more = row.get("more")
                aimed = number == smallest and test != "seen" and more is not None
                met = ("yes" if more["value"] >= TARGET else "no") if aimed else ""
                points = (
                    f"{100 * more['value']:+.1f} ({100 * more['low']:+.1f} to {100 * more['high']:+.1f})"
                    if more
                    else ""
                )
                cells = [_percent(row.get(arm)) for arm in (CLONING, OURS)]
                lines.append(f"| {int(number):,} | {tries} | {test} | {' | '.join(cells)} | {points} | {met} |")
    return "\n".join(lines)


def _percent(one: Mapping[str, float] | None) -> str:
    return f"{100 * one['value']:.1f} ({100 * one['low']:.1f}–{100 * one['high']:.1f})" if one else ""


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Success of both arms on each test, behind it that of eight tries."""
    mpl.use("Agg")
    figure, panels = pyplot.subplots(1, max(1, len(result["numbers"])), figsize=(9, 3.5), squeeze=False, sharey=True)
    for panel, (number, tests) in zip(panels[0], result["numbers"].items(), strict=False):
        for offset, arm, colour in ((-0.2, CLONING, "tab:grey"), (0.2, OURS, "tab:blue")):
            for how, wide, pale in ((TRIED, 0.38, 0.35), ("success", 0.3, 1.0)):
                there = [(at, row) for at, test in enumerate(TESTS) if (row := tests[test][how].get(arm))]
                if not there:
                    continue
                places, heights = [at + offset for at, _ in there], [100 * row["value"] for _, row in there]
                label = f"{arm}{', of eight tries' if how == TRIED else ''}"
                panel.bar(places, heights, wide, color=colour, alpha=pale, label=label)
        panel.set(title=f"{int(number):,} demonstrations", xticks=range(len(TESTS)), xticklabels=TESTS)
    panels[0][0].set_ylabel("missions done, %")
    panels[0][0].legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=2, frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data=None, collections=(), work="/tmp/segue-missions")
    options.set_defaults(seeds=3, processes=1)
    options.add_argument("--numbers", nargs="+", type=int, default=[300, 1200], help="of demonstrations")
    options.add_argument("--arms", nargs="+", default=[CLONING, OURS], choices=(CLONING, OURS))
    options.add_argument("--tested", type=int, default=300, help="tasks of each test")
    options.add_argument("--practised", type=int, default=12_000, help="tasks that nobody shows")
    options.add_argument("--updates", type=float, default=1.0, help="times the updates of every part")
    chosen = options.parse_args()
    chosen.lengths = Lengths(cloning=300, naming=400, alone=200, practising=600, batch=32, each=16, latent=8).scaled(
        chosen.updates
    )
    jobs = [(number, arm, at) for at in range(chosen.seeds) for number in chosen.numbers for arm in chosen.arms]
    run_all(jobs, one_run, run_file, chosen)
    publish("missions", gather(chosen, jobs), chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
