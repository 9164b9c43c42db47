"""Positive-congruent training: one more term in the loss, so that a new classifier does not break what the old one got right.

`loss = cross_entropy(new, labels) + λ · focal_distillation(new, old, labels, distance)`. Every sample pulls the new logits to
the old ones with the weight α + β · 1[the *old* model is right there]. Shapes: `n` samples, `c` classes; logits [n, c] of both
models for the same samples and classes, `labels` int64 [n].

Source: Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates" (CVPR 2021), section 4. We take the mean
over the samples of a batch where the paper writes a sum.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from segue.errors import InvalidInput

Distance = Callable[[Tensor, Tensor], Tensor]
"""New and old logits, [n, c] both → how far they are apart, [n]."""


def focal_weights(old: Tensor, labels: Tensor, *, base: float = 1.0, focus: float = 5.0) -> Tensor:
    """Each sample's weight [n]: `base` (α), and `focus` (β) more where the old logits [n, c] are right.

    It is the old model that must be right: a weight by the new one's mistakes would let go of a sample as soon as it is learned,
    and would pull to the old model where that was wrong.

    >>> focal_weights(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1])).tolist()
    [6.0, 1.0]
    """
    check_logits(old, labels)
    return base + focus * (old.argmax(dim=1) == labels).to(old.dtype)


def focal_distillation(
    new: Tensor, old: Tensor, labels: Tensor, distance: Distance, *, base: float = 1.0, focus: float = 5.0
) -> Tensor:
    """The mean over samples of weight · distance, a scalar. `old` is taken as it is: no gradient flows into it.

    Raises `InvalidInput` where shapes do not match, there is no sample, a label is no class, or a logit is not finite.
    """
    old = old.detach()
    check_logits(new, labels)
    check_pair(new, old)
    return (focal_weights(old, labels, base=base, focus=focus) * distance(new, old)).mean()


def softened_divergence(temperature: float = 100.0) -> Distance:
    """FD-KL: KL(softmax(old / τ) ‖ softmax(new / τ)) · τ².

    τ² keeps the size of the gradient whatever the temperature. At a high one this is `logit_distance`; at 1 it is the usual
    distillation of probabilities, which hardly looks at logits that are far below the best.
    """
    if not temperature > 0:
        raise InvalidInput(f"The temperature is {temperature}.", expected="more than 0", fix="pass temperature=100")

    def distance(new: Tensor, old: Tensor) -> Tensor:
        wanted = functional.log_softmax(old / temperature, dim=1)
        found = functional.log_softmax(new / temperature, dim=1)
        return temperature**2 * functional.kl_div(found, wanted, reduction="none", log_target=True).sum(dim=1)

    return distance


def logit_distance(new: Tensor, old: Tensor) -> Tensor:
    """FD-LM: half of the squared difference of the logits, as the mean over classes, [n].

    Logits are first moved to a mean of 0 over classes: softmax does not see their common part, so nothing should pull at it. The
    paper does not do this.

    >>> logit_distance(torch.tensor([[3.0, 1.0]]), torch.tensor([[7.0, 7.0]])).tolist()
    [0.5]
    """
    difference = new - old
    return 0.5 * (difference - difference.mean(dim=1, keepdim=True)).square().mean(dim=1)


def weighted_cross_entropy(
    new: Tensor, old: Tensor, labels: Tensor, *, base: float = 0.0, focus: float = 1.0
) -> Tensor:
    """The paper's naive way, a scalar: the new model's own cross-entropy once more, on the samples that the old one got right.

    It asks that they stay right but not that the new model answers as the old one does, and it helps little.
    """
    check_logits(new, labels)
    check_pair(new, old)
    weights = focal_weights(old.detach(), labels, base=base, focus=focus)
    return (weights * functional.cross_entropy(new, labels, reduction="none")).mean()


def check_logits(logits: Tensor, labels: Tensor | None = None) -> None:
    """Raise `InvalidInput` unless these are finite logits [n, c], n > 0, c > 1, with a label for each row."""
    if logits.ndim != 2 or len(logits) == 0 or logits.shape[1] < 2:
        raise InvalidInput(
            f"The logits have the shape {list(logits.shape)}.", expected="[samples, classes], 1 × 2 or more"
        )
    if not bool(torch.isfinite(logits).all()):
        raise InvalidInput("A logit is not finite.", expected="finite logits", fix="lower the learning rate")
    if labels is None:
        return
    if labels.shape != logits.shape[:1]:
        raise InvalidInput(
            f"There are {len(logits)} rows of logits and labels of the shape {list(labels.shape)}.",
            expected="one label a row",
        )
    if labels.dtype != torch.int64 or int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
        raise InvalidInput(
            f"Labels are {labels.dtype}, from {labels.min().item()} to {labels.max().item()}.",
            expected=f"int64 numbers from 0 to {logits.shape[1] - 1}",
        )


def check_pair(new: Tensor, old: Tensor) -> None:
    """Raise `InvalidInput` unless both are logits of the same samples and classes."""
    check_logits(new)
    check_logits(old)
    if new.shape != old.shape:
        raise InvalidInput(
            f"The new model's logits have the shape {list(new.shape)}, the old one's {list(old.shape)}.",
            expected="the same samples and classes",
            fix="cut both to the classes that the old model knows, and leave out samples of others",
        )
