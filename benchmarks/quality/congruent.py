"""How many new mistakes does an update make, and what cures them?

Question: negative flips (right before, wrong now) of an updated classifier, and what is left of them. *Intents*: MASSIVE's
published data update, 1,000 → 1,500 utterances, a small net over frozen MiniLM vectors. *Images*: Fashion-MNIST, 1,500 → 3,000
images that the seed draws, a small convolutional net. *Slots*: HWU64, the readers of 18 domains, old from two fifths of the new
ones' requests; the whole of a request, intent and slots, must be right; NFI is negative flips over the new model's errors.
Arms: *none*, the new model trained anew; *continued*, trained on from the old one's weights; *naive*, *FD-KL*, *FD-LM* (Yan et
al. 2021, α = 1, β = 5), anew or *continued*; the *ensemble* of 8 models like "none" (8 times the cost; not one model); *ELODI*,
one model held to its mean logits, on mixtures of two samples (on the samples themselves, which the ensemble knows by heart, one
model had more errors and flips); *ELODI and FD-LM*; *BCWI* and *FisherBCWI* between the old and the continued model, *FD-LM and
BCWI* where that continued with FD-LM. *Both sides*: old and new both ensembles, or both by ELODI, one against the other. *BCR*:
the old readers choose among the new ones' n best.
Split: every setting is chosen on validation: intents, a fifth of the training data that neither model saw and the dev file, two
times; images, 5,000 training images that nobody learns from, once; slots, fold 2 (tested: 1, 3 and 4). The chosen setting has the
fewest negative flips among those with at most 0.3, or 0.7, points more errors than "none", there. The recipe of "none" was chosen
on the dev file out of 22 for intents (width, dropout before and within, rate, decay, steps), on those 5,000 out of 4 for images;
all arms train with it, in the same order of samples, as many steps; the terms that look at logits do so without dropout, under
which they had up to fifteen points more errors.
Intervals: 95 %, bootstrap over test cases of all seeds' mean, paired with "none".
Claim: one model with ≥ 45 % fewer negative flips at ≤ 0.3 points more errors, ≥ 60 % at 0.7; ELODI, both sides, ≤ 1.2 times the
ensembles' (images); BCR: NFI ≥ 50 % less.

    python -m benchmarks.quality.congruent [--data DIR] [--tasks NAME …] [--seeds N] [--most N] [--epochs N] [--work DIR]
        [--out DIR]

Resumable: every group of arms of a seed leaves a file in --work.
"""

import argparse
import json
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
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks import classifiers
from benchmarks.classifiers import Extra, Update, trained
from benchmarks.record import DATA, publish
from benchmarks.runs import arguments, finished, run_all
from benchmarks.taggings import Candidates, updated
from segue.evolve.congruent import focal_distillation, logit_distance, softened_divergence, weighted_cross_entropy
from segue.evolve.ensembles import ensemble_logits, logit_difference_inhibition
from segue.evolve.flips import flips
from segue.evolve.interpolation import fewest_flips, fisher_information, interpolated
from segue.evolve.reranking import backward_congruent

TASKS = ("intents", "images", "slots")
TUNED = {"intents": 2, "images": 1}
BUDGETS = (0.003, 0.007)
MEMBERS = 8
SHARES = tuple(round(0.05 * step, 2) for step in range(21))
CANDIDATES, TRUSTS = (2, 3, 5, 10), (0.0, 0.25, 0.5, 1.0, 2.0)
ENSEMBLE, BOTH, BOTH_ELODI = "ensemble", "both sides: ensembles", "both sides: ELODI"
_DRAWS = 1000

Flags = NDArray[np.bool_]
Setting = tuple[float, ...]
Job = tuple[str, str, str, int]
"""Task, "choose" or "test", group of arms, seed."""

