"""The encoder that is live in a store: one, or two while one takes over from the other by a bridge.

`encoder` in live.json names the one whose vectors the catalogues hold, `upgrade` the bridge to the one that is to take over.
Taking over, ending it and undoing it each replace that file once.
"""

import logging
from pathlib import Path

from segue import artifact
from segue.encode.bridged import KIND, bridged, encoder_of
from segue.encode.encoder import Encoder
from segue.encode.quantised import OnnxEncoder
from segue.errors import SegueError
from segue.store import Store

logger = logging.getLogger(__name__)

UPGRADE = "upgrade"
ENCODER = "encoder"


class LiveEncoder:
    """Opens what is live, and takes up what goes live later."""

    def __init__(self, store: Store, *, threads: int = 1) -> None:
        self._store, self._threads = store, threads
        self._opened: dict[Path, OnnxEncoder] = {}
        self._live = store.encoder(), store.live(UPGRADE)
        self.encoder = self._open()

    def refresh(self) -> bool:
        """Take up what went live, in this process or another; whether anything changed. What cannot be used is said so in the
        log, once, and the encoder stays what it was."""
        try:
            live = self._store.encoder(), self._store.live(UPGRADE)
            if live == self._live:
                return False
            self._live = live
            self.encoder = self._open()
        except SegueError as error:
            logger.warning("the live encoder stays as it is: %s", error)
            return False
        return True

    def _open(self) -> Encoder:
        folder, bridge = self._live
        old = self._one(folder)
        if bridge is None:
            self._opened = {folder: old}
            return old
        part = artifact.open(bridge, kind=KIND)
        coming = encoder_of(part)
        new = self._one(coming)
        self._opened = {folder: old, coming: new}
        return bridged(part, old, new)

    def _one(self, folder: Path) -> OnnxEncoder:
        if folder not in self._opened:
            self._opened[folder] = OnnxEncoder.open(folder, threads=self._threads)
        return self._opened[folder]
