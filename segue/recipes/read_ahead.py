"""What readers make of a file of labelled requests that they have not seen: read out of fold, and kept beside the readers.

Reading out of fold trains every reader five times, which takes minutes for a large file. What comes of it depends on the file and
on the kind of readers alone, and is kept under a hash of both.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path

from segue import artifact
from segue.encode.states import StatesEncoder
from segue.errors import Corrupt, InvalidInput, NotFound
from segue.recipes.train_reader import OUT_OF_FOLD
from segue.understand.corpus import Corpus
from segue.understand.hypotheses import Hypotheses, Utterance
from segue.understand.kept import keep, kept
from segue.understand.out_of_fold import read_out_of_fold
from segue.understand.parallel import train_domains
from segue.understand.reader import KIND, Reader
from segue.understand.readers import ENCODER, reader_folders

_FOLDS, _SEED, _VERSION = 5, 0, 1
"""`_VERSION` goes up when readers read otherwise than before."""


def reader_kinds(model: Path) -> dict[str, str | None]:
    """The readers in a folder: domain → the fingerprint of the encoder it is beside, None for none. Raises `NotFound`."""
    metas = [artifact.open(one, kind=KIND).meta for one in reader_folders(model)]
    if not metas:
        raise NotFound(
            f"There is no reader in {model}.",
            expected="a folder that `segue train reader` filled",
            fix="segue train reader --data FILE --out DIR",
        )
    return {meta["domain"]: meta["encoder"] for meta in metas}


def read_ahead(
    model: Path,
    data: Path,
    utterances: Sequence[Utterance],
    kinds: Mapping[str, str | None],
    *,
    processes: int = 1,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> list[Hypotheses]:
    """One table for each domain of `kinds`, in alphabetical order, over the `utterances` of the file `data`; each domain is read
    as its reader in `model` reads."""
    with data.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    tables: dict[str, Hypotheses] = {}
    used = set()
    for encoder in sorted(set(kinds.values()), key=str):
        domains = sorted(domain for domain, kind in kinds.items() if kind == encoder)
        key = sha256(repr((digest, encoder, domains, _FOLDS, _SEED, _VERSION)).encode()).hexdigest()[:20]
        used.add(key)
        folder = model / OUT_OF_FOLD / key
        found = _kept(folder)
        if found is None:
            found = _read(model, utterances, domains, encoder, processes, progress)
            shutil.rmtree(folder, ignore_errors=True)
            keep(folder, found, name=f"{data.name}, read out of fold")
        tables |= {table.domain: table for table in found}
    for old in (model / OUT_OF_FOLD).iterdir():
        if old.name not in used:
            shutil.rmtree(old, ignore_errors=True)
    return [tables[domain] for domain in sorted(tables)]


def _kept(folder: Path) -> list[Hypotheses] | None:
    try:
        return kept(folder)
    except (NotFound, Corrupt, InvalidInput):
        return None


def _read(
    model: Path,
    utterances: Sequence[Utterance],
    domains: Sequence[str],
    encoder: str | None,
    processes: int,
    progress: Callable[[str, int], None],
) -> list[Hypotheses]:
    def trained(corpus: Corpus) -> list[Reader]:
        readers = []
        for reader, _ in train_domains(domains, corpus, processes=processes):
            readers.append(reader)
            progress("reading out of fold", 1)
        return readers

    opened = None if encoder is None else StatesEncoder.open(model / ENCODER)
    return read_out_of_fold(utterances, folds=_FOLDS, seed=_SEED, encoder=opened, trained=trained)
