"""The losses of a query tower on a frozen gallery: its own, and that of the gallery's side, whose vectors never change.

Source: Duggal et al. 2021, section 3.2: L = L1(query tower; its own head) + λ · L2(query tower; the gallery model's frozen head).
Where we differ: a search index has no classes, so the frozen head is the stored gallery vectors themselves, one row an item, and
its labels are what the gallery's own encoder makes of the same query; `matching` adds the distance to that encoder's vector,
without which queries unlike those seen are not compatible. All vectors are unit rows, float32.
"""

import torch
from torch import Tensor
from torch.nn import functional

from segue.errors import InvalidInput

SCALE = 20.0
"""What cosines are multiplied by before a softmax (sentence-transformers' usual one for MiniLM)."""


def frozen_head(queries: Tensor, gallery: Tensor, targets: Tensor, *, scale: float = SCALE) -> Tensor:
    """Cross-entropy of softmax(scale · queries · galleryᵀ) to `targets` [b, k], rows that sum to one; `gallery` [k, E] is frozen.

    >>> gallery = torch.eye(2)
    >>> round(float(frozen_head(gallery, gallery, torch.eye(2), scale=2.0)), 4)  # log(1 + exp(−2))
    0.1269
    """
    if targets.shape != (len(queries), len(gallery)):
        raise InvalidInput(
            f"Targets of shape {tuple(targets.shape)} for {len(queries)} queries and {len(gallery)} gallery vectors.",
            expected="a row a query and a column a gallery vector",
        )
    return functional.cross_entropy(scale * queries @ gallery.detach().T, targets)


def as_the_gallery_sees(teacher: Tensor, gallery: Tensor, *, scale: float = SCALE) -> Tensor:
    """Targets of `frozen_head`: the softmax that the gallery's encoder, whose vectors `teacher` [b, E] are, has itself."""
    return (scale * teacher @ gallery.T).softmax(dim=1)


def matching(queries: Tensor, teacher: Tensor) -> Tensor:
    """1 − the mean cosine to the vectors that the gallery's encoder has for the same texts; half the squared distance."""
    if queries.shape != teacher.shape:
        raise InvalidInput(
            f"Queries of shape {tuple(queries.shape)} and vectors of shape {tuple(teacher.shape)} do not compare.",
            expected="a vector of the gallery's encoder for each query",
        )
    return 1 - (queries * teacher).sum(dim=1).mean()


def contrastive(queries: Tensor, items: Tensor, about: Tensor, *, scale: float = SCALE) -> Tensor:
    """The tower's own loss: each query is to be nearest to its own item of the batch, both by the tower (InfoNCE, van den Oord et
    al. 2018). `about` int64 [b] is the number of each one's item: the same item again in the batch is no wrong answer."""
    if queries.shape != items.shape or about.shape != queries.shape[:1]:
        raise InvalidInput(
            f"{len(queries)} queries, {len(items)} items and {len(about)} numbers do not go together.",
            expected="an item and its number for each query",
        )
    scores = scale * queries @ items.T
    same = about[:, None] == about[None, :]
    same.fill_diagonal_(False)
    return functional.cross_entropy(scores.masked_fill(same, -torch.inf), torch.arange(len(queries)))
