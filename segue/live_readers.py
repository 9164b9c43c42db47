"""What understands requests in a store now: the readers and re-rankers that are live, one pointer a domain.

`understanding-DOMAIN` in live.json names a folder of the artifacts that holds the domain's `reader` and, where there are, its
`reranker` and the `report` of what that was measured at: all change at once, and no other domain's do. `states` names the encoder
that readers may stand beside. A domain that was retired keeps its folder, and is not asked until it is restored.
"""

import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from segue import artifact
from segue.artifact import Artifact
from segue.encode.states import KIND as ENCODER_KIND
from segue.encode.states import StatesEncoder
from segue.errors import SegueError
from segue.store import Store
from segue.understand.interpreter import Interpreter, Resolution
from segue.understand.measured import KIND as REPORT_KIND
from segue.understand.reader import KIND as READER_KIND
from segue.understand.reader import Reader
from segue.understand.readers import Readers
from segue.understand.reranker import KIND as RERANKER_KIND
from segue.understand.reranker import Reranker

logger = logging.getLogger(__name__)

PART = "understanding-"
_STATES = "states"
_READER, _RERANKER, _REPORT = "reader", "reranker", "report"
_TRAIN = "train one: segue train reranker --data FILE --model DIR --store DIR"
_KINDS = {_READER: READER_KIND, _RERANKER: RERANKER_KIND, _REPORT: REPORT_KIND}


class LiveReaders:
    """Opens what is live, and takes up what goes live later. A domain whose part cannot be used is said so in the log, once, and
    has no reader: `refused` has the reason by domain. `retired` are the domains that are not to be asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: Mapping[str, Path] = {}
        self.retired: frozenset[str] = frozenset()
        self.refused: Mapping[str, str] = {}
        self._opened: dict[Path, tuple[Reader, Reranker | None] | str] = {}
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
            retired = frozenset(part.removeprefix(PART) for part in self._store.retired_parts(PART))
        except SegueError as error:
            logger.warning("the live readers stay as they are: %s", error)
            return False
        if live == self._live and retired == self.retired:
            return False
        self._live, self.retired = live, retired
        encoder = self._open_encoder(live.get(_STATES))
        folders = {part.removeprefix(PART): folder for part, folder in live.items() if part.startswith(PART)}
        known = {folder: one for folder, one in self._opened.items() if not isinstance(one, str)}
        self._opened = {folder: known.get(folder) or _opened(folder) for folder in folders.values()}
        found = {domain: _usable(self._opened[folder], encoder) for domain, folder in folders.items()}
        usable = [one for one in found.values() if not isinstance(one, str)]
        self.refused = {domain: one for domain, one in found.items() if isinstance(one, str)}
        # All are replaced, never changed: a request that is under way keeps what it has.
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


def _opened(folder: Path) -> tuple[Reader, Reranker | None] | str:
    try:
        there = (folder / _RERANKER).exists()
        return Reader.open(folder / _READER), Reranker.open(folder / _RERANKER) if there else None
    except SegueError as error:
        logger.warning("a reader is not used: %s", error)
        return str(error)


def _usable(
    opened: tuple[Reader, Reranker | None] | str, encoder: StatesEncoder | None
) -> tuple[Reader, Reranker | None] | str:
    """What was opened, or why it cannot be used."""
    if isinstance(opened, str):
        return opened
    wanted = opened[0].encoder
    if wanted is None or (encoder is not None and encoder.fingerprint == wanted):
        return opened
    logger.warning("the reader of %s is not used: its encoder is not the live one", opened[0].domain)
    return "Its encoder is not the live one."


def parts(folder: Path) -> dict[str, Artifact]:
    """What lies in a domain's folder, opened and verified: `reader`, and where there are, `reranker` and `report`."""
    there = [name for name in (_READER, _RERANKER, _REPORT) if name == _READER or (folder / name).exists()]
    return {name: artifact.open(folder / name, kind=_KINDS[name]) for name in there}


def publish(store: Store, domains: Mapping[str, tuple[Path, ...]], *, encoder: Path | None = None) -> dict[str, str]:
    """Let readers understand the store's requests from now on, each with its re-ranker: `domains` names the folders of the
    reader, the re-ranker and its report, of which the last two may be left out or not be there. A domain that was retired is
    asked again. Returns the name of each domain's artifact. An engine that is running takes them up."""
    if encoder is not None:
        name = f"{_STATES}-{artifact.open(encoder, kind=ENCODER_KIND).hash[:16]}"
        artifact.adopt({".": (encoder, ENCODER_KIND)}, store.artifacts / name)
        store.go_live(_STATES, store.artifacts / name)
    names = {}
    for domain, folders in domains.items():
        named = zip((_READER, _RERANKER, _REPORT), folders, strict=False)
        made = {part: folder for part, folder in named if part == _READER or folder.exists()}
        hashes = [artifact.open(folder, kind=_KINDS[part]).hash for part, folder in made.items()]
        key = sha256(" ".join(hashes).encode()).hexdigest()[:16]
        name = f"{PART}{folders[0].name}-{key}"
        artifact.adopt({part: (folder, _KINDS[part]) for part, folder in made.items()}, store.artifacts / name)
        store.go_live(f"{PART}{domain}", store.artifacts / name)
        names[domain] = name
    return names


def retire(store: Store, domain: str) -> Path:
    """Ask a domain no more, unless a request names it; the other domains' readers go on, and score as before. What is retired
    stays where it is. Returns its folder. Raises `NotFound` for a domain without a live reader."""
    return store.retire_domain(PART, domain, what="reader", train=_TRAIN)


def restore(store: Store, domain: str) -> Path:
    """Ask a domain again that was retired. Returns its folder. Raises `NotFound` for one that was not."""
    return store.restore_domain(PART, domain, what="reader", train=_TRAIN)
