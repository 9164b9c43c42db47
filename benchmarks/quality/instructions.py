"""Does inverse reinforcement learning with language goals follow instructions in places that it has not seen?

Question: from demonstrations in 15 houses of Room-to-Room (without pixels: how ways lie, and the names of what is seen), how
often does an agent stop within 3 m of the goal in houses that it knows (val_seen, of these 15) and in 11 that it does not
(val_unseen)? Arms, all begun from one cloned policy a seed and moved for equally many updates: behavioural cloning; cloning
with a generator (its rephrasings, and its names of what the cloned policy did); adversarial inverse learning with goals; the
same with a deterministic hindsight generator; ours (misaligned goals, rephrasing, relabelling, a variational generator of whose
names the reward chooses), and ours without each of these. Self-supervision: a policy that remembers places begins anew, on the
demonstrations and on ways in the unseen houses, on the map of where our explorer came, by the names that our generator says
and our reward chooses, without any instruction of these; controls, as long and anew: extra training (the demonstrations
alone), ways in *seen* houses, *shuffled* goals in the unseen ones, no memory; names of a plain generator, that nobody chose;
the explorer's own walks in place of the map; and no explorer, the map given. On a map: agents that know the ways of a house
(given, or where the explorer came) think before they walk (`segue.act.deliberating`), each judging by all that it has: the
cloned policy's likelihood, alone and beside a plain generator (Fried et al., 2018); each arm's reward and generator; ours by one
of them alone, and ours whose reward has compared whole ways in the houses that it was learned in (`segue.act.comparing`); and a
reward without memory, planned with (Fu et al., 2019). With --all-houses cloning, ours and these.
Chosen on: six *training* houses that are held out choose when to stop and chose every setting; val_unseen chooses nothing.
Reward: the area under the ROC curve of the true instruction against one of another path of the same house, for the same walk,
unseen houses, alone and beside the generator (`segue.act.judging`); against the cloned policy's likelihood. Generator:
negative log-likelihood a word of held-out houses (importance-weighted, 32 draws) against a plain one, and how many different
names it has for a walk in ten. Claims:
`shared/systems/act.md` of the design: unseen ≥ 1.17 × the best baseline, seen ≥ 1.14 ×; self-supervision ≥ 1.2 × its start and
≥ 1.1 × every control, and not below who is given the map; all houses ≥ 40 % unseen, SPL ≥ 36; reward ≥ .80 and .05 above the
likelihood; generator within .05 with twice the names; every ablation ≤ ours. Intervals: 95 %, paired bootstrap over paths, seeds
of one path together.

    python -m benchmarks.quality.instructions [--data DIR] [--seeds N] [--arms …] [--all-houses] [--work DIR] [--out DIR]

Resumable: every part of every seed is kept in --work. Two processes share the arms.
"""

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray

from benchmarks.followers import INVERSE, LONGEST, Field, Lengths, Seed
from benchmarks.record import DATA, ends, publish
from benchmarks.runs import arguments, finished, run_all
from segue.act.cloning import believed_by
from segue.act.deliberating import Considered, consider
from segue.act.episodes import few
from segue.act.examples import Examples, Made, Source
from segue.act.exploring import explored, named, shuffled
from segue.act.follower import Follower
from segue.act.goals import Believed, GoalGenerator
from segue.act.grounds import Ground, along, of_room_to_room
from segue.act.judging import OTHERS, Judge, by_name
from segue.act.mapping import Way, noted, remembered, visited, walked_ways
from segue.act.planning import plan
from segue.act.reward import Reward, area_under_curve
from segue.act.worlds import room_to_room
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import Houses, Walk, anywhere, measured
from segue.evolve.intervals import bootstrap