_RATES: tuple[Setting, ...] = ((1.0,), (0.3,))
"""Of what continues: its share of the rate."""
GRID: dict[str, dict[str, tuple[Setting, ...]]] = {
    "anew": {
        "none": ((),),
        "naive": ((1.0,), (4.0,)),
        "FD-KL": ((2.0, 0.1), (2.0, 0.3), (100.0, 0.3)),
        "FD-LM": ((0.1,), (0.3,), (1.0,)),
    },
    "ELODI": {
        "ELODI": ((0.1, 0.0), (0.3, 0.0), (1.0, 0.5), (0.3, 0.0, 3.0)),
        "ELODI and FD-LM": ((0.3, 0.3), (0.3, 1.0)),
    },
    "continued": {
        "continued": _RATES,
        "FD-LM, continued": ((0.3, 0.3), (1.0, 0.3), (3.0, 0.3)),
        "BCWI": _RATES,
        "FisherBCWI": _RATES,
        "FD-LM and BCWI": ((0.3, 0.3), (1.0, 0.3)),
    },
}
"""Settings of each arm, by group: naive and FD-LM, the weight; FD-KL, temperature and weight; ELODI, weight, margin ξ and how
many classes (else all); ELODI and FD-LM, both weights. What continues has its share of the rate beside, and what is interpolated
the old model's share."""
INTERPOLATED = ("BCWI", "FisherBCWI", "FD-LM and BCWI")
ARMS = (
    *("none", "continued", "naive", "FD-KL", "FD-LM", "FD-LM, continued", "BCWI", "FisherBCWI", "ELODI"),
    *("ELODI and FD-LM", "FD-LM and BCWI", BOTH_ELODI, ENSEMBLE, BOTH),
)


