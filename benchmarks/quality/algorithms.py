"""Does a position family learned on short texts hold on long ones?

Question: trained on algorithmic tasks at lengths 1 to 40, how many of the answer's symbols does an encoder get right at lengths
41 to 200, for every position family? Peers: x-transformers' families at the same width, depth, heads, steps, texts and
optimiser, built as that library builds them (pre-norm). Claims: FLOATER 5 points above sinusoidal; FLOATER at random times 10
above it and within 2 of the best peer.

Tasks: `benchmarks.tasks`, four of the fifteen of Ruoss et al. 2023 (section 4); as there, the accuracy is the mean over all
lengths of the range, each with as many texts. Where we differ: they train 2,000,000 steps of 128 texts, a run here takes about a
minute of one core. So symbols to be looked up are of 16 kinds, as a lookup among random bits needs many more texts, and the
longest length of a batch grows from 4 to 40 over the first 60 % of the steps. A batch has one length, the loss is at its
placeholders.

Settings were chosen on the two tasks of `tasks.DEVELOPMENT`, which are not reported, at seed 0, one run a setting: the width of
the initial word vectors, 0.3 (1.0 was worse with sinusoids); five times the learning rate for parameters of positions, of every
family and library (T5's bias hardly moves otherwise, and learns at once with it); pre-norm for the peer library, its default
(post-norm was worse); an evenly spread text in evaluation where places are random (drawn places, as the authors have it, were
worse by up to 10 points in all runs but one); FLOATER's spacing, bound and base. Its decay was at first 0, then biases may move
by 6 over the range: on even pairs both families at random times were stuck at chance within the trained lengths, so it was
chosen again, in development, where a decay of 1 was within 3 points of none (seeds 0 and 1). The learning rate and the
reach of random places were set beforehand; the steps of each task by what was learned within the trained lengths, after
first runs with half as many texts in which most families did not learn even pairs, and with a third of the steps in which none
learned to reverse a string. All are the same for every arm.

FLOATER is measured over sinusoids, as in the paper, and over rotary positions, the better base in development, which the claims
are about. Rotary positions at random places are measured to tell what is the base's and what the flow's.

    python -m benchmarks.quality.algorithms [--tasks NAME …] [--arms NAME …] [--seeds N] [--steps X] [--texts N] [--gather]

--steps multiplies the steps. Resumable: a run leaves a file in --work; they go seed by seed, so that each seed makes a full
table.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.record import publish, spread
from benchmarks.runs import arguments, finished, run_all
from benchmarks.tasks import TASKS, Task
from segue.encode.positions import (
    FAMILIES,
    FloaterPositions,
    Positions,
    RandomisedPositions,
    RotaryPositions,
    SinusoidalPositions,
    flowing,
)
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.lines import Line2D

Job = tuple[int, str, str]
"""Seed, task, arm."""

WIDTH, BLOCKS, HEADS = 64, 2, 4
RATE, FASTER, WARM = 2e-3, 5.0, 100
TRAINED, LONGEST, REACH = 40, 200, 640
STEPS = {
    "even pairs": (1200, 32),
    "bucket sort": (800, 16),
    "missing duplicate": (1200, 32),
    "reverse string": (4500, 16),
}
"""Of each task: steps, and texts in each. An answer of one symbol teaches less, and its texts are shorter."""
BIN = 8
"""Lengths that are one point of a curve."""
BASELINE, FLOWING, RANDOM_FLOWING = "sinusoidal", "floater over rotary", "randomised floater over rotary"


def _floater(shape: Shape, base: Positions) -> FloaterPositions:
    # No bias moves by more than 1.
    return flowing(shape.width, base, spacing=0.01, stride=10, scale=0.1, bound=1.0, decay=1.0)


def _rotary(shape: Shape) -> RotaryPositions:
    return RotaryPositions(shape.width, shape.heads)


def _family(name: str, shape: Shape) -> Positions:
    found = FAMILIES[name](shape, REACH, False)
    if isinstance(found, RandomisedPositions):
        found.horizon = None  # which is for step-by-step decoding
    return found


def _randomised(inner: Positions, *, whole: bool = True) -> RandomisedPositions:
    return RandomisedPositions(inner, reach=REACH, whole=whole)


OURS: dict[str, Callable[[Shape], Positions]] = {
    **{name: partial(_family, name) for name in FAMILIES if "floater" not in name},
    "randomised rotary": lambda shape: _randomised(_rotary(shape)),
    "floater": lambda shape: _floater(shape, SinusoidalPositions(shape.width)),
    FLOWING: lambda shape: _floater(shape, _rotary(shape)),
    "randomised floater": lambda shape: _randomised(_floater(shape, SinusoidalPositions(shape.width)), whole=False),
    RANDOM_FLOWING: lambda shape: _randomised(_floater(shape, _rotary(shape)), whole=False),
}
_X = "x-transformers "
THEIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    _X + "none": ({}, {"use_abs_pos_emb": False}),
    _X + "learned": ({}, {}),
    _X + "sinusoidal": ({}, {"scaled_sinu_pos_emb": True}),
    _X + "T5": ({"rel_pos_bias": True}, {}),
    _X + "alibi": ({"alibi_pos_bias": True}, {"use_abs_pos_emb": False}),
    _X + "rotary": ({"rotary_pos_emb": True}, {}),
    _X + "dynamic bias": ({"dynamic_pos_bias": True}, {"use_abs_pos_emb": False}),
}
"""Arm → options of its layers and of the whole."""
ARMS = [*OURS, *THEIRS]


class Answering(nn.Module):
    """An encoder of ours and, at the last m tokens, logits of the answer's symbols: [b, n + m] → [b, m, answers]."""

    def __init__(self, task: Task, make: Callable[[Shape], Positions]) -> None:
        super().__init__()
        shape = Shape(task.symbols + 1, WIDTH, BLOCKS, HEADS, 4 * WIDTH, types=1, epsilon=1e-5)
        self.encoder = Transformer(shape, make(shape))
        nn.init.normal_(self.encoder.words.weight, std=0.3)
        nn.init.zeros_(self.encoder.types.weight)
        self.answer = nn.Linear(WIDTH, task.answers)

    def forward(self, ids: Tensor, count: int) -> Tensor:
        logits: Tensor = self.answer(self.encoder(ids)[:, -count:])
        return logits


