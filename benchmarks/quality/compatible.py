"""Does training a new encoder to be compatible let its queries find what the old encoder's vectors hold?

Question: M(q, g) is the mean average precision (mAP) of queries by model q in a gallery by model g; a stored sample of the
query's class is right. How good is the cross-test M(new, old), of old = M(old, old) and of the paragon, a new model trained
freely with a gallery of its own? *Known* classes: both models learned them; *added*: the new one only; *unseen*: neither.
Tasks: *intents*, CLINC150, small nets over frozen MiniLM vectors, the old one as well; *intents, other encoder*, the old net is
one over latent semantic analysis of words, so that the update changes the encoder; *characters*, Omniglot, and *clothes*,
Fashion-MNIST, a small convolutional net, the old one narrower. The old model knows 3 of 10 classes, from a fifth of the training
samples (characters: two fifths), the new one 6 of 10 from all. New vectors are longer than old ones (128, 64).
Gallery: stored samples that no model learned from: of known and added classes together, and of unseen ones by themselves.
Arms, each the loss of its own (cosine) head and: *influence* (BCT), the frozen old head with synthesised columns for added
classes, or *known classes only*; *matching* of old vectors; *RACT*; the stored *items*, each to be found by itself, or stored
*classes*, each vector of a class to be found (supervised contrastive; stored vectors of training samples); sums of these; *stored
matching*, matching over samples of the gallery as well, without labels: their old vectors are there. That one has so seen
samples, not labels, of the classes called unseen. Bridges, nothing trained: *Procrustes* and *ridge* from the paragon's queries
to old vectors, *ridge, stored* from old vectors to the paragon's.
Chain: v1 ← v2 ← v3, classes in three steps (30, 45, 60 %), v3 made compatible with *the last* only or *all* before.
Split: by seed the classes, into known, added (two halves), unseen and unseen of validation. Each arm had three settings of its
weights; the one is taken, on validation queries (another split by a seed of its own, its own unseen classes), with the largest
product of cross-test over old of known and added classes and of unseen ones, among those with a self-test ≥ .98 × the paragon's
(where there is none, the best self-test). Steps, rate, batches and their order are the same for all; they, the widths and the
heads' scale were set beforehand, by a look at validation queries.
Intervals: 95 %, bootstrap over test queries, of all seeds' mean: a query asked in several seeds is one case.
Claim: intents, known and added: cross-test ≥ 1.25 × old, gain ≥ .50, self-test ≥ .98 × paragon; unseen: ≥ .98 × old. Images:
cross-test > old, gain ≥ .27 closed set, > 0 unseen.

    python -m benchmarks.quality.compatible [--data DIR] [--tasks NAME …] [--seeds N] [--most N] [--steps N] [--work DIR]
        [--out DIR]

Resumable: every arm of a seed leaves a file in --work.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: processes share the cores

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.generations import GROUPS, INTENTS, OTHER, TASKS, Against, Model, Setting, Split, samples, trained
from benchmarks.record import DATA, publish, with_interval
from benchmarks.runs import arguments, finished, run_all
from segue.evolve.bridges import procrustes, ridge
from segue.evolve.compatible import alike
from segue.evolve.intervals import bootstrap

OLD, PARAGON, ALL = "old", "paragon", "known and added"
_ONE = ((0.3,), (1.0,), (3.0,))
_MATCHED = ((1.0, 0.3), (1.0, 1.0), (1.0, 3.0))
TRAINED: dict[str, tuple[tuple[str, ...], tuple[Setting, ...]]] = {
    "influence, known classes only": (("influence, known",), _ONE),
    "influence": (("influence",), _ONE),
    "matching": (("matching",), _ONE),
    "RACT": (("RACT",), _ONE),
    "stored items": (("items",), _ONE),
    "stored classes": (("classes",), _ONE),
    "influence, matching": (("influence", "matching"), _MATCHED),
    "influence, RACT": (("influence", "RACT"), _MATCHED),
    "stored classes, matching": (("classes", "matching"), _MATCHED),
    "stored classes, RACT": (("classes", "RACT"), _MATCHED),
    "influence, stored matching": (("influence", "stored matching"), _MATCHED),
    "stored classes, stored matching": (("classes", "stored matching"), _MATCHED),
}
"""Of each arm the terms of its loss, and its settings: a weight for each."""
CHAINED = ("influence", "stored classes, matching", "stored classes, stored matching")
_KEPT = 0.98

Floats = NDArray[np.float64]
Job = tuple[str, str, str, int]
"""Task, "choose", "test" or "chain", arm, seed."""


# -- runs ---------------------------------------------------------------------------------------------------------------


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What is kept of a job: of every setting the average precision of each query; and a line about it."""
    torch.set_num_threads(1)
    task, phase, arm, seed = job
    data = samples(INTENTS if task == OTHER else task, chosen.data, chosen.work, chosen.most)
    split = Split(data, task, seed, choose=phase == "choose")
    old, paragon = _models(split, task, phase, seed, chosen)
    if phase == "chain":
        kept = dict(_chain(split, old, job, chosen))
    elif arm == OLD:
        kept = {
            OLD: _tested(split, old.vectors, old.vectors),
            PARAGON: _tested(split, paragon.vectors, paragon.vectors),
        }
        kept |= dict(_bridged(split, old.vectors, paragon.vectors))
    else:
        terms, settings = TRAINED[arm]
        kept = {}
        for setting in settings if phase == "choose" else (_picked(task, arm, chosen),):
            extra = Against(split, old, "new", seed).extra(terms, setting)
            new = trained(split, "new", chosen.steps, seed, extra).vectors
            self_test = _tested(split, new, new)
            kept[_label(setting)] = _tested(split, new, old.vectors) | {"self": self_test["cross"]}
    lines = (f"{name} {100 * np.mean(one['cross']['added']):.1f}" for name, one in kept.items())
    return {"queries": {name: rows.tolist() for name, rows in split.queries.items()}, "runs": kept}, ", ".join(lines)


