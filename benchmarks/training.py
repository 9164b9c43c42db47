"""Translators are trained, from a checkpoint on, and write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from benchmarks.sentences import END, PADDING, Batch, Pair, batches, padded
from benchmarks.translators import Clock, Translator

_KEPT_EVERY = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` of Adam, the rate rising to `peak` over `warmup` steps and then falling to 0 in a line; batches of about
    `tokens` target pieces."""

    steps: int
    peak: float
    warmup: int = 200
    tokens: int = 1200
    smoothing: float = 0.1

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, …"""
        return self.peak * min((step + 1) / self.warmup, (self.steps - step) / max(1, self.steps - self.warmup), 1)


def train(
    model: Translator, given: Sequence[Pair], plan: Plan, *, seed: int, checkpoint: Path, clock: Clock | None = None
) -> list[float]:
    """Train from the checkpoint on, if there is one, else from the start; mean loss of every 100 steps of this call.

    Batches and random places depend on `seed` and the step alone: every model sees the same, stopped in between or not.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.98), fused=True)
    first = _resumed(model, optimiser, checkpoint)
    model.train()
    losses: list[float] = []
    for step, batch in enumerate(_stream(given, plan, seed)):
        if step == plan.steps:
            break
        if step < first:
            continue
        if clock is not None:
            clock.tick(torch.Generator().manual_seed(1_000_003 * seed + step))
        for group in optimiser.param_groups:
            group["lr"] = plan.rate(step)
        losses.append(_step(model, batch, optimiser, plan))
        if (step + 1) % _KEPT_EVERY == 0 or step + 1 == plan.steps:
            _keep(model, optimiser, step + 1, checkpoint)
    if clock is not None:
        clock.stop()
    model.eval()
    return [round(float(np.mean(losses[at : at + 100])), 4) for at in range(0, len(losses), 100)]


def _step(model: Translator, batch: Batch, optimiser: torch.optim.Optimizer, plan: Plan) -> float:
    wanted = batch.target[:, 1:]
    real = wanted != PADDING
    loss = functional.cross_entropy(model.logits(batch, real), wanted[real], label_smoothing=plan.smoothing)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _stream(given: Sequence[Pair], plan: Plan, seed: int) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from batches(given, tokens=plan.tokens, rng=np.random.default_rng((seed, epoch)))
        epoch += 1


def translate(model: Translator, sources: Sequence[str], tokenizer: Tokenizer, *, texts: int = 128) -> list[str]:
    """Greedy translations, in the order of the sources."""
    ids = [[*one.ids, END] for one in tokenizer.encode_batch_fast(list(sources))]
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    found = [""] * len(ids)
    for at in range(0, len(order), texts):
        group = order[at : at + texts]
        source = padded([ids[place] for place in group])
        written = model.write(source, (source != PADDING).long(), longest=int(1.5 * source.shape[1]) + 10)
        for place, text in zip(group, tokenizer.decode_batch(written), strict=True):
            found[place] = text.strip()
    return found


def _keep(model: Translator, optimiser: torch.optim.Optimizer, step: int, checkpoint: Path) -> None:
    tensors = {"step": torch.tensor(step)}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach()
        for key, value in optimiser.state[parameter].items():
            tensors[f"{key}.{name}"] = value
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    temporary = checkpoint.with_suffix(".new")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    temporary.replace(checkpoint)


def _resumed(model: Translator, optimiser: torch.optim.Optimizer, checkpoint: Path) -> int:
    """Put back what `_keep` kept; the number of steps done."""
    if not checkpoint.exists():
        return 0
    restore(model, checkpoint)
    tensors = load_file(checkpoint)
    for name, parameter in model.named_parameters():
        optimiser.state[parameter] = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
    return int(tensors["step"])


@torch.no_grad()
def restore(model: Translator, checkpoint: Path) -> None:
    """Give a model the parameters of a checkpoint."""
    tensors = load_file(checkpoint)
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[f"model.{name}"])
