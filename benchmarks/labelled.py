"""Samples of many classes for tests of vectors: CLINC150's requests, Omniglot's characters, Fashion-MNIST's clothes.

Each sample is in one part: "train", "gallery" (stored and searched; no model learns from it), "validation" or "test" (queries).
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import image
from torch import Tensor
from torch.nn import functional

from benchmarks import fashion
from segue.encode.quantised import OnnxEncoder
from segue.store import make_encoder

TRAIN, GALLERY, VALIDATION, TEST = range(4)
_DRAWERS = (10, 14, 16)
"""Omniglot: of the 20 who drew each character, the first ones train, the next are stored, then validation, then test."""
_CLOTHES = (200, 300, 400)
"""Fashion-MNIST: so many images of a class train, up to so many are stored and validated on; the test file's are tested."""
_TESTED_CLOTHES = 100
_OMNIGLOT = ("images_background_small1", "images_background_small2")


@dataclass(frozen=True, slots=True)
class Labelled:
    """`inputs` [n, …] of the new encoder, `labels` and `parts` int64 [n]; `texts`, where the samples are texts."""

    inputs: Tensor
    labels: Tensor
    parts: Tensor
    texts: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def intents(data: Path, work: Path, *, most: int | None = None) -> Labelled:
    """CLINC150's requests of 150 intents, inputs are MiniLM's vectors (kept in `work`). Of the published training part, every
    second request of an intent is learned from, the others are stored; validation and test are as published. At most `most`
    intents are used."""
    published = json.loads((data / "understand" / "clinc150.json").read_text())
    names = sorted({intent for _, intent in published["train"]})[:most]
    rows: list[tuple[str, int, int]] = []
    for source, parts in (("train", (TRAIN, GALLERY)), ("val", (VALIDATION,)), ("test", (TEST,))):
        seen = dict.fromkeys(names, 0)
        for text, intent in published[source]:
            if intent in seen:
                rows.append((text, names.index(intent), parts[seen[intent] % len(parts)]))
                seen[intent] += 1
    texts, labels, kinds = zip(*rows, strict=True)
    vectors = torch.from_numpy(_vectors(texts, work / f"clinc150-{len(names)}.npy")).float()
    return Labelled(vectors * vectors.shape[1] ** 0.5, torch.tensor(labels), torch.tensor(kinds), texts)


def _vectors(texts: tuple[str, ...], kept: Path) -> np.ndarray:
    if not kept.exists():
        folder = kept.parent / "encoder"
        if not folder.exists():
            make_encoder(folder)
        new = kept.with_suffix(".new.npy")
        np.save(new, OnnxEncoder.open(folder).encode(list(texts)))
        new.replace(kept)
    return np.asarray(np.load(kept))


def characters(data: Path, work: Path, *, most: int | None = None) -> Labelled:
    """Omniglot's two small background sets: 242 characters of 8 alphabets, 20 drawings each by as many people, who are not in
    several parts. Inputs are ink from 0 to 1, [n, 1, 28, 28] (kept in `work`)."""
    kept = work / "omniglot.npz"
    if not kept.exists():
        drawn: dict[tuple[str, str], dict[int, np.ndarray]] = {}
        for name in _OMNIGLOT:
            with zipfile.ZipFile(data / "evolve" / "omniglot_small" / f"{name}.zip") as archive:
                for file in sorted(one for one in archive.namelist() if one.endswith(".png")):
                    _, alphabet, character, drawing = file.split("/")
                    drawer = int(drawing.removesuffix(".png").split("_")[1])
                    # Two alphabets are in both sets, with the same drawings.
                    ink = 1 - image.imread(io.BytesIO(archive.read(file)))
                    drawn.setdefault((alphabet, character), {})[drawer] = ink
        pixels = torch.from_numpy(np.stack([ink for of in drawn.values() for _, ink in sorted(of.items())])).float()
        new = kept.with_suffix(".new.npz")
        np.savez(
            new,
            inputs=functional.adaptive_avg_pool2d(pixels[:, None], 28).numpy(),
            labels=np.repeat(np.arange(len(drawn)), [len(of) for of in drawn.values()]),
            parts=np.concatenate([np.digitize(sorted(of), np.array(_DRAWERS) + 1) for of in drawn.values()]),
        )
        new.replace(kept)
    with np.load(kept) as found:
        inputs, labels, parts = (torch.from_numpy(found[name]) for name in ("inputs", "labels", "parts"))
    rows = labels < (most or len(labels))
    return Labelled(inputs[rows], labels[rows], parts[rows].long())


def clothes(data: Path, work: Path, *, most: int | None = None) -> Labelled:
    """Fashion-MNIST's ten classes, 200 images of each to learn from, 100 stored, 100 for validation and 100 of the test file,
    drawn once; at most `most` classes. Nothing is kept in `work`."""
    inputs, labels, parts = [], [], []
    for source, count in (("train", _CLOTHES[-1]), ("t10k", _TESTED_CLOTHES)):
        pictures, kinds = fashion.load(data / "evolve" / "fashion-mnist", source, range(min(10, most or 10)))
        random = np.random.default_rng(0)
        for kind in range(int(kinds.max()) + 1):
            own = random.permutation(np.flatnonzero(kinds.numpy() == kind))[:count]
            inputs.append(pictures[own])
            labels.append(torch.full((len(own),), kind))
            part = np.digitize(np.arange(len(own)), _CLOTHES[:2]) if source == "train" else np.full(len(own), TEST)
            parts.append(torch.from_numpy(part).long())
    return Labelled(torch.cat(inputs), torch.cat(labels), torch.cat(parts))
