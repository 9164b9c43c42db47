"""Can a trained Transformer be given FLOATER without harm, does that help it, and on sentences longer than any in training?

Question: small translators, English to French, on Tatoeba's pairs. (1) *Warm start*: is a model, migrated to FLOATER before any
further step, the model that it was, and is step-by-step decoding what teacher forcing says? (2) *Gain*: after as many further
steps, is it better than the same model continued without FLOATER? (3) *Longer*: trained on sources of at most 10 words, which
is best on 13 and more?
Arms: a sinusoidal Transformer is trained; all is copied, the peak rate halved, and every arm of `CONTINUED` goes on for the same
steps over the same batches: the control without FLOATER; FLOATER in all attentions, encoder, decoder and the look at the source;
FLOATER bounded; the same at random times, and the control at the same random times, so that what FLOATER adds to them is seen.
Peers are trained from scratch with both schedules one after the other: T5's relative bias, learned table, rotary, ALiBi, no
positions in the decoder, FLOATER; and x-transformers' own encoder and decoder of the same sizes, with its relative bias.
Split: by English source; all of its translations are references. "train" and, held out, "dev short" and "test short": at most
10 words; "dev long": 11 and 12 words; "test long": 13 and more. BLEU is sacrebleu's, of greedy translations.
Chosen on dev, with one short run each of a seed that is none of these: the peak rate (1e-3, 2e-3 and 4e-3 for 250 steps: 4e-3
had the least loss, 2e-3 the most BLEU; 3e-3 is between them), and how times are drawn, by BLEU on 661 sources of 11 and 12
words after 1,200 + 200 steps, beside it that of 500 short ones. FLOATER bounded: every text stretched by 1 to 2, 10.8 (18.1);
by 0.5 to 3, 10.0 (19.5); random gaps of 1 to 4 in the mean, 9.6 (18.1); shifted by 0 to 40, 8.3 (16.9). The control: 10.3
(19.8); stretched by 1 to 2, 10.7 (17.9). So the draw was chosen among four for FLOATER and only taken over for the control,
which favours FLOATER, and for long sources at the cost of short ones. Bound, decay and spacing were not tuned.
Claim: logits within 1e-6, greedy translations identical, step by step within 1e-5; at least +0.2 BLEU over the control on "test
short"; at least +1.0 over it on "test long".

    python -m benchmarks.quality.translation [--data DIR] [--seeds N] [--steps N] [--more N] [--arms …] [--work DIR] [--out DIR]

--arms are those that are run, seed by seed; all that are finished are shown, with --gather without running any more.
Resumable: every model that was trained leaves a file in --work, one that is being trained a checkpoint every 250 steps.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: processes share the cores

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from benchmarks.record import DATA, publish, spread
from benchmarks.runs import arguments, finished, run_all
from benchmarks.sentences import PADDING, Counts, Pair, Sentence, batch, bleu, counted, load, pairs, pieces, split
from benchmarks.training import Plan, restore, train, translate
from benchmarks.translators import Clock, Draw, Ours, Translator, clocked, migrated, stretched
from segue.encode.positions import FAMILIES
from segue.encode.shape import Shape

CONTROL = "sinusoidal"
AT_RANDOM = "sinusoidal, random times"
BEFORE = "sinusoidal, not continued"
FLOATER, BOUNDED, FLOATER_AT_RANDOM = "FLOATER", "FLOATER, bounded", "FLOATER, bounded, random times"
_BOUNDS = {"bound": 1.0, "decay": 0.5}


@dataclass(frozen=True, slots=True)
class Arm:
    """How a base goes on: with FLOATER, its flow made with the `floater` keywords, or without; at random times or not."""

    base: str
    floater: Mapping[str, float] | None = None
    draw: Draw | None = None


CONTINUED: dict[str, Arm] = {
    CONTROL: Arm("sinusoidal"),
    FLOATER_AT_RANDOM: Arm("sinusoidal", _BOUNDS, stretched),
    AT_RANDOM: Arm("sinusoidal", None, stretched),
    FLOATER: Arm("sinusoidal", {}),
    BOUNDED: Arm("sinusoidal", _BOUNDS),
}
"""From the same base."""
PEERS: dict[str, Arm] = {
    "relative (T5)": Arm("relative"),
    "x-transformers, relative": Arm("x-transformers"),
    "learned": Arm("learned"),
    "rotary": Arm("rotary"),
    "ALiBi": Arm("alibi"),
    "none in the decoder": Arm("none in the decoder"),
    "FLOATER, bounded, from scratch": Arm("FLOATER"),
}
"""From scratch."""
ARMS = {**CONTINUED, **PEERS}
MIGRATED: dict[str, Mapping[str, float]] = {FLOATER: {}, BOUNDED: _BOUNDS}
BASES = ("sinusoidal", "learned")
"""Of the warm start."""
AGAINST = {FLOATER_AT_RANDOM: AT_RANDOM}
"""What an arm is compared with beside the control."""
SHORT, LONG = "test short", "test long"
WORDS = (0, 4, 6, 8, 10, 12, 14, 16, 19, 100)
"""Ends of the figure's groups by words of the source."""

