"""What does fine-tuning cost that is linear in the weights and quadratic in the loss, and what does it give?

Question: a small network (three convolutions, 28,000 weights) learns five kinds of Fashion-MNIST (trousers, sandals, sneakers,
bags, boots; each turned by quarter turns: 20 classes) and is fine-tuned on the other five, which are hard to tell apart
(T-shirt, pullover, dress, coat, shirt), from 2, 5, 20 images of each, or all.
Arms: *NLFT*, ordinary fine-tuning (AdamW, cross-entropy); *LQF*: leaky ReLU in the pre-trained network, squared loss, Kronecker-
factored preconditioner; LQF with one ingredient less: *ReLU*, *cross-entropy*, *plain descent*; *exact*, by the tangent kernel
(not for all images); *linear probe*, ridge regression of the features. All that is linear leaves out f_w0(x), so that the
targets' scale does not matter. The output layer is drawn with the pre-trained network and stays with it.
Split: the data's own test part (5,000 images). Of the training part, each seed draws the images to learn from, and as many others
for validation (all: 1,000 of each kind). Settings, four for each arm (`SETTINGS`), are chosen by the mean error of all seeds on
validation (all images: of the first seed); plain descent's by its loss, on which it is compared. ReLU's and LQF's ridge and
scale of the output layer are chosen by the exact solution, all images by half of the steps. Images of what is learned from
and their order are the same for all arms, and so are steps and batches. A seed is another pre-trained network, too.
The network, the quarter turns and both grids were chosen before, with two other pre-trained networks, by the errors of NLFT, the
exact solution and the probe on 1,000 images of the training part, with 5 and 20 shots, the ridges for all images by LQF on the
first seed's validation, and `RATES` by whether its loss stays down; nothing was chosen on test.
At 2 and 5 shots all images are one batch, so that another order changes nothing for any arm.
Also: *flips* (NFR), images that are right in one run and wrong in another of the same pre-trained network and images, half of
both ways: with another order of the batches, and with another output layer as well. *Steps*: when LQF's loss (mean of a pass) is
first at or below the one that plain descent ends with. *Influence*: what leaving out one of ten images (5 shots) does to the
squared loss of 300 others, by LQF's closed form against training again, by LQF and by NLFT (its cross-entropy).
Intervals: 95 %, bootstrap over test images, of all seeds' mean.
Claims: error ≤ NLFT at 5 and 20 shots (≥ 3 % lower at 20), within 1 point on all images; ReLU ≥ 1 point worse; ≥ 5 × fewer steps
than plain descent; correlation of influences ≥ .95; flips between two runs of LQF ≤ 0.1 %.

    python -m benchmarks.quality.linear_finetuning [--data DIR] [--shots N …] [--seeds N] [--steps N] [--all-steps N]
        [--pretraining N] [--tested N] [--work DIR] [--out DIR]

Shots 0 are all images. Resumable: every pre-trained network, choice and run leaves a file in --work.
"""

import argparse
import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
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
from torch.nn import functional

from benchmarks.fashion import load
from benchmarks.record import DATA, publish
from benchmarks.runs import arguments, finished, run_all
from segue.errors import InvalidInput
from segue.evolve.flips import flips
from segue.evolve.kronecker import Preconditioner
from segue.evolve.linear import (
    Course,
    Fitted,
    Linearised,
    cross_entropy,
    fit,
    leaky,
    one_hot,
    parts,
    probe,
    sharpness,
    squared,
)
from segue.evolve.tangent import solve, tangent_rows

