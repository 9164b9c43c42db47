"""What was learned, kept on disk: opening a store reads it, and replays only the events behind it.

The log stays the one source of truth, and this a shortcut: what is kept names the last event in it, and whatever else
decides what a log comes to. Damaged, of another log, of other settings or of other code, it is left aside and the whole log
is replayed. It is an artifact of kind "learned", written as a whole or not at all; a later one takes an earlier one's place.
"""

import gc
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from segue import artifact
from segue.errors import SegueError
from segue.events import Event, EventLog
from segue.state import State

logger = logging.getLogger(__name__)

_KIND = "learned"
_FORMAT = 1
_FILE = "state.json"
_NAME = re.compile(r"(\d{15})-[0-9a-f]{12}")

_EVERY = 10_000
"""A running server keeps what it learned after so many events: what a kill -9 costs is their replay."""

_ENOUGH = 1_000
"""On closing, so many events are worth keeping."""

_SLOW = 1.0
"""Seconds: a replay that takes longer should not have to be done again."""

_DECIDING = ("numpy", "scipy", "tantivy")
"""Packages whose versions may change what is learned from the same log, if only in the last bit."""


class Fold(Protocol):
    """A learner whose state can be taken, between two events, and given back."""

    def learn(self, event: Event) -> None: ...

    def state(self) -> State: ...

    def restore(self, state: State) -> None: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """A folder in which something is kept, and the number of the last event in it."""

    folder: Path
    number: int