Job = tuple[str, int]
CLONING, WITH_GENERATOR, GENERATOR = "behavioural cloning", "cloning with a generator", "generator"
BASELINES = (CLONING, "adversarial, goals", "adversarial, hindsight")
OURS, ADAPTED = "ours", "ours, self-supervised"
MAP_GIVEN = "the map given"
CONTROLS = (
    "extra training",
    "ways in seen houses",
    "shuffled goals",
    "no memory of places",
    "a plain generator's names",
    "the explorer's own walks",
    MAP_GIVEN,
)
MAP = "on the map"
OURS_THERE, EXPLORED = "ours, on the map", "ours, on the explorer's map"
COMPARED = "ours, compared, on the explorer's map"
THERE = {
    "cloning, on the map": ("cloning",),
    "cloning and a plain generator, on the map": ("cloning", "plain"),
    "adversarial, goals, on the map": ("adversarial, goals",),
    "adversarial, hindsight, on the map": ("adversarial, hindsight", "plain"),
    "ours by the reward alone, on the map": ("ours",),
    "ours by the generator alone, on the map": ("variational",),
    OURS_THERE: ("ours", "variational"),
    EXPLORED: ("ours", "variational"),
    COMPARED: ("compared", "variational"),
}
"""Who thinks before walking, and who judges the ways that are thought of."""
PLANNED, JUDGE = "a reward that is planned with, on the map", "judge"
ARMS = (GENERATOR, CLONING, WITH_GENERATOR, *INVERSE, ADAPTED, *CONTROLS, MAP, COMPARED, PLANNED, JUDGE)


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    torch.set_num_threads(1)
    arm, number = job
    field = _field(chosen.data, None if chosen.all_houses else chosen.houses, chosen.most)
    seed = Seed(field, chosen.lengths, number, chosen.work / _kind(chosen) / f"seed-{number}")
    if arm == GENERATOR:
        named = _named(field, seed)
        return named, f"{named['variational']['a word']:.3f} nats a word, plain {named['plain']['a word']:.3f}"
    if arm in (MAP, COMPARED):
        rewards = (OURS,) if chosen.all_houses else (*BASELINES[1:], OURS)
        there = _there(field, seed, chosen.explored, rewards=rewards, compared=arm == COMPARED)
        each = {one: 100 * float(np.mean(run["unseen"]["success"])) for one, run in there.items()}
        return there, ", ".join(f"{one} {value:.1f}" for one, value in each.items())
    if arm == PLANNED:
        planned = _planned(field, seed)
        return planned, f"unseen {100 * float(np.mean(planned['unseen']['success'])):.1f} %"
    if arm == JUDGE:
        shown = field.ground.shown.episodes
        others = shown[few(len(shown), OTHERS, seed=number)]
        judge = Judge(seed.inverse(OURS, INVERSE[OURS])[1], seed.goals, others)
        judged = _told_apart(field, {"reward and generator": judge.score, "likelihood": believed_by(seed.cloned)})
        return judged, ", ".join(f"{name} {value:.3f}" for name, value in judged.items())
    if arm in (ADAPTED, *CONTROLS):
        (policy, field), reward = _adapted(arm, field, seed, chosen), None
    else:
        policy, reward = _arm(arm, field, seed, chosen)
    result: dict[str, Any] = field.judged(policy)
    if reward is not None:
        result["reward"] = _told_apart(field, {"reward": reward.score, "likelihood": believed_by(seed.cloned)})
    success = [100 * float(np.mean(result[where]["success"])) for where in ("seen", "unseen")]
    return result, f"seen {success[0]:.1f}, unseen {success[1]:.1f} %"


def _arm(arm: str, field: Field, seed: Seed, chosen: argparse.Namespace) -> tuple[Follower, Reward | None]:
    if arm == CLONING:
        return seed.continued(arm, [seed.shown]), None
    if arm == WITH_GENERATOR:
        made = Made(seed.relabelled(chosen.explored), 0.5)
        sources: list[Source] = [seed.shown, seed.rephrased("variational", 0.5), made]
        return seed.continued(arm, sources), None
    return seed.inverse(arm, INVERSE[arm])


def _adapted(arm: str, field: Field, seed: Seed, chosen: argparse.Namespace) -> tuple[Follower, Field]:
    """The policy of an arm of self-supervision, and the field with what it remembers; nothing of the unseen houses but their
    graphs is looked at."""
    graphs, tasks = _graphs(field), cast(Sequence[Walk], field.ground.tasks)
    if arm == "extra training":
        return seed.adapted(arm, field.ground.shown, None), field
    walks = _walks(field, "seen" if arm == "ways in seen houses" else "unseen")
    houses = np.unique(graphs.house[[walk.start for walk in walks]])
    if arm == MAP_GIVEN:
        been = np.flatnonzero(np.isin(graphs.house, houses))
    else:
        starts = anywhere(graphs, houses, chosen.explored, _chance(seed))
        been = visited(seed.explorer, _houses(field.ground), starts, seed=seed.seed)
    numbers = None if arm == "no memory of places" else remembered(graphs, noted(graphs, been))
    world = Houses(graphs, remembered=numbers)
    if arm == "the explorer's own walks":
        made = _own_walks(world, seed, anywhere(graphs, houses, chosen.ways, _chance(seed)))
    else:
        made = _ways(arm, world, seed, been, chosen.ways)
    made = shuffled(made, seed=seed.seed) if arm == "shuffled goals" else made
    shown = along(graphs, tasks, remembered=numbers)
    policy = seed.adapted(arm, shown, made, remembers=0 if numbers is None else len(been))
    return policy, replace(field, ground=replace(field.ground, world=world))