SOURCE, TARGET = (1, 5, 7, 8, 9), (0, 2, 3, 4, 6)
NLFT, LQF, EXACT, PROBE = "NLFT", "LQF", "exact", "linear probe"
RELU, CROSS, PLAIN = "LQF, ReLU", "LQF, cross-entropy", "LQF, plain descent"
ARMS = (NLFT, LQF, RELU, CROSS, PLAIN, EXACT, PROBE)
RIDGES: dict[str, tuple[float, float]] = {"few": (0.1, 0.3), "all": (0.003, 0.03)}
"""λ as a share of an output's mean ‖∇f‖²."""
SCALES = (3.0, 10.0)
"""Of the new output layer, over torch's own: how much the layers below count beside it."""
AGAIN = {"another order": 2, "another order and output layer": 1}
"""What differs from a first run, and the number of the run."""
FEW, MANY = 32, 125
"""Images of a batch, of few shots and of all images."""
RATES = {"few": 0.15, "all": 0.06}
"""Of descent that remembers slopes and has momentum, of what sharpness allows: the more batches, the older the slopes are."""
_DRAWS, _VALIDATION, _LEFT_OUT, _OTHERS, _DIVERGED = 1000, 1000, 10, 300, 1e9

Setting = dict[str, Any]
Job = tuple[str, str, int, int, int]
"""What is done, the arm, shots (0: all), seed and number of the run."""


def settings(arm: str, shots: int) -> list[Setting]:
    """Four for each arm."""
    ridges = RIDGES["few" if shots else "all"]
    if arm == NLFT:
        return [{"network": network, "rate": rate} for network in ("relu", "leaky") for rate in (1e-3, 3e-3)]
    if arm == PROBE:
        return [{"ridge": ridge} for ridge in (ridges[0] / 10, *ridges, ridges[1] * 10)]
    if arm == PLAIN:
        remembers = [{"rate": 1.0, "momentum": 0.0}, {"rate": RATES["few" if shots else "all"], "momentum": 0.9}]
        return [*remembers, *({"rate": rate, "momentum": 0.9, "forgetful": True} for rate in (0.5, 1.0))]
    kind, over = "relu" if arm == RELU else "leaky", 10 if arm == CROSS else 1
    return [{"ridge": ridge / over, "scale": scale, "network": kind} for ridge in ridges for scale in SCALES]


# -- data and networks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawn:
    """Images and labels to learn from, for validation, and of the test part."""

    learned: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@cache
def _images(data: Path, part: str, classes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return load(data, part, classes)


def drawn(shots: int, seed: int, chosen: argparse.Namespace) -> Drawn:
    images, labels = _images(chosen.data, "train", TARGET)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    learned, validation = [], []
    for label in range(len(TARGET)):
        own = order[labels[order] == label]
        held_out = shots or min(_VALIDATION, len(own) // 5)
        validation.append(own[:held_out])
        learned.append(own[held_out : 2 * held_out] if shots else own[held_out:])
    tested, answers = _images(chosen.data, "t10k", TARGET)
    rows, others = torch.cat(learned), torch.cat(validation)
    return Drawn(
        (images[rows], labels[rows]),
        (images[others], labels[others]),
        (tested[: chosen.tested], answers[: chosen.tested]),
    )


def network(kind: str, outputs: int) -> nn.Sequential:
    """[n, 1, 28, 28] → [n, outputs]; its last module is the output layer."""
    made = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, outputs),
    )
    found = leaky(made) if kind == "leaky" else made
    assert isinstance(found, nn.Sequential)
    return found


def pretrain(kind: str, seed: int, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    images, labels = _images(chosen.data, "train", SOURCE)
    torch.manual_seed(seed)
    model, generator = network(kind, 4 * len(SOURCE)), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, chosen.pretraining)
    losses = []
    for _ in range(chosen.pretraining):
        rows = torch.randint(len(labels), (128,), generator=generator)
        turns = torch.randint(4, (128,), generator=generator)
        turned = images[rows]
        for turn in (1, 2, 3):
            turned[turns == turn] = turned[turns == turn].rot90(turn, (2, 3))
        loss = functional.cross_entropy(model(turned), 4 * labels[rows] + turns)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    chosen.work.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), _network_file(kind, seed, chosen))
    last = float(np.mean(losses[-50:]))
    return {"loss": last}, f"loss {last:.3f}"


