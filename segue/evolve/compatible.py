"""Compatible training: a new encoder whose queries find what the old encoder's vectors hold. Each is one more term in a loss.

Sources: BCT, Shen et al., "Towards Backward-Compatible Representation Learning" (CVPR 2020); RACT, Zhang et al., "Hot-Refresh
Model Upgrades with Regression-Alleviating Compatible Training in Image Retrieval" (ICLR 2022). The influence loss alone does not
carry to classes that neither model saw: there, `feature_matching` or `ract` go with it, best over what is stored, which needs
no labels. `class_gallery_loss` is ours: the supervised contrastive loss of Khosla et al., "Supervised Contrastive Learning"
(NeurIPS 2020), against the vectors as they are stored.

Vectors need not have unit length, all of this normalises them; where the new ones have more components, the first are compared.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.errors import InvalidInput


class CosineHead(nn.Module):
    """A classifier without lengths: scale · cosine of a vector with each class's column.

    Normalised on both sides, as openBCT found that compatibility needs. `columns` [c, d] are where it starts. A frozen head
    is an old model's: nothing in it learns, and gradients pass through it.

    >>> head = CosineHead(torch.eye(3), scale=10.0)
    >>> head(torch.tensor([[0.0, 2.0, 0.0, 7.0]])).tolist()  # the fourth component is the new model's own
    [[0.0, 10.0, 0.0]]
    """

    def __init__(self, columns: Tensor, *, scale: float = 16.0, frozen: bool = False) -> None:
        super().__init__()
        if columns.ndim != 2 or not len(columns):
            raise InvalidInput(f"The columns have the shape {tuple(columns.shape)}.", expected="[classes, width]")
        self.columns = nn.Parameter(columns.detach().clone(), requires_grad=not frozen)
        self.scale = scale

    def extra_repr(self) -> str:
        classes, width = self.columns.shape
        return f"{classes} classes, width {width}, scale={self.scale:g}" + (
            "" if self.columns.requires_grad else ", frozen"
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """[b, d or more] → logits [b, c]."""
        return self.scale * alike(vectors, self.columns)


def synthesised_columns(old: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Columns [c, d] of an old head for classes that it may never have seen: the mean of their *old* vectors [n, d], each at unit
    length (the synthesised classifier of BCT). Raises `InvalidInput` for a class without vectors."""
    counts = torch.bincount(labels, minlength=classes)
    if len(counts) > classes or not bool((counts > 0).all()):
        missing = (counts == 0).nonzero().flatten().tolist()
        raise InvalidInput(
            f"There are {classes} classes; without vectors: {missing or 'none'}, the highest label is {int(labels.max())}.",
            expected="labels from 0 on, and an old vector for every class",
            fix="embed at least one text of each with the old model",
        )
    unit = functional.normalize(old, dim=1)
    sums = torch.zeros(classes, old.shape[1], dtype=old.dtype).index_add(0, labels, unit)
    return sums / counts[:, None]