class Peer(nn.Module):
    """The same by x-transformers."""

    def __init__(self, task: Task, layers: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
        super().__init__()
        from x_transformers import Encoder, TransformerWrapper  # noqa: PLC0415 - takes seconds, and not every run needs it

        blocks = Encoder(dim=WIDTH, depth=BLOCKS, heads=HEADS, attn_dim_head=WIDTH // HEADS, verbose=False, **layers)
        self.encoder = TransformerWrapper(
            num_tokens=task.symbols + 1, max_seq_len=REACH, logits_dim=task.answers, attn_layers=blocks, **whole
        )

    def forward(self, ids: Tensor, count: int) -> Tensor:
        logits: Tensor = self.encoder(ids)[:, -count:]
        return logits


def model_of(arm: str, task: Task) -> nn.Module:
    return Answering(task, OURS[arm]) if arm in OURS else Peer(task, *THEIRS[arm])


def train(model: nn.Module, task: Task, steps: int, texts: int, seed: int) -> None:
    """Adam with a cosine to 2 % of the rate; the same texts for every arm."""
    places = ("positions", "pos_emb", "rel_pos")
    fast = [one for name, one in model.named_parameters() if any(part in name for part in places)]
    slow = [one for name, one in model.named_parameters() if not any(part in name for part in places)]
    groups = [{"params": slow, "lr": RATE}, *([{"params": fast, "lr": FASTER * RATE}] if fast else [])]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / WARM, max(0.02, 0.5 + 0.5 * math.cos(math.pi * step / steps)))
    )
    random = np.random.default_rng(seed)
    model.train()
    for step in range(steps):
        longest = min(TRAINED, 4 + int(TRAINED * step / (0.6 * steps)))
        ids, answers = map(torch.from_numpy, task.batch(random, texts, int(random.integers(1, longest + 1))))
        loss = functional.cross_entropy(model(ids, answers.shape[1]).flatten(0, 1), answers.flatten())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()