# -- classifiers ------------------------------------------------------------------------------------------------------


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What is kept of a job: of every arm and setting where it is right on the judged cases; and a line about it."""
    torch.set_num_threads(1)
    task, phase, group, seed = job
    if task == "slots":
        return _slots(seed, chosen)
    update = _update(task, phase, seed, chosen)
    if group == "models":
        return _models(job, update, chosen)
    kept = load_file(_models_file(job, chosen))
    wanted = GRID[group] if phase == "choose" else _picked(task, group, chosen)
    run = _Run(update, kept, seed)
    found: dict[str, dict[str, Any]] = {}
    for arm, settings in wanted.items():
        for setting in settings:
            for name, one, row in run.outcomes(arm, setting):
                found.setdefault(name, {})[_label(one)] = row
    least = {arm: min(_error(row["right"]) for row in rows.values()) for arm, rows in found.items()}
    return found, ", ".join(f"{arm} {100 * error:.2f}" for arm, error in least.items())


class _Run:
    """Trainings of one seed, beside its old model and its ensembles."""

    def __init__(self, update: Update, kept: Mapping[str, Tensor], seed: int) -> None:
        self._update, self._kept, self._seed = update, kept, seed
        self._old = {name[4:]: value for name, value in kept.items() if name.startswith("old.")}
        self._mixed = {"old": update.old.mixed(), "new": update.new.mixed()}
        self._done: dict[tuple[str, Setting], Mapping[str, Tensor]] = {}

    def outcomes(self, arm: str, setting: Setting) -> Iterator[tuple[str, Setting, dict[str, str]]]:
        """What training with an arm's setting gives: the arm, the setting, and where the model is right."""
        if arm == "continued":
            yield arm, setting, self._judged(self._net(self._continued("none", (), setting[0])))
        elif arm == "FD-LM, continued":
            yield arm, setting, self._judged(self._net(self._continued("FD-LM", setting[:1], setting[1])))
        elif arm in INTERPOLATED:
            new = self._continued("FD-LM" if arm.startswith("FD-LM") else "none", setting[:-1], setting[-1])
            importance = None
            if arm == "FisherBCWI":
                importance = fisher_information(self._net(self._old), self._update.new.inputs)
            for share in SHARES:
                model = self._net(interpolated(self._old, new, share, importance))
                yield arm, (*setting, share), self._judged(model)
        else:
            model = self._anew(arm, setting)
            yield arm, setting, self._judged(model)
            if arm == "ELODI":
                yield BOTH_ELODI, setting, self._judged(model, self._anew(arm, setting, "old"))

    def _extra(self, arm: str, setting: Setting, which: str = "new") -> Extra | None:
        """The term that an arm adds to the loss."""
        x, labels, old = self._update.new.inputs, self._update.new.labels, self._kept["old logits"]
        mixed, mean = self._mixed[which], self._kept[f"{which} ensemble"]
        if arm == "naive":
            return lambda net, i: setting[0] * weighted_cross_entropy(net(x[i]), old[i], labels[i])
        if arm == "FD-KL":
            distance = softened_divergence(setting[0])
            return lambda net, i: setting[1] * focal_distillation(net(x[i]), old[i], labels[i], distance)
        if arm == "FD-LM":
            return lambda net, i: setting[0] * focal_distillation(net(x[i]), old[i], labels[i], logit_distance)
        if arm == "ELODI":
            classes = int(setting[2]) if len(setting) > 2 else None
            return lambda net, i: (
                setting[0] * logit_difference_inhibition(net(mixed[i]), mean[i], margin=setting[1], classes=classes)
            )
        if arm == "ELODI and FD-LM":
            return lambda net, i: (
                setting[0] * logit_difference_inhibition(net(mixed[i]), mean[i])
                + setting[1] * focal_distillation(net(x[i]), old[i], labels[i], logit_distance)
            )
        return None

    def _anew(self, arm: str, setting: Setting, which: str = "new") -> nn.Module:
        samples = self._update.new if which == "new" else self._update.old
        net, extra = _untrained(self._update, self._seed, which), self._extra(arm, setting, which)
        return trained(net, samples, self._update, self._seed, extra, 1.0)

    def _continued(self, arm: str, setting: Setting, speed: float) -> Mapping[str, Tensor]:
        if (arm, (*setting, speed)) not in self._done:
            net = trained(
                self._net(self._old), self._update.new, self._update, self._seed, self._extra(arm, setting), speed
            )
            self._done[arm, (*setting, speed)] = net.state_dict()
        return self._done[arm, (*setting, speed)]

    def _net(self, weights: Mapping[str, Tensor]) -> nn.Module:
        net = self._update.net()
        net.load_state_dict(weights)
        return net.eval()

    def _judged(self, model: nn.Module, old: nn.Module | None = None) -> dict[str, str]:
        judged = self._update.judged
        found = {"right": _bits(_logits(model, judged.inputs).argmax(dim=1) == judged.labels)}
        if old is not None:
            found["old"] = _bits(_logits(old, judged.inputs).argmax(dim=1) == judged.labels)
        return found


