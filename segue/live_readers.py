"""What understands requests in a store now: the readers and re-rankers that are live, one pointer a domain.

`understanding-DOMAIN` in live.json names a folder of the artifacts that holds the domain's `reader` and, where there is one, its
`reranker`: both change at once, and no other domain's do. `states` names the encoder that readers may stand beside.
"""

import logging
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from segue import artifact
from segue.encode.states import KIND as ENCODER_KIND
from segue.encode.states import StatesEncoder
from segue.errors import SegueError
from segue.store import Store
from segue.understand.interpreter import Interpreter, Resolution
from segue.understand.reader import KIND as READER_KIND
from segue.understand.reader import Reader
from segue.understand.readers import Readers
from segue.understand.reranker import KIND as RERANKER_KIND
from segue.understand.reranker import Reranker

logger = logging.getLogger(__name__)

PART = "understanding-"
_STATES = "states"
_READER, _RERANKER, _ITSELF = "reader", "reranker", "."
_KINDS = {_READER: READER_KIND, _RERANKER: RERANKER_KIND, _ITSELF: ENCODER_KIND}


class LiveReaders:
    """Opens what is live, and takes up what goes live later. A domain whose part cannot be used is said so in the log, once, and
    has no reader."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: Mapping[str, Path] = {}
        self._opened: dict[Path, tuple[Reader, Reranker | None] | None] = {}
        self._encoder: tuple[Path, StatesEncoder] | None = None
        self._readers: Readers | None = None
        self._rerankers: dict[str, Reranker] = {}
        self.refresh()

    @property
    def domains(self) -> tuple[str, ...]:
        """Those that have a reader, in alphabetical order."""
        return () if self._readers is None else self._readers.domains

    def interpreter(self, resolution: Resolution) -> Interpreter | None:
        """Of everything that is live now; None where nothing is."""
        return None if self._readers is None else Interpreter(self._readers, self._rerankers, resolution=resolution)

    def refresh(self) -> bool:
        """Take up what went live, in this process or another, and let go of what is live no more; whether anything changed."""
        try:
            live = {**self._store.live_parts(PART), **self._store.live_parts(_STATES)}
        except SegueError as error:
            logger.warning("the live readers stay as they are: %s", error)
            return False
        if live == self._live:
            return False
        self._live = live
        encoder = self._open_encoder(live.get(_STATES))
        folders = [folder for part, folder in live.items() if part.startswith(PART)]
        self._opened = {folder: self._opened.get(folder) or _opened(folder) for folder in folders}
        usable = [one for one in self._opened.values() if one is not None and _fits(one[0], encoder)]
        # Both are replaced, never changed: a request that is under way keeps what it has.
        self._rerankers = {reader.domain: reranker for reader, reranker in usable if reranker is not None}
        self._readers = Readers([reader for reader, _ in usable], encoder) if usable else None
        return True

    def _open_encoder(self, folder: Path | None) -> StatesEncoder | None:
        if folder is None:
            return None
        if self._encoder is None or self._encoder[0] != folder:
            try:
                self._encoder = folder, StatesEncoder.open(folder)
            except SegueError as error:
                logger.warning("readers that stand beside an encoder are not used: %s", error)
                return None
        return self._encoder[1]


def _opened(folder: Path) -> tuple[Reader, Reranker | None] | None:
    try:
        there = (folder / _RERANKER).exists()
        return Reader.open(folder / _READER), Reranker.open(folder / _RERANKER) if there else None
    except SegueError as error:
        logger.warning("a reader is not used: %s", error)
        return None


def _fits(reader: Reader, encoder: StatesEncoder | None) -> bool:
    fits = reader.encoder is None or (encoder is not None and encoder.fingerprint == reader.encoder)
    if not fits:
        logger.warning("the reader of %s is not used: its encoder is not the live one", reader.domain)
    return fits


def publish(store: Store, domains: Mapping[str, tuple[Path, Path]], *, encoder: Path | None = None) -> dict[str, str]:
    """Let readers understand the store's requests from now on, each with its re-ranker: `domains` names the folders of both, of
    which the second may not be there. Returns the name of each domain's artifact. An engine that is running takes them up."""
    if encoder is not None:
        name = f"{_STATES}-{artifact.open(encoder, kind=ENCODER_KIND).hash[:16]}"
        _copy({_ITSELF: encoder}, store.artifacts / name)
        store.go_live(_STATES, store.artifacts / name)
    names = {}
    for domain, (reader, reranker) in domains.items():
        parts = {_READER: reader} | ({_RERANKER: reranker} if reranker.exists() else {})
        hashes = [artifact.open(folder, kind=_KINDS[part]).hash for part, folder in parts.items()]
        key = sha256(" ".join(hashes).encode()).hexdigest()[:16]
        name = f"{PART}{reader.name}-{key}"
        _copy(parts, store.artifacts / name)
        store.go_live(f"{PART}{domain}", store.artifacts / name)
        names[domain] = name
    return names


def _copy(parts: Mapping[str, Path], folder: Path) -> None:
    """Whole or not at all, and never over what is there."""
    try:
        if folder.exists():
            for part in parts:
                artifact.open(folder / part, kind=_KINDS[part])
            return
    except SegueError:
        shutil.rmtree(folder)  # damaged
    new = folder.parent / f".{folder.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    for part, source in parts.items():
        shutil.copytree(source, new / part, dirs_exist_ok=True)
    new.rename(folder)
