"""BCWI: a new model that was fine-tuned from the old one, moved part of the way back. One model, no cost when it is used.

Weights α · old + (1 − α) · new; with the old model's Fisher information F, each weight by its own importance to the old one's
answers: (α F old + (1 − α) new) / (α F + 1 − α).

Source: Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation" (EACL 2024): BCWI, FisherBCWI.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from segue.errors import InvalidInput

Weights = Mapping[str, Tensor]
"""A state dict."""

_TOGETHER = 64
"""Inputs whose gradients are held at once."""


def interpolated(old: Weights, new: Weights, share: float, importance: Weights | None = None) -> dict[str, Tensor]:
    """The state dict between `old` (`share` α = 1) and `new` (0). With `importance`, by name, an old weight of importance 1
    counts as without; names that it lacks (buffers) have 1. What is not floating (counters) is the new model's.

    Running statistics of batch normalisation are averaged like weights: estimate them anew where that matters.
    Raises `InvalidInput` for other names or shapes, a share outside 0…1, or an importance that is negative or not finite.

    >>> old, new = {"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}
    >>> interpolated(old, new, 0.25)["w"].tolist()
    [0.75, 0.75]
    >>> interpolated(old, new, 0.5, {"w": torch.tensor([0.0, 3.0])})["w"].tolist()
    [1.0, 0.25]
    """
    if not 0 <= share <= 1:
        raise InvalidInput(f"The old model's share is {share}.", expected="0 to 1", fix="pass share=0.3")
    if old.keys() != new.keys():
        raise InvalidInput(
            f"Only one of the models has {', '.join(sorted(old.keys() ^ new.keys())[:3])}.",
            expected="two state dicts of one architecture, the new one fine-tuned from the old one",
        )
    return {name: _between(name, old[name], new[name], share, importance) for name in new}


def _between(name: str, old: Tensor, new: Tensor, share: float, importance: Weights | None) -> Tensor:
    if old.shape != new.shape:
        raise InvalidInput(f"{name} is {list(old.shape)} in the old model and {list(new.shape)} in the new one.")
    if not new.is_floating_point():
        return new.clone()
    if importance is None or name not in importance:
        return share * old + (1 - share) * new
    weight = importance[name]
    if weight.shape != new.shape or not bool((torch.isfinite(weight) & (weight >= 0)).all()):
        raise InvalidInput(
            f"The importance of {name} cannot be used.", expected=f"finite, 0 or more, of {list(new.shape)}"
        )
    total = share * weight + (1 - share)
    # A weight without importance has no way of its own at α = 1: it goes where all others go, to the old model.
    found = (share * weight * old + (1 - share) * new) / torch.where(total > 0, total, 1)
    return torch.where(total > 0, found, old)


def fisher_information(model: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """The importance of every parameter to the model's own answers: the diagonal of the empirical Fisher information.

    The mean over `inputs` [n, …] of the squared slope of log p(ŷ | x), ŷ the model's answer, scaled to a mean of 1 over all
    parameters. The slopes are of one sample each. `model` maps [n, …] to logits [n, c] and is used as it is: put it into
    evaluation mode first. Raises `InvalidInput` where there is no input, or nothing that depends on a parameter.
    """
    if len(inputs) == 0:
        raise InvalidInput("There is no input.", expected="what the model was trained on")
    weights = {name: value.detach() for name, value in model.named_parameters()}
    buffers = {name: value.detach() for name, value in model.named_buffers()}

    def surety(now: dict[str, Tensor], one: Tensor) -> Tensor:
        logits: Tensor = functional_call(model, {**now, **buffers}, (one[None],))
        return logits.log_softmax(dim=-1).amax()

    slopes: Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]] = vmap(grad(surety), in_dims=(None, 0))
    total = {name: torch.zeros_like(value) for name, value in weights.items()}
    for part in torch.split(inputs, _TOGETHER):
        for name, slope in slopes(weights, part).items():
            total[name] += slope.square().sum(dim=0)
    mean = torch.cat([value.flatten() for value in total.values()]).mean()
    if not (bool(torch.isfinite(mean)) and mean > 0):
        raise InvalidInput(
            f"The mean of the Fisher information is {mean / len(inputs)}.", expected="finite, more than 0"
        )
    return {name: value / mean for name, value in total.items()}


def fewest_flips(
    old_right: NDArray[np.bool_], right: NDArray[np.bool_], untreated: NDArray[np.bool_], *, budget: float
) -> int:
    """Which of k candidates to take, by validation cases [n]: the fewest negative flips among those whose error is at most
    `budget` (a share: 0.003 is 0.3 points) above the untreated model's; of equals, the one with the least error, then the first.

    `old_right` [n] says where the old model is right, or [k, n] where each candidate would replace another one; `right` [k, n]
    where each candidate is, `untreated` [n] where the new model is that nothing was done to. Where no candidate is within the
    budget it is the one with the least error. Cases may be those of several seeds, one after the other.

    >>> old = np.array([True, True, False, False])
    >>> candidates = np.array([[True, False, True, True], [True, True, True, False], [True, True, False, False]])
    >>> fewest_flips(old, candidates, candidates[0], budget=0.1)
    1
    """
    cases = right.shape[1:]
    if right.ndim != 2 or not right.size or untreated.shape != cases or old_right.shape not in (cases, right.shape):
        raise InvalidInput(
            f"The old model has {old_right.shape} cases, the untreated one {untreated.shape}, the candidates {right.shape}.",
            expected="[n], [n] and [k, n] of the same n cases, at least one",
        )
    error, flips = (~right).sum(axis=1), (old_right & ~right).sum(axis=1)
    within = error <= (~untreated).sum() + budget * right.shape[1] + 1e-9
    if not within.any():
        return int(error.argmin())
    order = np.lexsort((error, flips, ~within))
    return int(order[0])
