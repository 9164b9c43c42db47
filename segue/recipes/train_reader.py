"""Train the readers of a folder from labelled requests: all domains at once in several processes, or one alone."""

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from segue import artifact
from segue.artifact import Artifact
from segue.encode.states import StatesEncoder
from segue.errors import Corrupt, InvalidInput, NotFound
from segue.store import make_encoder
from segue.understand.corpus import prepare
from segue.understand.hypotheses import NOBODY
from segue.understand.interpreter import REPORTS, RERANKERS
from segue.understand.labelled import load
from segue.understand.parallel import train_domains
from segue.understand.reader import KIND
from segue.understand.readers import ENCODER

BLOCK = 3
"""The encoder's states after half of its blocks say most about slots: later ones say more of the whole text."""

OUT_OF_FOLD = "out-of-fold"
"""The folder of what was read out of fold, to train re-rankers on."""

RESERVED = (ENCODER, RERANKERS, REPORTS, OUT_OF_FOLD)
"""What a domain's own folder is never called."""


def train_reader(
    data: Path,
    out: Path,
    *,
    domain: str | None = None,
    encoder: bool = False,
    processes: int | None = None,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> dict[str, Any]:
    """Train a reader for every domain of `data`, or for `domain` alone, and put each into a folder of its own in `out`.

    Requests of the domain "nobody" are for none: no reader is made of it, all learn from it. Other folders are not touched. With
    `encoder`, beside the frozen small encoder, which is put there as well. Nothing is random: the same data give the same
    readers, in any number of processes.
    """
    labelled = load(data)
    domains = sorted({one.domain for one in labelled.utterances} - {NOBODY})
    if domain is not None and domain not in domains:
        raise InvalidInput(
            f"{data} has no utterance of the domain {domain!r}.", expected=f"one of: {', '.join(domains)}"
        )
    if not domains:
        raise InvalidInput(f"{data} has requests for nobody only.", expected="requests of the domains to train")
    out.mkdir(parents=True, exist_ok=True)
    opened = _encoder(out) if encoder else None
    progress("preparing", 0)
    corpus = prepare(labelled.utterances, opened)
    progress("preparing", len(labelled.utterances))
    wanted = domains if domain is None else [domain]
    trained: dict[str, Any] = {}
    for reader, seconds in train_domains(wanted, corpus, processes=processes or os.cpu_count() or 1):
        place = folder(out, reader.domain)
        part = replace(place, KIND, reader.write)
        trained[reader.domain] = {
            "folder": place.name,
            "hash": part,
            "utterances": sum(reader.seen.intents.values()),
            "intents": len(reader.intents),
            "slots": (len(reader.tags) - 1) // 2,
            "seconds": round(seconds, 2),
        }
        progress("training", 1)
    return {"out": str(out), "encoder": encoder, "domains": dict(sorted(trained.items()))}


def folder(out: Path, domain: str) -> Path:
    """Where a domain's reader lies: its name, if that can be a folder's; else a part of it with a hash.

    >>> folder(Path("readers"), "music").name, folder(Path("readers"), "my music").name[:9]
    ('music', 'my-music-')
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in domain)[:60]
    unlike = plain != domain or plain in RESERVED or not plain[0].isalnum()
    return out / (f"{plain.lstrip('-_') or 'domain'}-{sha256(domain.encode()).hexdigest()[:8]}" if unlike else plain)


def replace(place: Path, kind: str, write: Callable[[Path, str | None], Artifact]) -> str:
    """Put a part where another may be, with that one's hash as its parent: the old one is there, or beside it, until the new one
    is whole on the disk. `write` is given a folder and the parent. Returns the new one's hash."""
    new, old = (place.parent / f".{place.name}.{version}" for version in ("new", "old"))
    if old.exists() and not place.exists():
        old.rename(place)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    made = write(new, content_hash(place, kind))
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    return made.hash


def content_hash(place: Path, kind: str) -> str | None:
    """The content hash of the part that is there; None for no part, or one that cannot be read any more."""
    try:
        return artifact.open(place, kind=kind).hash
    except (NotFound, Corrupt):
        return None


def _encoder(out: Path) -> StatesEncoder:
    if not (out / ENCODER).exists():
        make_encoder(out / ENCODER, "--states", str(BLOCK))
    return StatesEncoder.open(out / ENCODER)