def _models(split: Split, task: str, phase: str, seed: int, chosen: argparse.Namespace) -> tuple[Model, Model]:
    """The old model and the paragon, trained once."""
    which = "choose" if phase == "choose" else "test"
    file = chosen.work / f"{_name(task, chosen)}-{which}-{seed}.pt"
    if not file.exists():
        made = [trained(split, one, chosen.steps, seed) for one in ("old", "new")]
        new = file.with_suffix(".new")
        torch.save([(one.vectors, one.columns) for one in made], new)
        new.replace(file)
    old, paragon = (Model(*both) for both in torch.load(file))
    return old, paragon


def _bridged(split: Split, old: Tensor, paragon: Tensor) -> Iterator[tuple[str, dict[str, Any]]]:
    """Maps fitted on what the new model learns from."""
    rows = split.rows["new"]
    source, target = paragon[rows].numpy(), old[rows].numpy()
    for name, made in (("Procrustes", procrustes(source, target)), ("ridge", ridge(source, target))):
        yield name, _tested(split, torch.from_numpy(made(paragon.numpy())), old)
    mapped = ridge(target, source)(old.numpy())
    yield "ridge, stored", _tested(split, paragon, torch.from_numpy(mapped))


def _chain(split: Split, first: Model, job: Job, chosen: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """v1 ← v2 ← v3: every model's queries in its own and each earlier gallery."""
    task, _, arm, seed = job
    setting, terms = _picked(task, arm, chosen), TRAINED[arm][0]
    middle = trained(split, "middle", chosen.steps, seed, Against(split, first, "middle", seed).extra(terms, setting))
    extras = [Against(split, one, "new", seed).extra(terms, setting) for one in (middle, first)]

    def both(net: nn.Module, new: Tensor, at: Tensor) -> Tensor:
        return (extras[0](net, new, at) + extras[1](net, new, at)) / 2

    last = {
        how: trained(split, "new", chosen.steps, seed, extra).vectors
        for how, extra in (("the last", extras[0]), ("all", both))
    }
    yield "v2 in v1", _tested(split, middle.vectors, first.vectors)
    yield "v2 in v2", _tested(split, middle.vectors, middle.vectors)
    for how, vectors in last.items():
        for name, held in (("v1", first.vectors), ("v2", middle.vectors), ("v3", vectors)):
            yield f"v3 ({how}) in {name}", _tested(split, vectors, held)


def _tested(split: Split, asking: Tensor, holding: Tensor) -> dict[str, Any]:
    """Of each group of queries: average precision, and whether the first found is right."""
    found: dict[str, Any] = {"cross": {}, "first": {}}
    for name, rows in split.queries.items():
        held = split.galleries[name]
        width = min(asking.shape[1], holding.shape[1])
        scores = alike(asking[rows, :width], holding[held, :width]).numpy()
        right = split.labels[rows][:, None] == split.labels[held][None, :]
        precision, first = average_precision(scores, right.numpy())
        found["cross"][name] = precision.round(4).tolist()
        found["first"][name] = first.astype(int).tolist()
    return found


def average_precision(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Of each query, scores [b, n] and which are right: mean over those of the precision down to their rank, [b], where of equals
    each is the last; and whether what is found first is right."""
    precision, first = np.zeros(len(scores)), np.zeros(len(scores), dtype=bool)
    for row, (ordered, values, own) in enumerate(zip(np.sort(scores, axis=1), scores, right, strict=True)):
        found = np.sort(values[own])[::-1]
        ranks = len(ordered) - np.searchsorted(ordered, found)
        precision[row], first[row] = np.mean(np.arange(1, len(found) + 1) / ranks), ranks[0] == 1
    return precision, first


# -- choosing -----------------------------------------------------------------------------------------------------------


def choices(task: str, chosen: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Of every trained arm: on validation, the figures of each setting, and which is taken."""
    runs = {job[2]: run["runs"] for job, run in finished(jobs_of(chosen, "choose"), run_file, chosen) if job[0] == task}
    found = {}
    for arm in TRAINED:
        if arm in runs:
            rows = {
                label: {
                    "of old": round(_mean(one["cross"], ALL) / _mean(runs[OLD][OLD]["cross"], ALL), 4),
                    "unseen of old": round(_mean(one["cross"], "unseen") / _mean(runs[OLD][OLD]["cross"], "unseen"), 4),
                    "self of paragon": round(_mean(one["self"], ALL) / _mean(runs[OLD][PARAGON]["cross"], ALL), 4),
                }
                for label, one in runs[arm].items()
            }
            found[arm] = {"chosen": max(rows, key=lambda label: _worth(rows[label])), "settings": rows}
    return found


def _worth(row: Mapping[str, float]) -> tuple[bool, float]:
    enough = row["self of paragon"] >= _KEPT
    return enough, row["of old"] * row["unseen of old"] if enough else row["self of paragon"]


def _picked(task: str, arm: str, chosen: argparse.Namespace) -> Setting:
    return tuple(map(float, choices(task, chosen)[arm]["chosen"].split(" and ")))


def _label(setting: Setting) -> str:
    return " and ".join(f"{weight:g}" for weight in setting)


def _mean(found: Mapping[str, Sequence[float]], group: str) -> float:
    return float(np.mean([value for name in _groups(group) for value in found[name]]))


def _groups(group: str) -> tuple[str, ...]:
    return GROUPS[:2] if group == ALL else (group,)


# -- what it comes to -----------------------------------------------------------------------------------------------------


class Pooled:
    """All seeds' queries: sums over the seeds that asked one, so that it is one case."""

    def __init__(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """`runs` of one task and phase: of each seed all arms' figures, and the queries' places."""
        self._runs = runs

    def cases(self, name: str, group: str, what: str = "cross") -> Floats:
        """[queries, 2]: a query's sum over seeds, and how often it was asked."""
        asked = [run["queries"][one] for run in self._runs for one in _groups(group)]
        found = [run["runs"][name][what][one] for run in self._runs for one in _groups(group)]
        ids, values = np.concatenate(asked), np.concatenate(found)
        _, place = np.unique(ids, return_inverse=True)
        return np.stack([np.bincount(place, values), np.bincount(place)], axis=1)

    def mean(self, name: str, group: str, what: str = "cross") -> dict[str, Any]:
        return with_interval(bootstrap(lambda one: one[:, 0] / one[:, 1], self.cases(name, group, what)))

    def ratio(self, name: str, group: str, of: str, what: str = "cross") -> dict[str, Any]:
        both = self.cases(name, group, what), self.cases(of, group)
        return with_interval(bootstrap(lambda one, other: one[:, 0] / other[:, 0], *both))

    def gain(self, name: str, group: str) -> dict[str, Any]:
        three = (self.cases(one, group) for one in (name, OLD, PARAGON))
        return with_interval(bootstrap(lambda new, old, best: (new - old)[:, 0] / (best - old)[:, 0], *three))

    def by_seed(self, name: str, group: str, what: str = "cross") -> list[float]:
        return [round(_mean(run["runs"][name][what], group), 4) for run in self._runs]


def summary(task: str, chosen: argparse.Namespace) -> dict[str, Any] | None:
    """Of one task: every arm over the seeds of which all arms are done."""
    runs = _whole(task, "test", chosen)
    if not runs:
        return None
    pooled, arms = Pooled(runs), {}
    for name in runs[0]["runs"]:
        self_test = "self" if name in TRAINED else "cross"
        arms[name] = {
            group: {
                "cross": pooled.mean(name, group),
                "recall@1": pooled.mean(name, group, "first"),
                "of old": pooled.ratio(name, group, OLD),
                "gain": pooled.gain(name, group),
                "by seed": pooled.by_seed(name, group),
                # Bridges leave the paragon as it is.
                "self of paragon": pooled.ratio(name if name in TRAINED else PARAGON, group, PARAGON, self_test),
            }
            for group in (ALL, "unseen")
        }
        arms[name]["by kind"] = {group: pooled.by_seed(name, group) for group in GROUPS}
    validation = choices(task, chosen)
    for name, about in validation.items():
        arms[name]["weights"] = about["chosen"]
    queries = {group: len(pooled.cases(OLD, group)) for group in GROUPS}
    return {
        "seeds": len(runs),
        "queries": queries,
        "arms": arms,
        "validation": validation,
        "chain": _chain_summary(task, chosen),
    }


def _whole(task: str, phase: str, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Of every seed that is done, all arms' figures in one."""
    found: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for (one, _, arm, seed), run in finished(jobs_of(chosen, phase), run_file, chosen):
        if one == task:
            found.setdefault(seed, []).append((arm, run))
    whole = []
    for runs in found.values():
        if len(runs) == len(_arms(phase)):
            merged: dict[str, Any] = {}
            for arm, run in runs:
                for label, one in run["runs"].items():
                    prefix = f"{arm}: {label}" if phase == "chain" else label
                    merged[arm if arm in TRAINED and phase == "test" else prefix] = one
            whole.append({"queries": runs[0][1]["queries"], "runs": merged})
    return whole


def _chain_summary(task: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Every link of every chain, over the seeds that are done: of all classes of v3, and of unseen ones."""
    if task not in (INTENTS, OTHER) or not (runs := _whole(task, "chain", chosen)):
        return {"seeds": 0, "links": {}}
    test = _whole(task, "test", chosen)[: len(runs)]
    both = [{"queries": one["queries"], "runs": one["runs"] | two["runs"]} for one, two in zip(runs, test, strict=True)]
    pooled = Pooled(both)
    links = {}
    for name in runs[0]["runs"]:
        # What the gallery's own model finds there.
        arm, link = name.split(": ")
        own = {"v1": OLD, "v2": f"{arm}: v2 in v2", "v3": PARAGON}[link[-2:]]
        links[name] = {
            group: {
                "cross": pooled.mean(name, group),
                "of the gallery's own": pooled.ratio(name, group, own),
                "by seed": pooled.by_seed(name, group),
            }
            for group in (ALL, "unseen")
        }
    return {"seeds": len(runs), "links": links}


def as_table(result: Mapping[str, Any]) -> str:
    """For people, as Markdown: a row for every arm of every task, and one for every chain."""
    lines = []
    for task, about in result["tasks"].items():
        asked = ", ".join(f"{count:,} {group}" for group, count in about["queries"].items())
        lines += [
            f"**{task}** (seeds: {about['seeds']}; queries of all seeds: {asked})",
            "",
            "| arm | weights | known | added | both: mAP | recall@1 | of old (95 %) | gain (95 %) | self of paragon "
            "| unseen: mAP | recall@1 | of old (95 %) | gain |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, row in about["arms"].items():
            both, unseen = row[ALL], row["unseen"]
            cells = [
                *(name, row.get("weights", ""), *(f"{100 * np.mean(row['by kind'][of]):.1f}" for of in GROUPS[:2])),
                *(_points(both["cross"]), _points(both["recall@1"]), _ranged(both["of old"]), _ranged(both["gain"])),
                *("" if name == OLD else f"{both['self of paragon']['value']:.3f}", _points(unseen["cross"])),
                *(_points(unseen["recall@1"]), _ranged(unseen["of old"]), f"{unseen['gain']['value']:.2f}"),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *_chain_table(about["chain"])]
    return "\n".join([*lines, "mAP and recall@1 in %, of the cross-test; old and paragon: each in its own gallery."])


def _chain_table(chain: Mapping[str, Any]) -> list[str]:
    if not chain["links"]:
        return []
    lines = [
        f"| chain of three (seeds: {chain['seeds']}) | both: mAP | of the gallery's own model (95 %) | unseen: mAP "
        "| of the gallery's own model (95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, row in chain["links"].items():
        cells = [
            cell
            for of in (row[ALL], row["unseen"])
            for cell in (_points(of["cross"]), _ranged(of["of the gallery's own"]))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _points(found: Mapping[str, Any]) -> str:
    return f"{100 * found['value']:.1f}"


def _ranged(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.2f} ({low:.2f} to {high:.2f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Each arm's cross-test over old: known and added classes across, unseen ones upward."""
    mpl.use("Agg")
    tasks = result["tasks"]
    figure, panels = pyplot.subplots(1, len(tasks), figsize=(5 * len(tasks), 5), squeeze=False)
    for panel, (task, about) in zip(panels[0], tasks.items(), strict=True):
        for number, (name, row) in enumerate(about["arms"].items()):
            place = [row[group]["of old"]["value"] for group in (ALL, "unseen")]
            panel.plot(*place, "so"[name in TRAINED], color=pyplot.get_cmap("tab20")(number), label=name)
        panel.axvline(1, color="grey", linewidth=0.8)
        panel.axhline(1, color="grey", linewidth=0.8)
        panel.set(title=f"{task}: {about['seeds']} seeds", xlabel="cross-test over old, known and added classes")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("cross-test over old, unseen classes")
    panels[0][-1].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


# -- jobs -------------------------------------------------------------------------------------------------------------


def _arms(phase: str) -> tuple[str, ...]:
    return CHAINED if phase == "chain" else (OLD, *TRAINED)


def jobs_of(chosen: argparse.Namespace, phase: str) -> list[Job]:
    """Those of a phase; settings are chosen with one seed."""
    seeds = range(1 if phase == "choose" else chosen.seeds)
    tasks = [task for task in chosen.tasks if phase != "chain" or task in (INTENTS, OTHER)]
    return [(task, phase, arm, seed) for seed in seeds for task in tasks for arm in _arms(phase)]


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    task, phase, arm, seed = job
    return Path(chosen.work / f"{_name(task, chosen)}-{phase}-{arm.replace(', ', '-').replace(' ', '-')}-{seed}.json")


def _name(task: str, chosen: argparse.Namespace) -> str:
    return f"{task.replace(', ', '-').replace(' ', '-')}-{chosen.most or 'all'}-{chosen.steps}"


def gather(chosen: argparse.Namespace) -> dict[str, Any]:
    """The result of the jobs that are done."""
    found = {task: summary(task, chosen) for task in chosen.tasks}
    return {"steps": chosen.steps, "tasks": {task: about for task, about in found.items() if about}}


def main() -> None:
    options = arguments(__doc__, data="understand and evolve", collections=(), work="/tmp/segue-compatible")
    options.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    options.add_argument("--most", type=int, help="classes  [all]")
    options.add_argument("--steps", type=int, default=300, help="of every training")
    options.set_defaults(processes=1, data=DATA)
    chosen = options.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    run_all(jobs_of(chosen, "choose"), one_run, run_file, chosen)
    tested = [job for phase in ("test", "chain") for job in jobs_of(chosen, phase)]
    run_all(sorted(tested, key=lambda job: job[3]), one_run, run_file, chosen)
    publish("compatible", gather(chosen), chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