def _ways(arm: str, world: Houses, seed: Seed, been: NDArray[np.int64], count: int) -> Examples:
    """So many ways among places, by the names that our reward believes most; where the ways are the same, so are the names."""
    episodes = walked_ways(world, been, count, edges=seed.field.ground.shown.edges, seed=seed.seed)
    apart = "ways in seen houses", MAP_GIVEN, "a plain generator's names"

    def words() -> torch.Tensor:
        if arm == "a plain generator's names":
            return named(seed.plain, episodes, seed=seed.seed).words
        reward = seed.inverse(OURS, INVERSE[OURS])[1]
        return named(seed.goals, episodes, believed=reward.score, seed=seed.seed).words

    return Examples(episodes, seed.kept(f"named for {arm if arm in apart else ADAPTED}", words))


def _own_walks(world: Houses, seed: Seed, starts: Sequence[Walk]) -> Examples:
    """What the explorer walked, by the names that our reward believes most."""
    reward = seed.inverse(OURS, INVERSE[OURS])[1]
    return explored(seed.explorer, seed.goals, world, starts, believed=reward.score, tries=1, seed=seed.seed)


def _there(
    field: Field, seed: Seed, count: int, *, rewards: Collection[str] = (), compared: bool = False
) -> dict[str, Any]:
    """Success and SPL of everyone who thinks before walking, on the walks of every test: with these arms' rewards, or with ours
    that has compared whole ways."""
    learned = {arm: seed.inverse(arm, INVERSE[arm])[1].score for arm in rewards}
    judges: dict[str, Believed] = {"variational": by_name(seed.goals)}
    if compared:
        judges["compared"] = seed.compared("compared", seed.inverse(OURS, INVERSE[OURS])[1]).score
    else:
        judges |= {"cloning": believed_by(seed.cloned), **learned, "plain": by_name(seed.plain)}
    graphs, names, found = _graphs(field), list(judges), dict[str, Any]()
    for test in field.tests:
        walks = _walks(field, test)
        words = field.build.vocabulary.ids([walk.instruction for walk in walks])
        thought = consider(list(judges.values()), graphs, walks, words, edges=field.ground.shown.edges)
        starts = anywhere(graphs, np.unique(graphs.house[[one.start for one in walks]]), count, _chance(seed))
        been = set(visited(seed.explorer, _houses(field.ground), starts, seed=seed.seed).tolist())
        for arm, of in THERE.items():
            if not set(of) <= set(names) or compared != (arm == COMPARED):
                continue
            ways = [
                _chosen(one, [names.index(judge) for judge in of], been if arm.endswith("explorer's map") else None)
                for one in thought
            ]
            longest = max(map(len, ways))
            places = np.asarray([[*way, *way[-1:] * (longest - len(way))] for way in ways])
            found.setdefault(arm, {})[test] = _kept(graphs, walks, places)
    return found


def _planned(field: Field, seed: Seed) -> dict[str, Any]:
    reward, graphs, found = seed.planned(), _graphs(field), dict[str, Any]()
    for test in field.tests:
        walks = _walks(field, test)
        words = field.build.vocabulary.ids([walk.instruction for walk in walks])
        found[test] = _kept(graphs, walks, plan(reward, graphs, walks, words))
    return found


def _kept(graphs: Graphs, walks: Sequence[Walk], places: NDArray[np.int64]) -> dict[str, Any]:
    there = measured(graphs, walks, places)
    return {name: np.round(there[name], 4).tolist() for name in ("success", "spl")}