_VOCABULARY, _RESAMPLED, _TABLE = 3000, 1000, 256
_FIRST, _MORE = Plan(steps=2000, peak=3e-3), Plan(steps=700, peak=1.5e-3, warmup=100)
_SETTINGS = ("steps", "more", "width", "held_out")

Job = tuple[str, int, str]
"""What is done ("base", "warm", "arm", "steps"), its seed, and of which base or arm."""


# -- runs -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Material:
    """The parts, the pieces they are cut into, and the pairs to learn from."""

    parts: dict[str, list[Sentence]]
    tokenizer: Tokenizer
    train: list[Pair] = field(repr=False)


@cache
def material(data: Path, held_out: int, work: Path) -> Material:
    """Read once a process."""
    parts = split(load(data / "tatoeba_en_fr" / "fra-eng.zip"), held_out=held_out)
    tokenizer = pieces(parts["train"], _VOCABULARY, work / f"pieces-{_VOCABULARY}-{held_out}.json")
    # The parts to choose on are only looked at: a sample of them is enough.
    parts |= {"dev short": parts["dev short"][:1000], "dev long": parts["dev long"][::4]}
    return Material(parts, tokenizer, pairs(parts["train"], tokenizer))


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What is kept of a job, and a line about it."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    started = time.process_time()
    kind, seed, name = job
    given = material(chosen.data, chosen.held_out, chosen.work)
    kept = {"base": base, "arm": arm, "steps": steps, "warm": warm}[kind](seed, name, given, chosen)
    taken = round(time.process_time() - started, 1)
    return {"seconds": taken, **kept}, f"{taken:.0f} s, {kept.get('bleu', '')}"


