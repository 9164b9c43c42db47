"""The vectors of one domain while one encoder takes over from another: each item's old vector, and its new one, mapped from the
old until the item is embedded anew.

    vectors/rows.i8               the old encoder's, as they were; new items get one too, so that going back loses nothing
    vectors-NEW/rows.i8           the new encoder's, of items that it has embedded
    vectors-NEW/done.u1           a byte an item, 1 when that row is on disk
    vectors-NEW/BRIDGE/mapped.i8  mapped from the old ones

A row is written and forced to disk before its byte is set, so a process killed at any moment leaves each item with its mapped
vector or its real one. Readers look at a copy of the bytes: a snapshot never changes.
"""

import os
import shutil
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.encode.bridged import BridgedEncoder
from segue.encode.encoder import Encoder
from segue.errors import InvalidInput
from segue.records import Numbers, Scores
from segue.retrieve.catalogue.vectors import (
    Flags,
    Floats,
    StoredRows,
    VectorFile,
    folder_of,
    folder_taken,
    packed,
    stored,
)

_BATCH = 20_000


class Incoming:
    """The vectors of an encoder that is to take over: of some items, and which."""

    def __init__(self, domain: Path, encoder: Encoder, *, whole: bool = False) -> None:
        """In a domain's folder; `whole` says how much of a text the vectors that it takes over from have read."""
        place = _place(domain, encoder)
        self._rows = VectorFile(place, encoder, whole=whole)
        self._rows.read_whole(whole)  # those left from before that changed are of no use
        self.folder = place
        self._done = place / "done.u1"
        self._done.touch()

    def embed(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Encode `texts` and write them as the rows `numbers` (ascending), durable at return."""
        if not numbers:
            return
        self._rows.embed(numbers, texts)
        before = self.done()
        done = np.zeros(max(len(before), numbers[-1] + 1), dtype=np.bool_)
        done[: len(before)] = before
        done[np.asarray(numbers)] = True
        first = min(numbers[0], len(before))
        with self._done.open("r+b") as stream:
            stream.seek(first)
            stream.write(done[first : numbers[-1] + 1].tobytes())
            stream.flush()
            os.fsync(stream.fileno())

    def done(self) -> NDArray[np.bool_]:
        """Which items are embedded, by number, as far as any is."""
        return np.frombuffer(self._done.read_bytes(), dtype=np.bool_)

    def among(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Which of some items are embedded, [n]."""
        done = self.done()
        return np.asarray(
            (numbers < len(done)) & done[np.minimum(numbers, len(done) - 1)] if len(done) else numbers < 0
        )

    def rows(self) -> StoredRows:
        """By number; those of items that are not embedded say nothing."""
        return self._rows.rows()


class MixedFile:
    """As `VectorFile`, of two encoders. What is embedded is embedded by both."""

    def __init__(self, domain: Path, encoder: BridgedEncoder) -> None:
        self.encoder = encoder
        self._old = VectorFile(_place(domain, encoder.old), encoder.old)
        self._new = Incoming(domain, encoder.new, whole=self._old.whole)
        self.folder = self._new.folder / encoder.name
        self.folder.mkdir(exist_ok=True)
        self._mapped = self.folder / "mapped.i8"
        if not self._mapped.exists():
            self._map()

    @property
    def base(self) -> VectorFile:
        """The vectors that the text index is learned from: the old ones, so that an upgrade changes nothing of it."""
        return self._old

    @property
    def whole(self) -> bool:
        return self._old.whole

    @property
    def fingerprint(self) -> str:
        return f"{self.encoder.fingerprint} whole" if self.whole else self.encoder.fingerprint

    @property
    def state(self) -> Hashable:
        """What of vectors already embedded may have changed since: which of them are real."""
        return self.fingerprint, int(self._new.done().sum())

    def read_whole(self, whole: bool) -> bool:
        """Raises `InvalidInput` where that would change anything."""
        if whole != self.whole:
            raise InvalidInput(
                "How much of a text is embedded cannot be changed while another encoder takes over.",
                fix="finish the upgrade, or undo it: segue upgrade finish, segue upgrade rollback",
            )
        return False

    def __len__(self) -> int:
        """One more than the highest number up to which every item has an old vector and a new one, mapped or real."""
        return min(len(self._old), max(len(self._mapped_rows()), len(self._new.done())))

    def embed(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Encode `texts` by both and write them as the rows `numbers` (ascending), durable at return."""
        self._old.embed(numbers, texts)
        self._new.embed(numbers, texts)

    def rows(self) -> "MixedRows":
        """As they are now; what is embedded later changes nothing of it."""
        done, length = self._new.done(), len(self)
        return MixedRows(self.encoder, self._old.rows(), self._mapped_rows(), self._new.rows(), done, length)

    def _mapped_rows(self) -> StoredRows:
        return stored(self._mapped, self.encoder.new.dimensions)

    def _map(self) -> None:
        """Map every old vector there is, all or nothing."""
        old = self._old.rows()
        temporary = self._mapped.with_suffix(f".{os.getpid()}.new")
        with temporary.open("wb") as stream:
            for start in range(0, len(old), _BATCH):
                part = old.of(np.arange(start, min(start + _BATCH, len(old))))
                stream.write(packed(self.encoder.map(part)).tobytes())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self._mapped)


class MixedRows:
    """What `MixedFile.rows` gives: each item's old vector beside its new one."""

    def __init__(
        self,
        encoder: BridgedEncoder,
        old: StoredRows,
        mapped: StoredRows,
        new: StoredRows,
        done: NDArray[np.bool_],
        length: int,
    ) -> None:
        self._encoder, self._old, self._mapped, self._new = encoder, old, mapped, new
        self.real: Flags = np.zeros(length, dtype=np.bool_)
        self.real[: len(done)] = done[:length]
        self.dimensions = encoder.dimensions

    def __len__(self) -> int:
        return len(self.real)

    def of(self, numbers: Numbers) -> Floats:
        real = self.real[numbers]
        new = np.empty((len(numbers), self._new.dimensions), dtype=np.float32)
        new[real] = self._new.of(numbers[real])
        new[~real] = self._mapped.of(numbers[~real])
        if self._encoder.weight == 1:
            return new
        return self._encoder.rows(self._old.of(numbers), new, real)

    def scores(self, numbers: Numbers, vector: Floats) -> Scores:
        real, width = self.real[numbers], self._encoder.new.dimensions
        new = np.empty(len(numbers), dtype=np.float32)
        new[real] = self._new.scores(numbers[real], vector[-width:])
        new[~real] = self._mapped.scores(numbers[~real], vector[-width:])
        if self._encoder.weight == 1:
            return new
        by_old, by_new = self._encoder.lengths(real)
        return np.asarray(by_old * self._old.scores(numbers, vector[:-width]) + by_new * new)


Vectors = VectorFile | MixedFile


def open_vectors(domain: Path, encoder: Encoder) -> Vectors:
    """What `encoder` embedded of a domain, in its folder; nothing where it is new to it."""
    if isinstance(encoder, BridgedEncoder):
        return MixedFile(domain, encoder)
    return VectorFile(_place(domain, encoder), encoder)


def tidy(domain: Path, encoder: Encoder, *others: Encoder) -> None:
    """Delete the vectors of all other encoders, and those mapped by bridges other than `encoder`."""
    kept = {_place(domain, one) for one in others}
    if isinstance(encoder, BridgedEncoder):
        kept |= {_place(domain, encoder.old), _place(domain, encoder.new)}
    else:
        kept.add(_place(domain, encoder))
    for folder in domain.glob("vectors*"):
        if folder not in kept:
            shutil.rmtree(folder)
            continue
        for bridge in folder.glob("bridge-*"):
            if not isinstance(encoder, BridgedEncoder) or bridge.name != encoder.name:
                shutil.rmtree(bridge)


def _place(domain: Path, encoder: Encoder) -> Path:
    """Where an encoder's vectors lie, or will lie: no other's are in the way."""
    found = folder_of(domain, encoder.fingerprint)
    if found is not None or folder_taken(domain / "vectors"):
        return found or domain / f"vectors-{encoder.fingerprint[:16]}"
    return domain / "vectors"