@torch.no_grad()
def accuracies(model: nn.Module, task: Task, lengths: Sequence[int], texts: int, seed: int) -> list[float]:
    """The share of the answers' symbols that are right, one number a length; the same texts for every arm."""
    random = np.random.default_rng([seed, 1])
    model.eval()
    found = []
    for length in lengths:
        ids, answers = map(torch.from_numpy, task.batch(random, texts, length))
        found.append(float((model(ids, answers.shape[1]).argmax(dim=2) == answers).double().mean()))
    return found


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    seed, task, arm = job
    return Path(chosen.work) / f"seed-{seed}" / task.replace(" ", "-") / f"{arm.replace(' ', '-')}.json"


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    seed, name, arm = job
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    task = TASKS[name]
    model = model_of(arm, task)
    steps, texts = STEPS[name]
    train(model, task, max(2, round(chosen.steps * steps)), texts, seed)
    right = accuracies(model, task, range(1, LONGEST + 1), chosen.texts, seed)
    found = {"by length": [round(one, 5) for one in right]}
    inside, outside = _parts(found)
    return found, f"{name}, seed {seed}: {100 * inside:.1f} within, {100 * outside:.1f} beyond"


def _parts(run: Mapping[str, Any]) -> tuple[float, float]:
    """Mean accuracy within the trained lengths and beyond."""
    by_length = run["by length"]
    return float(np.mean(by_length[:TRAINED])), float(np.mean(by_length[TRAINED:]))


def gathered(runs: Mapping[Job, Mapping[str, Any]]) -> dict[str, Any]:
    """Of every task, each arm with the seeds whose runs are finished; and of the mean of the tasks that all arms have run."""
    tasks = {
        name: _rows({(seed, arm): run for (seed, task, arm), run in runs.items() if task == name}) for name in STEPS
    }
    tasks = {name: rows for name, rows in tasks.items() if rows}
    arms = {arm for _, _, arm in runs}
    whole = [name for name, rows in tasks.items() if set(rows) == arms]
    every: dict[tuple[int, str], Mapping[str, Any]] = {}
    for seed, arm in {(seed, arm) for seed, _, arm in runs}:
        found = [runs[seed, name, arm]["by length"] for name in whole if (seed, name, arm) in runs]
        if found and len(found) == len(whole):  # else the mean would be one of other tasks
            every[seed, arm] = {"by length": np.mean(found, axis=0).tolist()}
    return {"tasks": tasks, "mean of": whole, "mean": _rows(every)}


def _rows(runs: Mapping[tuple[int, str], Mapping[str, Any]]) -> dict[str, Any]:
    found = {}
    for arm in ARMS:
        mine = {seed: run for (seed, by), run in sorted(runs.items()) if by == arm}
        if not mine:
            continue
        inside, outside = np.array([_parts(run) for run in mine.values()]).T
        both = [seed for seed in mine if (seed, BASELINE) in runs]
        gained = [_parts(mine[seed])[1] - _parts(runs[seed, BASELINE])[1] for seed in both]
        curve = np.mean([run["by length"] for run in mine.values()], axis=0).reshape(-1, BIN).mean(axis=1)
        found[arm] = {
            "seeds": list(mine),
            "within": _spread(inside),
            "beyond": _spread(outside),
            f"beyond, against {BASELINE}": _spread(gained) if gained else None,
            "by length": [round(one, 4) for one in curve.tolist()],
        }
    return found


