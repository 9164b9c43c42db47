"""What does FLOATER cost: parameters, training time, time to encode; and is the encoder as fast as others'?

Question: the same transformer with sinusoids and with FLOATER, one training step (forward, backward, Adam) after the other in
turn, so that both meet the same machine. FLOATER is solved anew at every step by the *parallel* solver, a node every two tokens,
with exact gradients; by *Runge–Kutta 4* at every step, at the paper's fifth of Δ and at Δ; by the *paper's schedule*: Runge–Kutta
at a fifth of Δ every 100th step, stale between. To encode, biases are stored: sinusoids against FLOATER, at three lengths.
MiniLM by this encoder against transformers (its fused attention), and against an x-transformers encoder of the same sizes, whose
weights are random.
Claim: training ≤ 1.05 with the parallel solver and ≤ 1.30 by the schedule; encoding within ±2 %; no slower than transformers, and
equal to it within 1e-5.
Ratios are medians over paired rounds; intervals 95 %, bootstrap over rounds. One thread. Other work on the machine widens them.

    python -m benchmarks.speed.positions [--rounds N] [--out DIR]
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.record import RESULTS, save
from segue.encode.dynamics.biases import BiasDynamics
from segue.encode.dynamics.flow import Flow
from segue.encode.dynamics.sequential import Sequential
from segue.encode.positions import FloaterPositions, Positions, SinusoidalPositions, floater
from segue.encode.pretrained import minilm, minilm_folder
from segue.encode.seq2seq import LanguageModel
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the two libraries warn of at import is not ours
    from transformers import BertModel
    from x_transformers import Encoder, TransformerWrapper

SINUSOIDAL = "sinusoidal"
SCHEDULE = 100
SPACING = 0.1


def _paper(width: int, step: float, every: int = 1) -> Positions:
    dynamics = BiasDynamics(Flow(width, scale=0.01), Sequential(step), spacing=SPACING, every=every)
    return FloaterPositions(dynamics, base=SinusoidalPositions(width))


ARMS: dict[str, Callable[[int], Positions]] = {
    SINUSOIDAL: SinusoidalPositions,
    "FLOATER, parallel": floater,
    "FLOATER, paper's schedule": lambda width: _paper(width, SPACING / 5, SCHEDULE),
    "FLOATER, Runge–Kutta 4, Δ/5": lambda width: _paper(width, SPACING / 5),
    "FLOATER, Runge–Kutta 4, Δ": lambda width: _paper(width, SPACING),
}
TRAINED = {"width 128, 4 blocks, 64 × 32 tokens": (128, 64, 32), "width 256, 4 blocks, 32 × 64 tokens": (256, 32, 64)}
ENCODED = {"32 × 16 tokens": (32, 16), "8 × 128 tokens": (8, 128), "2 × 512 tokens": (2, 512)}
READ = {"1 × 12 tokens": (1, 12), "16 × 32 tokens": (16, 32), "4 × 256 tokens": (4, 256)}
VOCABULARY = 2000

Timed = Mapping[str, Callable[[], object]]


def in_turn(arms: Timed, rounds: int) -> dict[str, list[float]]:
    """Seconds of every arm in every round; the order turns, so that none always comes first."""
    names = list(arms)
    found: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        arms[name]()
    for number in range(rounds):
        for name in [*names[number % len(names) :], *names[: number % len(names)]]:
            started = time.perf_counter()
            arms[name]()
            found[name].append(time.perf_counter() - started)
    return found


def against(seconds: Mapping[str, Sequence[float]], peer: str) -> dict[str, Any]:
    """Every arm's median time and its ratio to `peer` in the same round."""
    draw = np.random.default_rng(0)
    rows: dict[str, Any] = {}
    for name, values in seconds.items():
        ratios = np.array(values) / np.array(seconds[peer])
        medians = np.median(ratios[draw.integers(len(ratios), size=(2000, len(ratios)))], axis=1)
        rows[name] = {
            "ms": round(1e3 * float(np.median(values)), 3),
            "ratio": round(float(np.median(ratios)), 4),
            "interval": [round(float(end), 4) for end in np.percentile(medians, [2.5, 97.5])],
        }
    return rows


def training(width: int, texts: int, tokens: int, rounds: int) -> dict[str, Any]:
    """One step each in turn. The schedule's mean is worked out from its two kinds of step, which a median would hide."""
    shape = Shape(VOCABULARY, width, 4, 4, 4 * width)
    steps = {
        name: _step(LanguageModel(Transformer(shape, make(width), causal=True)), texts, tokens)
        for name, make in ARMS.items()
    }
    rows = against(in_turn(steps, rounds), SINUSOIDAL)
    stale, solved = (rows[name]["ratio"] for name in ("FLOATER, paper's schedule", "FLOATER, Runge–Kutta 4, Δ/5"))
    rows["FLOATER, paper's schedule"]["mean ratio"] = round(stale + (solved - stale) / SCHEDULE, 4)
    return rows