def with_new_classes(old_columns: Tensor, old: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Columns [c, d] of the old head that knew the first classes, [c_old, d], and of those that came since: synthesised,
    and as long as the old head's are on average, so that a head that is not normalised can be made of them too."""
    synthesised = synthesised_columns(old, labels, classes)[len(old_columns) :]
    length = old_columns.norm(dim=1).mean()
    return torch.cat([old_columns, length * functional.normalize(synthesised, dim=1)])


def influence_loss(vectors: Tensor, labels: Tensor, old_head: nn.Module) -> Tensor:
    """What the old head, frozen, thinks of the new vectors [b, d]: cross-entropy, a scalar (BCT's influence loss).

    Raises `InvalidInput` for a head that would learn: it would come to the new vectors, and the old ones would be lost.
    """
    if any(parameter.requires_grad for parameter in old_head.parameters()):
        raise InvalidInput(
            "The old head would learn.", expected="a frozen one", fix="old_head.requires_grad_(False), or frozen=True"
        )
    return functional.cross_entropy(old_head(vectors), labels)


def feature_matching(vectors: Tensor, old: Tensor) -> Tensor:
    """Mean squared distance of the new vectors [b, d] to the old ones of the same texts [b, d_old], both at unit length."""
    return 2 * (1 - _cosine(vectors, old)).mean()


def ract(
    vectors: Tensor, old: Tensor, labels: Tensor | None = None, *, temperature: float = 0.05, own_negatives: bool = True
) -> Tensor:
    """Regression-alleviating compatible loss of a batch: a scalar.

    The new vector of each text [b, d] must be nearer to the old vector of that text [b, d_old] than to the old vectors of the
    others and, `own_negatives`, than to *their new vectors*: while a gallery holds old and new vectors side by side, the new
    ones of wrong texts must not stand before the old one of the right text. Texts of one label, `labels` [b], are not told from
    each other; without labels each is its own class.
    """
    if len(vectors) != len(old):
        raise InvalidInput(
            f"There are {len(vectors)} new vectors and {len(old)} old ones.", expected="both of the same texts"
        )
    labels = torch.arange(len(vectors)) if labels is None else labels
    others = labels[:, None] != labels[None, :]
    to_old = alike(vectors, old) / temperature
    right = to_old.diagonal()
    against = [right[:, None], to_old.masked_fill(~others, -torch.inf)]
    if own_negatives:
        against.append((alike(vectors, vectors) / temperature).masked_fill(~others, -torch.inf))
    return (torch.logsumexp(torch.cat(against, dim=1), dim=1) - right).mean()


def gallery_loss(vectors: Tensor, items: Tensor, gallery: Tensor, *, temperature: float = 0.05) -> Tensor:
    """Queries [b, d] against the vectors as they are stored, all of them or a sample, [n, d_old]; `items` int64 [b] says which
    each should find, or where that is several, float [b, n] in which shares.

    A contrastive loss whose classes are the items: BCT where every item is a class and its old vector the column."""
    return functional.cross_entropy(alike(vectors, gallery) / temperature, items)


def class_gallery_loss(
    vectors: Tensor, labels: Tensor, gallery: Tensor, gallery_labels: Tensor, *, temperature: float = 0.05
) -> Tensor:
    """Queries [b, d] of classes `labels` [b] against stored vectors [n, d_old] of classes `gallery_labels` [n]: a scalar.

    The supervised contrastive loss (Khosla et al. 2020, equation 2) with the old model's vectors as the other side: *every*
    stored vector of the class must be found, not its mean only. Where old vectors of a class lie scattered, as those of
    classes that the old model never saw do, a query learns the place from which most of them are near. Raises `InvalidInput`
    for a class without stored vectors.
    """
    if len(gallery) != len(gallery_labels) or len(vectors) != len(labels):
        raise InvalidInput(
            f"There are {len(vectors)} vectors with {len(labels)} labels, and {len(gallery)} stored ones with "
            f"{len(gallery_labels)}.",
            expected="a label for each",
        )
    right = labels[:, None] == gallery_labels[None, :]
    counts = right.sum(dim=1)
    if not bool((counts > 0).all()):
        raise InvalidInput(
            f"Nothing is stored of the classes {sorted(set(labels[counts == 0].tolist()))}.",
            expected="a stored vector of every class that is asked for",
            fix="put the old vectors of the batch itself among them",
        )
    logarithms = (alike(vectors, gallery) / temperature).log_softmax(dim=1)
    return -((logarithms * right).sum(dim=1) / counts).mean()


def alike(vectors: Tensor, old: Tensor) -> Tensor:
    """Cosines [b, n] of vectors [b, d] with others [n, d_old]; the first d_old components are compared (as in BCT).
    Raises `InvalidInput` where the new vectors are the shorter ones."""
    compared = _first(vectors, old.shape[1])
    return functional.normalize(compared, dim=1) @ functional.normalize(old, dim=1).T


def _cosine(vectors: Tensor, old: Tensor) -> Tensor:
    """Row by row, [b]."""
    if len(vectors) != len(old):
        raise InvalidInput(
            f"There are {len(vectors)} new vectors and {len(old)} old ones.", expected="both of the same texts"
        )
    return functional.cosine_similarity(_first(vectors, old.shape[1]), old, dim=1)


def _first(vectors: Tensor, width: int) -> Tensor:
    if vectors.shape[1] < width:
        raise InvalidInput(
            f"The new vectors have {vectors.shape[1]} components and the old ones {width}.",
            expected="at least as many",
            fix="map the new ones to more components first, or bridge the two",
        )
    return vectors[:, :width]
