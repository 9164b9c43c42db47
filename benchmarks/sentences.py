"""Sentences and their translations: the Tatoeba pairs, parts of them, sub-word pieces, batches, and BLEU."""

import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

PADDING, START, END, UNKNOWN = range(4)
Counts = NDArray[np.int64]

_BLEU = BLEU()
_SPECIAL = ["[PAD]", "[START]", "[END]", "[UNK]"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A source and all of its translations."""

    source: str
    translations: tuple[str, ...]

    @property
    def words(self) -> int:
        """The length of the source."""
        return len(self.source.split())


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and one translation, in pieces; each ends with END, the target also begins with START."""

    source: list[int]
    target: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """`source` int64 [b, m] with its `mask`, 0 at padding (None: there is none), and `target` int64 [b, n]."""

    source: Tensor
    mask: Tensor | None
    target: Tensor


def load(file: Path) -> list[Sentence]:
    """Every English source of `fra.txt` inside a zip file, with its different French translations."""
    with zipfile.ZipFile(file) as archive:
        lines = archive.read("fra.txt").decode("utf-8").splitlines()
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        source, translation = line.split("\t")[:2]
        found.setdefault(source, {})[translation] = None
    return [Sentence(source, tuple(translations)) for source, translations in found.items()]


def split(sentences: Sequence[Sentence], *, held_out: int, seed: int = 0) -> dict[str, list[Sentence]]:
    """Parts by source: "train" (≤ 10 words), "dev short" and "test short" (`held_out` such sources each), "dev long" (11 and
    12 words), "test long" (13 and more)."""
    short = [one for one in sentences if one.words <= 10]
    random.Random(seed).shuffle(short)
    return {
        "train": short[2 * held_out :],
        "dev short": short[:held_out],
        "test short": short[held_out : 2 * held_out],
        "dev long": [one for one in sentences if 10 < one.words <= 12],
        "test long": [one for one in sentences if one.words > 12],
    }


def pieces(train: Sequence[Sentence], vocabulary: int, kept: Path) -> Tokenizer:
    """Byte-level BPE over both languages, learned from `train` only and kept in a file."""
    if kept.exists():
        return Tokenizer.from_file(str(kept))
    tokenizer = Tokenizer(models.BPE(unk_token=_SPECIAL[UNKNOWN]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for one in train for text in (one.source, *one.translations)), trainer)
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".new")
    tokenizer.save(str(temporary))
    temporary.replace(kept)
    return tokenizer


def pairs(sentences: Sequence[Sentence], tokenizer: Tokenizer) -> list[Pair]:
    """One pair a translation."""
    sources = tokenizer.encode_batch_fast([one.source for one in sentences])
    targets = iter(tokenizer.encode_batch_fast([text for one in sentences for text in one.translations]))
    return [
        Pair([*source.ids, END], [START, *next(targets).ids, END])
        for one, source in zip(sentences, sources, strict=True)
        for _ in one.translations
    ]


def batches(given: Sequence[Pair], *, tokens: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One pass over the pairs in batches of about `tokens` target pieces, of nearly one length each, in random order."""
    lengths = np.array([(len(one.source), len(one.target)) for one in given])
    order = np.lexsort((rng.random(len(given)), lengths[:, 1], lengths[:, 0]))
    ends = np.flatnonzero(np.diff(np.cumsum(lengths[order, 1]) // tokens)) + 1
    groups = np.split(order, ends)
    for number in rng.permutation(len(groups)):
        yield batch([given[place] for place in groups[number].tolist()])


def batch(given: Sequence[Pair]) -> Batch:
    """Pairs side by side."""
    source = padded([one.source for one in given])
    mask = (source != PADDING).long()
    return Batch(source, None if bool(mask.all()) else mask, padded([one.target for one in given]))


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids as int64 [b, longest]."""
    found = np.full((len(rows), max(map(len, rows))), PADDING, dtype=np.int64)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return torch.from_numpy(found)


def counted(written: Sequence[str], sentences: Sequence[Sentence]) -> Counts:
    """What sacrebleu counts in each translation, against all of its source's, int64 [n, 10]: lengths, matches and totals.

    BLEU's usual tokenizer "13a". A source with few references is filled up with None, as sacrebleu wants.
    """
    most = max(len(one.translations) for one in sentences)
    references = [
        [one.translations[number] if number < len(one.translations) else None for one in sentences]
        for number in range(most)
    ]
    # What corpus_score adds up; kept apart, so that BLEU of any choice of sentences is cheap.
    return np.array(_BLEU._extract_corpus_statistics(list(written), references))  # type: ignore[arg-type]


def bleu(counts: Counts) -> float:
    """Corpus BLEU of the sentences that were `counted`."""
    return float(_BLEU._compute_score_from_stats(counts.sum(axis=0).tolist()).score)