def pretrained(kind: str, seed: int, chosen: argparse.Namespace, *, scale: float = 1.0, head: int = 0) -> nn.Sequential:
    """With a new output layer, drawn with the network (`head` 0) or another, and scaled."""
    model = network(kind, 4 * len(SOURCE))
    model.load_state_dict(load_file(_network_file(kind, seed, chosen)))
    torch.manual_seed(1000 + 2 * seed + head)
    layer = nn.Linear(1024, len(TARGET))
    with torch.no_grad():
        layer.weight *= scale
        layer.bias.zero_()
    model[-1] = layer
    return model


def _network_file(kind: str, seed: int, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / f"{kind}-{chosen.pretraining}-{seed}.safetensors")


# -- arms -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One arm's run: with which setting, for how many steps, in which order and from which output layer."""

    arm: str
    setting: Setting
    seed: int
    steps: int
    batch: int
    order: int = 0
    head: int = 0


def learned(
    run: Run, learned: tuple[Tensor, Tensor], asked: Tensor, chosen: argparse.Namespace
) -> tuple[Tensor, list[float]]:
    """The outputs for what is `asked`, [m, c], and the loss of every step."""
    if run.arm == NLFT:
        return _ordinary(run, learned, asked, chosen)
    if run.arm == PROBE:
        return _probed(run, learned, asked, chosen), []
    linear = _linearised(run, chosen)
    ridge = run.setting["ridge"] * _square(linear, learned[0])
    if run.arm == EXACT:
        found = solve(linear, learned[0], one_hot(learned[1], len(TARGET), scale=1.0), ridge=ridge)
        return linear.predict(asked, found.change), []
    fitted = _fitted(run, linear, learned, ridge, _preconditioner(run, linear, learned[0], ridge))
    return linear.predict(asked, fitted.change), fitted.losses


def _linearised(run: Run, chosen: argparse.Namespace) -> Linearised:
    kind, scale = run.setting["network"], run.setting["scale"]
    return Linearised(pretrained(kind, run.seed, chosen, scale=scale, head=run.head), centred=True)


