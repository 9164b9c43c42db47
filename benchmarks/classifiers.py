"""Two classifiers that are updated when more data has come: intents over frozen sentence vectors, and small images.

Every sample is learned from in several fixed *views* (components left out; moved by a pixel), one an epoch, so that a teacher can
say beforehand what it makes of the very view that its pupil sees.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.pretrained import minilm

Extra = Callable[[nn.Module, Tensor], Tensor]
"""The net without dropout, and the places of a batch's samples among those trained on → what is added to the loss."""

_VIEWS = 8
_FOLDS = 5
_HELD_OUT = 1 / 12
"""Of the training images."""


@dataclass(frozen=True, slots=True)
class Samples:
    """`inputs` [v · n, …], `labels` int64 [v · n]: n samples, in v views one after the other."""

    inputs: Tensor
    labels: Tensor
    views: int = 1

    def take(self, places: Tensor) -> "Samples":
        """Some of them, of one view."""
        return Samples(self.inputs[places], self.labels[places])

    def mixed(self) -> Tensor:
        """As many inputs that nobody has learned by heart: each sample mixed with another one, half and half on average."""
        random = torch.Generator().manual_seed(0)
        count = len(self.inputs)
        other = self.inputs[torch.randperm(count, generator=random)]
        share = torch.rand(count, *[1] * (self.inputs.ndim - 1), generator=random)
        return share * self.inputs + (1 - share) * other


@dataclass(frozen=True, slots=True)
class Update:
    """What the old model learns from, what the new one does, and what both are judged on; an untrained net of their kind; and
    the recipe of every training."""

    old: Samples
    new: Samples
    judged: Samples
    net: Callable[[], nn.Module]
    epochs: int
    rate: float
    batch: int


def trained(
    net: nn.Module, samples: Samples, update: Update, seed: int, extra: Extra | None, speed: float
) -> nn.Module:
    """AdamW, the rate (times `speed`) falling as a cosine; the loss is cross-entropy and `extra`. `seed` orders the samples.

    For `extra` there is no dropout: to match logits under dropout would mostly penalise the dropout's own noise.
    """
    order = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    count = len(samples.labels) // samples.views
    optimizer = torch.optim.AdamW(net.parameters(), lr=update.rate * speed, weight_decay=0.01)
    steps = update.epochs * -(-count // update.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(update.epochs):
        view = torch.randint(samples.views, (count,), generator=order)
        for places in torch.split(torch.randperm(count, generator=order) + count * view, update.batch):
            loss = functional.cross_entropy(net.train()(samples.inputs[places]), samples.labels[places])
            if extra is not None:
                loss = loss + extra(net.eval(), places)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()


# -- intents ----------------------------------------------------------------------------------------------------------


def intents(folder: Path, work: Path, *, fold: int | None, most: int, epochs: int) -> Update:
    """MASSIVE's published data update. With `fold`, for choosing settings: a fifth of the training data is kept from both models
    and judged together with the dev file; else the test file is judged. At most `most` utterances of each file are used."""
    old, new, dev, test = (
        _file(folder / name, work, most) for name in ("old/train", "updated/train", "updated/dev", "updated/test")
    )
    if fold is None:
        return Update(_thinned(old), _thinned(new), test, _intent_net, epochs, 3e-3, 128)
    # An utterance's number says its fold, in both files: what the new model is judged on, the old one has not seen either.
    kept, own = _places(folder / "old/train", most, fold), _places(folder / "updated/train", most, fold)
    held_out = new.take(own)
    judged = Samples(torch.cat([dev.inputs, held_out.inputs]), torch.cat([dev.labels, held_out.labels]))
    return Update(_thinned(old.take(~kept)), _thinned(new.take(~own)), judged, _intent_net, epochs, 3e-3, 128)


def _intent_net() -> nn.Module:
    # As many outputs as MASSIVE has intents.
    return nn.Sequential(nn.Linear(384, 256), nn.ReLU(), nn.Dropout(0.7), nn.Linear(256, 60))


def _thinned(samples: Samples) -> Samples:
    """Views in which half of the components, drawn once, are 0 and the others doubled."""
    random = torch.Generator().manual_seed(0)
    kept = torch.rand(_VIEWS, *samples.inputs.shape, generator=random) >= 0.5
    return Samples((2 * kept * samples.inputs).flatten(0, 1), samples.labels.repeat(_VIEWS), _VIEWS)


def _rows(file: Path, most: int) -> list[tuple[int, str, int]]:
    rows = [json.loads(line) for line in file.with_suffix(".jsonl").read_text().splitlines()[:most]]
    return [(int(row["id"]), row["text"], row["label"]) for row in rows]


def _places(file: Path, most: int, fold: int) -> Tensor:
    return torch.tensor([number % _FOLDS == fold for number, _, _ in _rows(file, most)])


def _file(file: Path, work: Path, most: int) -> Samples:
    rows = _rows(file, most)
    kept = work / f"vectors-{file.parent.name}-{file.name}-{len(rows)}.npy"
    if not kept.exists():
        work.mkdir(parents=True, exist_ok=True)
        vectors = minilm().encode([text for _, text, _ in rows])
        new = kept.with_suffix(".new.npy")
        np.save(new, vectors)
        new.replace(kept)
    inputs = torch.from_numpy(np.load(kept)).float()
    return Samples(inputs * inputs.shape[1] ** 0.5, torch.tensor([label for _, _, label in rows]))


# -- images -----------------------------------------------------------------------------------------------------------


def images(folder: Path, *, seed: int, judge_test: bool, most: int, epochs: int) -> Update:
    """Fashion-MNIST: the old model learns from 1,500 images that the seed draws, the new one from those and 1,500 more. For
    choosing settings, 5,000 other training images are judged, which are nobody's to learn from; else the test images."""
    pictures, labels = _pictures(folder, "train")
    drawn = np.random.default_rng(0).permutation(len(labels))
    kept = round(len(labels) * _HELD_OUT)
    held_out, pool = drawn[:kept], drawn[kept:]
    own = np.random.default_rng(1 + seed).permutation(pool)[: min(3000, most)]
    judged = _pictures(folder, "t10k") if judge_test else (pictures[held_out], labels[held_out])
    first = own[: len(own) // 2]
    old, new = (_moved(_samples(pictures[places], labels[places])) for places in (first, own))
    return Update(old, new, _samples(*judged), _image_net, epochs, 2e-3, 32)


def _image_net() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(16 * 49, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def _moved(samples: Samples) -> Samples:
    """Views moved by a pixel, and the images as they are."""
    moves = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
    views = [samples.inputs.roll(move, dims=(2, 3)) for move in moves]
    return Samples(torch.cat(views), samples.labels.repeat(len(moves)), len(moves))


def _pictures(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.frombuffer(gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return pixels.reshape(-1, 1, 28, 28), labels


def _samples(pictures: np.ndarray, labels: np.ndarray) -> Samples:
    scaled = (torch.from_numpy(pictures.astype(np.float32)) / 255 - 0.286) / 0.353  # the data set's mean and deviation
    return Samples(scaled, torch.from_numpy(labels.astype(np.int64)))