def _step(model: nn.Module, texts: int, tokens: int) -> Callable[[], None]:
    torch.manual_seed(0)
    ids = torch.randint(VOCABULARY, (texts, tokens + 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    model.train()

    def step() -> None:
        optimiser.zero_grad()
        logits = model(ids[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def encoding(texts: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Sinusoids against FLOATER with stored biases, in one transformer: the same weights at the same place in memory."""
    torch.manual_seed(0)
    shape = Shape(VOCABULARY, 256, 4, 4, 1024)
    families: dict[str, Positions] = {SINUSOIDAL: SinusoidalPositions(256), "FLOATER, stored": floater(256, scale=0.1)}
    transformer = Transformer(shape, families[SINUSOIDAL]).eval()
    ids = torch.randint(VOCABULARY, (texts, tokens))

    def run(positions: Positions) -> Callable[[], Tensor]:
        def encode() -> Tensor:
            transformer.positions = positions
            with torch.inference_mode():
                return transformer(ids)  # type: ignore[no-any-return]

        return encode

    return against(in_turn({name: run(one) for name, one in families.items()}, rounds), SINUSOIDAL)


def reading(texts: int, tokens: int, rounds: int) -> dict[str, Any]:
    """MiniLM: this encoder, transformers' on the same weights, and an x-transformers encoder of the same sizes."""
    ours = minilm().transformer
    theirs: Any = BertModel.from_pretrained(minilm_folder(), add_pooling_layer=False, local_files_only=True)
    shape = ours.shape
    other: Any = TransformerWrapper(
        num_tokens=shape.vocabulary,
        max_seq_len=512,
        attn_layers=Encoder(
            dim=shape.width, depth=shape.blocks, heads=shape.heads, attn_dim_head=32, attn_flash=True, pre_norm=False
        ),
    ).eval()
    theirs.eval()
    ids = torch.randint(1000, shape.vocabulary, (texts, tokens), generator=torch.Generator().manual_seed(0))

    def run(call: Callable[[], object]) -> Callable[[], object]:
        def read() -> object:
            with torch.inference_mode():
                return call()

        return read

    arms = {
        "transformers": lambda: theirs(ids).last_hidden_state,
        "Segue": lambda: ours(ids),
        "x-transformers": lambda: other(ids, return_embeddings=True),
    }
    rows = against(in_turn({name: run(call) for name, call in arms.items()}, rounds), "transformers")
    with torch.inference_mode():
        rows["Segue"]["largest difference"] = float((ours(ids) - theirs(ids).last_hidden_state).abs().max())
    return rows


def as_table(result: Mapping[str, Any]) -> str:
    """For people: Markdown, one row a way of doing it."""
    lines = ["| | setting | ms | ratio (95 %) | |", "|---|---|---|---|---|"]
    for part in ("training step", "encoding", "MiniLM"):
        for setting, rows in result[part].items():
            for name, row in rows.items():
                low, high = row["interval"]
                more = [f"mean of {SCHEDULE} steps {row['mean ratio']:.3f}"] if "mean ratio" in row else []
                more += [f"largest difference {row['largest difference']:.1e}"] if "largest difference" in row else []
                ratio = f"{row['ratio']:.3f} ({low:.3f} to {high:.3f})"
                lines.append(f"| {part}: {name} | {setting} | {row['ms']:.2f} | {ratio} | {', '.join(more)} |")
    counts = ", ".join(f"{count:,} at width {width}" for width, count in result["parameters"].items())
    lines.append(
        f"\nParameters of a flow, 2(d(d + 1) + d): {counts}. Ratios to sinusoids, and to transformers for MiniLM."
    )
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=60)
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the result")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "parameters": {width: sum(one.numel() for one in Flow(width).parameters()) for width in (128, 256, 384, 512)},
        "training step": {name: training(*sizes, chosen.rounds) for name, sizes in TRAINED.items()},
        "encoding": {name: encoding(*sizes, 3 * chosen.rounds) for name, sizes in ENCODED.items()},
        "MiniLM": {name: reading(*sizes, chosen.rounds) for name, sizes in READ.items()},
    }
    assert all(count == 2 * (width * (width + 1) + width) for width, count in result["parameters"].items())
    print(as_table(result))
    print(save("positions", result, chosen.out))


if __name__ == "__main__":
    main()