def _square(linear: Linearised, images: Tensor) -> float:
    """An output's mean ‖∇f‖²."""
    return float(tangent_rows(linear, images[:: max(1, len(images) // 50)]).square().sum(dim=1).mean())


def _preconditioner(run: Run, linear: Linearised, images: Tensor, ridge: float) -> Preconditioner | None:
    return None if run.arm == PLAIN else Preconditioner(linear, _some(images, run), damping=6 * ridge / len(images))


def _some(images: Tensor, run: Run) -> Tensor:
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(run.seed))][:2000]


def _fitted(
    run: Run,
    linear: Linearised,
    learned: tuple[Tensor, Tensor],
    ridge: float,
    precondition: Preconditioner | None,
) -> Fitted:
    """The rate is a share of what the measured sharpness allows, a small one where slopes are remembered and so lag behind, which
    momentum makes worse; damping is three times the ridge's."""
    images, labels = learned
    sharp = sharpness(linear, _some(images, run)[: run.batch], precondition=precondition, iterations=12)
    own = RATES["few" if run.batch == FEW else "all"] if run.batch < len(images) else 1.0
    share = run.setting.get("rate", own)
    rate = share / (sharp + (2 * ridge / len(images) if precondition is None else 1 / 3))
    momentum = run.setting.get("momentum", 0.9)
    return fit(
        linear,
        images,
        labels,
        loss=cross_entropy if run.arm == CROSS else squared(scale=1.0),
        ridge=ridge,
        optimiser=lambda changes: torch.optim.SGD(changes, lr=rate, momentum=momentum),
        course=Course(
            run.steps,
            batch=run.batch,
            seed=run.order,
            constant=True,
            averaged=0.5,
            forgetful=run.setting.get("forgetful", False),
        ),
        precondition=precondition,
    )


def _ordinary(
    run: Run, learned: tuple[Tensor, Tensor], asked: Tensor, chosen: argparse.Namespace
) -> tuple[Tensor, list[float]]:
    images, labels = learned
    model = pretrained(run.setting["network"], run.seed, chosen, head=run.head)
    optimiser = torch.optim.AdamW(model.parameters(), lr=run.setting["rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, run.steps)
    generator, batches, losses = torch.Generator().manual_seed(run.order), list[Tensor](), list[float]()
    while len(batches) < run.steps:
        batches += parts(torch.randperm(len(labels), generator=generator), run.batch)
    for rows in batches[: run.steps]:
        loss = functional.cross_entropy(model(images[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    with torch.inference_mode():
        return torch.cat([model(part) for part in parts(asked, 500)]), losses


def _probed(run: Run, learned: tuple[Tensor, Tensor], asked: Tensor, chosen: argparse.Namespace) -> Tensor:
    body = deepcopy(pretrained("leaky", run.seed, chosen)[:-1])
    with torch.inference_mode():
        features, others = (torch.cat([body(part) for part in parts(images, 500)]) for images in (learned[0], asked))
        ridge = run.setting["ridge"] * float(features.square().sum(dim=1).mean())
        found: Tensor = probe(features.clone(), one_hot(learned[1], len(TARGET), scale=1.0), ridge=ridge)(others)
    return found


# -- jobs -----------------------------------------------------------------------------------------------------------------


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What is kept of a job, and a line about it."""
    torch.set_num_threads(1)
    what, arm, shots, seed, number = job
    if what == "pretrain":
        return pretrain(arm, seed, chosen)
    if what == "tune":
        return _tune(arm, shots, seed, chosen)
    if what == "influence":
        return _influence(seed, chosen)
    images, (asked, labels) = drawn(shots, seed, chosen).learned, drawn(shots, seed, chosen).test
    setting = choice(arm, shots, chosen)
    outputs, losses = learned(_run(arm, setting, shots, seed, number, chosen), images, asked, chosen)
    right = outputs.argmax(dim=1) == labels
    error = 100 * (1 - float(right.float().mean()))
    kept = {
        "setting": setting,
        "right": "".join(map(str, right.int().tolist())),
        "losses": np.round(losses, 5).tolist(),
    }
    return kept, f"error {error:.2f} %"


def _run(arm: str, setting: Setting, shots: int, seed: int, number: int, chosen: argparse.Namespace) -> Run:
    """Run 1 has another order and output layer, run 2 another order."""
    steps, batch = (chosen.steps, FEW) if shots else (chosen.all_steps, MANY)
    return Run(arm, setting, seed, steps, batch, order=min(number, 1), head=int(number == 1))


def _tune(arm: str, shots: int, seed: int, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Every setting's error on validation, and its last losses."""
    split = drawn(shots, seed, chosen)
    found: list[dict[str, Any]] = []
    for setting in settings(arm, shots):
        whole = {**choice(LQF, shots, chosen), **setting} if arm == PLAIN else setting
        of_arm = EXACT if shots and arm in (LQF, RELU) else arm
        run = _run(of_arm, whole, shots, seed, 0, chosen)
        if not shots:
            run = Run(run.arm, run.setting, run.seed, run.steps // 2, run.batch)
        try:
            outputs, losses = learned(run, split.learned, split.validation[0], chosen)
        except InvalidInput:  # the loss was no number any more
            found.append({"setting": whole, "error": 1.0, "loss": _DIVERGED})
            continue
        error = float((outputs.argmax(dim=1) != split.validation[1]).float().mean())
        found.append({"setting": whole, "error": error, "loss": float(np.mean(losses[-4:])) if losses else None})
    return {"settings": found}, ", ".join(f"{100 * one['error']:.1f}" for one in found)


def choice(arm: str, shots: int, chosen: argparse.Namespace) -> Setting:
    """What validation chose."""
    of = LQF if arm == EXACT else arm
    jobs = [("tune", of, shots, seed, 0) for seed in range(chosen.seeds if shots else 1)]
    tuned = [run["settings"] for _, run in finished(jobs, run_file, chosen)]
    measure = "loss" if arm == PLAIN else "error"
    means = np.mean([[one[measure] for one in of_seed] for of_seed in tuned], axis=0)
    found: Setting = tuned[0][int(np.argmin(means))]["setting"]
    return found


def _influence(seed: int, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Of ten of 25 images: what leaving each out adds to the mean loss of others, in closed form and by training again."""
    shots = 5
    split = drawn(shots, seed, chosen)
    others, labels = (rows[:_OTHERS] for rows in split.test)
    goals = one_hot(labels, len(TARGET), scale=1.0)
    setting = choice(LQF, shots, chosen)
    run = _run(LQF, setting, shots, seed, 0, chosen)
    linear = _linearised(run, chosen)
    ridge = setting["ridge"] * _square(linear, split.learned[0])
    exact = solve(linear, split.learned[0], one_hot(split.learned[1], len(TARGET), scale=1.0), ridge=ridge)
    places: list[int] = np.linspace(0, len(split.learned[1]) - 1, _LEFT_OUT).round().astype(int).tolist()
    closed = exact.influence_on_loss(others, goals).mean(dim=1)[places].tolist()

    precondition = _preconditioner(run, linear, split.learned[0], ridge)

    def losses(without: int | None) -> tuple[float, float]:
        left = [place for place in range(len(split.learned[1])) if place != without]
        images = (split.learned[0][left], split.learned[1][left])
        outputs = linear.predict(others, _fitted(run, linear, images, ridge, precondition).change)
        ordinary, _ = learned(_run(NLFT, choice(NLFT, shots, chosen), shots, seed, 0, chosen), images, others, chosen)
        return (
            float((outputs - goals).square().sum(dim=1).mean()),
            float(functional.cross_entropy(ordinary, labels)),
        )

    before = losses(None)
    after = [losses(place) for place in places]
    found = {
        "closed form": closed,
        LQF: [one[0] - before[0] for one in after],
        NLFT: [one[1] - before[1] for one in after],
    }
    shown = ", ".join(f"{name} {np.corrcoef(closed, found[name])[0, 1]:.3f}" for name in (LQF, NLFT))
    return found, f"correlation with {shown}"


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    what, arm, shots, seed, number = job
    size = {"pretrain": ""}.get(what, f"-{chosen.steps if shots else chosen.all_steps}")
    name = f"{what}-{arm.replace(', ', ' ').replace(' ', '-')}-{shots}{size}-{chosen.pretraining}-{seed}-{number}.json"
    return Path(chosen.work / name)


def jobs_of(chosen: argparse.Namespace) -> list[list[Job]]:
    """One list after the other: what a list needs was done in those before."""
    seeds = range(chosen.seeds)
    found: list[list[Job]] = [[("pretrain", kind, 0, seed, 0) for kind in ("relu", "leaky") for seed in seeds]]
    for shots in chosen.shots:
        tuned = [arm for arm in ARMS if arm not in (EXACT, PLAIN)]
        tuning = seeds if shots else seeds[:1]
        found.append([("tune", arm, shots, seed, 0) for arm in tuned for seed in tuning])
        found.append([("tune", PLAIN, shots, seed, 0) for seed in tuning])
        arms = [arm for arm in ARMS if shots or arm != EXACT]
        runs = [(arm, number) for arm in arms for number in ((0, 1, 2) if arm in (NLFT, LQF) else (0,))]
        found.append([("run", arm, shots, seed, number) for seed in seeds for arm, number in runs])
        if shots == 5:
            found.append([("influence", "", shots, seed, 0) for seed in seeds])
    return found


# -- what it comes to -----------------------------------------------------------------------------------------------------

Values = NDArray[np.float64]
Done = Mapping[Job, Mapping[str, Any]]


def summary(done: Done, shots: int) -> dict[str, Any]:
    """Every arm's error and flips, and against NLFT's."""
    wrong = {arm: _wrong(done, arm, shots) for arm in ARMS}
    found: dict[str, Any] = {}
    for arm, cases in wrong.items():
        if not len(cases):
            continue
        row: dict[str, Any] = {
            "error": _estimate(cases.mean(axis=0)),
            "by seed": cases.mean(axis=1).round(4).tolist(),
            "setting": next(run["setting"] for job, run in done.items() if job[:3] == ("run", arm, shots)),
        }
        if arm != NLFT and wrong[NLFT].shape == cases.shape:
            ordinary = wrong[NLFT].mean(axis=0)
            row["more than NLFT"] = _estimate(cases.mean(axis=0) - ordinary)
            row["of NLFT"] = round(float(cases.mean() / ordinary.mean()), 4)
        if arm != LQF and wrong[LQF].shape == cases.shape:
            row["more than LQF"] = _estimate(cases.mean(axis=0) - wrong[LQF].mean(axis=0))
        if arm in (NLFT, LQF):
            row["flips"] = {name: _flips(done, arm, shots, number) for name, number in AGAIN.items()}
        found[arm] = row
    return found


def _wrong(done: Done, arm: str, shots: int) -> Values:
    """[seeds, test images]."""
    runs = [run for job, run in done.items() if job[:3] == ("run", arm, shots) and job[4] == 0]
    return np.array([[mark == "0" for mark in run["right"]] for run in runs], dtype=np.float64)


def _flips(done: Done, arm: str, shots: int, number: int) -> list[float]:
    """By seed: half of all images that are right in one of two runs and wrong in the other."""
    found = []
    for job, run in done.items():
        again = done.get((*job[:4], number))
        if job[:3] == ("run", arm, shots) and job[4] == 0 and again is not None:
            one = flips(*(np.array([mark == "1" for mark in of["right"]]) for of in (run, again)))
            found.append(round((one.negative + one.positive) / 2, 5))
    return found


def steps_saved(done: Done, shots: int, batch: int) -> list[float]:
    """By seed: plain descent's steps over those that LQF takes to the same loss."""
    found = []
    for job, run in done.items():
        plain = done.get(("run", PLAIN, *job[2:]))
        if job[:3] == ("run", LQF, shots) and job[4] == 0 and plain is not None:
            count = 5 * shots if shots else len(run["losses"]) * batch // 2
            window = min(max(1, -(-count // batch)), max(1, len(run["losses"]) // 8))
            ours, theirs = (np.convolve(one["losses"], np.ones(window) / window, mode="valid") for one in (run, plain))
            reached = np.flatnonzero(ours <= theirs[-1])
            found.append(round(len(ours) / (int(reached[0]) + 1), 2) if len(reached) else 0.0)
    return found


def _estimate(by_case: Values) -> dict[str, Any]:
    draws = np.random.default_rng(0).integers(len(by_case), size=(_DRAWS, len(by_case)))
    low, high = np.percentile(by_case[draws].mean(axis=1), [2.5, 97.5])
    return {"value": round(float(by_case.mean()), 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def gather(chosen: argparse.Namespace) -> dict[str, Any]:
    """The result of the jobs that are done."""
    done = dict(finished([job for jobs in jobs_of(chosen) for job in jobs], run_file, chosen))
    influences = [run for job, run in done.items() if job[0] == "influence"]
    return {
        "steps": {"few": chosen.steps, "all": chosen.all_steps},
        "pre-training": chosen.pretraining,
        "shots": {str(shots or "all"): summary(done, shots) for shots in chosen.shots},
        "steps saved": {str(shots or "all"): steps_saved(done, shots, 32 if shots else 125) for shots in chosen.shots},
        "influence": {
            name: [round(float(np.corrcoef(one["closed form"], one[name])[0, 1]), 4) for one in influences]
            for name in (LQF, NLFT)
        },
        "influences": influences,
    }


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row for each arm, then what LQF gives."""
    shots = [name for name, rows in result["shots"].items() if rows]
    titles = [f"{name} images, error %" if name == "all" else f"{name} shots, error %" for name in shots]
    lines = [f"| arm | {' | '.join(titles)} |", f"|{'---|' * (len(shots) + 1)}"]
    lines += [f"| {arm} | {' | '.join(_shown(result['shots'][name].get(arm)) for name in shots)} |" for arm in ARMS]
    lines += ["", "| flips between two runs, % | " + " | ".join(shots) + " |", f"|{'---|' * (len(shots) + 1)}"]
    for arm in (NLFT, LQF):
        for name in AGAIN:
            values = [result["shots"][of].get(arm, {}).get("flips", {}).get(name, []) for of in shots]
            shown = [f"{100 * np.mean(one):.2f} (most {100 * max(one):.2f})" if one else "" for one in values]
            lines.append(f"| {arm}, {name} | {' | '.join(shown)} |")
    saved = "; ".join(
        f"{name}: {np.mean(values):.1f} ({', '.join(f'{one:.1f}' for one in values)})"
        for name, values in result["steps saved"].items()
        if values
    )
    lines.append(
        f"\nErrors: mean of seeds, 95 % interval, and each seed. Plain descent's steps over LQF's to one loss, by seed, {saved}."
    )
    for name, values in result["influence"].items():
        if values:
            lines.append(
                f"Correlation of the influences in closed form with those of training {name} again: {np.mean(values):.3f} "
                f"({', '.join(f'{one:.3f}' for one in values)})."
            )
    return "\n".join(lines)


def _shown(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    low, high = (100 * end for end in row["error"]["interval"])
    seeds = ", ".join(f"{100 * one:.1f}" for one in row["by seed"])
    return f"{100 * row['error']['value']:.1f} ({low:.1f} to {high:.1f}; {seeds})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Errors by shots, and influences in closed form against training again."""
    mpl.use("Agg")
    figure, (errors, influences) = pyplot.subplots(1, 2, figsize=(11, 4.2))
    shots = [name for name, rows in result["shots"].items() if rows]
    for number, arm in enumerate(ARMS):
        rows = [(place, result["shots"][name][arm]) for place, name in enumerate(shots) if arm in result["shots"][name]]
        heights = [100 * row["error"]["value"] for _, row in rows]
        reach = np.array(
            [[100 * abs(row["error"]["value"] - end) for end in row["error"]["interval"]] for _, row in rows]
        )
        places = [place + (number - 3) * 0.12 for place, _ in rows]
        if rows:
            errors.bar(places, heights, 0.12, yerr=reach.T, label=arm, error_kw={"linewidth": 0.7})
    errors.set_xticks(range(len(shots)), shots)
    errors.set(xlabel="images of each class", ylabel="error, %")
    errors.legend(fontsize=7, loc="lower left")
    for run in result["influences"]:
        influences.scatter(run["closed form"], run[LQF], s=12, color="tab:orange")
    influences.axline((0, 0), slope=1, color="grey", linewidth=0.7)
    influences.set(xlabel="influence in closed form", ylabel="influence by training LQF again")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data="fashion-mnist's four files", collections=(), work="/tmp/segue-linear-finetuning")
    options.set_defaults(data=DATA / "evolve" / "fashion-mnist", processes=1)
    options.add_argument("--shots", nargs="+", type=int, default=[2, 5, 20, 0], choices=[2, 5, 20, 0])
    options.add_argument("--steps", type=int, default=300, help="of few-shot fine-tuning")
    options.add_argument("--all-steps", type=int, default=1200, help="of fine-tuning on all images")
    options.add_argument("--pretraining", type=int, default=600, help="steps of pre-training")
    options.add_argument("--tested", type=int, default=5000, help="test images")
    chosen = options.parse_args()
    stages = jobs_of(chosen)
    if chosen.processes == 1:  # one process keeps their order by itself
        stages = [[job for jobs in stages for job in jobs]]
    for jobs in stages:
        run_all(jobs, one_run, run_file, chosen)
    publish("linear_finetuning", gather(chosen), chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
