"""Training a super-net by its paths, or one tower, on the losses of both sides."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor, nn

from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture
from segue.evolve.slim.losses import as_the_gallery_sees, contrastive, frozen_head, matching
from segue.evolve.slim.supernet import SuperNet
from segue.evolve.slim.tower import Tower

Embed = Callable[[Tensor, Tensor | None], Tensor]
_SPARSE = ("table", "pairs", "importance")
_WARM = 0.05
"""Share of the steps in which the rate rises from zero."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates at their highest: of what is looked up, and of the matrices. The matrices' decay is AdamW's."""

    tables: float = 0.003
    matrices: float = 0.001
    decay: float = 0.01


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts, `ids` and `mask` int64 [b, n]; `teacher` float32 [b, E], what the gallery's encoder makes of them; `gallery` float32
    [k, E], some of its stored vectors. The tower's own loss: the items, as texts `item_ids` and `item_mask` [c, m], that the
    first c texts are about, and their numbers, int64 [c]; c may be 0."""

    ids: Tensor
    mask: Tensor
    teacher: Tensor
    gallery: Tensor
    item_ids: Tensor
    item_mask: Tensor
    about: Tensor


def composite(embed: Embed, batch: Batch, *, own: float = 1.0, compatibility: float = 1.0) -> Tensor:
    """`own` · the tower's own loss + `compatibility` · the frozen gallery's (see `losses`), either of which may be 0."""
    queries = embed(batch.ids, batch.mask)
    loss = queries.new_zeros(())
    if own and (count := len(batch.about)):
        loss = loss + own * contrastive(queries[:count], embed(batch.item_ids, batch.item_mask), batch.about)
    if compatibility:
        seen = as_the_gallery_sees(batch.teacher, batch.gallery)
        both = frozen_head(queries, batch.gallery, seen) + matching(queries, batch.teacher)
        loss = loss + compatibility * both
    return loss


def train(
    tower: Tower, batches: Iterable[Batch], *, steps: int, rates: Rates, own: float = 1.0, compatibility: float = 1.0
) -> list[float]:
    """Train one tower in place, a step a batch; returns the losses."""
    return _train(
        tower, batches, lambda batch: composite(tower, batch, own=own, compatibility=compatibility), steps, rates
    )


def train_supernet(
    supernet: SuperNet,
    batches: Iterable[Batch],
    *,
    steps: int,
    rates: Rates,
    random: Generator,
    affordable: Callable[[Architecture], bool],
    own: float = 1.0,
    compatibility: float = 1.0,
) -> list[float]:
    """Train a super-net in place, one path a step, drawn uniformly from those that are `affordable`; returns the losses."""
    paths = [one for one in supernet.space if affordable(one)]
    if not paths:
        raise InvalidInput("No path of the super-net is affordable.", expected="one or more", fix="raise the cap")

    def loss(batch: Batch) -> Tensor:
        path = paths[int(random.integers(len(paths)))]
        return composite(lambda ids, mask: supernet.path(path, ids, mask), batch, own=own, compatibility=compatibility)

    return _train(supernet, batches, loss, steps, rates)


def _train(
    module: nn.Module, batches: Iterable[Batch], loss_of: Callable[[Batch], Tensor], steps: int, rates: Rates
) -> list[float]:
    made = optimisers(module, rates)
    schedules = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: _rate(step, steps)) for one in made]
    losses: list[float] = []
    for _, batch in zip(range(steps), batches, strict=False):
        for one in made:
            one.zero_grad(set_to_none=True)
        loss = loss_of(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        for one in made:
            one.step()
        for schedule in schedules:
            schedule.step()
        losses.append(float(loss.detach()))
    return losses


def optimisers(module: nn.Module, rates: Rates) -> list[torch.optim.Optimizer]:
    """Adam for the tables, which touches only rows that were looked up, and AdamW for the rest."""
    named = dict(module.named_parameters())
    tables = [tensor for name, tensor in named.items() if name.split(".")[-1] in _SPARSE]
    rest = [tensor for name, tensor in named.items() if name.split(".")[-1] not in _SPARSE]
    return [
        torch.optim.SparseAdam(tables, lr=rates.tables),
        torch.optim.AdamW(rest, lr=rates.matrices, weight_decay=rates.decay),
    ]


def _rate(step: int, steps: int) -> float:
    """Up in a straight line, then down to zero."""
    warm = max(1, round(_WARM * steps))
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))
