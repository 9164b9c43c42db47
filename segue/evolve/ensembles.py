"""ELODI: one model with an ensemble's steadiness.

Single models of the same accuracy differ on samples far from any boundary, by chance; the mean logits of an ensemble hardly do.
So an ensemble of the *new* model's kind (homogeneous: the same architecture and data, other seeds) is the teacher, and the new
model is held within ξ of its mean logits. The old model is not needed; it is best if it was trained so too.

Source: Zhao et al., "ELODI: Ensemble Logit Difference Inhibition for Positive-Congruent Training" (PAMI 2024), sections 3 and 4.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from segue.errors import InvalidInput
from segue.evolve.congruent import check_logits, check_pair


def ensemble_logits(members: Sequence[Tensor]) -> Tensor:
    """The mean of the members' logits, [n, c] each → [n, c], without a gradient.

    >>> ensemble_logits([torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 2.0]])]).tolist()
    [[2.0, 1.0]]
    """
    if not members:
        raise InvalidInput("The ensemble has no members.", expected="logits of one model or more")
    for member in members:
        check_pair(member, members[0])
    return torch.stack([member.detach() for member in members]).mean(dim=0)


def logit_difference_inhibition(
    new: Tensor, reference: Tensor, *, margin: float = 0.0, classes: int | None = None
) -> Tensor:
    """max(|z − z̄| − ξ, 0)², as the mean over classes and samples, a scalar. `new` (z) and `reference` (z̄) are logits [n, c].

    With `classes` it is the mean over the k classes with the new model's highest logits, *chosen in each row*: those that could
    be its answer. (The released code takes the k first rows of the sorted matrix and lets all of their columns stand for every
    sample.) Raises `InvalidInput` for logits that do not match or are not finite, a negative margin, or k outside 1…c.

    >>> logit_difference_inhibition(torch.tensor([[5.0, 1.0, 0.0]]), torch.tensor([[2.0, 1.0, 9.0]]), margin=1.0, classes=2)
    tensor(2.)
    """
    check_logits(new)
    check_pair(new, reference)
    if not margin >= 0:
        raise InvalidInput(f"The margin is {margin}.", expected="0 or more", fix="pass margin=0")
    excess = ((new - reference.detach()).abs() - margin).clamp(min=0).square()
    if classes is None:
        return excess.mean()
    if not 1 <= classes <= new.shape[1]:
        raise InvalidInput(
            f"{classes} classes are asked for.", expected=f"1 to {new.shape[1]}", fix="pass classes=None for all"
        )
    return excess.gather(1, new.detach().topk(classes, dim=1).indices).mean()