def _chosen(thought: Considered, judges: Sequence[int], been: set[int] | None) -> Way:
    """The way that these judges believe most together, of those that lead through where somebody has been."""
    beliefs = thought.beliefs[judges].sum(0)
    if been is not None:
        there = np.asarray([been.issuperset(way[1:]) for way in thought.ways])
        if not there.any():
            return thought.ways[0][:1]
        beliefs = np.where(there, beliefs, -np.inf)
    return thought.ways[int(beliefs.argmax())]


def _chance(seed: Seed) -> np.random.Generator:
    return np.random.default_rng(seed.seed)


def _told_apart(field: Field, judges: Mapping[str, Believed]) -> dict[str, float]:
    """How each judge tells the true instruction from one of another path in the same house: the area under the curve, and the
    share of pairs."""
    shown = along(_graphs(field), _walks(field, "unseen"))
    words = field.build.vocabulary.ids(shown.instructions, longest=LONGEST)
    house = _graphs(field).house[[walk.start for walk in _walks(field, "unseen")]]
    chance = np.random.default_rng(0)
    others = [np.flatnonzero((house == house[at]) & (shown.shown != shown.shown[at])) for at in range(len(shown))]
    rows = np.asarray([at for at, there in enumerate(others) if len(there)])
    other = np.asarray([chance.choice(others[at]) for at in rows])
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in judges}
    with torch.inference_mode():
        for said in (rows, other):
            parts = np.array_split(np.arange(len(rows)), max(1, len(rows) // 300))
            batches = [(shown.episodes.batch(shown.shown[rows[part]]), words[said[part]]) for part in parts]
            for name, judge in judges.items():
                found[name].append(np.concatenate([judge(*one).numpy() for one in batches]))
    return {name: area_under_curve(*scores) for name, scores in found.items()} | {
        f"{name}, pairs": float((right > wrong).mean()) for name, (right, wrong) in found.items()
    }


def _named(field: Field, seed: Seed) -> dict[str, Any]:
    aside = field.ground.aside
    words = field.build.vocabulary.ids(aside.instructions, longest=LONGEST)
    return {
        "variational": _generator(seed.goals, field, aside.shown, words),
        "plain": _generator(seed.plain, field, aside.shown, words),
    }


def _generator(goals: GoalGenerator, field: Field, shown: NDArray[np.int64], words: torch.Tensor) -> dict[str, float]:
    episodes, noise = field.ground.aside.episodes, torch.Generator().manual_seed(0)
    likely, count = 0.0, 0
    with torch.inference_mode():
        for part in np.array_split(np.arange(len(shown)), max(1, len(shown) // 200)):
            bound = goals.log_likelihood(episodes.batch(shown[part]), words[part], generator=noise)
            likely, count = likely + float(bound.likelihood.sum()), count + int(bound.words.sum())
    ten = np.repeat(np.arange(min(100, len(episodes))), 10)
    said = goals.say(episodes.batch(ten), generator=noise).numpy().reshape(len(ten) // 10, 10, -1)
    return {"a word": -likely / count, "names in ten": float(np.mean([len(np.unique(ways, axis=0)) for ways in said]))}


@cache
def _field(folder: Path, houses: int | None, most: int | None) -> Field:
    """Room-to-Room with so many of its training houses; `most` cuts what is tested on and what chooses, for a smoke setting."""
    ground = of_room_to_room(folder, houses=houses)
    graphs = _houses(ground).graphs
    if most:
        held = list(ground.held)[:most]
        ground = replace(ground, held=held, aside=along(graphs, cast(Sequence[Walk], held)))
    inside = set(graphs.house[[walk.start for walk in cast(Sequence[Walk], ground.tasks)]].tolist())
    seen = room_to_room.walks(folder / "R2R_val_seen.json", graphs)
    unseen = room_to_room.walks(folder / "R2R_val_unseen.json", graphs)
    known = [walk for walk in seen if graphs.house[walk.start] in inside]
    return Field(ground, {"seen": known[:most], "unseen": unseen[:most]})


def _houses(ground: Ground) -> Houses:
    assert isinstance(ground.world, Houses)
    return ground.world


def _graphs(field: Field) -> Graphs:
    return _houses(field.ground).graphs


def _walks(field: Field, test: str) -> Sequence[Walk]:
    return cast(Sequence[Walk], field.tests[test])


def _kind(chosen: argparse.Namespace) -> str:
    return "all houses" if chosen.all_houses else f"{chosen.houses} houses"


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work) / _kind(chosen) / "runs" / f"{job[0].replace(' ', '-').replace(',', '')}-{job[1]}.json"


def gather(chosen: argparse.Namespace, jobs: Sequence[Job]) -> dict[str, Any]:
    """Means over seeds and paths, ratios to what each claim compares with, and every seed."""
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    for (arm, number), run in finished(jobs, run_file, chosen):
        runs.setdefault(arm, {})[number] = run
    generator, judged = runs.pop(GENERATOR, {}), runs.pop(JUDGE, {})
    for kind in (MAP, COMPARED):
        for number, there in runs.pop(kind, {}).items():
            for arm, run in there.items():
                runs.setdefault(arm, {})[number] = run
    arms = {arm: _row(of) for arm, of in runs.items()}
    return {
        "houses": _kind(chosen),
        "lengths": asdict(chosen.lengths),
        "generator": {str(number): run for number, run in generator.items()},
        "judge": {
            str(number): {name: round(value, 4) for name, value in run.items()} for number, run in judged.items()
        },
        "arms": arms,
        "claims": _claims(runs),
    }


def _row(of: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"seeds": sorted(of)}
    for where in ("seen", "unseen"):
        for measure in ("success", "spl"):
            row[f"{where} {measure}"] = ends(bootstrap(lambda mean: mean, _cases(of, where, measure)))
        row[f"{where} by seed"] = [round(float(np.mean(of[number][where]["success"])), 4) for number in sorted(of)]
    if rewards := [run["reward"] for run in of.values() if "reward" in run]:
        row["reward"] = {name: round(float(np.mean([one[name] for one in rewards])), 4) for name in rewards[0]}
    return row


def _cases(of: Mapping[int, Mapping[str, Any]], where: str, measure: str) -> NDArray[np.float64]:
    """The mean over seeds of each path."""
    mean: NDArray[np.float64] = np.mean([run[where][measure] for run in of.values()], axis=0)
    return mean


def _claims(runs: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> dict[str, Any]:
    found = {}

    def ratio(name: str, arm: str, others: Sequence[str], where: str, target: float) -> None:
        there = [other for other in others if other in runs and set(runs[other]) >= set(runs.get(arm, {0: {}}))]
        if arm not in runs or not there:
            return
        one = _cases(runs[arm], where, "success")
        seeds = set(runs[arm])
        by = {other: _cases({at: runs[other][at] for at in seeds}, where, "success") for other in there}
        best = max(by, key=lambda other: by[other].mean())
        interval = bootstrap(lambda mean, base: mean / base, one, by[best])
        found[name] = {"against": best, "target": target, **ends(interval)}

    for where, target in (("unseen", 1.17), ("seen", 1.14)):
        ratio(f"ours, {where}", OURS, BASELINES, where, target)
        ratio(f"ours, {where}, against cloning with a generator too", OURS, (*BASELINES, WITH_GENERATOR), where, 1.0)
    ratio("ours, self-supervised there, unseen", ADAPTED, BASELINES, "unseen", 1.17)
    ratio("ours, with ways in seen houses, seen", "ways in seen houses", BASELINES, "seen", 1.14)
    ratio("self-supervision, unseen, of its start", ADAPTED, (OURS,), "unseen", 1.2)
    for control in CONTROLS:  # to be without the explorer is an ablation, and no control: nothing is learned less
        target = 1.0 if control == MAP_GIVEN else 1.1
        ratio(f"self-supervision, unseen, of {control}", ADAPTED, (control,), "unseen", target)
    ratio("self-supervision that thinks, unseen, of its start", COMPARED, (OURS,), "unseen", 1.2)
    for control in (*CONTROLS, ADAPTED):
        ratio(f"self-supervision that thinks, unseen, of {control}", COMPARED, (control,), "unseen", 1.1)
    for arm in (EXPLORED, COMPARED):
        for other in (PLANNED, *(one for one in THERE if not one.startswith("ours"))):
            ratio(f"{arm}, unseen, of {other}", arm, (other,), "unseen", 1.17)
    for alone in ("reward", "generator"):
        ratio(
            f"ours that thinks, unseen, of its {alone} alone",
            OURS_THERE,
            (f"ours by the {alone} alone, on the map",),
            "unseen",
            1.0,
        )
    for ablation in INVERSE:
        if ablation.startswith("ours without"):
            ratio(f"ours, unseen, of {ablation}", OURS, (ablation,), "unseen", 1.0)
    return found


def as_table(result: Mapping[str, Any]) -> str:
    lines = ["| arm | unseen, % | SPL | seen, % | SPL | reward, area | seeds |", "|---|---|---|---|---|---|---|"]
    for arm, row in result["arms"].items():
        cells = [_percent(row[f"{where} {measure}"]) for where in ("unseen", "seen") for measure in ("success", "spl")]
        area = f"{row['reward']['reward']:.3f} ({row['reward']['likelihood']:.3f})" if "reward" in row else ""
        lines.append(f"| {arm} | {' | '.join(cells)} | {area} | {len(row['seeds'])} |")
    lines += [
        "",
        "Reward, area under the curve: of the learned reward, in brackets of the cloned policy's likelihood.",
        "",
    ]
    lines += ["| claim | against | target | measured | |", "|---|---|---|---|---|"]
    for name, one in result["claims"].items():
        met = "yes" if one["value"] >= one["target"] else "no"
        lines.append(
            f"| {name} | {one['against']} | {one['target']:.2f} × | {one['value']:.3f} × "
            f"({one['low']:.3f}–{one['high']:.3f}) | {met} |"
        )
    for number, run in result["judge"].items():
        lines += [
            "",
            f"Seed {number}, reward and generator together: area {run['reward and generator']:.3f}, the cloned policy's "
            f"likelihood {run['likelihood']:.3f}.",
        ]
    for number, run in result["generator"].items():
        one, plain = run["variational"], run["plain"]
        lines += [
            "",
            f"Generator, seed {number}: {one['a word']:.3f} nats a word and {one['names in ten']:.1f} names in ten; "
            f"plain {plain['a word']:.3f} and {plain['names in ten']:.1f}.",
        ]
    return "\n".join(lines)


def _percent(one: Mapping[str, float]) -> str:
    return f"{100 * one['value']:.1f} ({100 * one['low']:.1f}–{100 * one['high']:.1f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Success of every arm in seen and unseen houses."""
    mpl.use("Agg")
    arms = list(result["arms"])[::-1]
    figure, panel = pyplot.subplots(figsize=(9, 0.45 * len(arms) + 1.5))
    for offset, where, colour in ((0.18, "seen", "tab:blue"), (-0.18, "unseen", "tab:orange")):
        rows = [result["arms"][arm][f"{where} success"] for arm in arms]
        ends = [
            [100 * (row["value"] - row["low"]) for row in rows],
            [100 * (row["high"] - row["value"]) for row in rows],
        ]
        at = np.arange(len(arms)) + offset
        panel.barh(at, [100 * row["value"] for row in rows], 0.34, xerr=ends, color=colour, label=where)
    panel.set(yticks=np.arange(len(arms)), yticklabels=arms, xlabel="walks that stopped within 3 m of their goal, %")
    panel.margins(y=0.01)
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(
        __doc__,
        data="Room-to-Room (connectivity, R2R_*.json, objects.json.gz)",
        collections=(),
        work="/tmp/segue-instructions",
    )
    options.set_defaults(data=DATA / "act" / "r2r", seeds=3, processes=1)
    options.add_argument(
        "--arms", nargs="+", choices=ARMS, help="[all; with --all-houses generator, cloning, ours, on the map, judge …]"
    )
    options.add_argument("--houses", type=int, default=15, help="to learn in")
    options.add_argument("--all-houses", action="store_true", help="learn in all training houses but six")
    options.add_argument("--explored", type=int, default=2000, help="walks of its own")
    options.add_argument("--ways", type=int, default=12_000, help="that an agent names in new houses")
    options.add_argument("--updates", type=float, default=1.0, help="times the updates of every part")
    options.add_argument("--most", type=int, help="instructions of each set that is tested on  [all]")
    chosen = options.parse_args()
    chosen.lengths = Lengths().scaled(chosen.updates)
    arms = chosen.arms or ((GENERATOR, CLONING, OURS, ADAPTED, MAP, COMPARED, JUDGE) if chosen.all_houses else ARMS)
    jobs = [(arm, number) for number in range(chosen.seeds) for arm in arms]
    run_all(jobs, one_run, run_file, chosen)
    name = "instructions_all_houses" if chosen.all_houses else "instructions"
    publish(name, gather(chosen, jobs), chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