def _models(job: Job, update: Update, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The old model, and the ensembles of both kinds: what they say of what is learned from, and where they are right."""
    seed = job[3]
    old = trained(_untrained(update, seed, "first"), update.old, update, 1000 + seed, None, 1.0)
    kept = {f"old.{name}": value for name, value in old.state_dict().items()}
    kept["old logits"] = _logits(old, update.new.inputs)
    labels = update.judged.labels
    right = {"old": _bits(_logits(old, update.judged.inputs).argmax(dim=1) == labels)}
    for which, samples in (("old", update.old), ("new", update.new)):
        members = [
            trained(_untrained(update, seed, f"{which} {n}"), samples, update, 2000 + 100 * seed + n, None, 1.0)
            for n in range(MEMBERS)
        ]
        mixed = samples.mixed()
        kept[f"{which} ensemble"] = ensemble_logits([_logits(member, mixed) for member in members])
        of_judged = ensemble_logits([_logits(member, update.judged.inputs) for member in members])
        right[f"{which} ensemble"] = _bits(of_judged.argmax(dim=1) == labels)
    save_file(kept, _models_file(job, chosen))
    return {
        ENSEMBLE: {_label(()): {"right": right["new ensemble"]}},
        BOTH: {_label(()): {"right": right["new ensemble"], "old": right["old ensemble"]}},
        "old": {_label(()): {"right": right["old"]}},
    }, f"old {100 * _error(right['old']):.2f}, ensemble {100 * _error(right['new ensemble']):.2f}"


def _untrained(update: Update, seed: int, what: str) -> nn.Module:
    """A net whose weights depend on the seed and what it is for."""
    torch.manual_seed(100_000 * (1 + seed) + sum(map(ord, what)))
    return update.net()


@torch.no_grad()
def _logits(model: nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([model(part) for part in torch.split(inputs, 500)])


def _update(task: str, phase: str, seed: int, chosen: argparse.Namespace) -> Update:
    if task == "intents":
        fold = seed if phase == "choose" else None
        folder = chosen.data / "evolve" / "massive_updates"
        return classifiers.intents(folder, chosen.work, fold=fold, most=chosen.most, epochs=chosen.epochs or 25)
    # Other images are drawn for choosing than for the test.
    return classifiers.images(
        chosen.data / "evolve" / "fashion-mnist",
        seed=seed + (100 if phase == "choose" else 0),
        judge_test=phase == "test",
        most=chosen.most,
        epochs=chosen.epochs or 8,
    )


# -- choosing ---------------------------------------------------------------------------------------------------------


def choices(task: str, chosen: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Of every arm: on validation, the error and negative flips of each setting, and which is chosen for each budget."""
    tables = _tables(task, "choose", chosen)
    return {arm: _chosen(tables[arm], tables["none"][_label(())][0]) for arm in ARMS if arm in tables}


def _chosen(table: Mapping[str, tuple[Flags, Flags]], untreated: Flags) -> dict[str, Any]:
    labels = list(table)
    right, old = (np.stack([table[label][side].ravel() for label in labels]) for side in (0, 1))
    return {
        "chosen": {_points(b): labels[fewest_flips(old, right, untreated.ravel(), budget=b)] for b in BUDGETS},
        "settings": {
            label: {"error": round(float((~r).mean()), 4), "negative": round(float((o & ~r).mean()), 4)}
            for label, r, o in zip(labels, right, old, strict=True)
        },
    }


def _picked(task: str, group: str, chosen: argparse.Namespace) -> dict[str, tuple[Setting, ...]]:
    """The settings of a group that are tested: chosen under one of the budgets."""
    picks = {arm: {_setting(one) for one in about["chosen"].values()} for arm, about in choices(task, chosen).items()}
    picks["ELODI"] |= picks[BOTH_ELODI]
    for arm in INTERPOLATED:
        picks[arm] = {setting[:-1] for setting in picks[arm]}
    return {arm: tuple(sorted(picks[arm])) for arm in GRID[group]}


def _tables(task: str, phase: str, chosen: argparse.Namespace) -> dict[str, dict[str, tuple[Flags, Flags]]]:
    """Of each arm and setting: where it is right, and where the old model is that it is measured against, [seeds, cases]; for
    choosing [1, all seeds' cases], which are not the same ones."""
    jobs = [job for job in jobs_of(chosen, phase) if job[0] == task]
    rows: dict[str, dict[str, list[tuple[Flags, Flags]]]] = {}
    old: dict[int, str] = {}
    for (_, _, group, seed), run in finished(jobs, run_file, chosen):
        if group == "models":
            old[seed] = run["old"][_label(())]["right"]
        for arm, settings in run.items():
            for label, row in settings.items():
                before = row.get("old", old[seed])
                rows.setdefault(arm, {}).setdefault(label, []).append((_flags(row["right"]), _flags(before)))
    joined = _pooled if phase == "choose" else _stacked
    return {arm: {label: joined(both) for label, both in settings.items()} for arm, settings in rows.items()}


# -- slots ------------------------------------------------------------------------------------------------------------


def _slots(seed: int, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    found = updated(chosen.data / "understand" / "hwu64.jsonl", seed=seed, most=chosen.most)
    kept = {
        part: {
            "old": one.old.tolist(),
            "new": one.new.tolist(),
            "right": one.right.tolist(),
            "old right": one.old_right.tolist(),
        }
        for part, one in found.items()
    }
    test = found["test"]
    return kept, f"old {1 - test.old_right.mean():.3f}, new {1 - test.right[:, 0].mean():.3f}"


def _slot_tables(part: str, chosen: argparse.Namespace) -> dict[str, dict[str, tuple[Flags, Flags]]]:
    """As `_tables`: "none", and BCR by (candidates, trust in the new model)."""
    jobs = [job for job in jobs_of(chosen, "test") if job[0] == "slots"]
    tables: dict[str, dict[str, list[tuple[Flags, Flags]]]] = {"none": {_label(()): []}, "BCR": {}}
    for _, run in finished(jobs, run_file, chosen):
        kept = run[part]
        one = Candidates(*(np.array(kept[name]) for name in ("old", "new", "right", "old right")))
        tables["none"][_label(())].append((one.right[:, 0], one.old_right))
        for count in CANDIDATES:
            for trust in TRUSTS:
                place = backward_congruent(one.old[:, :count], one.new[:, :count], trust=trust)
                right = np.take_along_axis(one.right, place[:, None], axis=1)[:, 0]
                tables["BCR"].setdefault(_label((count, trust)), []).append((right, one.old_right))
    return {arm: {label: _stacked(both) for label, both in settings.items()} for arm, settings in tables.items()}


# -- what it comes to -------------------------------------------------------------------------------------------------


def summary(chosen: argparse.Namespace) -> dict[str, Any]:
    """Of each task: on validation every setting, and on the test cases every arm under each budget."""
    found = {}
    for task in chosen.tasks:
        if task == "slots":
            tables, validation = _slot_tables("test", chosen), _slot_tables("validation", chosen)
            chose = {arm: _chosen(table, validation["none"][_label(())][0]) for arm, table in validation.items()}
        else:
            tables, chose = _tables(task, "test", chosen), choices(task, chosen)
        untreated = tables["none"][_label(())]
        continued = tables["continued"][chose["continued"]["chosen"][_points(BUDGETS[0])]] if task != "slots" else None
        found[task] = {
            "seeds": len(untreated[0]),
            "cases": untreated[0].shape[1],
            "old error": _estimate(~untreated[1]),
            "arms": {
                arm: {
                    budget: {"setting": label} | measured(*tables[arm][label], untreated, continued)
                    for budget, label in one["chosen"].items()
                }
                for arm, one in chose.items()
            },
            "shares": {
                arm: {label: _plainly(*pair) for label, pair in tables[arm].items()}
                for arm in (*INTERPOLATED, "BCR")
                if arm in tables
            },
            "validation": chose,
        }
    return found


def measured(
    right: Flags, old: Flags, untreated: tuple[Flags, Flags], continued: tuple[Flags, Flags] | None = None
) -> dict[str, Any]:
    """Of one arm, [seeds, cases] each: error and flips, beside those of "none" and "continued", which are given as where they are
    right, and their old model."""
    negative, before = old & ~right, untreated[1] & ~untreated[0]
    by_seed = [flips(one, other) for one, other in zip(old, right, strict=True)]
    of_continued = {} if continued is None else {"of continued": _estimate(negative, continued[1] & ~continued[0])}
    return {
        "error": _estimate(~right),
        "negative": _estimate(negative),
        "positive": _estimate(~old & right),
        "relative": round(float(np.mean([one.relative for one in by_seed])), 4),
        "NFI": _estimate(negative, ~right),
        "more error": _estimate((~right).astype(float) - ~untreated[0]),
        "of untreated": _estimate(negative, before),
        "NFI of untreated": _nfi_ratio(negative, ~right, before, ~untreated[0]),
        **of_continued,
        "by seed": {
            "error": (~right).mean(axis=1).round(4).tolist(),
            "negative": negative.mean(axis=1).round(4).tolist(),
            "positive": (~old & right).mean(axis=1).round(4).tolist(),
        },
    }


def _plainly(right: Flags, old: Flags) -> dict[str, Any]:
    """Error and negative flips without intervals, for lines of many settings."""
    found = {"error": ~right, "negative": old & ~right}
    return {name: {"value": round(float(values.mean()), 4)} for name, values in found.items()}


def _drawn(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(count, size=(_DRAWS, count))


def _estimate(values: NDArray[Any], of: NDArray[Any] | None = None) -> dict[str, Any]:
    """The mean over seeds and cases, [seeds, cases], or its ratio to that `of` others; 95 % by bootstrap over cases."""
    by_case = values.mean(axis=0)
    draws = _drawn(len(by_case))
    value, drawn = by_case.mean(), by_case[draws].mean(axis=1)
    if of is not None:
        under = of.mean(axis=0)
        value, drawn = value / max(under.mean(), 1e-9), drawn / np.maximum(under[draws].mean(axis=1), 1e-9)
    return _with_interval(float(value), drawn)


def _nfi_ratio(*parts: Flags) -> dict[str, Any]:
    """(negative / errors) / (negative / errors), the second of "none"."""
    means = [part.mean(axis=0) for part in parts]
    draws = _drawn(len(means[0]))

    def ratio(a: Any, b: Any, c: Any, d: Any) -> Any:
        return a * d / np.maximum(b * c, 1e-12)

    drawn = ratio(*(one[draws].mean(axis=1) for one in means))
    return _with_interval(float(ratio(*(one.mean() for one in means))), drawn)


def _with_interval(value: float, drawn: NDArray[np.float64]) -> dict[str, Any]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": round(value, 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def as_table(result: Mapping[str, Any]) -> str:
    """For people, as Markdown: a row for every arm and budget."""
    lines = [
        "| task | arm | budget, points | error, % | more errors, points | negative flips, % | relative | positive flips, % "
        "| NFI, % | fewer negative flips, % | fewer than continued, % | lower NFI, % |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for task, about in result["tasks"].items():
        for arm, budgets in about["arms"].items():
            rows: dict[str, list[str]] = {}
            for budget, row in budgets.items():
                rows.setdefault(row["setting"], []).append(budget)
            for together in rows.values():
                row = budgets[together[0]]
                free = arm in ("none", ENSEMBLE, BOTH)
                cells = [
                    *(task, arm, "" if free else " and ".join(together), _percent(row["error"])),
                    *(_percent(row["more error"], "+.2f"), _percent(row["negative"]), f"{row['relative']:.2f}"),
                    *(_percent(row["positive"]), _percent(row["NFI"], ".1f"), _fewer(row, "of untreated")),
                    *(_fewer(row, "of continued"), _fewer(row, "NFI of untreated")),
                ]
                lines.append(f"| {' | '.join(cells)} |")
    about_tasks = "; ".join(
        f"{task}: {about['cases']:,} cases, {about['seeds']} seeds, old model {_percent(about['old error'])} % errors"
        for task, about in result["tasks"].items()
    )
    return "\n".join([*lines, "", f"95 % intervals in brackets. {about_tasks}."])


def _percent(found: Mapping[str, Any], form: str = ".2f") -> str:
    low, high = (format(100 * end, form) for end in found["interval"])
    return f"{format(100 * found['value'], form)} ({low} to {high})"


def _fewer(row: Mapping[str, Any], what: str) -> str:
    if what not in row:
        return ""
    found = row[what]
    low, high = (100 * (1 - end) for end in reversed(found["interval"]))
    return f"{100 * (1 - found['value']):.0f} ({low:.0f} to {high:.0f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Errors across, negative flips upward, of every arm; where the old model's share or trust can be turned, its line."""
    mpl.use("Agg")
    figure, panels = pyplot.subplots(1, len(result["tasks"]), figsize=(5.6 * len(result["tasks"]), 5.2), squeeze=False)
    for panel, (task, about) in zip(panels[0], result["tasks"].items(), strict=True):
        for arm in about["shares"]:
            points = list(about["shares"][arm].values())
            if arm != "BCR":
                panel.plot(*_places(points), color="lightgray", linewidth=1, zorder=1)
            else:
                panel.plot(*_places(points), ".", color="lightgray", zorder=1)
        for number, (arm, budgets) in enumerate(about["arms"].items()):
            colour = pyplot.get_cmap("tab20")(number)
            panel.plot(*_places(list(budgets.values())), "o", color=colour, label=arm, markersize=7)
        untreated = about["arms"]["none"]
        for budget, row in untreated.items():
            panel.axvline(100 * row["error"]["value"] + float(budget), color="black", linewidth=0.5, linestyle=":")
        panel.set_title(f"{task}: {about['cases']:,} cases, {about['seeds']} seeds")
        panel.set_xlabel("error, %; dotted: the budgets")
        panel.set_ylabel("negative flips, %")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def _places(rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [100 * row["error"]["value"] for row in rows], [100 * row["negative"]["value"] for row in rows]


# -- jobs -------------------------------------------------------------------------------------------------------------


def jobs_of(chosen: argparse.Namespace, phase: str) -> list[Job]:
    """Those of a phase, every task's, seed by seed: "models" come first, as the others need them."""
    seeds = {
        task: chosen.seeds if phase == "test" else min(TUNED[task], chosen.seeds)
        for task in chosen.tasks
        if task in TUNED
    }
    found: list[Job] = [(task, phase, "models", seed) for task, count in seeds.items() for seed in range(count)]
    found += [(task, phase, group, seed) for task, count in seeds.items() for seed in range(count) for group in GRID]
    if phase == "test" and "slots" in chosen.tasks:
        found += [("slots", phase, "readers", seed) for seed in range(chosen.seeds)]
    return found


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    size = "-".join(str(one) for one in (chosen.most, chosen.epochs) if one)
    return Path(chosen.work / f"{'-'.join(map(str, job))}-{size}.json")


def _models_file(job: Job, chosen: argparse.Namespace) -> Path:
    return run_file((job[0], job[1], "models", job[3]), chosen).with_suffix(".safetensors")


def _label(setting: Setting) -> str:
    return json.dumps(setting)


def _setting(label: str) -> Setting:
    return tuple(json.loads(label))


def _points(budget: float) -> str:
    return f"{100 * budget:.1f}"


def _bits(right: Tensor) -> str:
    return "".join("1" if one else "0" for one in right.tolist())


def _flags(bits: str) -> Flags:
    return np.array([one == "1" for one in bits])


def _error(bits: str) -> float:
    return bits.count("0") / len(bits)


def _pooled(both: Sequence[tuple[Flags, Flags]]) -> tuple[Flags, Flags]:
    return np.concatenate([one for one, _ in both])[None], np.concatenate([other for _, other in both])[None]


def _stacked(both: Sequence[tuple[Flags, Flags]]) -> tuple[Flags, Flags]:
    return np.stack([one for one, _ in both]), np.stack([other for _, other in both])


def main() -> None:
    options = arguments(__doc__, data="evolve/ and understand/", collections=(), work="/tmp/segue-congruent")
    options.set_defaults(data=DATA, processes=1)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    options.add_argument("--most", type=int, default=10**6, help="utterances or images of each part")
    options.add_argument("--epochs", type=int, default=0, help="of every training, else each task's own")
    chosen = options.parse_args()
    for phase in ("choose", "test"):
        jobs = jobs_of(chosen, phase)
        for first in (True, False):
            run_all([job for job in jobs if (job[2] == "models") == first], one_run, run_file, chosen)
    result = {"members": MEMBERS, "tasks": summary(chosen)}
    publish("congruent", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