def _spread(values: Sequence[float]) -> dict[str, Any]:
    found = spread(values, digits=4)
    return {"values": found.pop("by seed"), **found}


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row for each arm: accuracy beyond the trained lengths and, small, within."""
    rows, tasks = result["mean"], result["tasks"]
    lines = [
        f"| positions | mean | against {BASELINE} | {' | '.join(tasks)} |",
        f"|---|---|---|{'---|' * len(tasks)}",
    ]
    for arm in sorted(rows, key=lambda one: -rows[one]["beyond"]["mean"]):
        cells = [tasks[name].get(arm) for name in tasks]
        shown = " | ".join(_cell(row) for row in cells)
        gain = rows[arm][f"beyond, against {BASELINE}"]
        against = "" if gain is None or arm == BASELINE else _percent(gain, sign="+")
        lines.append(f"| {arm} | **{_percent(rows[arm]['beyond'])}** | {against} | {shown} |")
    seeds = {name: sorted({len(row["seeds"]) for row in found.values()}) for name, found in tasks.items()}
    counts = "; ".join(f"{name} {' to '.join(map(str, found))}" for name, found in seeds.items())
    lines += [
        f"\n% of the answers' symbols at lengths {TRAINED + 1} to {LONGEST}, in brackets at 1 to {TRAINED}; ± 95 % intervals "
        f"over seeds (seeds by task: {counts}). The mean is that of {', '.join(result['mean of'])}. Chance: "
        + ", ".join(f"{name} {100 / TASKS[name].answers:.0f}" for name in tasks)
        + ".",
        "",
        *_claims(rows),
    ]
    return "\n".join(lines)


def _cell(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else f"{_percent(row['beyond'])} ({100 * row['within']['mean']:.0f})"


def _claims(rows: Mapping[str, Any]) -> list[str]:
    peers = {arm: row["beyond"]["mean"] for arm, row in rows.items() if "floater" not in arm}
    if not {FLOWING, RANDOM_FLOWING, BASELINE} <= set(rows):
        return []
    best = max(peers, key=lambda arm: peers[arm])
    key = f"beyond, against {BASELINE}"
    plain, drawn = rows[FLOWING][key]["mean"], rows[RANDOM_FLOWING][key]["mean"]
    behind = rows[RANDOM_FLOWING]["beyond"]["mean"] - peers[best]
    claims = [
        (f"{FLOWING}, points above {BASELINE}", "≥ 5", plain, plain >= 0.05),
        (f"{RANDOM_FLOWING}, points above {BASELINE}", "≥ 10", drawn, drawn >= 0.10),
        (f"the same, points above the best peer ({best})", "≥ −2", behind, behind >= -0.02),
    ]
    return [
        "| claim | target | measured | |",
        "|---|---|---|---|",
        *(
            f"| {what} | {target} | {100 * value:+.1f} | {'yes' if met else '**no**'} |"
            for what, target, value, met in claims
        ),
    ]


def _percent(spread: Mapping[str, Any], sign: str = "") -> str:
    half = "" if spread["±"] is None else f" ±{100 * spread['±']:.1f}"
    return f"{100 * spread['mean']:{sign}.1f}{half}"


_COLOURS = {
    BASELINE: "black",
    "rotary": "tab:blue",
    "randomised rotary": "tab:cyan",
    "randomised relative": "tab:green",
    FLOWING: "tab:orange",
    RANDOM_FLOWING: "tab:red",
}


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Accuracy by length, a panel a task and one for their mean; every arm, those that the claims are about in colour."""
    shown = {"mean": result["mean"], **result["tasks"]}
    figure, panels = pyplot.subplots(2, 3, figsize=(12, 7), sharex=True)
    lengths = np.arange(LONGEST // BIN) * BIN + (BIN + 1) / 2
    for panel, (name, rows) in zip(panels.flat, shown.items(), strict=False):
        for arm, row in rows.items():
            colour = _COLOURS.get(arm)
            style = {"color": colour, "lw": 1.8, "label": arm} if colour else {"color": "0.8", "lw": 0.8, "zorder": 1}
            panel.plot(lengths, 100 * np.array(row["by length"]), **style)
        panel.axvline(TRAINED + 0.5, color="0.5", lw=0.8, ls=":")
        panel.set(title=name, xlabel="length", ylabel="% of symbols")
    for panel in list(panels.flat)[len(shown) :]:
        panel.axis("off")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    panels.flat[-1].legend([*handles, Line2D([], [], color="0.8")], [*labels, "all others"], loc="center")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data=None, collections=(), work="/tmp/segue-algorithms")
    options.set_defaults(seeds=3, processes=1)
    options.add_argument("--tasks", nargs="+", default=list(STEPS), choices=list(STEPS))
    options.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS)
    options.add_argument("--steps", type=float, default=1.0, help="times the steps of each task")
    options.add_argument("--texts", type=int, default=10, help="tested a length")
    chosen = options.parse_args()
    jobs = [(seed, task, arm) for seed in range(chosen.seeds) for task in chosen.tasks for arm in chosen.arms]
    run_all(jobs, one_run, run_file, chosen)
    result = {
        "width": WIDTH,
        "blocks": BLOCKS,
        "heads": HEADS,
        "steps": {name: max(2, round(chosen.steps * steps)) for name, (steps, _) in STEPS.items()},
        "texts a step": {name: texts for name, (_, texts) in STEPS.items()},
        "tested a length": chosen.texts,
        "reach": REACH,
        **gathered(dict(finished(jobs, run_file, chosen))),
    }
    publish("algorithms", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