class Learned:
    """Lets `folds` follow a log, each event to all of them in their order, and keeps in `folder` what they have learned.

    `settings` are whatever else decides what they learn: plain data. A replay of more than `slow` seconds is kept at once.
    """

    def __init__(
        self,
        folder: Path,
        log: EventLog,
        folds: Mapping[str, Fold],
        *,
        settings: Mapping[str, Any],
        slow: float = _SLOW,
    ) -> None:
        self._folder = folder
        self._slow = slow
        self._log = log
        self._folds = dict(folds)
        self._made_by = _made_by(settings)
        self._unusable: set[str] = set()
        self._kept = 0
        self._since = 0
        self._online = False
        self._saving = threading.Lock()
        self._thread: threading.Thread | None = None

    def follow(self) -> None:
        """Take up what is kept, replay what was logged since, and follow the log from there."""
        self._kept = self._restore()
        begun = time.monotonic()
        self._log.follow(*(fold.learn for fold in self._folds.values()), self._count, after=self._kept)
        self._online = True
        if time.monotonic() - begun > self._slow and self._since:
            self._save_behind()

    def save(self) -> None:
        """Keep what is known by now; nobody waits for the disk. That it could not be kept costs time, and is no error."""
        with self._saving:
            try:
                number, state = self.take()
                if number > self._kept and (last := self._log.at(number)) is not None:
                    self._write(state, number, last)
                    self._kept = number
            except Timeout:
                logger.info("another process is keeping what was learned")
            except Exception as error:  # noqa: BLE001  whatever it is, the log has everything
                logger.warning("what was learned could not be kept; opening will take longer: %s", error)

    def take(self) -> tuple[int, State]:
        """What all of them know between two events, and the number of the first of the two. Nothing is learned meanwhile."""
        with self._log.still() as number, _nothing_thrown_away():
            self._since = 0
            return number, State(parts={name: fold.state() for name, fold in self._folds.items()})

    def close(self) -> None:
        """Keep what was learned since, if that is enough to be worth it. To be called before the log is closed."""
        try:
            self._log.written()  # what is on its way to the disk is learned as well
            waited = True
        except SegueError:
            waited = False
        if self._thread is not None:
            self._thread.join()
        if waited and self._since >= _ENOUGH:
            self.save()

    def _count(self, _: Event) -> None:
        self._since += 1
        if self._online and self._since >= _EVERY:
            self._save_behind()

    def _save_behind(self) -> None:
        """Save while requests go on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self.save, name="segue-learned", daemon=True)
            self._thread.start()

    # -- the disk -----------------------------------------------------------------------------------------------

    def _restore(self) -> int:
        """Give the folds the latest that can be used; returns the number of the last event in it, 0 if there is none."""
        blank = {name: fold.state() for name, fold in self._folds.items()}
        while (kept := self._latest()) is not None:
            try:
                with _nothing_thrown_away():
                    state = self._read(kept)
                    for name, fold in self._folds.items():
                        fold.restore(state.parts[name])
                return kept.number
            except Exception as error:  # noqa: BLE001  whatever it is, the log has everything
                logger.warning("%s is not used, the log is replayed instead: %s", kept.folder.name, error)
                self._unusable.add(kept.folder.name)
                for name, fold in self._folds.items():
                    fold.restore(blank[name])
        return 0

    def _latest(self) -> _Kept | None:
        """Looked for anew each time: another process may just have put a later one in the place of the one being read."""
        return next((kept for kept in _listed(self._folder) if kept.folder.name not in self._unusable), None)

    def _read(self, kept: _Kept) -> State:
        part = artifact.open(kept.folder, kind=_KIND)
        meta = part.meta
        if meta.get("made by") != self._made_by:
            raise ValueError("it was learned with other settings, or by another version")
        last = self._log.at(kept.number)
        if last is None or meta.get("last") != _mark(last):
            raise ValueError("it was learned from another log")
        return _decoded(orjson.loads(part.path(_FILE).read_bytes()), part.tensors())

    def _write(self, state: State, number: int, last: Event) -> None:
        """Put it in the place of what is kept, unless a later one is there. One process at a time."""
        tensors: dict[str, NDArray[Any]] = {}
        content = orjson.dumps(_encoded(state, tensors))
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "lock", timeout=0):
            for left in self._folder.glob(".*.part"):  # of a writer that was killed
                shutil.rmtree(left, ignore_errors=True)
            for kept in _listed(self._folder):
                if kept.folder.name in self._unusable:
                    shutil.rmtree(kept.folder, ignore_errors=True)
                elif kept.number >= number:
                    return
            name = f"{number:015d}-{sha256((self._made_by + last.id).encode()).hexdigest()[:12]}"
            written = artifact.write(
                self._folder / name,
                kind=_KIND,
                name=name,
                tensors=tensors,
                files={_FILE: content},
                meta={"made by": self._made_by, "last": _mark(last)},
            )
            for kept in _listed(self._folder):
                if kept.folder != written.folder:
                    shutil.rmtree(kept.folder, ignore_errors=True)


@contextmanager
def _nothing_thrown_away() -> Iterator[None]:
    """A hundred thousand things are made here and none is thrown away: looking again and again for some that are takes longer
    than making them."""
    looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looking:
            gc.enable()


def _listed(folder: Path) -> list[_Kept]:
    """What is kept, the latest first."""
    try:
        found = [(entry, _NAME.fullmatch(entry.name)) for entry in folder.iterdir()]
    except OSError:
        return []
    kept = [_Kept(entry, int(name[1])) for entry, name in found if name]
    return sorted(kept, key=lambda one: -one.number)


def _mark(event: Event) -> list[Any]:
    """By what an event is known again: a log put back from a backup goes on with others under the same numbers."""
    return [event.id, event.time]


def _made_by(settings: Mapping[str, Any]) -> str:
    """A hash of whatever decides, beside the log, what is learned: settings, versions, and the code itself, so that nobody has
    to remember to raise a number."""
    here = Path(__file__).parent
    own = (here / name for name in ("answers.py", "events.py", "learned.py", "state.py"))
    code = sha256()
    for file in (*own, *sorted((here / "retrieve").rglob("*.py"))):
        code.update(file.read_bytes() if file.exists() else b"")
    versions = {name: version(name) for name in _DECIDING}
    return sha256(orjson.dumps([_FORMAT, versions, code.hexdigest(), settings])).hexdigest()


# -- a state as JSON and tensors ----------------------------------------------------------------------------------------


def _encoded(state: State, tensors: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The JSON of a state; its arrays are added to `tensors`. How an array lies in memory is part of the last bit: a product
    of matrices may differ by it."""
    arrays = {}
    for name, array in state.arrays.items():
        number = str(len(tensors))
        turned = array.flags.f_contiguous and not array.flags.c_contiguous
        tensors[number] = array.T if turned else array
        arrays[name] = [number, turned]
    parts = {name: _encoded(part, tensors) for name, part in state.parts.items()}
    return {"data": state.data, "arrays": arrays, "parts": parts}


def _decoded(content: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> State:
    arrays = {
        name: np.asarray(tensors[number]).T if turned else tensors[number]
        for name, (number, turned) in content["arrays"].items()
    }
    return State(content["data"], arrays, {name: _decoded(part, tensors) for name, part in content["parts"].items()})