def base(seed: int, family: str, given: Material, chosen: argparse.Namespace) -> dict[str, Any]:
    """Train a model of a family from scratch and keep it."""
    model = made(family, seed, given, chosen)
    plan = Plan(chosen.steps, _FIRST.peak, min(_FIRST.warmup, chosen.steps // 2))
    losses = train(model, given.train, plan, seed=seed, checkpoint=_checkpoint("base", seed, family, chosen))
    return {"losses": losses, **judged(model, given)}


def arm(seed: int, name: str, given: Material, chosen: argparse.Namespace) -> dict[str, Any]:
    """Go on with a base as an arm does."""
    model, clock = continued(seed, name, given, chosen)
    plan = Plan(chosen.more, _MORE.peak, min(_MORE.warmup, chosen.more // 2))
    checkpoint = _checkpoint("arm", seed, name, chosen)
    # Other batches than the base began with, the same for every arm.
    losses = train(model, given.train, plan, seed=1000 + seed, checkpoint=checkpoint, clock=clock)
    size = sum(one.numel() for one in model.parameters())
    return {"losses": losses, "parameters": size, **judged(model, given)}


def steps(seed: int, name: str, given: Material, chosen: argparse.Namespace) -> dict[str, Any]:
    """Step-by-step decoding of an arm as it was trained, also in double precision, where rounding is no part of it."""
    model, _ = continued(seed, name, given, chosen)
    if not isinstance(model, Ours):
        return {}
    restore(model, _checkpoint("arm", seed, name, chosen))
    few = some(given)[1]
    single = step_by_step(model.eval(), few)
    return {"step by step": single, "step by step, float64": step_by_step(model.double(), few)}


def continued(seed: int, name: str, given: Material, chosen: argparse.Namespace) -> tuple[Translator, Clock]:
    """A base made into what an arm goes on with, and the clock of its tokens."""
    how = ARMS[name]
    model, clock = trained(how.base, seed, given, chosen), Clock(how.draw)
    if isinstance(model, Ours):
        if how.floater is not None:
            model = migrated(model, **how.floater)
        model = clocked(model, clock)
    return model, clock


def warm(seed: int, family: str, given: Material, chosen: argparse.Namespace) -> dict[str, Any]:
    """A base and what it is migrated to, before any further step: logits, translations, step-by-step decoding."""
    before = cast(Ours, trained(family, seed, given, chosen))
    sources = [one.source for part in (SHORT, LONG) for one in given.parts[part][:256]]
    texts = translate(before, sources, given.tokenizer)
    found = {}
    for name, bounds in MIGRATED.items():
        after = migrated(before, **bounds).eval()
        again = translate(after, sources, given.tokenizer)
        found[name] = {
            "logits": max(float((forced(before, few) - forced(after, few)).abs().max()) for few in some(given)),
            "translations": len(sources),
            "identical": sum(one == other for one, other in zip(texts, again, strict=True)),
            "step by step": step_by_step(after, some(given)[1]),
        }
    return {"migrated": found}


def some(given: Material) -> list[list[Pair]]:
    """A few pairs of each test part."""
    return [pairs(given.parts[part][:64], given.tokenizer)[:64] for part in (SHORT, LONG)]


@torch.no_grad()
def forced(model: Ours, given: Sequence[Pair]) -> Tensor:
    """Logits [b, n, V] by teacher forcing, 0 at padding."""
    both = batch(given)
    inputs = both.target[:, :-1]
    logits: Tensor = model.model(both.source, inputs, both.mask)
    return logits * (inputs != PADDING)[:, :, None]


@torch.no_grad()
def step_by_step(model: Ours, given: Sequence[Pair]) -> float:
    """The largest difference of logits between teacher forcing and one token after the other."""
    both = batch(given)
    state = model.model.start(both.source, both.mask)
    inputs = both.target[:, :-1]
    steps = [model.model.writer(inputs[:, at : at + 1], cache=state) for at in range(inputs.shape[1])]
    logits = torch.cat(steps, dim=1) * (inputs != PADDING)[:, :, None]
    return float((logits - forced(model, given)).abs().max())


def judged(model: Translator, given: Material) -> dict[str, Any]:
    """Every part's translations, and their BLEU."""
    written = {
        part: translate(model, [one.source for one in sentences], given.tokenizer)
        for part, sentences in given.parts.items()
        if part != "train"
    }
    scores = {part: round(bleu(counted(texts, given.parts[part])), 2) for part, texts in written.items()}
    return {"bleu": scores, "written": written}


def made(family: str, seed: int, given: Material, chosen: argparse.Namespace) -> Translator:
    """A new model; those of one seed begin with the same values wherever they have the same."""
    torch.manual_seed(seed)
    width = chosen.width
    shape = Shape(given.tokenizer.get_vocab_size(), width, blocks=2, heads=4, inner=4 * width)
    if family == "x-transformers":
        from benchmarks.peer_translator import Peer  # noqa: PLC0415

        return Peer(shape, rel_pos_bias=True)
    if family == "FLOATER":
        return migrated(cast(Ours, made("sinusoidal", seed, given, chosen)), **_BOUNDS)
    sides = ("sinusoidal", "none") if family == "none in the decoder" else (family, family)
    reads, writes = (FAMILIES[side](shape, _TABLE, causal) for side, causal in zip(sides, (False, True), strict=True))
    return Ours(shape, reads, writes)


def trained(family: str, seed: int, given: Material, chosen: argparse.Namespace) -> Translator:
    """A base that was kept."""
    model = made(family, seed, given, chosen)
    restore(model, _checkpoint("base", seed, family, chosen))
    return model.eval()


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    return _folder(chosen) / f"{_name(*job)}.json"


def _checkpoint(kind: str, seed: int, name: str, chosen: argparse.Namespace) -> Path:
    return _folder(chosen) / f"{_name(kind, seed, name)}.checkpoint"


def _name(kind: str, seed: int, name: str) -> str:
    return f"{kind}-{seed}-{name.replace(' ', '-')}"


def _folder(chosen: argparse.Namespace) -> Path:
    return Path(chosen.work / "-".join(str(getattr(chosen, setting)) for setting in _SETTINGS))


def jobs_of(seed: int, arms: Sequence[str]) -> list[Job]:
    """Bases before what needs them."""
    found: list[Job] = []
    for name in arms:
        family = ARMS[name].base
        if ("base", seed, family) not in found:
            found.append(("base", seed, family))
            if family in BASES:
                found.append(("warm", seed, family))
        found += [("arm", seed, name), ("steps", seed, name)]
    return found


# -- what it comes to -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted in one model's translations of each test part."""

    counts: Mapping[str, Counts]
    run: Mapping[str, Any]


def summary(chosen: argparse.Namespace, given: Material) -> dict[str, Any]:
    """Of all runs that are finished."""
    jobs = [job for seed in range(chosen.seeds) for job in jobs_of(seed, list(ARMS))]
    done = dict(finished(jobs, run_file, chosen))
    arms: dict[str, dict[int, Seen]] = {}
    for (kind, seed, name), run in done.items():
        if kind in ("warm", "steps") or (kind == "base" and name != CONTROL):
            continue
        run = {**done.get(("steps", seed, name), {}), **run} if kind == "arm" else run
        counts = {part: counted(run["written"][part], given.parts[part]) for part in (SHORT, LONG)}
        arms.setdefault(BEFORE if kind == "base" else name, {})[seed] = Seen(counts, run)
    return {
        "warm start": {
            family: {
                seed: done[job]["migrated"]
                for job in done
                if job[0] == "warm" and job[2] == family
                for seed in [job[1]]
            }
            for family in BASES
        },
        "arms": {name: row(name, arms, given) for name in (BEFORE, *ARMS) if name in arms},
    }


def row(name: str, arms: Mapping[str, Mapping[int, Seen]], given: Material) -> dict[str, Any]:
    """All that is said of an arm."""
    seeds = arms[name]
    runs = [seen.run for seen in seeds.values()]
    found: dict[str, Any] = {"seeds": list(seeds), "seconds": [run["seconds"] for run in runs]}
    for key in ("parameters", "step by step", "step by step, float64"):
        if values := [run[key] for run in runs if key in run]:
            found[key] = max(values)
    for part in (SHORT, LONG):
        counts = [seen.counts[part] for seen in seeds.values()]
        lengths = np.sum([count[:, :2].sum(axis=0) for count in counts], axis=0)
        found[part] = {
            "bleu": _spread([bleu(count) for count in counts]),
            "length": round(float(lengths[0] / lengths[1]), 3),
            "against": {
                other: against(seeds, arms[other], part)
                for other in (CONTROL, AGAINST.get(name, ""))
                if other in arms and other != name
            },
        }
    found["dev"] = {part: _spread([run["bleu"][part] for run in runs]) for part in ("dev short", "dev long")}
    words = {part: np.array([one.words for one in given.parts[part]]) for part in (SHORT, LONG)}
    found["by words"] = [
        {
            "words": [low + 1, high],
            "bleu": _spread([bleu(seen.counts[part][inside]) for seen in seeds.values()]),
            "sources": int(inside.sum()),
        }
        for low, high in pairwise(WORDS)
        for part in (SHORT, LONG)
        if (inside := (words[part] > low) & (words[part] <= high)).any()
    ]
    return found


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return spread(values, digits=2)


def against(one: Mapping[int, Seen], other: Mapping[int, Seen], part: str) -> dict[str, Any]:
    """Differences in BLEU, seed by seed, with their spread over seeds; and, by paired bootstrap over sentences, the intervals
    of each seed's and of their mean."""
    both = [seed for seed in one if seed in other]
    if not both:
        return {}
    pair = [(one[seed].counts[part], other[seed].counts[part]) for seed in both]
    drawn = np.random.default_rng(0).multinomial(size := len(pair[0][0]), np.full(size, 1 / size), size=_RESAMPLED)
    again = np.array([[_difference(*(weights @ counts for counts in seed)) for weights in drawn] for seed in pair])
    return {
        **_spread([_difference(first.sum(axis=0), second.sum(axis=0)) for first, second in pair]),
        "seeds": both,
        "bootstrap": _ends(again.mean(axis=0)),
        "bootstrap by seed": [_ends(seed) for seed in again],
    }


def _difference(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    return bleu(first[None]) - bleu(second[None])


def _ends(values: NDArray[np.float64]) -> list[float]:
    return [round(float(end), 2) for end in np.percentile(values, (2.5, 97.5))]


def as_table(result: Mapping[str, Any]) -> str:
    """For people: Markdown tables of the arms, of the warm start and of the claims."""
    lines = [
        "| arm | seeds | BLEU, ≤ 10 words | over the control | BLEU, 13+ words | over the control | length there |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in result["arms"].items():
        cells = [cell for part in (SHORT, LONG) for cell in (_mean(found[part]["bleu"]), _over(found[part], CONTROL))]
        lines.append(f"| {name} | {len(found['seeds'])} | {' | '.join(cells)} | {found[LONG]['length']:.2f} |")
    lines += ["", *_beside(result)]
    lines += [
        "",
        "| warm start | largest difference of logits | identical translations | step by step |",
        "|---|---|---|---|",
    ]
    for family, by_seed in result["warm start"].items():
        for name in MIGRATED:
            runs = [seed[name] for seed in by_seed.values()]
            if runs:
                same = f"{sum(run['identical'] for run in runs):,} of {sum(run['translations'] for run in runs):,}"
                logits, steps = (max(run[key] for run in runs) for key in ("logits", "step by step"))
                lines.append(f"| {family} → {name} ({len(runs)}) | {logits:.1e} | {same} | {steps:.1e} |")
    lines += ["", "| claim | target | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {claim} | {target} | {measured} | {'yes' if reached else '**no**'} |"
        for claim, target, measured, reached in result["against the claim"]
    ]
    counts = result["sources"]
    lines.append(
        f"\nLearned from {result['pairs']:,} pairs of {counts['train']:,} sources, in {result['settings']['steps']:,} + "
        f"{result['settings']['more']:,} steps; tested on {counts[SHORT]:,} sources of at most 10 words and {counts[LONG]:,} of "
        f"13 and more. After ±: half of the 95 % interval over seeds; in brackets, that over sentences of the mean, by paired "
        f"bootstrap. Length: words written by words in the nearest reference."
    )
    return "\n".join(lines)


def claims(summed: Mapping[str, Any]) -> list[tuple[str, str, str, bool]]:
    """Claim, target, measured, reached; of what is there."""
    runs = [run for seeds in summed["warm start"].values() for seed in seeds.values() for run in seed.values()]
    found = []
    if runs:
        logits = max(run["logits"] for run in runs)
        same, written = (sum(run[key] for run in runs) for key in ("identical", "translations"))
        after = [run["step by step"] for run in runs]
        found += [
            ("logits after migration", "within 1e-6", f"{logits:.1e}", logits <= 1e-6),
            ("greedy translations after migration", "identical", f"{same:,} of {written:,}", same == written),
            ("step by step after migration", "within 1e-5", f"{max(after):.1e}", max(after) <= 1e-5),
        ]
    for key in ("step by step", "step by step, float64"):
        if values := [row[key] for name, row in summed["arms"].items() if "FLOATER" in name and key in row]:
            found.append((f"{key}, FLOATER as trained", "within 1e-5", f"{max(values):.1e}", max(values) <= 1e-5))
    for part, least, label in ((SHORT, 0.2, "gain, ≤ 10 words"), (LONG, 1.0, "longer than trained, 13+ words")):
        for name in (FLOATER, BOUNDED, FLOATER_AT_RANDOM):
            if gain := summed["arms"].get(name, {}).get(part, {}).get("against", {}).get(CONTROL):
                found.append((f"{label}: {name}", f"≥ +{least}", f"{gain['mean']:+.2f}", gain["mean"] >= least))
    return found


def _beside(result: Mapping[str, Any]) -> list[str]:
    """Comparisons with other arms than the control."""
    return [
        f"*{name}* over *{other}*: {_over(result['arms'][name][SHORT], other)} on ≤ 10 words, "
        f"{_over(result['arms'][name][LONG], other)} on 13+."
        for name, other in AGAINST.items()
        if name in result["arms"] and other in result["arms"]
    ]


def _mean(found: Mapping[str, Any]) -> str:
    return f"{found['mean']:.2f}" + ("" if found["±"] is None else f" ± {found['±']:.2f}")


def _over(found: Mapping[str, Any], other: str) -> str:
    gain = found["against"].get(other)
    if not gain:
        return ""
    low, high = gain["bootstrap"]
    half = "" if gain["±"] is None else f" ± {gain['±']:.2f}"
    return f"{gain['mean']:+.2f}{half} ({low:+.2f} to {high:+.2f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """BLEU by the source's length, every arm, and how far it is from the control's."""
    matplotlib.use("Agg")
    figure, panels = pyplot.subplots(1, 2, figsize=(12, 4.8))
    control = [one["bleu"]["mean"] for one in result["arms"][CONTROL]["by words"]]
    for number, (name, found) in enumerate(result["arms"].items()):
        groups = found["by words"]
        labels = [f"{low}–{high}" if high < WORDS[-1] else f"{low}+" for low, high in (one["words"] for one in groups)]
        values = [one["bleu"]["mean"] for one in groups]
        more = [value - usual for value, usual in zip(values, control, strict=True)]
        for panel, shown in zip(panels, (values, more), strict=True):
            style = "-" if name in CONTINUED else ":"
            panel.plot(labels, shown, style, marker="o", ms=3, color=f"C{number % 10}", label=name)
    for panel, label in zip(panels, ("BLEU", "BLEU over the continued control"), strict=True):
        panel.set(xlabel="words of the source; trained on at most 10", ylabel=label)
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data="tatoeba_en_fr/fra-eng.zip", collections=(), work="/tmp/segue-translation")
    options.set_defaults(data=DATA / "encode", processes=1, seeds=3)
    options.add_argument("--arms", nargs="+", default=list(CONTINUED), choices=list(ARMS))
    options.add_argument("--steps", type=int, default=_FIRST.steps, help="of a base")
    options.add_argument("--more", type=int, default=_MORE.steps, help="of every arm, after its base")
    options.add_argument("--width", type=int, default=128)
    options.add_argument("--held-out", type=int, default=2000, help="short sources of dev, and of test")
    chosen = options.parse_args()
    for seed in range(chosen.seeds):
        run_all(jobs_of(seed, chosen.arms), one_run, run_file, chosen)
    given = material(chosen.data, chosen.held_out, chosen.work)
    summed = summary(chosen, given)
    result = {
        "data": "Tatoeba English–French",
        "settings": {setting: getattr(chosen, setting) for setting in _SETTINGS},
        "sources": {part: len(sentences) for part, sentences in given.parts.items()},
        "pairs": len(given.train),
        **summed,
        "against the claim": claims(summed),
    }
    publish("translation", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
